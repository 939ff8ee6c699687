"""Whole calls: both ends against each other under a manual clock, with exact times."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.audio.pacer import DEFAULT_BURST_FRAMES
from vonage_sock.audio.source import FramesSource, OpenSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import DtmfPressed, Ended, FindingRaised, PlaybackCleared, PlaybackFinished
from vonage_sock.call.machine import Abort, Close
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan, Platform
from vonage_sock.testing import Lateness, PcmSource, Transcript, run_call

RATE_8K = AudioFormat(8000)
SILENCE = bytes(320)
LATENCY_NS = MS
NOISE = np.random.default_rng(7).integers(1, 256, 4096, "u1").tobytes()


def frame(number: int) -> bytes:
    """A frame that no other number gives: its number in front of noise."""
    at = number * 31 % 3000
    return number.to_bytes(4, "little") + NOISE[at : at + 316]


def frames(count: int) -> Iterator[bytes]:
    """Frames of which no two are alike, made as they are taken."""
    return map(frame, range(count))


def source(count: int) -> FramesSource:
    """That many frames."""
    return FramesSource("numbers", frames(count), count)


def opens(count: int, *, first: int = 0) -> OpenSource:
    """Opens a source of that many frames for each call."""
    return lambda _: FramesSource(f"from {first}", (frame(first + n) for n in range(count)), count)


class Ear:
    """What the caller heard, one entry per 20 ms: the number of the frame, or None for silence."""

    def __init__(self) -> None:
        self.numbers: list[int | None] = []

    def write(self, said: bytes, heard: bytes) -> None:
        """One step; the frame must have come through byte for byte."""
        number = int.from_bytes(heard[:4], "little") if heard != SILENCE else None
        assert number is None or frame(number) == heard
        self.numbers.append(number)

    @property
    def heard(self) -> list[int]:
        """Without the silence."""
        return [number for number in self.numbers if number is not None]

    @property
    def stretches(self) -> list[list[int]]:
        """The frames between silences."""
        result: list[list[int]] = [[]]
        for number in self.numbers:
            if number is not None:
                result[-1].append(number)
            elif result[-1]:
                result.append([])
        return [stretch for stretch in result if stretch]


class MemorySink:
    """A recording that stays in memory."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, pcm: bytes) -> None:
        """Add it."""
        self.pieces.append(pcm)

    def close(self) -> None:
        """Nothing to complete."""

    @property
    def pcm(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


class Outcome:
    """A call that is over."""

    def __init__(self, transcript: Transcript, leg: VonageLeg, session: CallSession, ear: Ear) -> None:
        self.transcript = transcript
        self.report = leg.report()
        self.ear = ear
        self.findings = [finding.code for finding in session.findings.all()]
        self.leg_findings = [finding.code for finding in leg.findings.all()]

    def server_times(self) -> list[int]:
        """When the server's audio left it."""
        return [sent.at for sent in self.transcript.server_sent if isinstance(sent.message, bytes)]

    def ended(self) -> Ended:
        """The server's last event."""
        event = self.transcript.server_events[-1]
        assert isinstance(event, Ended)
        return event


def call(
    *behaviours: Behaviour,
    says: int | bytes = 0,
    dtmf: str = "",
    duration_ns: int | None = None,
    platform: Platform = Platform.CURRENT,
    strict: bool = False,
    keep_messages: bool = True,
    server_lateness: Lateness | None = None,
    platform_lateness: Lateness | None = None,
) -> Outcome:
    """One call at 8 kHz, to its end."""
    plan = LegPlan(
        audio_format=RATE_8K,
        key_presses=parse_dtmf(dtmf),
        duration_ns=duration_ns,
        platform=platform,
        strict=strict,
    )
    ear = Ear()
    said = source(says) if isinstance(says, int) else PcmSource(says, RATE_8K)
    leg = VonageLeg("c1", plan, said, now=0, heard=ear)
    session = CallSession("c1", behaviours, assumed_format=RATE_8K, now=0)
    transcript = run_call(
        leg,
        session,
        clock=ManualClock(),
        latency_ns=LATENCY_NS,
        keep_messages=keep_messages,
        server_lateness=server_lateness,
        platform_lateness=platform_lateness,
    )
    return Outcome(transcript, leg, session, ear)


def stalls(*, every_ns: int, for_ns: int) -> Lateness:
    """A timer that stands still for so long, once in so long."""
    last = -1

    def late(deadline: int) -> int:
        nonlocal last
        turn = deadline // every_ns
        is_new = turn != last
        last = turn
        return for_ns if is_new and turn else 0

    return late


def test_ten_minutes_of_echo_are_byte_for_byte_the_same() -> None:
    """30,000 frames each way, every one back 2 ms after it left, none lost, doubled or changed."""
    count = 600 * 50
    outcome = call(Echo(), says=count, keep_messages=False)

    assert list(range(count)) == outcome.ear.heard
    assert 1 == len(outcome.ear.stretches)
    assert {"p50": 2.0, "p95": 2.0, "p99": 2.0, "max": 2.0} == outcome.report["echo"]["delay_ms"]
    assert (0, 0, [], []) == (
        outcome.report["underruns"],
        outcome.report["overflow_frames"],
        outcome.findings,
        outcome.leg_findings,
    )


def test_a_long_file_is_heard_whole_by_a_platform_with_a_small_buffer() -> None:
    """A quarter of an hour, against 1,024 frames: no overflow, no gap, every frame once. It ignores ``notify``."""
    count = 15 * 60 * 50
    outcome = call(
        Play([opens(count)], then=Then.HANGUP), duration_ns=7200 * SECOND, platform=Platform.Y2021, keep_messages=False
    )

    assert list(range(count)) == outcome.ear.heard
    assert 1 == len(outcome.ear.stretches)
    assert (0, 0, ["VS312"]) == (outcome.report["underruns"], outcome.report["overflow_frames"], outcome.leg_findings)


def test_18_5_ms_for_ever_loses_2351_frames_of_15_minutes() -> None:
    """The naive pacing. A burst of twenty frames comes on top, so the first loss is 4 s before the documented 252 s."""
    count = 15 * 60 * 50
    outcome = call(
        Play([opens(count)], lead_ns=10**15), duration_ns=920 * SECOND, platform=Platform.Y2021, keep_messages=False
    )
    first = next(
        event
        for event in outcome.transcript.platform_events
        if isinstance(event, FindingRaised) and event.code == "VS202"
    )

    assert pytest.approx(2351 + DEFAULT_BURST_FRAMES, abs=5) == outcome.report["overflow_frames"]
    assert pytest.approx(252 * SECOND, abs=6 * SECOND) == first.at
    assert count - outcome.report["overflow_frames"] == len(outcome.ear.heard)


def test_every_frame_of_a_file_leaves_at_its_time() -> None:
    """A burst of twenty, then one each 18.5 ms, until the lead of half a second; from there one per 20 ms."""
    outcome = call(Play([opens(100)], lead_ns=500 * MS, then=Then.HANGUP), duration_ns=60 * SECOND)
    due = [max(0, (n - 19) * 18_500_000, (n + 1) * FRAME_NS - 500 * MS) for n in range(100)]

    assert [LATENCY_NS + at for at in due] == outcome.server_times()


def test_a_delayed_echo_leaves_at_its_time() -> None:
    """Each frame 500 ms after it came, to the nanosecond."""
    outcome = call(Echo(delay_ms=500), says=100, duration_ns=4 * SECOND)
    sent = [(s.at, s.message) for s in outcome.transcript.server_sent if s.message != SILENCE]

    assert [(LATENCY_NS + n * FRAME_NS + 500 * MS, frame(n)) for n in range(100)] == sent
    assert {"p50": 502.0, "p95": 502.0, "p99": 502.0, "max": 502.0} == outcome.report["echo"]["delay_ms"]


def test_a_stereo_recording_keeps_both_sides_on_one_time_line() -> None:
    """The echo is on the right one step after the caller's word on the left, throughout."""
    sink = MemorySink()
    call(Record(lambda *_: sink, stereo=True), Echo(), says=500)
    both = np.frombuffer(sink.pcm, "<i2").reshape(-1, 2)
    said = b"".join(frames(500))

    assert said == both[: 500 * 160, 0].tobytes()
    assert bytes(320) + said[:-320] == both[: 500 * 160, 1].tobytes()


def test_a_recording_is_what_the_platform_sent() -> None:
    """Every byte, silence too."""
    sink = MemorySink()
    outcome = call(Record(lambda *_: sink), says=200)

    assert outcome.transcript.platform_audio() == sink.pcm


def test_phrases_are_split_where_the_caller_pauses() -> None:
    """Two phrases a second apart make two files, with nothing of the one in the other."""
    loud = np.tile(np.array([6000, -6000], "<i2"), 4000).tobytes()
    sinks: list[MemorySink] = []

    def open_sink(*_: object) -> MemorySink:
        sinks.append(MemorySink())
        return sinks[-1]

    call(Record(open_sink, split=True), says=bytes(16000) + loud + bytes(32000) + loud + bytes(16000))

    assert 2 == len(sinks)
    assert [bytes(3200) + loud + bytes(30 * 320)] * 2 == [sink.pcm for sink in sinks]


def test_barge_in_is_heard_at_once() -> None:
    """The key comes 0.5 s into the file; 60 ms later it is silent, although 2 s had been sent ahead."""
    outcome = call(Play([opens(1000)], barge_in=True), dtmf="1", duration_ns=5 * SECOND)
    last = max(step for step, number in enumerate(outcome.ear.numbers) if number is not None)

    assert 500 * MS <= last * FRAME_NS <= 560 * MS
    assert 1 == len([event for event in outcome.transcript.server_events if isinstance(event, PlaybackCleared)])
    assert 1 == outcome.report["clears"]


def test_a_key_replaces_what_plays() -> None:
    """Nothing of the old file is heard after the first frame of the new one, and nothing of the new one is lost."""
    play = Play([opens(1000)], barge_in=True, on_dtmf={"1": opens(100, first=5000)}, then=Then.HANGUP)
    outcome = call(play, dtmf="1", duration_ns=20 * SECOND)
    heard = outcome.ear.heard

    assert list(range(5000, 5100)) == heard[-100:]
    assert list(range(len(heard) - 100)) == heard[:-100]
    assert "server" == outcome.ended().closed_by


def test_a_playlist_is_heard_as_often_as_asked_without_a_gap() -> None:
    """Two files, three times."""
    outcome = call(Play([opens(70), opens(30, first=100)], loop=3, then=Then.HANGUP), duration_ns=60 * SECOND)

    assert [[*range(70), *range(100, 130)] * 3] == outcome.ear.stretches
    assert 6 == sum(isinstance(event, PlaybackFinished) for event in outcome.transcript.server_events)


def test_hanging_up_waits_until_everything_was_heard() -> None:
    """The platform says when; 100 frames start at 60 ms and are over 2 s later."""
    outcome = call(Play([opens(100)], then=Then.HANGUP), duration_ns=60 * SECOND)
    close = outcome.transcript.server_sent[-1]

    assert (60 * MS + 100 * FRAME_NS + LATENCY_NS, Close(1000, "played to the end")) == (close.at, close.message)
    assert list(range(100)) == outcome.ear.heard


def test_a_platform_that_does_not_answer_is_given_two_seconds() -> None:
    """In 2021 nobody knows ``notify``; the end is computed."""
    outcome = call(Play([opens(100)], then=Then.HANGUP), duration_ns=60 * SECOND, platform=Platform.Y2021)

    assert LATENCY_NS + 100 * FRAME_NS + 2 * SECOND == outcome.transcript.server_sent[-1].at
    assert list(range(100)) == outcome.ear.heard


def test_staying_leaves_the_end_to_the_platform() -> None:
    """A second of silence after the file, and the caller hangs up."""
    outcome = call(Play([opens(100)], then=Then.STAY))

    assert "platform" == outcome.ended().closed_by


def test_echo_after_the_file_begins_when_it_was_heard() -> None:
    """The caller hears the file, and then what he says from there on."""
    outcome = call(Play([opens(50)], then=Then.ECHO), says=300, duration_ns=8 * SECOND)
    heard = outcome.ear.heard

    assert list(range(50)) == heard[:50]
    assert list(range(heard[50], 300)) == heard[50:]
    assert pytest.approx(53, abs=3) == heard[50]


@pytest.mark.parametrize("stall_ms", [5, 100, 300, 1900])
def test_a_file_is_heard_whole_although_the_server_stalls(stall_ms: int) -> None:
    """Once a minute (the lead is 2 s by then) its timer stands still; the caller hears nothing of it."""
    late = stalls(every_ns=60 * SECOND, for_ns=stall_ms * MS)
    outcome = call(
        Play([opens(15000)], then=Then.HANGUP),
        duration_ns=400 * SECOND,
        server_lateness=late,
        platform=Platform.Y2021,
        keep_messages=False,
    )

    assert [list(range(15000))] == outcome.ear.stretches
    assert (0, 0) == (outcome.report["underruns"], outcome.report["overflow_frames"])


def test_a_stall_beyond_the_lead_is_a_gap_and_nothing_is_lost() -> None:
    """Three seconds with a lead of two: the caller hears silence, then goes on with the next frame."""
    outcome = call(
        Play([opens(5000)], then=Then.HANGUP),
        duration_ns=200 * SECOND,
        server_lateness=stalls(every_ns=60 * SECOND, for_ns=3 * SECOND),
    )

    assert list(range(5000)) == outcome.ear.heard
    assert 2 == len(outcome.ear.stretches)


def test_late_wakeups_of_the_platform_lose_nothing() -> None:
    """It stands still for 300 ms each second; an echo still brings every frame back, in order."""
    outcome = call(Echo(), says=1000, platform_lateness=stalls(every_ns=SECOND, for_ns=300 * MS))

    assert list(range(1000)) == outcome.ear.heard
    assert 0 == outcome.report["overflow_frames"]
    assert outcome.report["own_lateness_ms"]["max"] == 300.0


class SendsRaw:
    """A server that sends one message when its call has begun."""

    def __init__(self, session: CallSession, message: bytes) -> None:
        self._session = session
        self._message = message

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def messages_to_send(self) -> Sequence[object]:
        """The message, once."""
        message, self._message = self._message, b""
        return [message] if message else []


def test_a_strict_platform_drops_a_server_with_frames_of_the_wrong_size() -> None:
    """640 bytes where 320 are right: both ends see the connection lost."""
    leg = VonageLeg("c1", LegPlan(audio_format=RATE_8K, strict=True), source(100), now=0)
    session = CallSession("c1", [], assumed_format=RATE_8K, now=0)
    transcript = run_call(leg, SendsRaw(session, bytes(640)), clock=ManualClock())  # type: ignore[arg-type]
    ended = transcript.server_events[-1]

    assert Abort() == transcript.platform_sent[-1].message
    assert isinstance(ended, Ended)
    assert (1006, "network") == (ended.close_code, ended.closed_by)
    assert ["VS101"] == [finding.code for finding in leg.findings.all()]


def test_a_strict_platform_is_content_with_us() -> None:
    """Echo and play send exact frames only."""
    outcome = call(Echo(), Play([opens(100)]), says=100, strict=True)

    assert ([], 1000) == (outcome.leg_findings, outcome.ended().close_code)


def test_keys_arrive_with_their_durations() -> None:
    """In order, when they were pressed, and in the call's summary."""
    outcome = call(dtmf="1,#")

    assert [(501 * MS, "1", 160), (1301 * MS, "#", 160)] == [
        (event.at, event.digit, event.duration_ms)
        for event in outcome.transcript.server_events
        if isinstance(event, DtmfPressed)
    ]
    assert "1#" == outcome.ended().dtmf


class OddPlatform:
    """A platform that says its first message otherwise: late, twice, not at all, or as in 2018."""

    def __init__(self, leg: VonageLeg, *, texts: dict[int, str]) -> None:
        self._leg = leg
        self._texts = texts
        self._count = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._leg, name)

    def messages_to_send(self) -> Sequence[object]:
        """Audio as it is; ``texts`` in place of the leg's own, each before the frame of that number."""
        sent: list[object] = []
        for message in self._leg.messages_to_send():
            if isinstance(message, bytes):
                if self._count in self._texts:
                    sent.append(self._texts[self._count])
                self._count += 1
            if not isinstance(message, str):
                sent.append(message)
        return sent


