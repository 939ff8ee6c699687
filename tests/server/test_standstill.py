from __future__ import annotations

from vonage_sock.clock import MS
from vonage_sock.server.standstill import Standstill


def said(*ticks: tuple[int, int]) -> list[str]:
    """What is said at ticks of (milliseconds, open calls)."""
    standstill = Standstill()
    told = [standstill.tick(at_ms * MS, calls=calls) for at_ms, calls in ticks]
    return [sentence for sentence in told if sentence is not None]


def test_a_loop_that_stood_still_is_told_with_its_time_and_its_calls() -> None:
    """By how much it was late, not how long a tick is."""
    (sentence,) = said((0, 3), (1300, 3))

    assert sentence.startswith("the event loop stood still for 1,200 ms and held up 3 calls: ")


def test_it_is_said_once() -> None:
    """A handler that blocks does so again and again."""
    assert 1 == len(said((0, 1), (1000, 1), (2000, 1), (3000, 1)))


def test_a_busy_machine_is_no_standstill() -> None:
    """Some hundred milliseconds are hidden by the buffers."""
    assert [] == said((0, 1), (150, 1), (599, 1), (1190, 1))


def test_nothing_is_said_while_nobody_calls() -> None:
    """A program that starts slowly, or a laptop that slept, harmed no call."""
    assert [] == said((0, 0), (90_000, 0))


def test_the_first_tick_has_nothing_before_it() -> None:
    """Whenever it comes."""
    assert [] == said((5000, 1))
