"""What a scenario says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.leg.dtmf import KeyPress

DEFAULT_LIMIT_NS: Final = 30 * SECOND
MAX_LIMIT_NS: Final = 3600 * SECOND
DEFAULT_WITHIN_NS: Final = 10 * SECOND
DEFAULT_AFTER_NS: Final = 500 * MS

Pattern = str | Mapping[str, Any]
"""The name of a message's action or event, or fields that it must have."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text."""

    text: str
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class Play:
    """Play a file, or what ``vsock call --audio`` takes; for ``for_ns`` at most."""

    audio: str
    for_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Say nothing."""

    span_ns: int


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys, the first one at once."""

    presses: tuple[KeyPress, ...]


@dataclass(frozen=True, slots=True)
class AudioHeard:
    """The server is heard."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """The server has not been heard for so long."""

    span_ns: int


@dataclass(frozen=True, slots=True)
class MessageCame:
    """The server sent such a text message."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class WebhookPosted:
    """The platform posted an event of this status, or ``answer``: fetched the NCCO."""

    status: str


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """The server closed the socket."""


Condition = AudioHeard | Quiet | MessageCame | WebhookPosted | SocketClosed


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Say nothing until something has happened."""

    condition: Condition
    within_ns: int = DEFAULT_WITHIN_NS


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Wait until the server has been heard for ``after_ns``, then do something over it."""

    action: Say | Play | Press
    after_ns: int = DEFAULT_AFTER_NS
    within_ns: int = DEFAULT_WITHIN_NS


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the socket."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop the connection."""


Action = Say | Play | Silence | Press | WaitFor | Interrupt | HangUp | Drop


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its number from 1 on, its line in the file, and what to call it."""

    number: int
    line: int
    text: str
    action: Action


@dataclass(frozen=True, slots=True)
class Expectation:
    """
    One expectation.

    Args:
        name: as in the file.
        value: nanoseconds for a duration; else as in the file.
        text: what to call it.
    """

    name: str
    value: Any
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings:
    """Who calls; None and empty where the file doesn't say."""

    from_number: str | None = None
    to_number: str | None = None
    rate_hz: int | None = None
    headers: Mapping[str, Any] | None = None
    dtmf: tuple[KeyPress, ...] = ()
    speech: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole file."""

    name: str
    path: Path
    steps: tuple[Step, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    caller: CallerSettings = field(default_factory=CallerSettings)
    limit_ns: int = DEFAULT_LIMIT_NS

    def need_of_webhooks(self) -> Step | Expectation | None:
        """What can't be had from a target that is a socket."""
        for step in self.steps:
            if isinstance(step.action, WaitFor) and isinstance(step.action.condition, WebhookPosted):
                return step
        return next((item for item in self.expectations if item.name in WEBHOOK_EXPECTATIONS), None)


WEBHOOK_EXPECTATIONS: Final = frozenset({"ncco_has", "event_posted", "event_reply"})
