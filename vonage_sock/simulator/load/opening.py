"""
Opening a call's socket for a load test: on the poller where there is one and TLS isn't wanted, else by the library.

Both give the same channel and tell the same receiver, so that nothing above knows which it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.protocol import State
from websockets.uri import parse_uri

from vonage_sock.clock import Clock
from vonage_sock.errors import ConnectError
from vonage_sock.simulator.leg.machine import MAX_MESSAGE_BYTES
from vonage_sock.simulator.load.framed import FramedFrames
from vonage_sock.simulator.socket import USER_AGENT, ClientSocket, open_socket, why_not
from vonage_sock.transport.framesocket import FrameSocket, Receiver
from vonage_sock.transport.poller import Poller

MAX_HEAD_BYTES: Final = 65_536
_READ_BYTES: Final = 4096


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

    @property
    def send_prepared(self) -> Callable[[bytes], None]:
        """Sends one of them; a function to be kept, which spares a step for each frame."""
        ...

    def close(self, code: int) -> None:
        """Close; the receiver is told when that is done."""
        ...

    def abort(self) -> None:
        """Drop the connection."""
        ...


class DirectChannel:
    """A socket on the poller."""

    __slots__ = ("abort", "close", "prepared", "send", "send_prepared", "socket")

    def __init__(self, frame_socket: FrameSocket, frames: FramedFrames) -> None:
        self.socket = frame_socket
        self.prepared = frames.framed
        self.send_prepared = frame_socket.send_framed
        self.send = frame_socket.send
        self.close = frame_socket.close
        self.abort = frame_socket.abort

    @property
    def unsent_bytes(self) -> int:
        """What the kernel hasn't taken yet."""
        return self.socket.unsent_bytes


class LibraryChannel:
    """A socket of the websockets library, with a task that reads and one that writes."""

    def __init__(self, client: ClientSocket, frames: FramedFrames, receiver: Receiver, clock: Clock) -> None:
        self.prepared = frames.plain
        self.send_prepared = self.send
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
    receiver: Receiver,
    *,
    poller: Poller | None,
    clock: Clock,
    headers: Mapping[str, str],
    frames: FramedFrames,
    timeout_s: float,
) -> Channel:
    """
    Open a websocket as the platform does; the receiver is told from here on.

    Raises:
        ConnectError: nobody listens, the name isn't known, TLS fails, or the server refuses the upgrade.
    """
    if poller is None or url.lower().startswith("wss:"):
        return LibraryChannel(await open_socket(url, headers, timeout_s=timeout_s), frames, receiver, clock)
    try:
        async with asyncio.timeout(timeout_s):
            sock, early = await _upgrade(url, headers)
    except (InvalidHandshake, InvalidURI, OSError, ValueError) as error:
        raise ConnectError(why_not(url, error, timeout_s)) from error
    frame_socket = FrameSocket(poller, sock, receiver, client=True, max_message_bytes=MAX_MESSAGE_BYTES, early=early)
    return DirectChannel(frame_socket, frames)


async def _upgrade(url: str, headers: Mapping[str, str]) -> tuple[socket.socket, bytes]:
    """A connected socket after its upgrade, and what came behind that."""
    address = parse_uri(url)
    protocol = ClientProtocol(address, max_size=MAX_MESSAGE_BYTES)
    request = protocol.connect()
    request.headers["User-Agent"] = USER_AGENT
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    loop = asyncio.get_running_loop()
    sock = await _connect(address.host, address.port)
    try:
        await loop.sock_sendall(sock, b"".join(protocol.data_to_send()))
        answer = await _read_head(sock)
        head, end, early = answer.partition(b"\r\n\r\n")
        # What follows is the first frames, or the text of a refusal.
        protocol.receive_data(head + end)
        if protocol.state is not State.OPEN:
            protocol.receive_data(early)
            protocol.receive_eof()
    except BaseException:
        sock.close()
        raise
    if protocol.state is not State.OPEN or protocol.handshake_exc is not None:
        sock.close()
        raise protocol.handshake_exc or InvalidHandshake("the upgrade was not answered")
    return sock, early


async def _read_head(sock: socket.socket) -> bytes:
    """What comes until the end of an HTTP head, or of the connection."""
    loop = asyncio.get_running_loop()
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < MAX_HEAD_BYTES:
        more = await loop.sock_recv(sock, _READ_BYTES)
        if not more:
            break
        answer += more
    return answer


async def _connect(host: str, port: int) -> socket.socket:
    """TCP to the first address that takes it."""
    loop = asyncio.get_running_loop()
    refused: OSError | None = None
    for family, kind, protocol, _, where in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(0)
        try:
            await loop.sock_connect(sock, where)
        except OSError as error:
            sock.close()
            refused = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise refused or OSError(f"{host} has no address")
