"""Play against a platform with a clock of its own, and an event loop that stalls."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.audio.pacer import DEFAULT_LEAD_NS
from vonage_sock.audio.platform_clock import LOOK_FRAMES
from vonage_sock.audio.playout import BUFFER_FRAMES_2021, Played, PlayoutBuffer
from vonage_sock.audio.source import FramesSource
from vonage_sock.behaviours.play import Play
from vonage_sock.call.events import Event
from vonage_sock.clock import MS

PROPERTY = settings(deadline=None, database=None, max_examples=25)
PHONE = AudioFormat(8000)
MINUTE_FRAMES = 60 * 50
STALL_NS = 300 * MS


class DriftingPlatform:
    """
    A ``Call`` and the platform behind it, whose clock is ``ppm`` slower than ours. The wire takes no time.

    Leaves out everything that isn't audio.
    """

    id = "c1"
    audio_format = PHONE
    headers: dict[str, Any] = {}  # noqa: RUF012  (nobody writes to it)

    def __init__(self, ppm: int, *, lead_ns: int = DEFAULT_LEAD_NS) -> None:
        self.now = 0
        self.playout: PlayoutBuffer[int] = PlayoutBuffer(BUFFER_FRAMES_2021)
        self.sent = 0
        self.played = 0
        self.in_order = True
        self.deepest_frames = 0
        self._ppm = ppm
        self._heard = 0
        self._platform_now = 0
        source = FramesSource("a.wav", itertools.repeat(b""), 10**9)
        self.behaviour = Play([lambda _: source], lead_ns=lead_ns)
        self.behaviour.connected(self)
        self.wake(0)

    def wake(self, now: int) -> None:
        """Our event loop gets to it: what came in meanwhile, then what is due."""
        while self.heard_at <= now:
            self.hear(now)
        self.now = now
        self._platform_now = now - now * self._ppm // 1_000_000
        for item in self.playout.advance(self._platform_now):
            assert isinstance(item, Played)
            self.in_order &= item.frame == self.played
            self.played += 1
        self.behaviour.due(self)
        self.deepest_frames = max(self.deepest_frames, self.playout.depth_frames)

    @property
    def due_at(self) -> int:
        """When the next frame is due."""
        due_at = self.behaviour.due_at()
        assert due_at is not None
        return due_at

    @property
    def heard_at(self) -> int:
        """When the platform's next few frames come in."""
        return (self._heard + LOOK_FRAMES) * FRAME_NS * 1_000_000 // (1_000_000 - self._ppm)

    def hear(self, now: int) -> None:
        """The platform's next few frames are read, and the last of them at ``now``."""
        self._heard += LOOK_FRAMES
        self.now = now
        for _ in range(LOOK_FRAMES):
            self.behaviour.audio(self, b"")

    def send_audio(self, pcm: bytes) -> None:
        """Into the platform's buffer."""
        self.playout.push(self.sent, self._platform_now, continues=True)
        self.sent += 1

    def emit(self, event: Event) -> None:
        """Nobody listens."""

    def recall(self) -> None:
        """Nothing is foretold."""

    flush_audio = clear = notify = close = fail = emit

    @property
    def faults(self) -> tuple[int, int, bool]:
        """Underruns, overflows, and whether each frame was played once and in its place."""
        return self.playout.underruns, self.playout.frames_overflowed, self.in_order


def run(platform: DriftingPlatform, frames: int, *, late_ms: int, stalls: float) -> None:
    """Play so many frames with timers that fire up to so late; that share of them comes 300 ms late."""
    chance = random.Random(1)
    while platform.sent < frames:
        late_ns = STALL_NS if chance.random() < stalls else chance.randrange(late_ms * MS)
        platform.wake(max(platform.now, platform.due_at + late_ns))


@pytest.mark.parametrize(("hours", "ppm"), [(3, 200), (3, -200)])
def test_hours_of_a_drifting_clock_run_neither_dry_nor_over(hours: int, ppm: int) -> None:
    """The clocks get 2.2 s apart, and the loop stalls each half minute: no gap, nothing lost, and no more lead."""
    platform = DriftingPlatform(ppm)
    run(platform, hours * 60 * MINUTE_FRAMES, late_ms=150, stalls=0.003)

    assert (0, 0, True) == platform.faults
    assert platform.deepest_frames <= DEFAULT_LEAD_NS // FRAME_NS
    assert abs(platform.playout.depth_frames * FRAME_NS - DEFAULT_LEAD_NS) < 170 * MS


@PROPERTY
@given(ppm=st.integers(-200, 200), stalls=st.floats(0, 0.2), lead_ms=st.integers(350, 4000))
def test_a_stall_of_300_ms_is_never_heard(ppm: int, stalls: float, lead_ms: int) -> None:
    """Not in a call's first second either, and not with the clocks apart, as long as the lead is longer."""
    platform = DriftingPlatform(ppm, lead_ns=lead_ms * MS)
    run(platform, 2 * MINUTE_FRAMES, late_ms=10, stalls=stalls)

    assert (0, 0, True) == platform.faults
    assert platform.deepest_frames <= -(-lead_ms * MS // FRAME_NS)


@PROPERTY
@given(
    ppm=st.integers(-200, 200),
    lateness=st.lists(st.floats(0, 0.9), min_size=1, max_size=40),
    lead_frames=st.integers(10, 300),
)
def test_no_underrun_while_lateness_stays_under_the_lead(ppm: int, lateness: list[float], lead_frames: int) -> None:
    """A wake-up may come late by most of what the platform has left, whatever its clock does."""
    platform = DriftingPlatform(ppm, lead_ns=lead_frames * FRAME_NS)
    share = itertools.cycle(lateness)
    while platform.sent < MINUTE_FRAMES:
        left_ns = platform.playout.depth_frames * FRAME_NS
        platform.wake(max(platform.now, min(platform.due_at, platform.now + left_ns) + int(next(share) * left_ns)))

    assert (0, 0, True) == platform.faults


@PROPERTY
@given(
    ppm=st.integers(-500, 500),
    gaps_ms=st.lists(st.integers(0, 3000), min_size=1, max_size=40),
    lead_frames=st.integers(1, 900),
)
def test_whatever_the_timer_does_nothing_is_skipped_or_sent_too_early(
    ppm: int, gaps_ms: list[int], lead_frames: int
) -> None:
    """Each frame once and in its place, the buffer never full, and never more than the lead and a frame ahead."""
    platform = DriftingPlatform(ppm, lead_ns=lead_frames * FRAME_NS)
    gaps = itertools.cycle(gaps_ms)
    while platform.sent < MINUTE_FRAMES:
        platform.wake(max(platform.now, platform.due_at) + next(gaps) * MS)

    assert (0, True) == platform.faults[1:]
    assert platform.deepest_frames <= lead_frames + 1
