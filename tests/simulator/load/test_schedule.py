"""When calls begin and frames are due."""

from __future__ import annotations

import pytest

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.load.schedule import SLOT_NS, SLOTS, Schedule, Wheel, slot_of


def test_calls_are_opened_evenly_over_the_ramp() -> None:
    """The first at once, the last at its end; they speak together after that."""
    schedule = Schedule(calls=5, ramp_ns=2 * SECOND, duration_ns=10 * SECOND)

    assert [0, 500, 1000, 1500, 2000] == [schedule.open_ns(number) // MS for number in range(5)]
    assert 12 * SECOND == schedule.end_ns


def test_one_call_needs_no_ramp() -> None:
    """No division by zero."""
    assert 0 == Schedule(calls=1, ramp_ns=SECOND, duration_ns=SECOND).open_ns(0)


@pytest.mark.parametrize("first", [0, 3, 17])
def test_the_phases_of_as_many_calls_as_there_are_slots_are_all_different(first: int) -> None:
    """Staggered: neighbours don't speak at the same time."""
    slots = [slot_of(number) for number in range(first, first + SLOTS)]

    assert sorted(slots) == list(range(SLOTS))


def turns(wheel: Wheel[str], now: int) -> list[tuple[int, str]]:
    """Who is due until ``now``, with the time in slots."""
    return [(due_at // SLOT_NS, member) for due_at, members in wheel.due(now) for member in members]


def test_each_member_is_due_every_20_ms_at_its_phase() -> None:
    """On an absolute grid, whenever somebody looks."""
    wheel: Wheel[str] = Wheel(0)
    first = [wheel.join("a", 0, 0), wheel.join("b", 5, 0)]
    found = [turn for now in range(0, 2 * FRAME_NS, 3 * MS) for turn in turns(wheel, now)]

    assert [0, 5 * SLOT_NS] == first
    assert [(0, "a"), (5, "b"), (20, "a"), (25, "b")] == found


def test_after_a_stall_all_that_was_due_is_due_once_and_the_grid_stays() -> None:
    """Nothing is skipped, and the next turn is where it would have been."""
    wheel: Wheel[str] = Wheel(0)
    wheel.join("a", 2, 0)
    late = turns(wheel, 100 * MS)
    later = turns(wheel, 102 * MS)

    assert [2, 22, 42, 62, 82] == [at for at, _ in late]
    assert [(102, "a")] == later


def test_who_joins_an_empty_wheel_late_is_not_due_in_the_past() -> None:
    """The first turn is the next of its slot."""
    wheel: Wheel[str] = Wheel(0)
    first_at = wheel.join("a", 3, 50 * MS)

    assert 63 * MS == first_at == wheel.next_at
    assert [] == turns(wheel, 62 * MS)


def test_who_leaves_is_not_due_any_more() -> None:
    """An empty wheel has no next time; leaving twice does no harm."""
    wheel: Wheel[str] = Wheel(0)
    wheel.join("a", 3, 0)
    wheel.leave("a", 3)
    wheel.leave("a", 3)

    assert wheel.next_at is None
    assert [] == turns(wheel, SECOND)
