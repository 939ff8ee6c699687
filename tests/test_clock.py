"""Clocks and time stamps."""

from __future__ import annotations

import time

import pytest

from vonage_sock.clock import MS, SECOND, US, ManualClock, SystemClock, file_stamp, iso_utc


def test_the_units_are_nanoseconds() -> None:
    """A microsecond, a millisecond and a second, counted in nanoseconds."""
    assert (1_000, 1_000_000, 1_000_000_000) == (US, MS, SECOND)


def test_the_systems_clock_gives_the_machines_monotonic_time() -> None:
    """``now`` lies between two readings of the machine's monotonic clock."""
    before = time.monotonic_ns()
    now = SystemClock().now()

    assert before <= now <= time.monotonic_ns()


def test_the_systems_clock_gives_unix_time() -> None:
    """``wall_ns`` is Unix time in nanoseconds, within a minute whatever steps the clock takes meanwhile."""
    assert abs(time.time_ns() - SystemClock().wall_ns()) < 60 * SECOND


def test_a_manual_clock_stands_still() -> None:
    """Nobody moved it: both readings stay."""
    clock = ManualClock(5, wall_ns=7)

    assert [(5, 7), (5, 7)] == [(clock.now(), clock.wall_ns()) for _ in range(2)]


def test_both_readings_of_a_manual_clock_move_together() -> None:
    """A second more on the one is a second more on the other."""
    clock = ManualClock(5, wall_ns=7)
    clock.advance_to(5 + SECOND)

    assert (5 + SECOND, 7 + SECOND) == (clock.now(), clock.wall_ns())


def test_a_manual_clock_may_move_by_nothing() -> None:
    """Two things may happen at the same time."""
    clock = ManualClock(5)
    clock.advance_to(5)

    assert clock.now() == 5


def test_a_manual_clock_never_goes_back() -> None:
    """``now`` never decreases; who tries is told."""
    clock = ManualClock(5)

    with pytest.raises(ValueError, match="from 5 to 4"):
        clock.advance_to(4)


@pytest.mark.parametrize(
    ("wall_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_770_112_842_007_999_999, "2026-02-03T10:00:42.007Z"),
        (1_770_112_842_999_000_000, "2026-02-03T10:00:42.999Z"),
    ],
    ids=["epoch", "milliseconds are padded and cut", "never rounded up"],
)
def test_time_is_written_as_vonage_writes_it(wall_ns: int, text: str) -> None:
    """ISO 8601 in UTC with exactly three digits of milliseconds."""
    assert text == iso_utc(wall_ns)


def test_a_stamp_for_file_names_has_no_colons() -> None:
    """UTC to the second, with letters and digits alone."""
    assert file_stamp(1_770_112_842_999_000_000) == "20260203T100042Z"
