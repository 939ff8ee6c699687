"""
Opening a call's socket for a load test: on the poller where there is one and TLS isn't wanted, else by the library.

Both give the same channel and tell the same receiver, so that nothing above knows which it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Protocol

from websockets.exceptions import InvalidHandshake, InvalidURI

from vonage_sock.clock import Clock
from vonage_sock.errors import ConnectError
from vonage_sock.simulator.leg.machine import MAX_MESSAGE_BYTES
from vonage_sock.simulator.load.framed import FramedFrames
from vonage_sock.simulator.load.lag import StampedSocket
from vonage_sock.simulator.load.marked_socket import MarkedSocket
from vonage_sock.simulator.load.meter import CallMeter
from vonage_sock.simulator.socket import USER_AGENT, ClientSocket, open_socket, why_not
from vonage_sock.transport.dial import dial
from vonage_sock.transport.framesocket import FrameSocket, Receiver
from vonage_sock.transport.poller import Poller


class Channel(Protocol):
    """What a call writes to. Nothing here waits."""

    @property
    def unsent_bytes(self) -> int:
        """What nobody has taken yet."""
        ...

    def send(self, message: str | bytes) -> None:
        """Send one message."""
        ...

    @property
    def prepared(self) -> list[bytes]:
        """The frames that all calls say, and one of silence, as ``send_prepared`` wants them."""
        ...

    def send_prepared(self, message: bytes) -> int:
        """Send one of them; its length, since all of it is taken."""
        ...

    def close(self, code: int) -> None:
        """Close; the receiver is told when that is done."""
        ...

    def abort(self) -> None:
        """Drop the connection."""
        ...


class MeteredReceiver(Receiver, Protocol):
    """A receiver that counts."""

    @property
    def metered(self) -> CallMeter | None:
        """Who is told of a frame that came back instead of the receiver; None where that needs the whole message."""
        ...


class DirectChannel:
    """A socket on the poller."""

    __slots__ = ("abort", "close", "prepared", "send", "socket")

    def __init__(self, frame_socket: FrameSocket, frames: FramedFrames) -> None:
        self.socket = frame_socket
        self.prepared = frames.framed
        self.send = frame_socket.send
        self.close = frame_socket.close
        self.abort = frame_socket.abort

    @property
    def unsent_bytes(self) -> int:
        """What the kernel hasn't taken yet."""
        return self.socket.unsent_bytes

    def send_prepared(self, message: bytes) -> int:
        """Send one of the frames that all calls say."""
        self.socket.send_framed(message)
        return len(message)


class LibraryChannel:
    """A socket of the websockets library, with a task that reads and one that writes."""

    def __init__(self, client: ClientSocket, frames: FramedFrames, receiver: Receiver, clock: Clock) -> None:
        self.prepared = frames.plain
        self._client = client
        self._receiver = receiver
        self._clock = clock
        self._outbox: asyncio.Queue[str | bytes | int] = asyncio.Queue()
        self._waiting_bytes = 0
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    @property
    def unsent_bytes(self) -> int:
        """What waits for the library, and in it."""
        return self._waiting_bytes + self._client.buffered_bytes()

    def send(self, message: str | bytes) -> None:
        """Send one message."""
        self._waiting_bytes += len(message)
        self._outbox.put_nowait(message)

    def send_prepared(self, message: bytes) -> int:
        """Send one of the frames that all calls say."""
        self.send(message)
        return len(message)

    def close(self, code: int) -> None:
        """Close after all that waits."""
        self._outbox.put_nowait(code)

    def abort(self) -> None:
        """Drop the connection."""
        self._client.abort()

    async def _read(self) -> None:
        client, receiver = self._client, self._receiver
        async for message in client:
            if isinstance(message, bytes):
                receiver.binary(message, self._clock.now())
            else:
                receiver.text(message, self._clock.now())
        if not self._tasks[1].done():
            self._tasks[1].cancel()
        receiver.gone(client.close_code(), client.close_reason(), self._clock.now())

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while not isinstance(message := await self._outbox.get(), int):
                await self._client.send(message)
                self._waiting_bytes -= len(message)
            await self._client.close(message, "")


async def open_channel(
    url: str,
    receiver: MeteredReceiver,
    *,
    poller: Poller | None,
    clock: Clock,
    headers: Mapping[str, str],
    frames: FramedFrames,
    timeout_s: float,
    trust: ssl.SSLContext | None = None,
    waited: Callable[[int], None] | None = None,
) -> Channel:
    """
    Open a websocket as the platform does; the receiver is told from here on.

    Args:
        waited: told for how many nanoseconds what came waited to be read, where the system can say that.

    Raises:
        ConnectError: nobody listens, the name isn't known, TLS fails, or the server refuses the upgrade.
    """
    if poller is None or url.lower().startswith("wss:"):
        opened = await open_socket(url, headers, timeout_s=timeout_s, trust=trust)
        return LibraryChannel(opened, frames, receiver, clock)
    try:
        sock, early = await dial(url, headers={**headers, "User-Agent": USER_AGENT}, timeout_s=timeout_s)
    except (InvalidHandshake, InvalidURI, OSError, ValueError) as error:
        raise ConnectError(why_not(url, error, timeout_s)) from error
    return DirectChannel(frame_socket(poller, sock, receiver, frames, early=early, waited=waited), frames)


def frame_socket(
    poller: Poller,
    sock: socket.socket,
    receiver: MeteredReceiver,
    frames: FramedFrames,
    *,
    early: bytes = b"",
    waited: Callable[[int], None] | None = None,
) -> FrameSocket:
    """A connected socket that knows what comes next, where its receiver need not be told."""
    if (meter := receiver.metered) is None:
        return FrameSocket(poller, sock, receiver, client=True, max_message_bytes=MAX_MESSAGE_BYTES, early=early)
    kernel = None
    if waited is not None:
        with contextlib.suppress(OSError):
            kernel = StampedSocket(sock, len(frames.returned[0]), poller.clock, waited)
    return MarkedSocket(poller, sock, receiver, meter.lane, frames.returned, early=early, kernel=kernel)
