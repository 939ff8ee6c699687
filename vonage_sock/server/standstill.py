"""
Notices when the event loop stands still: whatever blocks it keeps the frames of all calls waiting.

Nothing is said while there is no call that it could have harmed. It is told once, and again a minute later at the soonest,
with what came together meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from vonage_sock.clock import MS, SECOND, Clock

LOOK_EVERY_NS: Final = 100 * MS
STANDSTILL_NS: Final = 500 * MS
"""Half a second: 25 frames of each call, and more than a busy machine keeps anybody waiting."""

AGAIN_AFTER_NS: Final = 60 * SECOND


class StandstillWatch:
    """
    Looks ten times a second how late it is itself.

    Args:
        tell: given a sentence.
        calls: how many are open.
    """

    def __init__(self, clock: Clock, tell: Callable[[str], object], *, calls: Callable[[], int]) -> None:
        self._clock = clock
        self._tell = tell
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._times = 0
        self._longest_ns = 0
        self._told_at: int | None = None
        self._due = clock.now()
        self._timer: asyncio.TimerHandle | None = None
        self._look_again()

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self) -> None:
        self._due = self._clock.now() + LOOK_EVERY_NS
        self._timer = self._loop.call_later(LOOK_EVERY_NS / SECOND, self._look)

    def _look(self) -> None:
        now = self._clock.now()
        self.looked(now - self._due, now)
        self._look_again()

    def looked(self, late_ns: int, now: int) -> None:
        """It was so late."""
        if late_ns >= STANDSTILL_NS and self._calls():
            self._times += 1
            self._longest_ns = max(self._longest_ns, late_ns)
        if self._times and (self._told_at is None or now - self._told_at >= AGAIN_AFTER_NS):
            self._tell(self._sentence())
            self._told_at, self._times, self._longest_ns = now, 0, 0

    def _sentence(self) -> str:
        often = f" {self._times} times" if self._times > 1 else ""
        longest = f"for up to {self._longest_ns // MS:,} ms" if often else f"for {self._longest_ns // MS:,} ms"
        return (
            f"the event loop stood still{often} {longest}, and all calls with it: something blocked it (a behaviour or a "
            "handler that sleeps, reads files or computes does), or the machine is too busy; move slow work to a thread"
        )
