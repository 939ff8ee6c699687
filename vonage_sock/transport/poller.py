"""
Many calls' sockets in one place: what is ready is handled in one go, and one timer serves all.

An event loop that wakes up for each frame of each call spends more on waking up than on the frames. So all sockets are in
an epoll of our own, which wakes the loop where calls are few, and a beat does where they are many: see ``waking``.

It works on any event loop of asyncio's, and on Linux only.
"""

from __future__ import annotations

import asyncio
import heapq
import select
import sys
from collections.abc import Callable
from typing import Final, Protocol

from vonage_sock import native
from vonage_sock.clock import MS, Clock
from vonage_sock.protocol.logtext import logger
from vonage_sock.transport.timerfd import TimerFd
from vonage_sock.transport.waking import Beat, EachWakes

READY_PER_CLOCK: Final = 16
"""So many sockets are handled as of one time."""

TIMER_GRID_NS: Final = MS
"""
Deadlines are met on a grid, so that those of many calls are met together, and none is compared with another.
"""

_NEVER: Final = 1 << 100
_ALREADY: Final = -1
_CLOSED: Final = -2
"""In the place of the alarm's time: every time is sooner, or none is."""

Action = Callable[[int], None]
"""Given the time, in nanoseconds."""

_log = logger(__name__)


class Ready(Protocol):
    """What a poller calls."""

    def readable(self, now: int) -> None:
        """There is something to read, and nothing else to say. Never waits."""
        ...

    def ready(self, events: int, now: int) -> None:
        """The socket can be read or written, as epoll's ``events`` say. Never waits."""
        ...

    def abort(self) -> None:
        """Drop the connection: ``ready`` raised."""
        ...


class Timer:
    """One action at one time."""

    __slots__ = ("action", "at")

    def __init__(self, at: int, action: Action) -> None:
        self.at = at
        self.action: Action | None = action

    def cancel(self) -> None:
        """Don't do it."""
        self.action = None


def available() -> bool:
    """Whether this system has what a poller needs."""
    return sys.platform == "linux"


