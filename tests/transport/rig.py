"""What tests of sockets share: two ends of a connection, a peer of another library, and a kernel that does as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable

from websockets.frames import Frame
from websockets.protocol import Protocol, Side, State

from vonage_sock.clock import Clock, SystemClock
from vonage_sock.transport.framesocket import FrameSocket
from vonage_sock.transport.poller import Action, Poller, Timer

PATIENCE_S = 10.0
MAX_BYTES = 1 << 17
MASK = b"\x01\x02\x03\x04"


class Heard:
    """A receiver that keeps what it is told; ``then`` is done after each, and may do anything."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.then: Callable[[tuple[object, ...]], object] = lambda _item: None
        self._news = asyncio.Event()

    def binary(self, data: bytes, now: int) -> None:
        self._note("binary", data)

    def text(self, text: str, now: int) -> None:
        self._note("text", text)

    def gone(self, code: int, reason: str, now: int) -> None:
        self._note("gone", code, reason)

    def _note(self, *item: object) -> None:
        self.told.append(item)
        self._news.set()
        self.then(item)

    async def next(self, count: int = 1) -> tuple[object, ...]:
        """The ``count``-th that it is told, as soon as it is."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()
        return self.told[count - 1]

    async def end(self) -> tuple[object, ...]:
        """What it is told last."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.told or self.told[-1][0] != "gone":
                self._news.clear()
                await self._news.wait()
        return self.told[-1]


class Peer:
    """The other end of a connection: frames by the websockets library, and bytes as they are."""

    def __init__(self, sock: socket.socket, side: Side = Side.CLIENT) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.protocol = Protocol(side, state=State.OPEN, max_size=None)
        self._frames: list[Frame] = []

    async def write(self, data: bytes) -> None:
        """Bytes as they are."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def send(self, message: str | bytes) -> None:
        """One whole message."""
        if isinstance(message, str):
            self.protocol.send_text(message.encode())
        else:
            self.protocol.send_binary(message)
        await self.flush()

    async def flush(self) -> None:
        """Write what the library has to say."""
        await self.write(b"".join(self.protocol.data_to_send()))

    async def read(self, size: int = 1 << 16) -> bytes:
        """Bytes as they come; none at the end."""
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.get_running_loop().sock_recv(self.sock, size)

    async def next(self) -> Frame:
        """The next frame; pings and closes are answered only when ``flush`` is called."""
        while not self._frames:
            data = await self.read()
            if not data:
                raise EOFError
            self.protocol.receive_data(data)
            self._frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        return self._frames.pop(0)

    async def messages(self, count: int) -> list[bytes]:
        """What the next frames hold."""
        return [bytes((await self.next()).data) for _ in range(count)]

    async def end(self) -> None:
        """Wait until the other end is closed, whatever still comes."""
        with contextlib.suppress(ConnectionError):
            while await self.read():
                pass

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def tcp_pair(*, small: bool = False) -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; with ``small`` ones the kernel keeps little on the way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.socket()
        if small:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        theirs.connect(server.getsockname())
        ours, _ = server.accept()
    if small:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours, theirs


@contextlib.asynccontextmanager
async def connected(
    *,
    client: bool = False,
    clock: Clock | None = None,
    early: bytes = b"",
    small: bool = False,
    close_wait_ns: int = 1_500_000_000,
    max_message_bytes: int = MAX_BYTES,
) -> AsyncIterator[tuple[FrameSocket, Heard, Peer]]:
    """A frame socket on a poller of its own, who is told, and the peer; nothing of it is left afterwards."""
    poller, heard = Poller(clock or SystemClock()), Heard()
    ours, theirs = tcp_pair(small=small)
    peer = Peer(theirs, Side.SERVER if client else Side.CLIENT)
    frames = FrameSocket(
        poller,
        ours,
        heard,
        client=client,
        max_message_bytes=max_message_bytes,
        early=early,
        close_wait_ns=close_wait_ns,
    )
    try:
        yield frames, heard, peer
    finally:
        theirs.close()
        poller.close()
        assert ours.fileno() == -1
        assert [item for item in heard.told if item[0] == "gone"] == heard.told[-1:]


class StandInPoller:
    """A poller without sockets: the test says when something is ready, and what time it is."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.timers: list[Timer] = []
        self.watched: set[int] = set()
        self.writing: set[int] = set()
        self.due: dict[int, list[Timer]] = {}
        self.soon: list[Callable[[], object]] = []

    @property
    def loop(self) -> StandInPoller:
        """It is its own event loop."""
        return self

    def call_soon(self, action: Callable[[], object]) -> None:
        self.soon.append(action)

    def watch(self, fd: int, ready: object) -> None:
        self.watched.add(fd)

    def watch_writing(self, fd: int, *, wanted: bool) -> None:
        (self.writing.add if wanted else self.writing.discard)(fd)

    def forget(self, fd: int) -> None:
        self.watched.discard(fd)
        self.writing.discard(fd)

    def call_at(self, at: int, action: Action) -> Timer:
        timer = Timer(at, action)
        self.call_again(timer, at)
        return timer

    def call_again(self, timer: Timer, at: int) -> None:
        timer.at = at
        self.timers.append(timer)


class StandInSocket:
    """
    A kernel's socket that gives the chunks of ``incoming`` one at a time, and takes as much as ``takes`` says.

    It leaves out the network: an exception in either list is raised.
    """

    def __init__(self) -> None:
        self.incoming: list[bytes | OSError] = []
        self.takes: list[int | OSError] = []
        self.taken = bytearray()
        self.closed = self.shut = False

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise BlockingIOError
        chunk = self.incoming.pop(0)
        if isinstance(chunk, OSError):
            raise chunk
        if len(chunk) > size:
            self.incoming.insert(0, chunk[size:])
        return chunk[:size]

    def recv_into(self, buffer: bytearray, size: int) -> int:
        data = self.recv(size)
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: bytes) -> int:
        takes = self.takes.pop(0) if self.takes else len(data)
        if isinstance(takes, OSError):
            raise takes
        self.taken += data[:takes]
        return min(takes, len(data))

    def fileno(self) -> int:
        return 5

    def settimeout(self, timeout: float) -> None:
        assert timeout == 0

    def setsockopt(self, *_: object) -> None:
        assert not self.closed

    def shutdown(self, how: int) -> None:
        self.shut = how == socket.SHUT_WR

    def close(self) -> None:
        self.closed = True
