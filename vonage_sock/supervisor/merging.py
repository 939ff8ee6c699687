"""
What several workers tell, in one order.

Rule: by time, and never out of the order in which one worker told it. What one worker tells a little later may have happened
before what another has told already: everything is held for ``HOLD_NS``.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

from vonage_sock.call.events import Event
from vonage_sock.clock import MS

HOLD_NS: Final = 20 * MS


class Merge:
    """Events in, by worker; the same out, in one order. All times are absolute nanoseconds."""

    def __init__(self, hold_ns: int = HOLD_NS) -> None:
        self._hold_ns = hold_ns
        self._held: list[tuple[int, int, Event]] = []
        self._count = 0
        self._last_at: dict[int, int] = {}

    def push(self, slot: int, events: Sequence[Event]) -> None:
        """What a worker told."""
        for event in events:
            at = self._last_at[slot] = max(event.at, self._last_at.get(slot, event.at))
            self._count += 1
            heapq.heappush(self._held, (at, self._count, event))

    def take(self, now: int) -> list[Event]:
        """What nothing can come before any more."""
        result = []
        while self._held and self._held[0][0] + self._hold_ns <= now:
            result.append(heapq.heappop(self._held)[2])
        return result

    def take_all(self) -> list[Event]:
        """Everything, when no more will come."""
        result = [event for _, _, event in sorted(self._held)]
        self._held = []
        return result

    def next_deadline(self) -> int | None:
        """When the next event may be taken."""
        return self._held[0][0] + self._hold_ns if self._held else None
