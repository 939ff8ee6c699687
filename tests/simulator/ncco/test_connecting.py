"""The second legs of a call."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import numpy as np
import pytest
from answering import Application, raw_server, silent
from timing import Kept

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource, OpenSource
from vonage_sock.call.events import Event, Notice
from vonage_sock.clock import MS
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.simulator.caller import noise, tone
from vonage_sock.simulator.control import CallBook
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.ncco.connecting import OUTCOMES
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource

PHONE = AudioFormat(8000)
PCM = b"".join(struct.pack("<h", 500 + number) * 160 for number in range(10))
BYE = [{"action": "talk", "text": "bye"}]


class Ran:
    """What became of a call."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.kept = Kept()
        self.report: dict[str, Any] = {}
        self.error: ConnectError | None = None

    @property
    def notes(self) -> list[str]:
        """What the person at the screen reads."""
        return [event.message for event in self.events if isinstance(event, Notice)]


async def run(
    app: Application,
    ncco: list[dict[str, Any]],
    *,
    keys: str = "",
    duration_ms: int | None = 200,
    speak: Any = None,
    audio: OpenSource | None = None,
    **options: Any,
) -> Ran:
    """A call to a running application; only websockets take their time."""
    ran = Ran()
    app.ncco = ncco
    plan = LegPlan(
        audio_format=PHONE,
        key_presses=parse_dtmf(keys),
        duration_ns=None if duration_ms is None else duration_ms * MS,
    )
    order = CallOrder(
        target=app.answer_url, audio=audio or (lambda fmt: PcmSource(PCM, fmt)), plan=plan, fast=True, **options
    )
    phone = VonageCall(order, observers=[ran.events.append], heard=ran.kept, speak=speak or _tone)
    async with asyncio.timeout(20):
        try:
            ran.report = await phone.run()
        except ConnectError as error:
            ran.error = error
    return ran


def _tone(text: str, voice: str | None) -> OpenSource:
    return lambda fmt: FramesSource("tone", tone(fmt, 5, 1000), 5)


