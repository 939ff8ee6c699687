"""Whole calls without waiting, and what the pytest fixtures are made of."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import AnswerRequested, CallReported, Ended, Event
from vonage_sock.call.machine import Close
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.server.facade import AsyncCall
from vonage_sock.server.library import Server
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.testing import (
    CallReport,
    Found,
    PcmSource,
    ServerMaker,
    Transcript,
    VonageCaller,
    run_call,
    run_scenario,
)

RATE_8K = AudioFormat(8000)
FRAME = bytes(range(160)) * 2


def call(
    *, start: int = 0, duration_ns: int | None = 100 * MS, pcm: bytes = FRAME * 3, **options: object
) -> Transcript:
    """A short call with an echo."""
    clock = ManualClock(start)
    platform = VonageLeg(
        "c1", LegPlan(audio_format=RATE_8K, duration_ns=duration_ns), PcmSource(pcm, RATE_8K), now=start
    )
    server = CallSession("c1", [Echo()], assumed_format=RATE_8K, now=start)
    return run_call(platform, server, clock=clock, **options)  # type: ignore[arg-type]


def test_messages_take_the_time_that_was_asked_for() -> None:
    """An echo leaves the server one latency after the frame left the platform."""
    transcript = call(start=5, latency_ns=7 * MS)

    assert [5, *[5 + number * FRAME_NS for number in range(5)]] == [sent.at for sent in transcript.platform_sent[:-1]]
    assert [5 + 7 * MS + number * FRAME_NS for number in range(5)] == [sent.at for sent in transcript.server_sent]


def test_the_call_ends_when_a_close_arrives() -> None:
    """Both ends are told with its code, at the same time."""
    transcript = call()

    assert Close(1000) == transcript.platform_sent[-1].message
    assert 101 * MS == transcript.ended_at
    for told in (transcript.platform_events, transcript.server_events):
        assert isinstance(told[-1], Ended)
        assert (101 * MS, 1000, "platform") == (told[-1].at, told[-1].close_code, told[-1].closed_by)


def test_both_directions_audio_can_be_compared() -> None:
    """What the echo sent is what it was sent."""
    transcript = call()

    assert FRAME * 3 + bytes(640) == transcript.platform_audio()
    assert transcript.platform_audio() == transcript.server_audio()


def test_a_dropped_connection_is_seen_as_1006() -> None:
    """Without a close frame there is no code of anybody's."""
    clock = ManualClock()
    platform = VonageLeg("c1", LegPlan(audio_format=RATE_8K, strict=True), PcmSource(FRAME * 9, RATE_8K), now=0)
    server = CallSession("c1", [Echo()], assumed_format=AudioFormat(16000), now=0)
    platform.messages_to_send()
    transcript = run_call(platform, server, clock=clock)
    ended = transcript.server_events[-1]

    assert isinstance(ended, Ended)
    assert (1006, "network") == (ended.close_code, ended.closed_by)


def test_messages_need_not_be_kept() -> None:
    """For calls of hours."""
    transcript = call(keep_messages=False)

    assert ([], []) == (transcript.platform_sent, transcript.server_sent)
    assert isinstance(transcript.server_events[-1], Ended)


def test_a_timer_can_come_late() -> None:
    """By what the function says, for that end alone."""
    transcript = call(platform_lateness=lambda _: 3 * MS)

    assert [3 * MS + number * FRAME_NS for number in range(5)] == [
        sent.at for sent in transcript.platform_sent[1:] if isinstance(sent.message, bytes)
    ]


def test_a_call_that_does_not_end_is_an_error() -> None:
    """No test runs for ever."""
    with pytest.raises(TimeoutError, match="after 2 s"):
        call(duration_ns=3600 * SECOND, limit_ns=2 * SECOND)


def test_a_call_in_which_nothing_can_happen_is_an_error() -> None:
    """Two ends that both wait for the other."""
    ends = [CallSession("c1", [], assumed_format=RATE_8K, now=0) for _ in range(2)]

    with pytest.raises(TimeoutError):
        run_call(ends[0], ends[1], clock=ManualClock())


