"""
When a loop wakes for its sockets.

A process that goes to sleep and is woken for each frame of each call spends more on that than on the frames. So where many
come, nobody is woken by them: a beat wakes the loop at even intervals, and whatever came meanwhile is handled in one go. A
frame waits for half an interval then, which nobody hears. Where few come, each wakes the loop at once.
"""

from __future__ import annotations

import contextlib
import select
from typing import Final

from vonage_sock.clock import MS, US
from vonage_sock.transport.timerfd import Alarm, TimerFd

BEAT_NS: Final = 500 * US
PERIOD_NS: Final = 20 * MS
"""Whether many come is judged over the time in which each call sends once."""

MAX_READY: Final = 1024

ReadyList = list[tuple[int, int]]
"""Descriptors and epoll's events, in the order in which they became ready."""


class EachWakes:
    """
    One epoll, in which every socket wakes us: for those who measure when frames come.

    Raises:
        OSError: the system gives no more descriptors.
    """

    def __init__(self) -> None:
        self._all = select.epoll()

    def fileno(self) -> int:
        """What to sleep on."""
        return self._all.fileno()

    @property
    def closed(self) -> bool:
        """After ``close``."""
        return self._all.closed

    def close(self) -> None:
        """Watch nothing any more."""
        self._all.close()

    def add(self, fd: int) -> None:
        """
        Watch one more for what can be read.

        Raises:
            OSError: the system watches as much as it can.
            ValueError: after ``close``.
        """
        self._all.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Watch this one no longer."""
        self._all.unregister(fd)

    def watch_writing(self, fd: int, *, wanted: bool) -> None:
        """Watch for what can be written, too, or no longer."""
        self._all.modify(fd, select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN)

    @property
    def epoll_fd(self) -> int:
        """The epoll that knows what is ready."""
        return self._all.fileno()

    def begin(self) -> None:
        """Somebody was woken, and asks next what is ready."""

    def ready(self) -> ReadyList:
        """All that is ready now."""
        return self._all.poll(0, MAX_READY)

    def woken(self, found: int, *, woken_at: int, done_at: int) -> None:
        """
        What was found has been handled; learn from it.

        Args:
            found: how many sockets.
            woken_at, done_at: when that began and ended, in nanoseconds.
        """


class Beat(EachWakes):
    """
    Wakes for every socket where few send, and at even intervals where many do.

    Args:
        timer: what beats, and is closed with the rest; one of the kernel's, where left out.

    Raises:
        OSError: the system gives no more descriptors.
    """

    def __init__(self, timer: Alarm | None = None, *, beat_ns: int = BEAT_NS) -> None:
        with contextlib.ExitStack() as opened:
            super().__init__()
            opened.callback(self._all.close)
            self._waking = select.epoll()
            opened.callback(self._waking.close)
            self._timer = timer or TimerFd()
            opened.pop_all()
        self._beat_ns = beat_ns
        self._woken = self._found = self._period_at = 0
        self._waking.register(self._all, select.EPOLLIN)
        self.beats = False
        """The sockets wake nobody: the timer does."""

    def fileno(self) -> int:
        """What to sleep on."""
        return self._waking.fileno()

    def close(self) -> None:
        """Watch nothing any more."""
        self._waking.close()
        self._timer.close()
        super().close()

    def begin(self) -> None:
        """Somebody was woken, and asks next what is ready."""
        if self.beats:
            self._timer.clear()

    def woken(self, found: int, *, woken_at: int, done_at: int) -> None:
        """Begin to beat where more than so much comes, and stop where it is less than half of that."""
        self._woken += 1
        self._found += found
        span_ns = woken_at - self._period_at
        if span_ns < PERIOD_NS:
            return
        if not self.beats and self._woken * self._beat_ns > span_ns:
            self._begin()
        elif self.beats and self._found * self._beat_ns * 2 < span_ns:
            self._stop()
        self._period_at, self._woken, self._found = woken_at, 0, 0

    def _begin(self) -> None:
        self.beats = True
        self._timer.set(self._beat_ns, self._beat_ns)
        self._waking.unregister(self._all)
        self._waking.register(self._timer, select.EPOLLIN)

    def _stop(self) -> None:
        self.beats = False
        self._timer.stop()
        self._waking.unregister(self._timer)
        self._waking.register(self._all, select.EPOLLIN)
