"""Calls in a process of their own: what each step was, and that the process does as it is told."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import AnswerRequested, Ended, Event
from vonage_sock.clock import MS
from vonage_sock.testing import ServerMaker
from vonage_sock.testing.apart import Course, Step, Switchboard, steps_of

LATE = {"p50": 0.1, "p95": 0.2, "p99": 0.3, "max": 0.4}
FIGURES: dict[str, Any] = {
    "connect_ms": 2.5,
    "frames_sent": 50,
    "first_audio_ms": 7.5,
    "echo": {"method": "frames", "frames": 50, "delay_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}},
    "own_lateness_ms": LATE,
    "findings": [],
}
BASE64 = {"code": "VS106", "level": "error", "message": "856 characters", "count": 3}
GAP = {"code": "VS201", "level": "warning", "message": "a gap of 80 ms", "count": 1}
BASE64_IN_GENERAL = "a text message carries … characters of base64: audio belongs in binary messages"


def steps(
    figures: dict[str, Any], *, has_webhook: bool = False, **course: Any
) -> list[tuple[str, float | None, str | None]]:
    """Name, time and failure of each step of a call of one second."""
    whole = Course(began_at=0, **({"over_at": 1000 * MS} | course))
    return [(step.name, step.took_ms, step.failure) for step in steps_of(whole, figures, has_webhook=has_webhook)]


def test_a_call_is_told_in_steps() -> None:
    """From the webhook to the call itself, each with the time that it took; own lateness among them."""
    assert [
        Step("webhook", "answer", 40.0),
        Step("socket", "connect", 2.5),
        Step("audio", "first heard", 7.5),
        Step("audio", "echo p50", 1.0),
        Step("audio", "echo p99", 3.0),
        Step("audio", "own lateness p99", 0.3),
        Step("call", "whole call", 1000.0),
    ] == steps_of(Course(began_at=0, answered_at=40 * MS, over_at=1000 * MS), FIGURES, has_webhook=True)


def test_what_was_not_heard_is_no_step() -> None:
    """A server that says nothing has no first word, and no echo."""
    told = steps(FIGURES | {"first_audio_ms": None, "echo": None})

    assert ["connect", "own lateness p99", "whole call"] == [name for name, _, _ in told]


def test_an_error_makes_the_call_a_failure_and_a_warning_does_not() -> None:
    """Findings are steps by their codes, without the call's own numbers, so that a thousand calls' can be counted."""
    told = steps(FIGURES | {"findings": [GAP, BASE64]})
    only_warned = steps(FIGURES | {"findings": [GAP]})

    assert [
        ("VS201", None, None),
        ("VS106", None, BASE64_IN_GENERAL),
        ("whole call", 1000.0, f"VS106: {BASE64_IN_GENERAL}"),
    ] == told[-3:]
    assert [("VS201", None, None), ("whole call", 1000.0, None)] == only_warned[-2:]


@pytest.mark.parametrize(
    ("has_webhook", "course", "failed"),
    [
        (True, {}, ("answer", 1000.0)),
        (True, {"answered_at": 40 * MS}, ("connect", 960.0)),
        (False, {}, ("connect", 1000.0)),
    ],
    ids=["no answer", "no socket", "no socket, and no webhook either"],
)
def test_a_call_that_can_not_be_made_fails_where_it_failed(
    has_webhook: bool, course: dict[str, Any], failed: tuple[str, float]
) -> None:
    """An answer URL that isn't there is no failure of the socket, nor the other way round; the call fails in both cases."""
    told = steps({"error": "can't reach it", "findings": []}, has_webhook=has_webhook, **course)

    assert [(*failed, "can't reach it"), ("whole call", 1000.0, "can't reach it")] == told[-2:]


def test_a_call_that_was_cut_short_is_not_taken_for_a_whole_one() -> None:
    """Whoever ordered it ended it: its length says nothing of the server."""
    assert [("cut short", 1000.0, None)] == steps({"no_socket": "hung up", "findings": []}, cut_short=True)


async def over(switchboard_orders: list[dict[str, Any]], calls: int) -> list[dict[str, Any]]:
    """What is told of so many calls, in the order of their numbers."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    switchboard = Switchboard(told.put_nowait)
    for order in switchboard_orders:
        switchboard.take(order)
    async with asyncio.timeout(20):
        return sorted([await told.get() for _ in range(calls)], key=lambda line: int(line["call"]))


async def test_an_order_is_carried_out_to_the_letter(vonage_server: ServerMaker) -> None:
    """The caller's fields are those of VonageCaller, and others those of CallOrder."""
    events: list[Event] = []
    server = await vonage_server(behaviours=lambda: [Echo()], observers=[events.append])
    order = {
        "call": 1,
        "target": server.addresses.answer_url,
        "audio": "tone:300",
        "press": "7",
        "duration_s": 0.8,
        "from_number": "4915550001",
    }

    [line] = await over([order], 1)

    names = [step["name"] for step in line["steps"]]
    assert ["answer", "connect", "first heard"] == names[:3]
    assert "whole call" == names[-1]
    assert ["4915550001"] == [event.params["from"] for event in events if isinstance(event, AnswerRequested)]
    assert ["7"] == [event.dtmf for event in events if isinstance(event, Ended)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target": "nowhere"}, "'nowhere' can't be called; give an answer URL"),
        ({"target": "ws://127.0.0.1:9/", "audio": "missing.wav"}, "missing.wav"),
        ({"target": "ws://127.0.0.1:9/", "rate_hz": 11025}, "11025"),
        ({"target": "ws://127.0.0.1:9/", "colour": "red"}, "colour"),
    ],
    ids=["target", "file", "rate", "unknown field"],
)
async def test_an_order_that_can_not_be_carried_out_is_a_failed_call(fields: dict[str, Any], words: str) -> None:
    """With the sentence that says why; nobody waits for ever."""
    [line] = await over([{"call": 3, **fields}], 1)

    [step] = line["steps"]
    assert words in step["failure"]
    assert ("whole call", step["failure"]) == (step["name"], line["figures"]["error"])


async def test_a_call_is_hung_up_even_when_it_was_only_just_ordered(vonage_server: ServerMaker) -> None:
    """The second line may come before anything was done about the first."""
    server = await vonage_server(behaviours=lambda: [Echo()])

    [line] = await over([{"call": 1, "target": server.addresses.socket_url, "duration_s": 30}, {"hang_up": 1}], 1)

    assert "cut short" == line["steps"][-1]["name"]


@asynccontextmanager
async def process() -> AsyncIterator[asyncio.subprocess.Process]:
    """The process itself."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "vonage_sock.testing.apart"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_the_process_hangs_up_and_ends_with_its_stdin(vonage_server: ServerMaker) -> None:
    """Whoever ordered the calls may be killed: no call goes on without it, and no process stays."""
    server = await vonage_server(behaviours=lambda: [Echo()])
    async with process() as apart:
        assert apart.stdin is not None
        assert apart.stdout is not None
        order = {"call": 1, "target": server.addresses.socket_url, "duration_s": 0.2}
        apart.stdin.write(
            (json.dumps(order) + "\n" + json.dumps(order | {"call": 2, "duration_s": 60}) + "\n").encode()
        )
        first = json.loads(await apart.stdout.readline())
        apart.stdin.close()
        rest = [json.loads(line) async for line in apart.stdout]
        code = await apart.wait()

    assert (1, "whole call", 1000) == (first["call"], first["steps"][-1]["name"], first["figures"]["close_code"])
    assert [(2, "cut short")] == [(line["call"], line["steps"][-1]["name"]) for line in rest]
    assert 0 == code