def phone(**fields: Any) -> dict[str, Any]:
    """A connect to a phone."""
    return {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900009"}], **fields}


def statuses(app: Application) -> list[str]:
    """Those of the second leg."""
    bodies = [request.json() for request in app.to("/event")]
    caller = bodies[0]["uuid"]
    return [body["status"] for body in bodies if body["uuid"] != caller]


@pytest.mark.parametrize("outcome", sorted(set(OUTCOMES) - {"answered"}))
async def test_somebody_who_isn_t_reached_is_told_as_documented(outcome: str) -> None:
    """With its detail and SIP code; the next action follows."""
    async with Application().running() as app:
        ran = await run(app, [phone(timeout=1), *BYE], duration_ms=None, connect_outcomes=(outcome,))
    body = next(request.json() for request in app.to("/event") if request.json()["status"] == outcome)

    assert ["started", "ringing", outcome] == statuses(app)
    assert OUTCOMES[outcome].items() <= body.items()
    assert ("447700900009", "outbound") == (body["to"], body["direction"])
    assert "the caller hears, for about 1 s: bye" == ran.notes[-1]


@pytest.mark.parametrize(("leg", "goes_on"), [(-1, True), (0, False)])
async def test_ringing_ends_at_once_when_a_leg_is_ended_from_outside(leg: int, *, goes_on: bool) -> None:
    """The called leg's own end leads to the next action, the caller's ends the call; either is told as cancelled."""
    book = CallBook()

    async def pause(seconds: float) -> None:
        control = book.all()[leg].control
        assert control is not None
        control.hang_up()

    async with Application().running() as app:
        told = {"action": "notify", "payload": {"a": 1}, "eventUrl": [f"{app.base}/told"]}
        app.ncco = [phone(timeout=60), told]
        plan = LegPlan(audio_format=PHONE, duration_ns=5_000 * MS)
        order = CallOrder(
            target=app.answer_url, audio=lambda fmt: PcmSource(PCM, fmt), plan=plan, connect_outcomes=("unanswered",)
        )
        async with asyncio.timeout(20):
            await VonageCall(order, book=book, pause=pause).run()

    assert ["started", "ringing", "cancelled"] == statuses(app)
    assert goes_on == bool(app.to("/told"))


async def test_somebody_who_answers_stays_as_long_as_the_caller_speaks() -> None:
    """What was said stands on the line."""
    async with Application().running() as app:
        ran = await run(app, [phone()], duration_ms=None)

    assert ["started", "ringing", "answered", "completed"] == statuses(app)
    assert PCM == b"".join(ran.kept.said)


async def test_a_limit_ends_the_leg_of_somebody() -> None:
    """After its seconds."""
    async with Application().running() as app:
        ran = await run(app, [phone(limit="0.1")], duration_ms=None)

    assert 5 == len(ran.kept.said)


async def test_outcomes_hold_one_after_the_other() -> None:
    """The last for all that follow."""
    async with Application().running() as app:
        await run(app, [phone()] * 3, duration_ms=None, connect_outcomes=("busy", "rejected"))

    assert ["busy", "rejected", "rejected"] == [
        status for status in statuses(app) if status not in ("started", "ringing")
    ]


async def test_an_outcome_that_is_unknown_is_refused() -> None:
    """With a list of what there is."""
    with pytest.raises(UsageError, match="give one of answered, busy"):
        CallOrder(
            target="http://a/",
            audio=lambda fmt: PcmSource(b"", fmt),
            plan=LegPlan(audio_format=PHONE),
            connect_outcomes=("lost",),
        )


async def test_a_synchronous_event_of_somebody_is_answered_with_an_ncco() -> None:
    """Which takes over."""
    async with Application(event_answers={"busy": BYE}).running() as app:
        ncco = [phone(eventType="synchronous"), {"action": "talk", "text": "never"}]
        ran = await run(app, ncco, duration_ms=None, connect_outcomes=("busy",))

    assert "the caller hears, for about 1 s: bye" == ran.notes[-1]


async def test_an_endpoint_of_no_known_type_is_a_finding() -> None:
    """Nobody is called."""
    async with Application().running() as app:
        ran = await run(app, [{"action": "connect", "endpoint": [{"type": "pigeon"}]}])

    assert ["VS421", "VS409"] == [finding["code"] for finding in ran.report["findings"]]
    assert [] == statuses(app)


async def test_a_limit_ends_the_websockets_leg_and_the_call_goes_on() -> None:
    """The platform ends it, not the server, so that it is not disconnected."""
    async with Application().running() as app:
        connect = app.connect()[0] | {"limit": 0.2}
        ran = await run(app, [connect, *BYE], duration_ms=60_000)

    assert ["started", "answered", "completed"] == statuses(app)
    assert "the caller hears, for about 1 s: bye" == ran.notes[-1]


async def test_a_caller_who_hangs_up_hears_no_more() -> None:
    """What stands behind the connect isn't carried out."""
    async with Application().running() as app:
        ran = await run(app, [*app.connect(), *BYE])

    assert [] == ran.notes
    assert "user" == app.to("/event")[-1].json()["disconnected_by"]


async def test_an_opening_that_takes_too_long_is_unanswered() -> None:
    """The connect's own timeout bounds it."""
    async with raw_server(silent) as port, Application().running() as app:
        connect = app.connect(uri=f"ws://127.0.0.1:{port}/")[0] | {"timeout": 0.1}
        ran = await run(app, [connect])

    assert "didn't answer within 0.1 s" in str(ran.error)
    assert ["started", "unanswered"] == statuses(app)


async def test_the_next_action_follows_a_socket_that_is_refused() -> None:
    """A call with another socket has a report; the refusal is a finding in it."""
    async with Application().running() as app:
        refused = app.connect(uri=f"ws://127.0.0.1:{app.port}/nothing")
        ran = await run(app, [*refused, *app.connect()])

    assert 10 == ran.report["frames_sent"]
    assert "VS425" in [finding["code"] for finding in ran.report["findings"]]


async def test_the_keys_that_are_left_are_the_sockets() -> None:
    """An input before it has had its own."""
    async with Application().running() as app:
        menu = {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}}
        ran = await run(app, [menu, *app.connect()], keys="12", duration_ms=1000)

    assert "2" == ran.report["dtmf_sent"]


