"""
Every bound that a server keeps, in one place: its value, its unit, its option, and what happens beyond it.

Rule: who keeps a bound takes it from a ``Limits``, who shows them asks ``catalogue``, and no bound has a second value
anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from vonage_sock.errors import UsageError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

CALLS: Final = "Calls"
HTTP: Final = "HTTP"
RECORDINGS: Final = "Recordings"

BYTES: Final = "bytes"
SIZES: Final = {"K": KIB, "M": MIB, "G": GIB, "T": 1024 * GIB, "P": 1024 * 1024 * GIB}
MANY: Final = 10_000
"""So many of a unit are better said in bytes."""

_ABOUT: Final = "about"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """
    What is said of one limit.

    Args:
        unit: of its value, as it stands behind a number.
        option: of the server commands; in the environment it is ``VSOCK_`` and the same name.
        help: what it bounds, as a sentence.
        beyond: what happens where there is more, as half a sentence.
        group: what it is about.
        least, most: what it may be set to.
    """

    unit: str
    option: str
    help: str
    beyond: str
    group: str
    least: float
    most: float

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "VSOCK_" + self.option.lstrip("-").replace("-", "_").upper()


def _bound(default: float, *about: str, least: float = 1, most: float) -> Any:
    group, option, unit, text, beyond = about
    told = About(group=group, option=option, unit=unit, help=text, beyond=beyond, least=least, most=most)
    return field(default=default, metadata={_ABOUT: told})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What a server takes from whoever reaches it; each field's ``About`` says what it is.

    Raises:
        UsageError: a value that the limit can't have.
    """

    calls: int = _bound(
        64,
        CALLS,
        "--max-calls",
        "calls",
        "Calls at once, over all workers.",
        "the upgrade is answered with 503",
        most=1_000_000,
    )
    silent_sockets: int = _bound(
        8,
        CALLS,
        "--max-silent",
        "sockets",
        "Sockets at once that have sent nothing yet, over all workers.",
        "the upgrade waits a second for one of them to speak, and is answered with 503",
        most=1_000_000,
    )
    first_message_s: float = _bound(
        10.0,
        CALLS,
        "--first-message-within",
        "s",
        "Time in which a socket's first message has to come.",
        "the socket is closed with 1008",
        least=0.1,
        most=3600,
    )
    message_bytes: int = _bound(
        128 * KIB,
        CALLS,
        "--max-message-bytes",
        "bytes",
        "Size of one message on a socket.",
        "the socket is closed with 1009",
        least=KIB,
        most=64 * MIB,
    )
    messages_per_s: int = _bound(
        150,
        CALLS,
        "--max-messages-per-s",
        "messages/s",
        "Messages that a socket may send for long; a call's audio is 50. As many pings and fragments may come.",
        "the socket is closed with 1008",
        most=1_000_000,
    )
    messages_burst: int = _bound(
        750,
        CALLS,
        "--max-messages-burst",
        "messages",
        "Messages above that rate; what piled up while the line stood still comes at once.",
        "the socket is closed with 1008",
        most=10_000_000,
    )
    json_depth: int = _bound(
        32,
        CALLS,
        "--max-json-depth",
        "levels",
        "How deep the JSON of a message or a webhook may be nested.",
        "the message is ignored and told of; the webhook is answered with 400",
        most=200,
    )
    connections: int = _bound(
        1000,
        HTTP,
        "--max-connections",
        "connections",
        "HTTP connections at once in one worker, calls not among them.",
        "the connection is answered with 503 and closed",
        most=1_000_000,
    )
    head_bytes: int = _bound(
        16 * KIB,
        HTTP,
        "--max-head-bytes",
        "bytes",
        "Size of a request's head, all its headers together.",
        "the request is answered with 431",
        least=512,
        most=MIB,
    )
    head_s: float = _bound(
        10.0,
        HTTP,
        "--head-within",
        "s",
        "Time in which a connection's request, all its headers, has to come.",
        "the connection is answered with 408 and closed",
        least=0.1,
        most=3600,
    )
    body_bytes: int = _bound(
        64 * KIB,
        HTTP,
        "--max-body-bytes",
        "bytes",
        "Size of a webhook's body.",
        "the webhook is answered with 413",
        least=KIB,
        most=64 * MIB,
    )
    body_s: float = _bound(
        10.0,
        HTTP,
        "--body-within",
        "s",
        "Time in which a webhook's body has to come.",
        "the webhook is answered with 408",
        least=0.1,
        most=3600,
    )
    keep_alive_s: float = _bound(
        15.0,
        HTTP,
        "--keep-alive",
        "s",
        "Time that a connection may stay open between two requests.",
        "the connection is closed",
        least=0.1,
        most=3600,
    )
    recording_bytes_per_call: int = _bound(
        16 * GIB,
        RECORDINGS,
        "--max-recording-bytes",
        "bytes",
        "What one call's recording may take on the disk.",
        "its recording ends, complete, and the call goes on",
        least=64 * KIB,
        most=1 << 50,
    )
    recording_bytes_in_all: int = _bound(
        64 * GIB,
        RECORDINGS,
        "--max-recordings-bytes",
        "bytes",
        "What all recordings of one run may take together.",
        "all recordings end, complete, and the calls go on",
        least=64 * KIB,
        most=1 << 50,
    )
    free_disk_floor_bytes: int = _bound(
        64 * MIB,
        RECORDINGS,
        "--keep-disk-free",
        "bytes",
        "What recordings leave free on their disk.",
        "recordings end, complete, and the calls go on",
        least=0,
        most=1 << 50,
    )

    def __post_init__(self) -> None:
        for name, about in catalogue().items():
            value = getattr(self, name)
            if not about.least <= value <= about.most:
                least, most = amount(about.least, about.unit), amount(about.most, about.unit)
                raise UsageError(f"{about.option} can't be {amount(value, about.unit)}: it is from {least} to {most}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Those among ``values`` that are limits, by their field's name; the others are as they are without."""
        return cls(**{name: values[name] for name in catalogue() if values.get(name) is not None})


def amount(value: float, unit: str) -> str:
    """A number and its unit; a size that is a round one as ``64 KiB``."""
    if unit == BYTES:
        for suffix, size in reversed(SIZES.items()):
            if value and value % size == 0 and value // size < MANY:
                return f"{int(value) // size:,} {suffix}iB"
    return f"{value:,.16g} {unit}"


def catalogue() -> dict[str, About]:
    """What is to be said of each limit, by its field's name, in the order in which they are shown."""
    return {item.name: item.metadata[_ABOUT] for item in fields(Limits)}


DEFAULTS: Final = Limits()
