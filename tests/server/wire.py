"""What tests of the server share: an observer that can be waited for, a server on a free port, a client of bare bytes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import Event
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import Engine, ServerConfig
from vonage_sock.transport import Patience

PATIENCE_S = 20.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ENGINE = Engine.AUTO
"""Of servers that aren't given one."""

EventT = TypeVar("EventT", bound=Event)


class Seen:
    """An observer that keeps every event; tests wait for the one they need."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def all(self, kind: type[EventT]) -> list[EventT]:
        """The events of a kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    async def next(self, kind: type[EventT], count: int = 1) -> EventT:
        """The event of a kind that is the ``count``-th, as soon as it is there."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.all(kind)) < count:
                self._news.clear()
                await self._news.wait()
        return self.all(kind)[count - 1]


class Keeper(Behaviour):
    """Keeps what a call brings, in order, and sends nothing."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.digits: list[tuple[str, int | None]] = []

    def audio(self, call: Call, frame: bytes) -> None:
        self.frames.append(frame)

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        self.digits.append((digit, duration_ms))


class Closes(Behaviour):
    """Ends the call at its first frame."""

    def __init__(self, code: int, reason: str = "") -> None:
        self._code, self._reason = code, reason

    def audio(self, call: Call, frame: bytes) -> None:
        call.close(self._code, reason=self._reason)


def serving(
    behaviours: Callable[[], Sequence[Behaviour]] = lambda: [Echo()],
    *observers: Callable[[Event], None],
    patience: Patience | None = None,
    **config: Any,
) -> VsockServer:
    """A server on a free port, not started yet."""
    return VsockServer(
        ServerConfig(**{"port": 0, "engine": ENGINE, **config}), behaviours, observers=observers, patience=patience
    )


def socket_url(server: VsockServer) -> str:
    """Where to open a call."""
    return f"ws://127.0.0.1:{server.port}/socket"


def connected_text(rate_hz: int = 16000, **headers: object) -> str:
    """The platform's first message."""
    return json.dumps({"event": "websocket:connected", "content-type": f"audio/l16;rate={rate_hz}", **headers})


def numbered_frames(count: int, size: int = 640) -> list[bytes]:
    """Frames that differ from each other."""
    return [struct.pack("<I", number) * (size // 4) for number in range(count)]


@dataclass
class Frame:
    """One WebSocket frame as it was on the wire."""

    fin: bool
    rsv: int
    opcode: int
    masked: bool
    payload: bytes


class RawClient:
    """A WebSocket client of bare bytes, which can do what a proper library wouldn't."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.head = b""

    @classmethod
    async def open(
        cls, server: VsockServer, *, headers: str = "", receive_buffer: int | None = None, path: str = "/socket"
    ) -> RawClient:
        """Connect and upgrade; ``headers`` are lines, each with its end."""
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", server.port))
        client = cls(*await asyncio.open_connection(sock=plain, limit=4096 if receive_buffer else 2**16))
        key = base64.b64encode(os.urandom(16)).decode()
        client.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n".encode()
        )
        async with asyncio.timeout(PATIENCE_S):
            client.head = await client._reader.readuntil(b"\r\n\r\n")
        return client

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the kernel has taken what was written."""
        await self._writer.drain()

    def send(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        """One frame, masked as a client's must be."""
        mask = os.urandom(4)
        size = len(payload)
        if size < 126:
            length = bytes([0x80 | size])
        elif size < 65536:
            length = bytes([0x80 | 126]) + struct.pack("!H", size)
        else:
            length = bytes([0x80 | 127]) + struct.pack("!Q", size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.write(bytes([(0x80 if fin else 0) | opcode]) + length + mask + masked)

    async def receive(self) -> Frame:
        """The next frame."""
        async with asyncio.timeout(PATIENCE_S):
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", await self._reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
            payload = await self._reader.readexactly(size)
        return Frame(bool(first & 0x80), (first >> 4) & 7, first & 0x0F, bool(second & 0x80), payload)

    async def receive_close(self) -> tuple[int, str]:
        """Code and reason of the close frame, whatever comes before it."""
        while (frame := await self.receive()).opcode != CLOSE:
            pass
        return struct.unpack("!H", frame.payload[:2])[0], frame.payload[2:].decode()

    async def wait_for_end(self) -> bytes:
        """What is still sent until the connection ends."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def half_close(self) -> None:
        """End our direction without a close frame."""
        self._writer.write_eof()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


async def request(
    server: VsockServer, method: str, target: str, *, headers: str = "", body: bytes = b"", host: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """An HTTP request byte for byte: status, headers with lower-case names, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    host = f"127.0.0.1:{server.port}" if host is None else host
    writer.write(
        f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}{headers}\r\n".encode() + body
    )
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), {key.lower(): value for key, value in fields.items()}, content