def test_a_source_in_memory_pads_its_last_frame() -> None:
    """Every frame has the exact size."""
    source = PcmSource(FRAME + b"ab", RATE_8K)

    assert (2, FRAME, b"ab" + bytes(318), None) == (source.total_frames, source.take(), source.take(), source.take())


@pytest.fixture
async def echo() -> AsyncIterator[Server]:
    """A server that echoes."""
    async with Server(behaviours=lambda: [Echo()], port=0) as server:
        yield server


async def test_a_call_s_report_has_figures_events_and_what_was_heard(echo: Server) -> None:
    """Said and heard lie beside each other, and the echo comes out of the model as it went in."""
    said = FRAME * 2 * 5
    report = await VonageCaller()(echo.addresses.socket_url, pcm=said, press="1", duration_s=0.6, headers={"a": 1})

    assert 16000 == report.rate_hz
    assert 0 < report.frames_sent == report.frames_received
    assert said == report.said_pcm[: len(said)]
    assert len(report.said_pcm) == len(report.heard_pcm)
    assert said in report.heard_pcm
    assert ("1", 1000, "platform") == (report.dtmf_sent, report.close_code, report.closed_by)
    assert report.echo is not None
    assert 5 <= report.echo.frames
    assert report.heard_s == report.frames_heard / 50
    assert isinstance(report.events[-1], CallReported)
    assert report.events[-1].report is report.figures
    assert "call.connected" in [event.name for event in report.events]


async def test_a_conversation_is_timed_in_real_calls_too() -> None:
    """A bot that answers a word after half a second of silence, and goes on when a key is pressed."""
    noise = np.random.default_rng(5)
    word, answer = (noise.integers(-8000, 8000, 320 * frames).astype("<i2").tobytes() for frames in (20, 150))

    async def bot(call: AsyncCall) -> None:
        quiet = None
        async for frame in call:
            quiet = 0 if any(frame) else None if quiet is None else quiet + 1
            if quiet == 25:
                await call.send(answer)
                quiet = None

    async with Server(bot, port=0) as server:
        report = await VonageCaller()(server.addresses.socket_url, pcm=word, press="w1,1", duration_s=3.4)
    (barge_in,) = report.barge_ins

    assert report.turns is not None
    assert (1, report.turns.max_ms) == (report.turns.count, report.turns.p50_ms)
    assert 500 <= report.turns.p50_ms <= 560 + 2 * max(20, report.turns.own_lateness_ms)
    assert ("key", None) == (barge_in.by, barge_in.stopped_after_ms)


def test_the_import_waits_for_no_network_and_no_screen() -> None:
    """Whoever runs calls under a manual clock needs neither."""
    heavy = "{'aiohttp', 'websockets', 'rich', 'soundfile', 'soxr', 'click'}"
    program = f"import sys, vonage_sock.testing; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout == "[]\n"


async def test_an_answer_url_s_rate_is_the_one_that_counts(echo: Server) -> None:
    """The webhooks are told too."""
    report = await VonageCaller()(
        echo.addresses.answer_url, audio="tone:440", rate_hz=8000, duration_s=0.1, method="POST"
    )

    assert 16000 == report.rate_hz
    assert ["POST"] == [event.method for event in report.events if isinstance(event, AnswerRequested)]


async def test_findings_read_as_sentences() -> None:
    """Code, level, what is wrong, how often."""

    async def short_frames(call: AsyncCall) -> None:
        async for _ in call:
            call._bridge.act(lambda inner: inner.notify("x" * 20))

    async with Server(short_frames, port=0) as server:
        report = await VonageCaller()(server.addresses.socket_url, audio="silence", duration_s=0.3, platform="2021")

    (found,) = [found for found in report.findings if found.code == "VS312"]

    assert "VS312" in report.codes
    assert str(found).startswith("VS312 note: a command was ignored, as the platform of 2021 ignores all text")
    assert "VS201 warning: a gap (\u00d71,000)" == str(Found("VS201", "warning", "a gap", 1000))


