"""The platform's clock, as its frames tell it: followed where it drifts, and nowhere else."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.platform_clock import LOOK_FRAMES, MAX_DRIFT_PPM, WINDOW_FRAMES, PlatformClock
from vonage_sock.clock import MS, SECOND

PROPERTY = settings(deadline=None, database=None, max_examples=40)
HOUR_FRAMES = 3600 * 50

Delay = Callable[[int], int]
"""Given a frame's number, how many nanoseconds after it was due on the platform's clock it comes in."""


def no_delay(_frame: int) -> int:
    """A wire that takes no time."""
    return 0


class Sender:
    """A platform with a crystal of its own; what a schedule by ``clock`` is off the platform's, in ns, after each window."""

    def __init__(self, ppm: int) -> None:
        self.clock = PlatformClock()
        self.frame_ns = FRAME_NS + FRAME_NS * ppm // 1_000_000
        self.frames = 0
        self.off_ns = 0

    def send(self, frames: int, delay: Delay = no_delay) -> list[int]:
        """So many frames more; how far the schedule was off, each time that ``frame_ns`` may have changed."""
        seen = []
        for _ in range(frames // LOOK_FRAMES):
            self.frames += LOOK_FRAMES
            self.off_ns += LOOK_FRAMES * (self.clock.frame_ns - self.frame_ns)
            if self.clock.heard(self.frames * self.frame_ns + delay(self.frames)):
                seen.append(self.off_ns)
        return seen


def jitter(mean_ms: float) -> Delay:
    """Delays as networks have them: mostly short, some long."""
    chance = random.Random(1)
    return lambda _frame: round(chance.expovariate(1 / mean_ms) * MS)


@pytest.mark.parametrize("ppm", [-200, -20, 20, 200])
@pytest.mark.parametrize("jitter_ms", [0.01, 2, 20])
def test_a_drift_never_gets_far(ppm: int, jitter_ms: float) -> None:
    """In two hours, by which an uncorrected schedule would be 1.4 s off, ours is never 7 ms off."""
    assert max(map(abs, Sender(ppm).send(2 * HOUR_FRAMES, jitter(jitter_ms)))) < 7 * MS


def test_without_a_drift_nothing_is_steered_far() -> None:
    """Jitter alone moves the schedule by little, and by no sum of little."""
    assert max(map(abs, Sender(0).send(2 * HOUR_FRAMES, jitter(20)))) < 4 * MS


def test_where_nothing_comes_in_the_clocks_are_the_same() -> None:
    """So they are during the first window, in which nothing can be compared."""
    sender = Sender(200)

    assert FRAME_NS == PlatformClock().frame_ns
    assert [FRAME_NS * -200 // 1_000_000 * WINDOW_FRAMES] == sender.send(WINDOW_FRAMES)
    assert FRAME_NS == sender.clock.frame_ns


def test_what_is_known_holds_while_nothing_comes_in() -> None:
    """A platform that pauses its audio goes on playing ours, by the same crystal."""
    sender = Sender(200)
    sender.send(HOUR_FRAMES)
    known = sender.clock.frame_ns
    sender.send(WINDOW_FRAMES, lambda _frame: 60 * SECOND)

    assert abs(known - sender.frame_ns) < 10
    assert known == sender.clock.frame_ns


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_pauses_and_lost_frames_are_no_drift(ppm: int) -> None:
    """Each minute a frame is missing and every five there is a pause: the rest is followed all the same."""
    sender = Sender(ppm)
    off = sender.send(HOUR_FRAMES, lambda frame: frame // 3000 * FRAME_NS + frame // 15_000 * 1234 * MS)

    assert max(map(abs, off)) < 60 * MS


def test_a_jam_and_the_burst_after_it_are_no_drift() -> None:
    """For half a minute everything comes 300 ms late, and then all at once."""
    sender = Sender(0)
    off = sender.send(HOUR_FRAMES, lambda frame: 300 * MS if 60 * 50 <= frame < 90 * 50 else 0)

    assert {0} == set(off)


@pytest.mark.parametrize("gather_ms", [40, 100, 101])
def test_a_platform_that_sends_in_bursts_is_followed(gather_ms: int) -> None:
    """What waits for company comes late; the last of each burst tells."""

    def wait(frame: int) -> int:
        at = frame * sender.frame_ns
        return -(-at // (gather_ms * sender.frame_ns // 20)) * (gather_ms * sender.frame_ns // 20) - at

    sender = Sender(200)

    assert max(map(abs, sender.send(HOUR_FRAMES, wait))) < 12 * MS


def test_a_drift_that_changes_is_followed() -> None:
    """A crystal that warms up, or a clock that is being set right."""
    sender = Sender(-100)
    before = sender.send(HOUR_FRAMES)
    sender.off_ns = 0
    changed_at = sender.frames * sender.frame_ns
    sender.frames, sender.frame_ns = 0, FRAME_NS + FRAME_NS * 150 // 1_000_000
    after = sender.send(HOUR_FRAMES, lambda _frame: changed_at - HOUR_FRAMES // LOOK_FRAMES * LOOK_FRAMES * FRAME_NS)

    assert max(map(abs, before)) < 4 * MS
    assert max(map(abs, after)) < 7 * MS


@PROPERTY
@given(
    arrivals=st.lists(st.integers(0, 2 * LOOK_FRAMES * FRAME_NS), min_size=1, max_size=40),
    ppm=st.integers(-5000, 5000),
)
def test_whatever_comes_in_the_steering_is_bounded(arrivals: list[int], ppm: int) -> None:
    """No pattern of arrivals makes a frame last more than 500 ppm longer or shorter than 20 ms."""
    sender = Sender(ppm)
    for delay_ns in arrivals:
        sender.send(WINDOW_FRAMES, lambda _frame, delay_ns=delay_ns: delay_ns)  # type: ignore[misc]

        assert abs(sender.clock.frame_ns - FRAME_NS) <= FRAME_NS * MAX_DRIFT_PPM // 1_000_000
