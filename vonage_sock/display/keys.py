"""Key presses, collected: a caller types a number, not digits, and a line for each digit would drown the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vonage_sock.call.events import DtmfPressed
from vonage_sock.clock import MS
from vonage_sock.display.safe import clean

KEYS_WAIT_NS: Final = 1500 * MS
"""Keys pressed with no longer pauses than this stand in one line."""

MAX_KEYS: Final = 40


@dataclass(slots=True)
class Typed:
    """Keys pressed one after the other in a call."""

    call: str
    digits: str
    first_at: int
    last_at: int


class KeyCollector:
    """What was typed and not shown yet, by call; ``""`` stands for no call."""

    def __init__(self) -> None:
        self._typed: dict[str, Typed] = {}

    def press(self, event: DtmfPressed) -> list[Typed]:
        """Note a key; what is complete because this one came too late for it."""
        call = event.call or ""
        digit = clean(event.digit, 8)
        typed = self._typed.get(call)
        if typed is not None and event.at - typed.last_at <= KEYS_WAIT_NS and len(typed.digits) < MAX_KEYS:
            typed.digits += digit
            typed.last_at = event.at
            return []
        complete = self.take(call)
        self._typed[call] = Typed(call, digit, event.at, event.at)
        return complete

    def take(self, call: str) -> list[Typed]:
        """What was typed in a call so far."""
        typed = self._typed.pop(call, None)
        return [] if typed is None else [typed]

    def take_ripe(self, now: int) -> list[Typed]:
        """What nothing was added to for ``KEYS_WAIT_NS``."""
        return [
            typed
            for call, waiting in list(self._typed.items())
            if now - waiting.last_at >= KEYS_WAIT_NS
            for typed in self.take(call)
        ]

    def take_all(self) -> list[Typed]:
        """Everything, before the end."""
        return [typed for call in list(self._typed) for typed in self.take(call)]
