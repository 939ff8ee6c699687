"""
The seam between a leg and whoever leads its caller.

A leg with a ``Script`` asks it in each step of 20 ms what the caller does, and tells it what happens. Nothing here waits:
time is in the argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vonage_sock.call.events import Event
from vonage_sock.call.machine import Abort, Close


@dataclass(frozen=True, slots=True)
class Move:
    """
    What the caller does in one step.

    Args:
        frame: what it says; silence when None.
        keys: what it presses.
        end: how it leaves; nothing is said or pressed with it.
        events: what is to be told.
    """

    frame: bytes | None = None
    keys: str = ""
    end: Close | Abort | None = None
    events: tuple[Event, ...] = ()


class Script(Protocol):
    """Leads a caller through its call, over as many legs as that has. Must not block or raise."""

    def step(self, at: int, heard: bytes | None) -> Move:
        """
        The next 20 ms begin.

        Args:
            at: the step's time on the leg's grid, in nanoseconds.
            heard: the frame that the caller hears in them, if any.
        """
        ...

    def observe(self, event: Event) -> None:
        """Something happened in the leg."""
        ...