class Poller:
    """
    Watches sockets on the running event loop.

    Args:
        waking: what wakes the loop for the sockets; the poller closes it. Where left out, they do, or a beat.

    Raises:
        OSError: the system gives no more descriptors.
    """

    def __init__(self, clock: Clock, *, waking: EachWakes | None = None) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waking = waking or Beat()
        self._watched: dict[int, Ready] = {}
        self._timers: dict[int, list[Timer]] = {}
        self._timers_at: list[int] = []
        try:
            self._alarm = TimerFd()
        except BaseException:
            self._waking.close()
            raise
        self._alarm_at = _NEVER
        self._loop.add_reader(self._waking.fileno(), self._wake)
        self._loop.add_reader(self._alarm.fileno(), self._ring)

    def close(self) -> None:
        """Drop the connections that are still there, and do nothing any more."""
        if self._waking.closed:
            return
        for ready in list(self._watched.values()):
            self._drop(ready)
        for source in (self._waking, self._alarm):
            self._loop.remove_reader(source.fileno())
            source.close()
        self._watched.clear()
        self._timers.clear()
        self._timers_at.clear()
        self._alarm_at = _CLOSED

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        return self._clock

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it runs on."""
        return self._loop

    @property
    def due(self) -> dict[int, list[Timer]]:
        """Who is waiting for which time of the grid: a timer may join others there by itself, once it has fired."""
        return self._timers

    def watch(self, fd: int, ready: Ready) -> None:
        """
        Call ``ready`` whenever there is something to read.

        Raises:
            OSError: the system watches as much as it can.
            ValueError: the poller is closed.
        """
        self._waking.add(fd)
        self._watched[fd] = ready

    def watch_writing(self, fd: int, *, wanted: bool) -> None:
        """Call it when something can be written, too, or no longer."""
        self._waking.watch_writing(fd, wanted=wanted)

    def forget(self, fd: int) -> None:
        """Watch this one no longer; before it is closed."""
        if self._watched.pop(fd, None) is not None:
            self._waking.remove(fd)

    def call_at(self, at: int, action: Action) -> Timer:
        """
        Do something at a time of the clock, or up to a millisecond later; what is over already is done next.

        What falls into the same millisecond is done in the order in which it was asked for.
        """
        timer = Timer(at, action)
        self.call_again(timer, at)
        return timer

    def call_again(self, timer: Timer, at: int) -> None:
        """Do what a timer does once more; one that has fired, and wasn't cancelled."""
        timer.at = at
        on_grid_at = at + -at % TIMER_GRID_NS
        timers = self._timers.get(on_grid_at)
        if timers is not None:
            timers.append(timer)
            return
        self._timers[on_grid_at] = [timer]
        heapq.heappush(self._timers_at, on_grid_at)
        if on_grid_at < self._alarm_at:
            self._set_alarm(on_grid_at)

    def _set_alarm(self, at: int) -> None:
        self._alarm_at = at
        self._alarm.set(at - self._clock.now())

    def _ring(self) -> None:
        self._alarm.clear()
        # What the alarm was set for is done as of that time, were it early by a little.
        now = max(self._clock.now(), self._alarm_at)
        # Until all that is due has been done, nobody sets an alarm: it is set for the first of what is left.
        self._alarm_at = _ALREADY
        try:
            self.run_timers(now)
        finally:
            if self._alarm_at == _ALREADY:
                self._alarm_at = _NEVER
                if self._timers_at:
                    self._set_alarm(self._timers_at[0])

    def run_timers(self, now: int) -> None:
        """What is due is done; for the round."""
        timers_at, timers = self._timers_at, self._timers
        # Those that an action adds have their turn after the sockets had theirs, however soon they are due.
        due: list[Timer] = []
        while timers_at and timers_at[0] <= now:
            due += timers.pop(heapq.heappop(timers_at))
        for timer in due:
            if (action := timer.action) is not None:
                try:
                    action(now)
                except Exception:  # noqa: BLE001  (one call's trouble must not end the others)
                    _log.exception("a timer's action failed")
        while timers_at and all(timer.action is None for timer in timers[timers_at[0]]):
            del timers[heapq.heappop(timers_at)]

    def _wake(self) -> None:
        woken_at = self._clock.now()
        found = self._handle_ready()
        if not self._waking.closed:
            self._waking.woken(found, woken_at=woken_at, done_at=self._clock.now())

    def _handle_ready(self) -> int:
        """Handle what is ready by now; how many that was."""
        self._waking.begin()
        if native.frames is not None:
            count: int = native.frames.handle_ready(
                self, self._waking.epoll_fd, self._watched, self._timers_at, self._clock.now, READY_PER_CLOCK
            )
            return count
        watched, clock_now, timers_at = self._watched, self._clock.now, self._timers_at
        found = self._waking.ready()
        for number, (fd, events) in enumerate(found):
            if not number % READY_PER_CLOCK:
                now = clock_now()
                if timers_at and timers_at[0] <= now:
                    # What waits to be read can wait on; a frame that is due can't.
                    self.run_timers(now)
                    now = clock_now()
            ready = watched.get(fd)
            if ready is None:
                continue  # an earlier one of this round ended it
            try:
                if events == select.EPOLLIN:
                    ready.readable(now)
                else:
                    ready.ready(events, now)
            except Exception as error:  # noqa: BLE001  (as above)
                self.failed(ready, error)
        return len(found)

    def failed(self, ready: Ready, error: Exception) -> None:
        """It raised this when it was told what is ready; for the round."""
        _log.error("a connection failed and is dropped", exc_info=error)
        self._drop(ready)

    @staticmethod
    def _drop(ready: Ready) -> None:
        try:
            ready.abort()
        except Exception:  # noqa: BLE001  (as above)
            _log.exception("a connection failed as it was dropped")
