"""
Who was refused, as it is told to the person who runs the server: at once, and then once a minute with a count.

Anybody on the internet may cause these, so that neither their number nor their text may fill a screen or a log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vonage_sock.call.events import FindingRaised, Observer
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.clock import SECOND, Clock

MINUTE_NS: Final = 60 * SECOND
LOOK_AGAIN_S: Final = 61.0
"""Timers may come early."""


class Refusals:
    """
    Tells of findings that belong to no call.

    Args:
        tell: given each finding; one that was there before comes with how often it was seen since it was told last.
        later: calls back after so many seconds; what has been counted by then is told.
    """

    def __init__(
        self, tell: Observer, clock: Clock, *, later: Callable[[float, Callable[[], None]], object] | None = None
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._later = later
        self._told_at: dict[str, int] = {}
        self._waiting: dict[str, tuple[int, str]] = {}

    def add(self, code: str, numbers: dict[str, Any]) -> None:
        """One more was refused; ``numbers`` are those of the finding's message."""
        message = CATALOGUE[code].message.format(**numbers)
        told_at = self._told_at.get(code)
        if told_at is not None and self._clock.now() - told_at < MINUTE_NS:
            count, _ = self._waiting.get(code, (0, ""))
            self._waiting[code] = count + 1, message
            return
        self._say(code, message, self._waiting.pop(code, (0, ""))[0] + 1)

    def flush(self) -> None:
        """Tell what was only counted so far."""
        waiting, self._waiting = self._waiting, {}
        for code, (count, message) in waiting.items():
            self._say(code, message, count)

    def _look_again(self, code: str) -> None:
        # What was told since then has a look of its own to come.
        if code in self._waiting and self._clock.now() - self._told_at[code] >= MINUTE_NS:
            count, message = self._waiting.pop(code)
            self._say(code, message, count)

    def _say(self, code: str, message: str, count: int) -> None:
        now, rule = self._clock.now(), CATALOGUE[code]
        self._told_at[code] = now
        if self._later is not None:
            self._later(LOOK_AGAIN_S, lambda: self._look_again(code))
        self._tell(
            FindingRaised(at=now, code=code, level=rule.level.value, message=message, count=count, first_frame=0)
        )