async def test_a_call_that_can_not_be_made_keeps_what_was_told(unused_tcp_port: int) -> None:
    """The error is raised, and its ladder can still be shown."""
    caller = VonageCaller()

    with pytest.raises(ConnectError):
        await caller(f"http://127.0.0.1:{unused_tcp_port}/answer")
    (report,) = caller.calls

    url = f"http://127.0.0.1:{unused_tcp_port}/answer"

    assert repr(report).startswith(
        f"<CallReport '{url}': no socket was opened: can't reach {url}: nothing listens there"
    )
    assert "nothing listens there" in report.ladder(200)
    assert [] == report.codes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"say": "a", "pcm": b""}, "a caller says one thing"),
        ({"platform": "1999"}, "give current or 2021"),
        ({"headers": {"a": "x" * 600}}, "512"),
        ({"press": "Z"}, "Z"),
        ({"audio": "tone:"}, "isn't understood"),
    ],
    ids=["two-voices", "platform", "headers", "keys", "audio"],
)
async def test_what_can_not_be_used_is_said_in_one_sentence(arguments: dict[str, Any], message: str) -> None:
    """Before anything is called."""
    with pytest.raises(UsageError, match=message):
        await VonageCaller()("ws://127.0.0.1:9/socket", **arguments)


def test_servers_stop_with_their_loop_or_before() -> None:
    """Whichever comes first; a second stop does nothing."""
    told: list[str] = []

    async def start(maker: ServerMaker) -> None:
        await maker(behaviours=lambda: [Echo()], observers=[lambda event: told.append(event.name)])

    maker = ServerMaker()
    asyncio.run(start(maker))

    assert ["server.started", "server.stopped"] == told
    maker.stop()

    with asyncio.Runner() as runner:
        runner.run(start(maker))
        maker.stop()

        assert ["server.started", "server.stopped"] * 2 == told

        runner.run(start(maker))
        runner.run(maker.aclose())

        assert ["server.started", "server.stopped"] * 3 == told


def test_reports_compare_by_identity_and_show_themselves_in_a_line() -> None:
    """Nobody wants ten seconds of PCM in a failed assert."""
    events: list[Event] = []
    report = CallReport(target="ws://x", close_code=1000, closed_by="server", events=events, heard_pcm=bytes(100_000))

    assert "<CallReport 'ws://x': 0 frames sent, 0 received, closed by server (1000), findings: none>" == repr(report)
    assert report != CallReport(target="ws://x")


async def test_a_call_does_what_a_scenario_says(vonage_server: ServerMaker, tmp_path: Path) -> None:
    """The report says whether it passed, and what of it didn't."""
    path = tmp_path / "s.yaml"
    path.write_text(
        "caller: {rate: 8000}\nsteps: [{play: {audio: noise, for: 200ms}}, {wait_for: audio}, hang_up]\n"
        "expect: [close_code: 1000, close_code: 4000]"
    )
    server = await vonage_server(behaviours=lambda: [Echo()])
    report = await VonageCaller()(server.addresses.socket_url, scenario=path)

    assert (False, 8000) == (report.passed, report.rate_hz)
    assert [True, False] == [item.passed for item in report.expectations]
    assert ["close_code: 4000: wanted close code 4000; found 1000"] == report.failures
    assert ["done"] * 3 == [step["state"] for step in report.steps]
    assert any(report.heard_pcm)
    assert repr(report).endswith(f"{report.failures[0]}>")
    assert "step 3: hang_up" in report.ladder()


async def test_a_scenario_and_other_words_of_the_caller_contradict_each_other(tmp_path: Path) -> None:
    """And a server that isn't there is an error, as without one."""
    path = tmp_path / "s.yaml"
    path.write_text("steps: [hang_up]")

    with pytest.raises(UsageError, match="leave say, audio, pcm, press and duration_s out"):
        await VonageCaller()("ws://127.0.0.1:1/", scenario=path, press="1")
    with pytest.raises(ConnectError):
        await VonageCaller()("ws://127.0.0.1:1/", scenario=path)


