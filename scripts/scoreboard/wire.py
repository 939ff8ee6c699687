"""A WebSocket client of bare bytes, which can do what no library would; and HTTP in the same way."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
import time
from types import TracebackType
from typing import Any, Final, Self

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ANSWER_S: Final = 10.0
FRAME_BYTES: Final = 640
CONNECTED: Final = b'{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes = b"\0\0\0\0", rsv: int = 0) -> bytes:
    """One frame as a client sends it. A mask of zeros leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + struct.pack("!H", size)
    else:
        length = b"\xff" + struct.pack("!Q", size)
    if any(mask):
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + length + mask + payload


def numbered(number: int) -> bytes:
    """A frame of audio that differs from all others."""
    return struct.pack("<I", number) * (FRAME_BYTES // 4)


def tcp(port: int, *, receive_buffer: int | None = None, timeout_s: float = ANSWER_S) -> socket.socket:
    """A connection to a port of this machine."""
    plain = socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.settimeout(timeout_s)
    try:
        plain.connect(("127.0.0.1", port))
    except BaseException:
        plain.close()
        raise
    return plain


def upgrade(port: int, *, path: str = "/socket", headers: str = "", host: str | None = None) -> bytes:
    """The request that opens a socket; ``headers`` are lines, each with its end."""
    host = f"127.0.0.1:{port}" if host is None else host
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n"
    ).encode()


def reset(plain: socket.socket) -> None:
    """Drop a connection with a TCP reset."""
    with contextlib.suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


class Peer:
    """
    A caller's end, blocking.

    Args:
        connected: send the first message too, if the socket was opened.

    Attributes:
        status: of the answer to the upgrade; 101 when the socket is open.
    """

    def __init__(
        self,
        port: int,
        *,
        path: str = "/socket",
        headers: str = "",
        host: str | None = None,
        connected: bool = True,
        receive_buffer: int | None = None,
        timeout_s: float = ANSWER_S,
    ) -> None:
        self.socket = tcp(port, receive_buffer=receive_buffer, timeout_s=timeout_s)
        self._read = b""
        self.socket.sendall(upgrade(port, path=path, headers=headers, host=host))
        self.head = self._until(b"\r\n\r\n")
        self.status = int(self.head.split()[1]) if self.head else 0
        if connected and self.status == 101:
            self.send(TEXT, CONNECTED)

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Gone, without a word."""
        self.socket.close()

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self.socket.sendall(data)

    def send(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> None:
        """One frame."""
        self.write(frame(opcode, payload, fin=fin))

    def receive(self) -> tuple[int, bytes]:
        """
        The next frame's opcode and payload.

        Raises:
            ConnectionError: the connection is over.
            TimeoutError: nothing came.
        """
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, self._exactly(size)

    def close_code(self, *, within_s: float = ANSWER_S) -> int | None:
        """The code of the server's close frame, whatever comes before it; None when there was none."""
        until = time.monotonic() + within_s
        with contextlib.suppress(OSError):
            while (left := until - time.monotonic()) > 0:
                self.socket.settimeout(left)
                opcode, payload = self.receive()
                if opcode == CLOSE:
                    return int(struct.unpack("!H", payload[:2])[0]) if len(payload) >= 2 else 1005
        return None

    def hang_up(self) -> None:
        """Close as Vonage does, and wait for the answer."""
        with contextlib.suppress(OSError):
            self.send(CLOSE, struct.pack("!H", 1000))
            self.close_code()
        self.socket.close()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        reset(self.socket)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            got = self.socket.recv(65536)
            if not got:
                return self._read
            self._read += got
        text, _, self._read = self._read.partition(mark)
        return text

    def _exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            got = self.socket.recv(65536)
            if not got:
                raise ConnectionResetError("the connection is over")
            self._read += got
        data, self._read = self._read[:count], self._read[count:]
        return data


def request(
    port: int, method: str, target: str, *, headers: str = "", body: bytes = b"", host: str | None = None
) -> tuple[int, bytes]:
    """An HTTP request byte for byte: the answer's status and body; status 0 when there was no answer."""
    length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    host = f"127.0.0.1:{port}" if host is None else host
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}{headers}\r\n"
    with contextlib.closing(tcp(port)) as plain:
        plain.sendall(head.encode() + body)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while got := plain.recv(65536):
                answer += got
    status, _, content = answer.partition(b"\r\n\r\n")
    return (int(status.split()[1]) if status else 0), content


def post(port: int, target: str, value: Any, *, headers: str = "", host: str | None = None) -> tuple[int, bytes]:
    """A webhook with a JSON body; one that is bytes already stays as it is."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return request(port, "POST", target, headers=f"Content-Type: application/json\r\n{headers}", body=body, host=host)
