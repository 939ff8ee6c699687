"""
What is wrong with somebody's requests, told to who runs the server: once, and then once a minute at most.

Rule: whoever reaches the server decides how often something happens, never how much is written about it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vonage_sock.call.events import Notice
from vonage_sock.clock import SECOND, Clock

EVERY_NS: Final = 60 * SECOND


class Complaints:
    """
    Tells notices, by their kind.

    Args:
        tell: given what is to be told.
    """

    def __init__(self, tell: Callable[[Notice], object], clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._told: dict[str, tuple[int, int]] = {}

    def say(self, kind: str, message: str) -> None:
        """
        Something is wrong.

        Args:
            kind: one of a few, made by us; each is limited by itself.
            message: one sentence without its end, of our own words.
        """
        now = self._clock.now()
        told_at, untold = self._told.get(kind, (now - EVERY_NS, 0))
        if now - told_at < EVERY_NS:
            self._told[kind] = told_at, untold + 1
            return
        self._told[kind] = now, 0
        more = f" (and {untold:,} more like it in the last minutes)" if untold else ""
        self._tell(Notice(at=now, level="warning", message=message + more))
