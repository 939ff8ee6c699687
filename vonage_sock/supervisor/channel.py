"""
What is said between the parent and a worker: pickled values over a socket pair, each behind its length.

Both ends are ours, and nobody else holds the socket. Rule 1: saying something never waits and never raises. Rule 2: a
worker whose parent doesn't listen tells less, statistics first, and never holds up a call for it. Rule 3: the end of
either process is the end of the channel, and is told.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self, cast

from vonage_sock.call.events import Event, StatsUpdated

LENGTH: Final = struct.Struct("<I")
MAX_WAITING_STATS_BYTES: Final = 1 << 20
MAX_WAITING_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """
    Parent to worker, first of all: who it is.

    Args:
        job: what to do, as the program that is run by both understands it.
        sockets: descriptors to listen with.
        ledger: that of the shared numbers.
    """

    job: Any
    slot: int
    workers: int
    sockets: tuple[int, ...]
    ledger: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Parent to worker: take calls. ``url`` is the public base address, None where each request says it."""

    url: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Parent to worker: these calls are on a screen, and told of more often than once a second; others' are left out."""

    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """Parent to worker: do this in a call, as the program that is run by both understands it."""

    call: str
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Parent to worker: close the calls, complete the files, and end; ``wait_s`` is what the calls' ends may take."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """Parent to worker: the platform has said its last about all workers' calls; the port may be left."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker to parent: all is prepared."""


@dataclass(frozen=True, slots=True)
class Told:
    """Worker to parent: what happened, in order; ``lost`` more events could not be told."""

    events: tuple[Event, ...]
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Worker to parent: this call is to be hung up, for this reason; only the parent knows all events of its leg."""

    call: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Worker to parent: it can't begin, for this reason."""

    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Stopping:
    """Worker to parent: it was told to stop, and is at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Worker to parent, last of all: it was told to stop, and has. ``failures`` are recordings that aren't complete."""

    failures: int


Message = Begin | Go | Watch | Order | Stop | Quiet | Ready | Told | Wanted | Failed | Stopping | Stopped


class Channel(asyncio.Protocol):
    """
    One end.

    Args:
        receive: given each message.
        ended: called when the other side is gone, after its last message.
    """

    def __init__(self, receive: Callable[[Message], None], ended: Callable[[], None]) -> None:
        self._receive = receive
        self._ended = ended
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self._has_said_all = False

    @classmethod
    async def open(cls, end: socket.socket, receive: Callable[[Message], None], ended: Callable[[], None]) -> Self:
        """Use this end of a socket pair from now on."""
        end.settimeout(0)
        _, channel = await asyncio.get_running_loop().create_connection(lambda: cls(receive, ended), sock=end)
        return channel

    @property
    def waiting_bytes(self) -> int:
        """What the other side hasn't taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, message: Message) -> None:
        """Say it; to nobody, when the other side is gone or we have closed."""
        if self._transport is not None and not self._has_said_all:
            data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.write(LENGTH.pack(len(data)) + data)

    def close(self) -> None:
        """End the channel once everything is said, and heard: the other side then closes, too."""
        if self._transport is not None and not self._has_said_all:
            self._has_said_all = True
            # Were we gone at once, what the other side writes meanwhile would fail, and our last words not be read.
            self._transport.write_eof()

    # For asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket can be used."""
        # uvloop's transports are no subclasses.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        self._buffer += data
        while len(self._buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer)
            end = LENGTH.size + length
            if len(self._buffer) < end:
                return
            message = pickle.loads(memoryview(self._buffer)[LENGTH.size : end].tobytes())  # noqa: S301  (our own)
            del self._buffer[:end]
            self._receive(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self._transport = None
        self._ended()


class Outbox:
    """
    An observer that tells a channel what happened, all of one turn of the event loop in one message.

    Args:
        channel: what the parent listens to.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._events: list[Event] = []
        self._lost = 0
        self._waiting = False

    def __call__(self, event: Event) -> None:
        """Tell it, at the end of this turn."""
        self._events.append(event)
        if not self._waiting:
            self._waiting = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Tell all that was given."""
        self._waiting = False
        events, self._events = self._events, []
        waiting_bytes = self._channel.waiting_bytes
        if waiting_bytes > MAX_WAITING_STATS_BYTES:
            events = [event for event in events if not isinstance(event, StatsUpdated)]
        if waiting_bytes > MAX_WAITING_BYTES:
            self._lost += len(events)
        elif events:
            lost, self._lost = self._lost, 0
            self._channel.send(Told(tuple(events), lost))
