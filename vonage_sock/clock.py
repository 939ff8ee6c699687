"""
Where time comes from.

Everything below the transport is given ``now`` as an argument; this is the one module that asks the machine for it.
Times are integer nanoseconds: ``now`` counts from an arbitrary start and never goes back, ``wall_ns`` is Unix time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, Protocol

US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000


class Clock(Protocol):
    """Two readings, both in nanoseconds."""

    def now(self) -> int:
        """Monotonic time."""
        ...

    def wall_ns(self) -> int:
        """Unix time."""
        ...


class SystemClock:
    """The machine's clocks."""

    # Asked for several times per frame: a function of Python's around it would cost as much as the reading.
    now = staticmethod(time.monotonic_ns)

    def wall_ns(self) -> int:
        """Unix time in nanoseconds."""
        return time.time_ns()


class ManualClock:
    """A clock that stands still until it is told to move; both readings move together."""

    def __init__(self, now: int = 0, *, wall_ns: int = 1_700_000_000 * SECOND) -> None:
        self._now = now
        self._wall_offset_ns = wall_ns - now

    def now(self) -> int:
        """Monotonic time in nanoseconds."""
        return self._now

    def wall_ns(self) -> int:
        """Unix time in nanoseconds."""
        return self._now + self._wall_offset_ns

    def advance_to(self, now: int) -> None:
        """
        Move to an absolute time in nanoseconds.

        Raises:
            ValueError: the time lies in the past.
        """
        if now < self._now:
            raise ValueError(f"time can't go back from {self._now} to {now}")
        self._now = now


def iso_utc(wall_ns: int) -> str:
    """Unix nanoseconds as ISO 8601 in UTC with milliseconds, as in Vonage's webhooks: ``2026-02-03T10:00:42.000Z``."""
    ms = wall_ns // MS
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def file_stamp(wall_ns: int) -> str:
    """Unix nanoseconds as a UTC stamp that is safe in a file name: ``20260203T100042Z``."""
    return f"{datetime.fromtimestamp(wall_ns // SECOND, UTC):%Y%m%dT%H%M%SZ}"
