"""What several workers tell, in one order."""

from __future__ import annotations

import random

from vonage_sock.call.events import DtmfPressed, Event
from vonage_sock.clock import MS
from vonage_sock.supervisor.merging import HOLD_NS, Merge


def pressed(at: int, digit: str = "1") -> DtmfPressed:
    """An event at this time."""
    return DtmfPressed(at=at, call="c1", digit=digit, duration_ms=None)


def test_what_happened_first_is_told_first() -> None:
    """Also where the other worker's word came later."""
    merge = Merge()
    merge.push(0, [pressed(20 * MS), pressed(30 * MS)])
    merge.push(1, [pressed(10 * MS), pressed(25 * MS)])

    assert [10, 20, 25, 30] == [event.at // MS for event in merge.take(100 * MS)]


def test_an_event_is_held_until_nothing_can_come_before_it() -> None:
    """Not a nanosecond less, and the deadline says when."""
    merge = Merge()
    merge.push(0, [pressed(10)])

    assert 10 + HOLD_NS == merge.next_deadline()
    assert [] == merge.take(10 + HOLD_NS - 1)
    assert [pressed(10)] == merge.take(10 + HOLD_NS)
    assert merge.next_deadline() is None


def test_one_worker_s_events_keep_their_order_whatever_their_times() -> None:
    """A recording's thread tells later what happened earlier."""
    told: list[Event] = [pressed(30 * MS, "1"), pressed(10 * MS, "2"), pressed(30 * MS, "3"), pressed(20 * MS, "4")]
    merge = Merge()
    merge.push(0, told)
    merge.push(1, [pressed(15 * MS, "9")])

    assert "91234" == "".join(event.digit for event in merge.take(100 * MS) if isinstance(event, DtmfPressed))


def test_nothing_is_lost_or_doubled() -> None:
    """Whenever it is taken, in the order of each worker."""
    chance = random.Random(4)
    merge = Merge()
    taken: list[Event] = []
    for now in range(0, 500 * MS, MS):
        for slot in range(3):
            if chance.random() < 0.5:
                merge.push(slot, [pressed(now - chance.randrange(5 * MS), str(slot))])
        if chance.random() < 0.3:
            taken += merge.take(now)
    waiting = merge.take_all()

    assert [] == merge.take_all()
    assert sorted(event.at for event in taken) != []
    assert max(event.at for event in taken) <= max(event.at for event in waiting)
    assert len({id(event) for event in [*taken, *waiting]}) == len(taken) + len(waiting)
