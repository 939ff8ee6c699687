"""
Which legs the platform has told of and not yet ended: its last events come after the socket has closed.

Rule: nothing is believed for good. Events come in any order and more than once, some never; whoever waits sets a limit.
"""

from __future__ import annotations

import asyncio
from typing import Final

from vonage_sock.call.events import Event, EventPosted

LAST_STATUSES: Final = frozenset({"completed", "failed", "rejected", "busy", "cancelled", "timeout", "unanswered"})
MAX_LEGS: Final = 1000


class OpenLegs:
    """An observer of the server's events."""

    def __init__(self) -> None:
        self._over: dict[str, bool] = {}
        self._changed = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Follow the legs; of more than can be kept the oldest is forgotten."""
        match event:
            case EventPosted(uuid=str(uuid), status=status):
                self._over[uuid] = self._over.get(uuid, False) or status in LAST_STATUSES
                if len(self._over) > MAX_LEGS:
                    del self._over[next(iter(self._over))]
                self._changed.set()

    def __bool__(self) -> bool:
        """Whether there is one."""
        return not all(self._over.values())

    async def over(self) -> None:
        """Wait until there is none."""
        while self:
            self._changed.clear()
            await self._changed.wait()
