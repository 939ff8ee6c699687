"""How late what came was read."""

from __future__ import annotations

import select

from vonage_sock.simulator.load.lag import Lag

FOUND = [(5, select.EPOLLIN), (6, select.EPOLLIN)]


def test_frames_waited_no_longer_than_the_round_took_and_what_was_written_before_it() -> None:
    """Since who writes doesn't look; what was written before an earlier round doesn't count again."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    lag.woken(FOUND, woken_at=1000, done_at=1050)
    lag.kept(30)
    lag.kept(12)
    lag.woken(FOUND[:1], woken_at=2000, done_at=2008)
    lag.woken(FOUND, woken_at=3000, done_at=3007)
    lag.close()

    assert [(2, 50), (1, 50), (2, 7)] == told


def test_a_round_that_found_nothing_tells_nothing() -> None:
    """And what was written before it kept nobody waiting."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    lag.kept(30)
    lag.woken([], woken_at=1000, done_at=1050)
    lag.woken(FOUND, woken_at=2000, done_at=2001)
    lag.close()

    assert [(2, 1)] == told
