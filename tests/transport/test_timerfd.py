"""The kernel's timers, by its own clock: short ones, and of each it is seen that it came and not before its time."""

from __future__ import annotations

import ctypes
import errno
import select
import time

import pytest

from vonage_sock.clock import MS
from vonage_sock.transport import timerfd
from vonage_sock.transport.timerfd import TimerFd

PATIENCE_S = 20


def rings(timer: TimerFd, *, within_s: float = PATIENCE_S) -> bool:
    """Whether it rings."""
    return bool(select.select([timer], [], [], within_s)[0])


@pytest.mark.parametrize("after_ns", [-5 * MS, 0, 300_000, 4 * MS])
def test_it_rings_once_and_not_before_its_time(after_ns: int) -> None:
    """At once where the time is over already; until it is heard, and then no more."""
    timer = TimerFd()
    begun = time.monotonic_ns()
    timer.set(after_ns)
    heard = rings(timer)
    waited_ns = time.monotonic_ns() - begun
    still = rings(timer, within_s=0)
    timer.clear()
    after = rings(timer, within_s=0.005)
    timer.close()

    assert (True, True, False) == (heard, still, after)
    assert waited_ns >= after_ns


def test_it_rings_again_and_again() -> None:
    """Each half millisecond, until it is stopped; who hears it late hears it once."""
    timer = TimerFd()
    begun = time.monotonic_ns()
    timer.set(MS // 2, MS // 2)
    for _ in range(10):
        assert rings(timer)
        timer.clear()
    spent_ns = time.monotonic_ns() - begun
    timer.stop()
    timer.clear()
    after = rings(timer, within_s=0.005)
    timer.close()

    assert 5 * MS <= spent_ns
    assert not after


def test_a_time_that_is_set_anew_replaces_the_one_before() -> None:
    """What was to ring doesn't."""
    timer = TimerFd()
    timer.set(0)
    assert rings(timer)
    timer.set(3600 * 1000 * MS)
    after = rings(timer, within_s=0)
    timer.clear()
    timer.close()

    assert not after


def test_where_the_system_gives_none_that_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's reason; and where the C library knows of no such timers, too."""

    class Refusing:
        """It gives no more descriptors."""

        @staticmethod
        def timerfd_create(_clock: int, _flags: int) -> int:
            ctypes.set_errno(errno.EMFILE)
            return -1

    monkeypatch.setattr(timerfd, "_library", Refusing)
    with pytest.raises(OSError, match="Too many open files"):
        TimerFd()
    monkeypatch.undo()
    timerfd._library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_options: object())
    with pytest.raises(OSError, match="has no timerfd"):
        TimerFd()
    monkeypatch.undo()
    timerfd._library.cache_clear()

    TimerFd().close()
