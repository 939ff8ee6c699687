"""
Which calls are let in, and what they are called: counted once for a whole server, however many processes it has.

A socket that has said nothing yet is counted by itself, too. Calls that begin together are all silent for a moment, so that
who finds all silent places taken waits for one before it is refused.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import Final, Protocol

SILENT_WAIT_S: Final = 1.0
LOOK_S: Final = 0.05
"""Places that other processes give back are looked for so often."""


class Admission(Protocol):
    """Counts the calls that are open, and names each when it is let in."""

    @property
    def limit(self) -> int:
        """How many may be open at once."""
        ...

    @property
    def open_calls(self) -> int:
        """How many are open."""
        ...

    def enter(self) -> str | None:
        """Let one more call in: its id, short and never given twice; None when as many as may are open."""
        ...

    def leave(self) -> None:
        """A call that was let in is over."""
        ...

    def begin_silence(self) -> bool:
        """A call that was let in has yet to say something; False when as many as may be are silent."""
        ...

    def end_silence(self) -> None:
        """It said something, or is over."""
        ...


class OwnAdmission:
    """For a server of one process."""

    def __init__(self, limit: int, *, silent: int) -> None:
        self._limit = limit
        self._most_silent = silent
        self._open_calls = 0
        self._silent = 0
        self._numbers = itertools.count(1)

    @property
    def limit(self) -> int:
        """How many may be open at once."""
        return self._limit

    @property
    def open_calls(self) -> int:
        """How many are open."""
        return self._open_calls

    def enter(self) -> str | None:
        """Let one more call in."""
        if self._open_calls >= self._limit:
            return None
        self._open_calls += 1
        return f"c{next(self._numbers)}"

    def leave(self) -> None:
        """A call is over."""
        self._open_calls -= 1

    def begin_silence(self) -> bool:
        """A call has yet to say something."""
        if self._silent >= self._most_silent:
            return False
        self._silent += 1
        return True

    def end_silence(self) -> None:
        """It said something."""
        self._silent -= 1


class Silence:
    """The silent calls of one process, by their ids, and those who wait to be one, in their order."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._calls: set[str] = set()
        self._waiting: deque[asyncio.Event] = deque()

    async def begin(self, call_id: str, *, wait_s: float = SILENT_WAIT_S) -> bool:
        """Take a place, and wait for one; False when none was given back in time."""
        mine = asyncio.Event()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(wait_s):
                while self._waiting[0] is not mine or not self._admission.begin_silence():
                    await self._news(mine)
        except TimeoutError:
            return False
        finally:
            self._waiting.remove(mine)
            self._call_next()
        self._calls.add(call_id)
        return True

    def end(self, call_id: str) -> None:
        """A call said something or is over; one that isn't silent any more changes nothing."""
        if call_id in self._calls:
            self._calls.remove(call_id)
            self._admission.end_silence()
            self._call_next()

    async def _news(self, mine: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await mine.wait()
        except TimeoutError:
            return
        mine.clear()

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting[0].set()


def refusal(limit: int) -> str:
    """Why a call isn't let in, for whoever runs the server and for whoever called."""
    if limit == 1:
        return "1 call is open already, and this server takes one at a time (--once or --max-calls 1)"
    return f"{limit:,} calls are open already, and --max-calls lets no more in"


def silence_refusal(limit: int) -> str:
    """Why a call isn't let in while others are silent."""
    return f"{limit:,} sockets have sent nothing yet, and --max-silent lets no more in"