CONNECTED = json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=8000"})


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ({0: CONNECTED}, []),
        ({0: ' {"content-type":"audio/l16;rate=8000","app":"x"}'}, []),
        ({20: CONNECTED}, []),
        ({40: CONNECTED}, ["VS302", "VS303"]),
        ({0: CONNECTED, 5: CONNECTED}, ["VS303"]),
        ({}, ["VS302"]),
    ],
    ids=["in time", "as in 2018", "late", "too late", "twice", "missing"],
)
def test_no_audio_is_lost_however_the_platform_connects(texts: dict[int, str], found: list[str]) -> None:
    """Everything is recorded and echoed, in order; what is odd is noted."""
    sink = MemorySink()
    leg = VonageLeg("c1", LegPlan(audio_format=RATE_8K), source(200), now=0, heard=Ear())
    session = CallSession("c1", [Record(lambda *_: sink), Echo()], assumed_format=RATE_8K, now=0)
    transcript = run_call(OddPlatform(leg, texts=texts), session, clock=ManualClock())  # type: ignore[arg-type]

    assert b"".join(frames(200)) == sink.pcm[: 200 * 320]
    assert sink.pcm == transcript.server_audio()
    assert found == [finding.code for finding in session.findings.all()]


def test_two_runs_of_a_call_are_the_same() -> None:
    """Every message, at the same time: nothing depends on the machine's clock."""
    runs = [
        functools.partial(call, Echo(delay_ms=30), Play([opens(50)]), says=100, dtmf="12")().transcript
        for _ in range(2)
    ]

    assert runs[0] == runs[1]
