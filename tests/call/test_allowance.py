"""How much may come for long, and how much at once."""

from __future__ import annotations

from vonage_sock.call.allowance import Allowance
from vonage_sock.clock import MS, SECOND


def test_a_full_bucket_gives_as_much_as_it_holds() -> None:
    """And not one more."""
    allowance = Allowance(per_s=10, burst=5, now=0)

    assert [True] * 5 + [False] == [allowance.take(1, 0) for _ in range(6)]


def test_it_fills_with_time() -> None:
    """In a tenth of a second by one, and never above what it holds."""
    allowance = Allowance(per_s=10, burst=5, now=0)
    allowance.take(5, 0)

    assert [True, False] == [allowance.take(1, 100 * MS), allowance.take(1, 100 * MS)]
    allowance = Allowance(per_s=10, burst=5, now=0)
    assert [True, False] == [allowance.take(5, 900 * MS), allowance.take(1, 900 * MS)]


def test_after_a_gap_there_is_room_for_what_it_held_back() -> None:
    """In one go or in several; then the bucket is as large as before."""
    allowance = Allowance(per_s=10, burst=5, now=0)

    assert [True, True, False] == [allowance.take(count, 4 * SECOND) for count in (25, 20, 1)]
    assert allowance.take(5, 5 * SECOND)
    assert not allowance.take(6, 6 * SECOND)


def test_a_gap_of_an_hour_counts_as_a_minute() -> None:
    """Who waits long mustn't send a flood for it."""
    allowance = Allowance(per_s=10, burst=5, now=0)

    assert allowance.take(605, 3600 * SECOND)
    assert not allowance.take(1, 3600 * SECOND)
