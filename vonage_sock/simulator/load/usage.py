"""What the server takes of its machine: processor time and memory of a process and of all that it started."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

from vonage_sock.clock import SECOND, Clock
from vonage_sock.errors import UsageError


@dataclass(frozen=True, slots=True)
class Usage:
    """
    From one look to the next.

    Args:
        span_ns: between the looks; 0 at the first.
        cpu_ns: time that all of them spent on a processor meanwhile.
        rss_bytes: memory that they hold now; what several share is counted in each.
    """

    pid: int
    processes: int
    span_ns: int
    cpu_ns: int
    rss_bytes: int

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return round(100 * self.cpu_ns / self.span_ns, 1) if self.span_ns else 0.0


class UsageWatch:
    """
    Looks at a process and its children.

    Raises:
        UsageError: there is no such process, or it may not be looked at.
    """

    def __init__(self, pid: int, clock: Clock) -> None:
        self._clock = clock
        self._pid = pid
        try:
            self._process = psutil.Process(pid)
            self._process.cpu_times()
        except psutil.NoSuchProcess as error:
            raise UsageError(
                f"--pid {pid}: there is no such process; give the server's own (ps, or $! in a shell)"
            ) from error
        except psutil.AccessDenied as error:
            raise UsageError(f"--pid {pid}: you may not look at this process; it belongs to somebody else") from error
        self._looked_at: int | None = None
        self._cpu_ns: dict[int, int] = {}

    def look(self) -> Usage | None:
        """What it took since the last look; None when it is gone."""
        now = self._clock.now()
        cpu_ns: dict[int, int] = {}
        rss_bytes = 0
        with contextlib.suppress(psutil.Error):
            for process in (self._process, *self._process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    cpu_ns[process.pid] = round((times.user + times.system) * SECOND)
                    rss_bytes += process.memory_info().rss
        if not cpu_ns:
            return None
        span_ns = 0 if self._looked_at is None else now - self._looked_at
        # A child that is new counts from its start, one that is gone no more.
        spent_ns = sum(max(0, spent - self._cpu_ns.get(pid, 0)) for pid, spent in cpu_ns.items())
        self._looked_at, self._cpu_ns = now, cpu_ns
        return Usage(self._pid, len(cpu_ns), span_ns, spent_ns if span_ns else 0, rss_bytes)
