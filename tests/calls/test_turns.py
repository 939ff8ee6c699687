"""The stopwatch on whole calls under a manual clock: what it says is what the caller's ear says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vonage_sock.audio.frames import FRAME_MS, FRAME_NS, AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.testing import HeardPcm, Lateness, PcmSource, run_call

RATE_8K = AudioFormat(8000)
NEVER = 10**9
RNG = np.random.default_rng(11)
PRESSED_MS = 2000


def voice(ms: int) -> bytes:
    """Noise at 8 kHz of which no two frames are alike."""
    return RNG.integers(-8000, 8000, ms * 8).astype("<i2").tobytes()


def silence(ms: int) -> bytes:
    """Zeros."""
    return bytes(ms * 16)


class Bot(Behaviour):
    """
    Speaks a frame each 20 ms, without a lead; knows the caller's words by their not being zeros.

    Args:
        from_the_start: it begins with the call.
        stops_after_ms: how long after a key or a word it falls silent.
        answers_after_ms: how long after the caller's last word it speaks, for half a second.
    """

    def __init__(
        self, *, from_the_start: bool = True, stops_after_ms: int = NEVER, answers_after_ms: int = NEVER
    ) -> None:
        self._next_at = 0 if from_the_start else NEVER * MS
        self._stop_at = NEVER * MS
        self._stops_after_ns = stops_after_ms * MS
        self._answers_after_ns = answers_after_ms * MS

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """Stop, in a while."""
        self._stop_at = call.now + self._stops_after_ns

    def audio(self, call: Call, frame: bytes) -> None:
        """Stop, in a while; answer when nothing more comes."""
        if any(frame):
            self._stop_at = min(self._stop_at, call.now + self._stops_after_ns)
            if self._answers_after_ns < NEVER:
                self._next_at = call.now + self._answers_after_ns
                self._stop_at = self._next_at + 500 * MS

    def due_at(self) -> int | None:
        """The next frame."""
        return self._next_at if self._next_at < self._stop_at else None

    def due(self, call: Call) -> None:
        """Say it."""
        call.send_audio(voice(FRAME_MS))
        self._next_at = max(call.now, self._next_at) + FRAME_NS


class Measured:
    """A call's report, and the steps in which its ear heard something and its mouth said something."""

    def __init__(
        self, *bots: Behaviour, says: bytes = b"", presses: bool = False, late: Lateness | None = None
    ) -> None:
        ear = HeardPcm()
        keys = (KeyPress(PRESSED_MS * MS, "1"),) if presses else ()
        plan = LegPlan(audio_format=RATE_8K, key_presses=keys, duration_ns=12 * SECOND)
        leg = VonageLeg("c1", plan, PcmSource(says, RATE_8K), now=0, heard=ear)
        session = CallSession("c1", list(bots), assumed_format=RATE_8K, now=0)
        run_call(leg, session, clock=ManualClock(), platform_lateness=late)
        self.report: dict[str, Any] = leg.report()
        self.said, self.heard = (
            [number for number in range(len(pcm) // 320) if any(pcm[number * 320 : (number + 1) * 320])]
            for pcm in (ear.said, ear.heard)
        )

    def silent_ms(self, after_ms: int) -> float:
        """How long after this the ear heard its last sound's end."""
        return (self.heard[-1] + 1) * FRAME_MS - after_ms

    @property
    def stops(self) -> list[float | None]:
        """What the stopwatch says."""
        return [item["stopped_after_ms"] for item in self.report["barge_in"]["each"]]


def test_a_bot_that_stops_200_ms_after_a_key() -> None:
    """And is heard a little longer, since the platform keeps 40 ms."""
    call = Measured(Bot(stops_after_ms=200), presses=True)

    assert [call.silent_ms(PRESSED_MS)] == call.stops
    assert pytest.approx(240, abs=FRAME_MS) == call.stops[0]
    assert (2.0, "key") == (call.report["barge_in"]["each"][0]["at_s"], call.report["barge_in"]["each"][0]["by"])


def test_a_bot_that_stops_300_ms_after_the_caller_speaks() -> None:
    """As the ear heard it."""
    call = Measured(Bot(stops_after_ms=300), says=silence(3000) + voice(1000))

    assert [call.silent_ms(3000)] == call.stops
    assert pytest.approx(340, abs=FRAME_MS) == call.stops[0]


def test_a_bot_that_never_stops() -> None:
    """Is told as that, and has no time."""
    call = Measured(Bot(), presses=True)

    assert {"count": 1, "unstopped": 1, "stop_ms": None} == {
        key: call.report["barge_in"][key] for key in ("count", "unstopped", "stop_ms")
    }


def test_a_full_queue_that_is_cleared_stops_at_once() -> None:
    """A file sent 2 s ahead, and ``clear`` at the key: silence in the frame after the command, timed once."""
    frames = (voice(FRAME_MS) for _ in range(1000))
    call = Measured(Play([lambda _: FramesSource("file", frames, 1000)], barge_in=True), presses=True)

    assert [call.silent_ms(PRESSED_MS)] == call.stops
    assert [20.0] == call.stops
    assert [] == call.report["clear_stops"]


def test_a_full_queue_that_is_not_cleared_is_heard_on() -> None:
    """The bot stops sending at once; the caller hears what waits."""

    class Burst(Bot):
        def connected(self, call: Call) -> None:
            call.send_audio(voice(4000))
            self._next_at = NEVER * MS

    call = Measured(Burst(stops_after_ms=0), presses=True)

    assert [call.silent_ms(PRESSED_MS)] == call.stops
    assert pytest.approx(2040, abs=FRAME_MS) == call.stops[0]


def test_a_bot_that_answers_700_ms_after_the_callers_sentence() -> None:
    """Which has a short pause; the answer is heard 40 ms after it was sent."""
    call = Measured(
        Bot(from_the_start=False, answers_after_ms=700), says=voice(1000) + silence(300) + voice(1000) + silence(3000)
    )
    heard_after_ms = (call.heard[0] - call.said[-1] - 1) * FRAME_MS
    latency = call.report["turns"]["latency_ms"]

    assert (1, heard_after_ms) == (call.report["turns"]["count"], latency["max"])
    assert pytest.approx(740, abs=FRAME_MS) == latency["p50"]


@pytest.mark.parametrize("delay_ms", [0, 150, 900])
def test_an_echo_has_no_barge_ins(delay_ms: int) -> None:
    """However late; and one that comes while the caller speaks answers nothing."""
    says = voice(800) + silence(500) + voice(1200) + silence(700) + voice(600)
    call = Measured(Echo(delay_ms=delay_ms), says=says, presses=True)

    assert (0, []) == (call.report["barge_in"]["count"], call.stops)
    assert delay_ms > 700 or call.report["turns"]["count"] == 0


def test_our_own_lateness_is_told_beside_what_was_measured() -> None:
    """A timer that was 15 ms late at one moment says so where that moment was measured."""
    late_at = PRESSED_MS * MS + 3 * FRAME_NS
    call = Measured(Bot(stops_after_ms=200), presses=True, late=lambda at: 15 * MS if at == late_at else 0)

    assert (15.0, None) == (call.report["barge_in"]["own_lateness_ms"], call.report["turns"]["own_lateness_ms"])


def test_the_shipped_behaviours_alone_measure_nothing() -> None:
    """A file that is played to a caller who says nothing: no conversation."""
    call = Measured(Play([lambda _: FramesSource("file", (voice(FRAME_MS) for _ in range(100)), 100)]))

    assert (0, 0) == (call.report["turns"]["count"], call.report["barge_in"]["count"])
