"""
Whether the event loop stood still, which holds up all calls at once.

Pure: told of each tick, it says a sentence the first time that one came much too late. Rule: nothing is said while there is
no call that it could have harmed, and it is said once: whoever's handler blocks is called again and again.
"""

from __future__ import annotations

from typing import Final

from vonage_sock.clock import MS

TICK_MS: Final = 100
TOO_LATE_NS: Final = 500 * MS
"""A busy machine is late by some tens of milliseconds, a buffer of audio hides a few hundred."""


class Standstill:
    """Call ``tick`` every 100 ms."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._said = False

    def tick(self, now: int, *, calls: int) -> str | None:
        """What is to be said, with ``now`` in nanoseconds and so many calls open."""
        late_ns = 0 if self._before is None else now - self._before - TICK_MS * MS
        self._before = now
        if self._said or late_ns < TOO_LATE_NS or not calls:
            return None
        self._said = True
        held_up = "a call" if calls == 1 else f"{calls:,} calls"
        return (
            f"the event loop stood still for {late_ns // MS:,} ms and held up {held_up}: something blocks it (a handler "
            "that computes or waits without await), or the machine was asleep or very busy; this is said once"
        )
