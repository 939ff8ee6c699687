"""
Who was refused, as it is told to the person who runs the server: at once, and then once a minute with a count.

Rule: whoever reaches the server decides how often something happens, never how much is written about it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from vonage_sock.call.events import Event, FindingRaised, Notice, Observer
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.clock import SECOND, Clock

MINUTE_NS: Final = 60 * SECOND
LOOK_AGAIN_S: Final = 61.0
"""Timers may come early."""

Make = Callable[[int], Event]
"""Makes the event of how many there were."""


class Refusals:
    """
    Tells of findings and warnings that belong to no call, each kind by itself.

    Args:
        tell: given each; one that was there before comes with how often it was seen since it was told last.
        later: calls back after so many seconds; what has been counted by then is told.
    """

    def __init__(
        self, tell: Observer, clock: Clock, *, later: Callable[[float, Callable[[], None]], object] | None = None
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._later = later
        self._told_at: dict[str, int] = {}
        self._waiting: dict[str, tuple[int, Make]] = {}

    def add(self, code: str, numbers: dict[str, Any]) -> None:
        """One more was refused; ``numbers`` are those of the finding's message."""
        self._count(code, partial(self._finding, code, CATALOGUE[code].message.format(**numbers)))

    def say(self, kind: str, message: str) -> None:
        """
        Something is wrong for which there is no finding.

        Args:
            kind: one of a few, made by us.
            message: one sentence without its end, of our own words.
        """
        self._count(kind, partial(self._notice, message))

    def flush(self) -> None:
        """Tell what was only counted so far."""
        for kind in list(self._waiting):
            self._say(kind, *self._waiting.pop(kind))

    def _count(self, kind: str, make: Make) -> None:
        told_at = self._told_at.get(kind)
        if told_at is not None and self._clock.now() - told_at < MINUTE_NS:
            self._waiting[kind] = self._waiting.get(kind, (0, make))[0] + 1, make
            return
        self._say(kind, self._waiting.pop(kind, (0, make))[0] + 1, make)

    def _look_again(self, kind: str) -> None:
        # What was told since then has a look of its own to come.
        if kind in self._waiting and self._clock.now() - self._told_at[kind] >= MINUTE_NS:
            self._say(kind, *self._waiting.pop(kind))

    def _say(self, kind: str, count: int, make: Make) -> None:
        self._told_at[kind] = self._clock.now()
        if self._later is not None:
            self._later(LOOK_AGAIN_S, partial(self._look_again, kind))
        self._tell(make(count))

    def _finding(self, code: str, message: str, count: int) -> Event:
        now, level = self._clock.now(), CATALOGUE[code].level.value
        return FindingRaised(at=now, code=code, level=level, message=message, count=count, first_frame=0)

    def _notice(self, message: str, count: int) -> Event:
        more = f" ({count:,} times in the last minutes)" if count > 1 else ""
        return Notice(at=self._clock.now(), level="warning", message=message + more)
