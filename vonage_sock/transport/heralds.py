"""
Which sockets wake us up.

A process that goes to sleep and is woken for each frame of each call spends more on that than on the frames. So all sockets
are in one epoll that nobody sleeps on, and a few of them, the heralds, in a second one that somebody does: when a herald has
a frame, whatever came since the last time is there to be read as well. Who is a herald follows from the frames themselves:
while we are woken often, one that woke us too soon after the time before is none any more; and where we were woken too
late, what is in the middle of what had to wait becomes one. Calls send each 20 ms, so that what was the right distance stays
so until calls come and go.

A frame of a quiet socket waits for the next herald's: about the distance where calls are steady, some times that where their
frames jitter, so that what was learned holds less. Where few send, none is quiet. Heralds may fall silent all at once:
whoever sleeps on them looks for himself now and then while others are quiet.
"""

from __future__ import annotations

import select
from typing import Final

from vonage_sock.clock import MS, US

DISTANCE_NS: Final = 250 * US
"""Sooner than this is too soon, and later than twice this too late."""

PERIOD_NS: Final = 20 * MS
"""How often we are woken is judged over the time in which each call sends once."""

AT_A_TIME: Final = 4
MAX_READY: Final = 1024

ReadyList = list[tuple[int, int]]
"""Descriptors and epoll's events, in the order in which they became ready."""


class AllHeralds:
    """
    One epoll, in which every socket wakes us: for those who measure when frames come.

    Raises:
        OSError: the system gives no more descriptors.
    """

    quiet = 0

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close
        self.remove = self._epoll.unregister

    @property
    def closed(self) -> bool:
        """After ``close``."""
        return self._epoll.closed

    def add(self, fd: int) -> None:
        """
        Watch one more for what can be read.

        Raises:
            OSError: the system watches as much as it can.
            ValueError: after ``close``.
        """
        self._epoll.register(fd, select.EPOLLIN)

    def watch_writing(self, fd: int, *, wanted: bool) -> None:
        """Watch for what can be written, too, or no longer."""
        self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN)

    def ready(self) -> ReadyList:
        """All that is ready now."""
        return self._epoll.poll(0, MAX_READY)

    def woken(self, found: ReadyList, *, woken_at: int, done_at: int) -> None:
        """There is nothing to learn."""


class Heralds:
    """
    Two epolls over the same sockets.

    Args:
        distance_ns: what to aim for between two times of being woken.

    Raises:
        OSError: the system gives no more descriptors.
    """

    def __init__(self, *, distance_ns: int = DISTANCE_NS) -> None:
        self._distance_ns = distance_ns
        self._all = select.epoll()
        try:
            self._waking = select.epoll()
        except BaseException:
            self._all.close()
            raise
        self._quiet: set[int] = set()
        self._loud: set[int] = set()
        self._writing: set[int] = set()
        self._woken_at = self._done_at = self._period_at = 0
        self._woken = 0
        self._too_many = 0

    def fileno(self) -> int:
        """What to sleep on."""
        return self._waking.fileno()

    @property
    def closed(self) -> bool:
        """After ``close``."""
        return self._all.closed

    @property
    def quiet(self) -> int:
        """How many sockets wake nobody."""
        return len(self._quiet)

    def close(self) -> None:
        """Watch nothing any more."""
        self._waking.close()
        self._all.close()

    def add(self, fd: int) -> None:
        """
        Watch one more for what can be read; at first it is a herald.

        Raises:
            OSError: the system watches as much as it can.
            ValueError: after ``close``.
        """
        self._all.register(fd, select.EPOLLIN)
        try:
            self._waking.register(fd, select.EPOLLIN)
        except BaseException:
            self._all.unregister(fd)
            raise
        self._loud.add(fd)

    def remove(self, fd: int) -> None:
        """Watch this one no longer."""
        self._all.unregister(fd)
        self._writing.discard(fd)
        if fd in self._quiet:
            self._quiet.remove(fd)
            return
        self._waking.unregister(fd)
        self._loud.remove(fd)
        if not self._loud and self._quiet:
            self._promote(next(iter(self._quiet)))

    def watch_writing(self, fd: int, *, wanted: bool) -> None:
        """Watch for what can be written, too, or no longer; who waits for that is a herald."""
        events = select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN
        self._all.modify(fd, events)
        if wanted:
            self._writing.add(fd)
        else:
            self._writing.discard(fd)
        if fd in self._quiet:
            self._promote(fd)
        self._waking.modify(fd, events)

    def ready(self) -> ReadyList:
        """All that is ready now, heralds or not."""
        return self._all.poll(0, MAX_READY)

    def woken(self, found: ReadyList, *, woken_at: int, done_at: int) -> None:
        """
        Somebody was woken, and has handled what was found; learn from it.

        Args:
            woken_at, done_at: when that began and ended, in nanoseconds.
        """
        distance_ns = self._distance_ns
        since_ns, slept_ns = woken_at - self._woken_at, woken_at - self._done_at
        self._woken_at, self._done_at = woken_at, done_at
        self._woken += 1
        if woken_at - self._period_at >= PERIOD_NS:
            self._judge_period(woken_at)
        if not found:
            return
        if since_ns < distance_ns:
            if self._too_many and len(self._loud) > 1:
                self._too_many -= 1
                self._demote_one(found)
        elif slept_ns > distance_ns and since_ns > 2 * distance_ns:
            waited = found if since_ns > 4 * distance_ns else found[len(found) // 2 :][:1]
            for fd, _ in waited:
                if fd in self._quiet:
                    self._promote(fd)

    def _judge_period(self, now: int) -> None:
        taken_ns = now - self._period_at
        # A part of them at a time: too few would leave frames waiting.
        self._too_many = max(0, self._woken - taken_ns // self._distance_ns) // AT_A_TIME
        if 4 * self._distance_ns * self._woken < taken_ns:
            self.make_all()
        self._period_at, self._woken = now, 0

    def make_all(self) -> None:
        """Every socket is a herald again."""
        for fd in list(self._quiet):
            self._promote(fd)

    def _demote_one(self, found: ReadyList) -> None:
        for fd, _ in found:
            if fd in self._loud and fd not in self._writing:
                self._waking.unregister(fd)
                self._loud.remove(fd)
                self._quiet.add(fd)
                return

    def _promote(self, fd: int) -> None:
        self._waking.register(fd, select.EPOLLIN)
        self._quiet.remove(fd)
        self._loud.add(fd)
