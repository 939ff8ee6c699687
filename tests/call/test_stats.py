"""Statistics of a call."""

from __future__ import annotations

import numpy as np
import pytest

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.call.stats import CallStats, Direction, Incoming
from vonage_sock.clock import MS, SECOND

LOUD = np.full(320, 16384, "<i2").tobytes()


def test_frames_that_come_on_time_have_no_jitter() -> None:
    """Fifty a second, 20 ms apart."""
    direction = Incoming()
    for number in range(100):
        direction.frame(b"", number * FRAME_NS)

    assert (100, 0, 20 * MS) == (direction.frames, direction.jitter_ns, direction.longest_gap_ns)


def test_one_late_frame_raises_the_jitter_by_a_sixteenth_each_way() -> None:
    """RFC 3550: the frame is 16 ms late, the next 16 ms early against it; each deviation counts a sixteenth."""
    direction = Incoming()
    for at in (0, 36 * MS, 40 * MS):
        direction.frame(b"", at)

    assert pytest.approx((1 + 15 / 16) * MS, abs=2) == direction.jitter_ns


def test_jitter_fades() -> None:
    """A hundred frames on time leave next to nothing of it."""
    direction = Incoming()
    at = 0
    for gap_ms in (20, 100, *[20] * 100):
        at += gap_ms * MS
        direction.frame(b"", at)

    assert direction.jitter_ns < MS / 50


def test_the_longest_gap_is_kept() -> None:
    """Shorter ones after it don't replace it."""
    direction = Incoming()
    for at in (5, 10, 110, 120):
        direction.frame(b"", at)

    assert 100 == direction.longest_gap_ns


def test_the_rate_counts_since_it_was_last_asked() -> None:
    """A silence shows at once, not averaged over the whole call."""
    direction = Direction()
    direction.start(0)
    for number in range(50):
        direction.frame(b"", number * FRAME_NS)

    assert [50.0, 0.0] == [direction.rate_hz(SECOND), direction.rate_hz(2 * SECOND)]


def test_who_asks_sooner_than_a_second_gets_the_same_window() -> None:
    """Two observers don't take the frames away from each other."""
    direction = Direction()
    direction.start(0)
    for number in range(25):
        direction.frame(b"", number * FRAME_NS)

    assert [50.0, 50.0] == [direction.rate_hz(SECOND // 2), direction.rate_hz(SECOND // 2)]


def test_the_rate_of_no_time_is_nothing() -> None:
    """No division by zero at a call's first moment."""
    direction = Direction()
    direction.start(5)

    assert direction.rate_hz(5) == 0.0


def test_levels_are_those_of_the_last_five_frames() -> None:
    """A hundred milliseconds."""
    direction = Direction()
    for number in range(7):
        direction.frame(bytes([number]), number * FRAME_NS)

    assert [bytes([number]) for number in (2, 3, 4, 5, 6)] == direction.recent_chunks(6 * FRAME_NS)


def test_old_frames_have_no_level() -> None:
    """When nothing came for 200 ms, the meter falls to silence."""
    direction = Direction()
    direction.frame(LOUD, 0)

    assert [[LOUD], []] == [direction.recent_chunks(200 * MS), direction.recent_chunks(200 * MS + 1)]


def test_a_direction_without_frames_has_no_level() -> None:
    """Nothing is nothing."""
    assert [] == Direction().recent_chunks(0)


def test_a_snapshot_tells_where_the_call_stands() -> None:
    """Both directions, in rounded figures."""
    stats = CallStats(SECOND)
    for number in range(50):
        stats.incoming.frame(LOUD, SECOND + number * FRAME_NS)
        if number % 2:
            stats.outgoing.frame(bytes(640), SECOND + number * FRAME_NS)
    shot = stats.snapshot("c1", 2 * SECOND, depth_frames=3)

    assert ("c1", 2 * SECOND, 1.0, 50, 25) == (shot.call, shot.at, shot.duration_s, shot.frames_in, shot.frames_out)
    assert (50.0, 25.0) == (shot.rate_in_hz, shot.rate_out_hz)
    assert (-6.0, -6.0, -96.0, -96.0) == (
        shot.level_in_dbfs,
        shot.peak_in_dbfs,
        shot.level_out_dbfs,
        shot.peak_out_dbfs,
    )
    assert (0.0, 20.0, 60.0) == (shot.jitter_ms, shot.longest_gap_ms, shot.depth_ms)
