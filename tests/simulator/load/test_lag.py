"""How late what came was read."""

from __future__ import annotations

import select

from vonage_sock.simulator.load.lag import Lag

FOUND = [(5, select.EPOLLIN), (6, select.EPOLLIN)]


def rounds(lag: Lag, *spans: tuple[int, list[tuple[int, int]]]) -> None:
    """One after the other: how long each took, and what it found."""
    for number, (span_ns, found) in enumerate(spans):
        lag.ready()
        lag.woken(found, woken_at=1000 * number, done_at=1000 * number + span_ns)


def test_a_frame_waited_at_most_for_two_rounds_and_what_was_written_between_them() -> None:
    """Since it may have come just after the first of them had looked; who writes doesn't look."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    rounds(lag, (50, FOUND))
    lag.kept(30)
    lag.kept(12)
    rounds(lag, (8, FOUND[:1]), (7, FOUND))
    lag.close()

    assert [(2, 50), (1, 50 + 42 + 8), (2, 8 + 7)] == told


def test_what_is_written_in_a_round_counts_once() -> None:
    """The round is as much longer."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    lag.ready()
    lag.kept(30)
    lag.woken(FOUND, woken_at=0, done_at=40)
    rounds(lag, (1, FOUND))
    lag.close()

    assert [(2, 40), (2, 41)] == told


def test_a_round_that_found_nothing_tells_nothing() -> None:
    """And what was written before it kept nobody waiting."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    lag.kept(30)
    rounds(lag, (2, []), (1, FOUND))
    lag.close()

    assert [(2, 3)] == told
