"""
What both ends of a leg have in common: the verbs that a driver moves them by.

The driver's duties: after each ``receive_*``, ``handle_deadline`` or ``close``, send what ``messages_to_send`` gives, in
order; take events until there is none; and arm one timer for ``next_deadline``. When the timer fires, early or late, call
``handle_deadline(max(deadline, now))``.

A driver of many calls may look before it asks: ``outbox``, ``untold`` and ``deadline_changed`` tell at a glance that there
is nothing to send, to tell or to arm. Who does something to a call by other ways than these verbs, as by a behaviour's own
methods, asks for the deadline whatever the sign says.

A machine may be a ``Foreteller`` too, and then a driver needn't ask it for each frame of what goes out in even steps.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vonage_sock.call.events import Event
from vonage_sock.call.inspect import Found


@dataclass(frozen=True, slots=True)
class Close:
    """Send a close frame, wait for the other side's, and end. Nothing is sent after it."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Abort:
    """Drop the connection without a close frame; the other side sees 1006."""


Outgoing = str | bytes | Close | Abort


class Machine(Protocol):
    """One end of a leg. All times are in nanoseconds, never decreasing."""

    @property
    def outbox(self) -> Sized:
        """Empty where ``messages_to_send`` would give nothing; it is the machine's own, and only to be looked at."""
        ...

    @property
    def untold(self) -> Sized:
        """Empty where ``next_event`` would give nothing; likewise."""
        ...

    @property
    def deadline_changed(self) -> bool:
        """False where ``next_deadline`` would give what it gave last."""
        ...

    def receive_text(self, text: str, now: int) -> None:
        """A text message came in."""
        ...

    def receive_bytes(self, data: bytes, now: int) -> None:
        """A binary message came in."""
        ...

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        """The peer broke the rules of WebSocket, and the library closed the connection with 1002, 1007 or 1009."""
        ...

    def receive_found(self, found: Found, now: int) -> None:
        """The socket saw something wrong that no message shows."""
        ...

    def receive_close(self, code: int, reason: str, now: int) -> None:
        """The connection is gone; 1006 when there was no close frame."""
        ...

    def messages_to_send(self) -> list[Outgoing]:
        """What is to be sent, in order; each is given once."""
        ...

    def next_deadline(self) -> int | None:
        """When ``handle_deadline`` wants to be called; None when only a message can change anything."""
        ...

    def handle_deadline(self, now: int) -> None:
        """Do what is due."""
        ...

    def next_event(self) -> Event | None:
        """The oldest event that was not given yet."""
        ...

    def close(self, code: int, now: int, *, reason: str = "") -> None:
        """End the call from this side."""
        ...


class Passage(Protocol):
    """
    Frames that go out in even steps, and nobody need be asked in between. The driver's own, filled in by its machine.

    As long as some are left, the driver may send ``frames[end - left]`` once ``at`` has come, while the next isn't due. Then
    it appends the time to ``times``, takes one from ``left``, and moves ``at`` by ``step_ns``. Either may end it by setting
    ``left`` to 0: ``times`` tell what was sent.
    """

    frames: Sequence[bytes]
    end: int
    left: int
    at: int
    step_ns: int
    times: list[int]


@runtime_checkable
class Foreteller(Protocol):
    """A machine that may know what it will send, and when."""

    def foretell(self, passage: Passage) -> bool:
        """
        Fill in a passage that begins with the next deadline; False when there is none.

        Asked when ``next_deadline`` was, and all that was to be sent has been. A driver that doesn't send what it was told,
        or stops doing so, calls ``handle_deadline`` as ever.
        """
        ...