def test_a_scenario_is_run_against_behaviours_in_no_time(tmp_path: Path) -> None:
    """A report as from a call, the same in each run; webhooks are no part of it."""
    path = tmp_path / "s.yaml"
    path.write_text("steps: [{play: clip}, {press: '1'}]\nexpect: [echo_delay_p99: 302ms, heard_at_least: 3s]")
    reports = [run_scenario(path, Echo(delay_ms=300), rate_hz=8000, headers={"a": 1}) for _ in range(2)]

    assert [True, True] == [report.passed for report in reports]
    assert reports[0].figures == reports[1].figures
    assert reports[0].heard_pcm == reports[1].heard_pcm
    assert (8000, "1") == (reports[0].rate_hz, reports[0].dtmf_sent)

    path.write_text("expect: [event_posted: answered]")
    with pytest.raises(UsageError, match="needs webhooks"):
        run_scenario(str(path), Echo())


class Broken(Behaviour):
    """Raises when the call begins."""

    def connected(self, call: Call) -> None:
        """Fail."""
        raise ValueError("no such voice")


def test_what_a_behaviour_raises_is_told_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the report's findings and failures, and with its traceback."""
    path = tmp_path / "s.yaml"
    path.write_text("steps: [{silence: 200ms}]")
    report = run_scenario(path, Broken())

    assert "VS307" in report.codes
    assert any("ValueError: no such voice" in failure for failure in report.failures)
    assert ["vonage_sock.failures"] == [record.name for record in caplog.records]
    assert "in connected" in caplog.text


@pytest.mark.parametrize(("option", "words"), [({"duration_s": -1}, "duration_s=-1"), ({"pcm": b"123"}, "16-bit PCM")])
async def test_what_can_t_be_said_is_refused(option: dict[str, Any], words: str) -> None:
    """Before a call is made."""
    with pytest.raises(UsageError, match=words):
        await VonageCaller()("ws://127.0.0.1:1/", **option)


async def test_what_a_server_s_handler_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with its traceback."""

    async def handler(call: AsyncCall) -> None:
        raise KeyError("no such voice")

    maker = ServerMaker()
    server = await maker(handler)
    await VonageCaller()(server.addresses.socket_url, duration_s=1)
    await maker.aclose()

    assert ["vonage_sock.failures"] == [record.name for record in caplog.records]
    assert "in handler" in caplog.text


def test_a_report_s_repr_is_short_and_all_that_failed_is_told(tmp_path: Path) -> None:
    """The plugin shows it below the ladder."""
    path = tmp_path / "s.yaml"
    path.write_text("steps: [{silence: 200ms}]\nexpect: [close_code: 4000, heard_at_least: 1s]")
    report = run_scenario(path, Echo())

    assert repr(report).endswith("found 1000 and 1 more>")
    assert ["FAIL  close_code: 4000", "      wanted  close code 4000", "      found   1000"] == (
        report.unmet().splitlines()[:3]
    )
    assert 6 == len(report.unmet().splitlines())


def test_zeros_are_not_heard(tmp_path: Path) -> None:
    """Nor what is fainter than -50 dBFS."""
    path = tmp_path / "s.yaml"
    path.write_text("steps: [{silence: 500ms}, hang_up]\nexpect: [first_audio_within: 2s, heard_at_least: 40ms]")
    zeros = run_scenario(path, Play([lambda audio_format: PcmSource(bytes(64000), audio_format)]))
    faint = run_scenario(path, Play([lambda audio_format: PcmSource(b"\x20\x00" * 32000, audio_format)]))
    loud = run_scenario(path, Play([lambda audio_format: PcmSource(b"\x00\x20" * 32000, audio_format)]))

    assert [False, False, True] == [report.passed for report in (zeros, faint, loud)]
    assert ["none that can be heard", "0.00 s that can be heard"] == [item.found for item in zeros.expectations]
