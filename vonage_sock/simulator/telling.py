"""What a simulated call tells its observers, and the findings that are not a leg's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from vonage_sock.call.events import DtmfPressed, Ended, Event, Notice, Observer
from vonage_sock.call.findings import Findings
from vonage_sock.clock import Clock
from vonage_sock.transport import tell

CALL_ID: Final = "call"
"""The first call of a run; whoever makes several gives each of the others an id of its own."""


class Teller:
    """
    Gives events to the observers of one call.

    Args:
        pressed: told of each key that the caller presses.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        clock: Clock,
        call_id: str = CALL_ID,
        *,
        pressed: Callable[[str], None] | None = None,
    ) -> None:
        self.call_id = call_id
        self.findings = Findings(call_id)
        self._pressed = pressed
        self.clock = clock
        self.ended: Ended | None = None
        self._observers = list(observers)

    def add(self, observer: Observer) -> None:
        """Tell this one too from now on."""
        self._observers.append(observer)

    def tell(self, event: Event) -> None:
        """Give an event to the observers."""
        if isinstance(event, Ended):
            self.ended = event
        if isinstance(event, DtmfPressed) and self._pressed is not None:
            self._pressed(event.digit)
        for observer in self._observers:
            tell(observer, event)

    def find(self, code: str, **numbers: object) -> None:
        """Note something that is wrong."""
        event = self.findings.add(code, at=self.clock.now(), frame=0, **numbers)
        if event is not None:
            self.tell(event)

    def note(self, message: str) -> None:
        """Say something to the person at the screen."""
        self.tell(Notice(at=self.clock.now(), call=self.call_id, level="info", message=message))
