"""
Where many calls stand, told a few at a time, so that no frame waits for it.

Rule 1: between two turns of the event loop there is no more than ``WORK_NS`` of this work, and one call. Rule 2: a call has
its place in the round when it is first seen and keeps it, so that what is told of it comes in even steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

from vonage_sock.clock import MS, Clock

WORK_NS: Final = MS
TICK_MS: Final = 100
TICKS_A_ROUND: Final = 10
TICKS_A_GLANCE: Final = 2


class Calls(Protocol):
    """The calls of a server."""

    @property
    def calls(self) -> tuple[str, ...]:
        """The ids of the open ones."""
        ...

    def tell_stats(self, call_id: str) -> None:
        """Tell where this call stands, if it is open."""
        ...


class Figures:
    """
    Tells where calls stand; call ``tick`` ten times a second.

    Args:
        everyone: each call once a second.
        watched: the calls that are told of five times a second, as of each tick.
    """

    def __init__(
        self, server: Calls, clock: Clock, *, everyone: bool, watched: Callable[[], Collection[str]] = tuple
    ) -> None:
        self._server = server
        self._clock = clock
        self._everyone = everyone
        self._watched = watched
        self._round = Round(TICKS_A_ROUND)
        self._ticks = 0

    async def tick(self) -> None:
        """Tell what is due."""
        due = list(self._watched()) if self._ticks % TICKS_A_GLANCE == 0 else []
        if self._everyone:
            due += [call for call in self._round.turn(self._server.calls) if call not in due]
        self._ticks += 1
        await self._tell(due)

    async def _tell(self, due: Iterable[str]) -> None:
        began_at = self._clock.now()
        for call_id in due:
            if self._clock.now() - began_at >= WORK_NS:
                await asyncio.sleep(0)
                began_at = self._clock.now()
            self._server.tell_stats(call_id)


class Round:
    """Calls in so many groups of about one size, of which one has its turn at a time."""

    def __init__(self, groups: int) -> None:
        self._groups: list[list[str]] = [[] for _ in range(groups)]
        self._turns = 0

    def turn(self, calls: Collection[str]) -> tuple[str, ...]:
        """The calls of the next group; ``calls`` are all that there are now."""
        live = set(calls)
        self._groups = [[call for call in group if call in live] for group in self._groups]
        for call in live.difference(*self._groups):
            min(self._groups, key=len).append(call)
        group = self._groups[self._turns % len(self._groups)]
        self._turns += 1
        return tuple(group)
