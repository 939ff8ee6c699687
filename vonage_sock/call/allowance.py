"""
How much somebody may send for long, and how much at once.

Rule: what piled up while a line, or we, stood still comes in one go, and is nobody's fault: after a gap there may be as much
as the gap had room for.
"""

from __future__ import annotations

from typing import Final

from vonage_sock.clock import SECOND

GAP_NS: Final = SECOND
MAX_GAP_NS: Final = 60 * SECOND
"""A gap is silence for so long; one that is longer than this counts as no more."""


class Allowance:
    """
    A bucket that fills with time, and from which each message takes one.

    Args:
        per_s: what may come for long.
        burst: what the bucket holds, full at first.
        now: in nanoseconds, as everywhere.
    """

    __slots__ = ("_at", "_burst", "_left", "_most", "_per_s")

    def __init__(self, *, per_s: int, burst: int, now: int) -> None:
        self._per_s = per_s
        self._burst = self._most = self._left = float(burst)
        self._at = now

    def take(self, count: int, now: int) -> bool:
        """So many came since this was last asked; False when that is too many."""
        since_ns = min(now - self._at, MAX_GAP_NS)
        self._at = now
        filled = self._per_s * since_ns / SECOND
        if since_ns > GAP_NS:
            self._most = self._burst + filled
        self._left = min(self._most, self._left + filled) - count
        if self._left <= self._burst:
            self._most = self._burst
        return self._left >= 0
