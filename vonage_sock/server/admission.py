"""Which calls are let in, and what they are called: counted once for a whole server, however many processes it has."""

from __future__ import annotations

import itertools
from typing import Protocol


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


class OwnAdmission:
    """For a server of one process."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open_calls = 0
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


def refusal(limit: int) -> str:
    """Why a call isn't let in, for whoever runs the server and for whoever called."""
    if limit == 1:
        return "1 call is open already, and this server takes one at a time (--once or --max-calls 1)"
    return f"{limit:,} calls are open already, and --max-calls lets no more in"