async def test_the_whole_call_is_one_time_line() -> None:
    """First the talk, then what the server says, then the next talk; each is found where it was heard."""
    spoken = b"".join(tone(PHONE, 5, 1000))
    async with Application(socket_close=None).running() as app:
        connect = app.connect()[0] | {"limit": 1}
        ran = await run(
            app,
            [*BYE, connect, *BYE],
            duration_ms=60_000,
            audio=lambda fmt: FramesSource("noise", noise(fmt, 20), 20),
        )
    heard = np.frombuffer(b"".join(ran.kept.heard), "<i2").astype(float)
    said = np.frombuffer(b"".join(noise(PHONE, 20)), "<i2").astype(float)
    found = np.correlate(heard, said, "valid")

    assert spoken == b"".join(ran.kept.heard[:5]) == b"".join(ran.kept.heard[-5:])
    assert found.max() == pytest.approx(float(said @ said), rel=0.02)
    assert 5 * 160 <= found.argmax() <= 25 * 160
    assert 1.0 <= len(heard) / 8000 <= 2.0


async def test_shuffled_events_do_not_disturb_a_call() -> None:
    """All come, in whatever order."""
    async with Application().running() as app:
        ran = await run(app, app.connect(), shuffle_seed=3)
    events = app.events()

    assert {"started", "ringing", "answered", "completed"} == {status for status, _ in events}
    assert 10 == ran.report["frames_sent"]


async def test_hanging_up_during_a_talk_ends_the_call() -> None:
    """With its last event, at once."""
    async with Application(ncco=[{"action": "talk", "text": "x" * 1500}]).running() as app:
        order = CallOrder(
            target=app.answer_url, audio=lambda fmt: PcmSource(PCM, fmt), plan=LegPlan(audio_format=PHONE)
        )
        talks = asyncio.Event()
        call = VonageCall(order, observers=[lambda event: talks.set() if isinstance(event, Notice) else None])
        running = asyncio.create_task(call.run())
        async with asyncio.timeout(20):
            await talks.wait()
            call.hang_up()
            report = await running

    assert ("completed", "user") == (
        app.to("/event")[-1].json()["status"],
        app.to("/event")[-1].json()["disconnected_by"],
    )
    assert "frames_sent" not in report


async def test_hanging_up_before_the_answer_cancels_the_call() -> None:
    """As a phone's user who doesn't wait."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def late() -> Any:
        asked.set()
        await release.wait()

    async with Application(answer=late).running() as app:
        order = CallOrder(
            target=app.answer_url, audio=lambda fmt: PcmSource(PCM, fmt), plan=LegPlan(audio_format=PHONE)
        )
        call = VonageCall(order)
        running = asyncio.create_task(call.run())
        async with asyncio.timeout(20):
            await asked.wait()
            call.hang_up()
            await running
        release.set()

    assert ("cancelled", "phone") == app.events()[-1]


@pytest.mark.parametrize(("more", "by"), [({"limit": 0.1}, "platform"), ({}, "user")])
async def test_a_called_phone_says_who_ended_it_and_who_calls(more: dict[str, Any], by: str) -> None:
    """The platform where its limit did; the number is the connect's own."""
    async with Application().running() as app:
        await run(app, [phone(**more, **{"from": "447700900077"})], duration_ms=None)
    bodies = [request.json() for request in app.to("/event")]
    ended = next(body for body in bodies if body["to"] == "447700900009" and body["status"] == "completed")

    assert ("447700900077", by) == (ended["from"], ended["disconnected_by"])
