"""The socket of an upgrade, taken from aiohttp: in whatever packets the request comes, and whatever fails at it."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import psutil
import pytest
import uvloop
from aiohttp.web_protocol import RequestHandler
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from wire import BINARY, PATIENCE_S, PONG, RawClient, Seen, connected_text, serving, socket_url

from vonage_sock.call.events import Connected, Ended
from vonage_sock.errors import UsageError
from vonage_sock.protocol.rfc6455 import Opcode, frame_of
from vonage_sock.server import app as app_module
from vonage_sock.server import takeover
from vonage_sock.server.app import VsockServer, uses_direct
from vonage_sock.server.config import Engine
from vonage_sock.transport.poller import Poller

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
MASK = b"\x0a\x0b\x0c\x0d"
WEBHOOK = (
    b"POST /webhooks/event HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
    b'{"status":"ringing"}'
)
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def upgrade(*headers: str, key: str = KEY) -> bytes:
    """A request for a call, with more headers."""
    lines = [
        "GET /socket HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


EARLY = (
    frame_of(Opcode.TEXT, connected_text().encode(), mask=MASK)
    + frame_of(Opcode.BINARY, b"\x01\x02" * 320, mask=MASK)
    + frame_of(Opcode.PING, b"early", mask=MASK)
)
LATER = frame_of(Opcode.BINARY, b"\x03\x04" * 320, mask=MASK)
EXPECTED = [(BINARY, b"\x01\x02" * 320), (PONG, b"early"), (BINARY, b"\x03\x04" * 320)]


class Bare:
    """A TCP connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.client = RawClient(reader, writer)

    @classmethod
    async def open(cls, server: VsockServer) -> Bare:
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def head(self) -> bytes:
        """The head of the next answer."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def answered_101(self) -> bytes:
        """All that comes before an upgrade is accepted, and the head that does it."""
        before = b""
        while b"HTTP/1.1 101" not in (head := await self.head()):
            before += head
        return before + head


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[object], None]:
    """Runs a coroutine on one event loop, and on the other."""

    def run_on(coroutine: object) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(coroutine)  # type: ignore[arg-type]

    return run_on


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


PACKETS: dict[str, list[bytes]] = {
    "with frames in the same packet": [upgrade() + EARLY, LATER],
    "with half a frame in the same packet": [upgrade() + EARLY[:-5], EARLY[-5:] + LATER],
    "byte by byte": [*bytewise(upgrade() + EARLY), LATER],
    "frames byte by byte": [upgrade(), *bytewise(EARLY), LATER],
    "behind a webhook": [WEBHOOK, upgrade(), EARLY + LATER],
    "behind a webhook in one packet": [WEBHOOK + upgrade() + EARLY + LATER],
    "behind forty requests in one packet": [HEALTH * 40 + upgrade() + EARLY + LATER],
    "with a body": [upgrade("Content-Length: 5") + b"hello" + EARLY, LATER],
    "with a body in chunks": [upgrade("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n" + EARLY, LATER],
    "that wants to be asked for its body": [upgrade("Expect: 100-continue") + EARLY, LATER],
}


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("how", PACKETS)
def test_a_call_begins_however_its_request_comes(run: Callable[[object], None], how: str) -> None:
    """Earlier requests on the connection are answered first, and nothing that came behind the upgrade is lost."""

    async def call() -> list[object]:
        async with serving() as server:
            bare = await Bare.open(server)
            for packet in PACKETS[how]:
                bare.writer.write(packet)
                await bare.writer.drain()
                await asyncio.sleep(0)
            head = await bare.answered_101()
            frames = [await bare.client.receive() for _ in EXPECTED]
            await bare.client.close()
        return [head, [(frame.opcode, frame.payload) for frame in frames]]

    results: list[list[object]] = []

    async def main() -> None:
        results.append(await call())

    run(main())
    ((head, frames),) = results

    assert ACCEPT.lower() in head.lower()
    assert head.count(b"HTTP/1.1 20") == (40 if "forty" in how else "webhook" in how)
    assert EXPECTED == frames


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize(
    "request_bytes",
    [
        upgrade(key="AAAA"),
        upgrade(key=""),
        upgrade(key="A" * 7000),
        upgrade(key="dGhlIHNhbXBsZ\xe9BuYmM="),
        upgrade(key="===="),
        upgrade().replace(b"Version: 13", b"Version: 14"),
        upgrade().replace(b"keep-alive, Upgrade", b"notupgrade"),
    ],
    ids=["short", "none", "huge", "beyond ASCII", "no base64", "version", "no upgrade"],
)
async def test_a_request_that_is_no_good_is_answered_and_costs_nothing(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line, without a traceback; the connection goes on with other requests."""
    async with serving() as server:
        bare = await Bare.open(server)
        bare.writer.write(request_bytes + HEALTH)
        head = await bare.head()
        await bare.reader.readuntil(b"vsock call.\n")
        after = await bare.head()
        live = server.live_calls
        await bare.client.close()

    assert head.startswith(b"HTTP/1.1 426 ")
    assert after.startswith(b"HTTP/1.1 200 ")
    assert ([], 0) == (caplog.records, live)


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("sent", [upgrade(), upgrade() + EARLY, WEBHOOK + upgrade(), upgrade()[:-2]])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_caller_may_go_in_the_middle_of_it(
    run: Callable[[object], None], sent: bytes, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty times: nothing is left, and nobody has to read about it."""
    left: list[tuple[int, int]] = []

    async def main() -> None:
        async with serving() as server:
            for _ in range(20):
                bare = await Bare.open(server)
                bare.writer.write(sent)
                if how == "reset":
                    bare.client.reset()
                else:
                    bare.writer.close()
            async with asyncio.timeout(PATIENCE_S), connect(socket_url(server)) as client:
                await client.send(connected_text())
                await client.send(bytes(640))
                await client.recv()
                while server.live_calls > 1:
                    await server.wait_for_end()
            async with asyncio.timeout(PATIENCE_S):
                while server.live_calls:
                    await server.wait_for_end()
        left.append((server.live_calls, len(asyncio.all_tasks())))

    run(main())

    assert [(0, 1)] == left
    assert [] == [record for record in caplog.records if record.exc_info]


class StandInTransport:
    """aiohttp's side of a connection; ``waits`` is what its buffer holds each time that it is asked. It leaves out bytes."""

    def __init__(self, waits: list[int], *, closes_at: int = 1 << 30) -> None:
        self.sock, self.peer = socket.socketpair()
        self.waits, self.asked, self._closes_at = waits, 0, closes_at
        self.paused = self.aborted = False

    def get_write_buffer_size(self) -> int:
        self.asked += 1
        return self.waits.pop(0) if len(self.waits) > 1 else self.waits[0]

    def is_closing(self) -> bool:
        return self.aborted or self.asked >= self._closes_at

    def pause_reading(self) -> None:
        self.paused = True

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.sock

    def abort(self) -> None:
        self.aborted = True
        self.sock.close()


def request_on(transport: StandInTransport | None) -> Any:
    """A request as far as it is looked at; bytes came behind it."""
    return SimpleNamespace(
        transport=transport, protocol=SimpleNamespace(set_parser=lambda parser: parser.feed_data(b"behind"))
    )


async def test_a_socket_is_taken_when_an_earlier_answer_has_gone_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same connection, and what came behind the request is with it."""
    monkeypatch.setattr(takeover, "FLUSH_POLL_S", 0)
    transport = StandInTransport([10, 5, 0])
    taken, early = await takeover.take_socket(request_on(transport))
    taken.send(b"through it")
    heard = transport.peer.recv(100)
    taken.close()
    transport.peer.close()

    assert (b"behind", b"through it", 3) == (early, heard, transport.asked)
    assert transport.paused
    assert transport.aborted


@pytest.mark.parametrize(
    ("transport", "why"),
    [
        (lambda: None, "the peer is gone"),
        (lambda: StandInTransport([0], closes_at=0), "the peer is gone"),
        (lambda: StandInTransport([10], closes_at=2), "the peer is gone"),
        (lambda: StandInTransport([10]), "the peer doesn't read"),
    ],
    ids=["lost", "closing", "closing while an answer waits", "deaf"],
)
async def test_no_socket_is_taken_from_a_caller_that_is_gone(
    transport: Callable[[], StandInTransport | None], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor from one that never reads its earlier answer, which is dropped."""
    monkeypatch.setattr(takeover, "FLUSH_POLL_S", 0)
    monkeypatch.setattr(takeover, "FLUSH_WAIT_S", 0.01)
    stand_in = transport()
    with pytest.raises(ConnectionResetError, match=why):
        await takeover.take_socket(request_on(stand_in))
    for sock in () if stand_in is None else (stand_in.sock, stand_in.peer):
        sock.close()

    assert stand_in is None or stand_in.aborted == ("read" in why)


async def test_a_call_has_its_place_while_an_answer_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one waits for that, another can't take the last place; afterwards there is one again."""
    waits, goes_on = asyncio.Event(), asyncio.Event()

    async def take_late(request: Any) -> tuple[socket.socket, bytes]:
        waits.set()
        await goes_on.wait()
        return await takeover.take_socket(request)

    monkeypatch.setattr(app_module, "take_socket", take_late)
    seen = Seen()
    async with serving(list, seen, max_calls=1) as server:
        bare = await Bare.open(server)
        bare.writer.write(upgrade() + EARLY)
        await waits.wait()
        with pytest.raises(InvalidStatus, match="HTTP 503"):
            await connect(socket_url(server))
        goes_on.set()
        await seen.next(Connected)
        await bare.client.close()
        await seen.next(Ended)
        async with connect(socket_url(server)) as client:
            await client.send(connected_text())
            await seen.next(Connected, 2)

    assert 2 == server.calls_ended


# What may fail.


async def test_without_a_descriptor_left_the_connection_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line for whoever runs the server; the next call is taken."""

    def none_left(_fd: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    async with serving() as server:
        with monkeypatch.context() as patch:
            patch.setattr(os, "dup", none_left)
            bare = await Bare.open(server)
            bare.writer.write(upgrade() + EARLY)
            rest = await bare.client.wait_for_end()
            await bare.client.close()
        live = server.live_calls
        await echoes(server)

    assert (b"", 0) == (rest, live)
    assert ["a call couldn't be taken: Too many open files"] == caplog.messages


async def test_without_room_to_watch_it_a_call_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is told but the reason, and nothing of it stays."""

    def full(_poller: Poller, _fd: int, _ready: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    seen = Seen()
    async with serving(list, seen) as server:
        before = psutil.Process().num_fds()
        with monkeypatch.context() as patch:
            patch.setattr(Poller, "watch", full)
            bare = await Bare.open(server)
            bare.writer.write(upgrade() + EARLY)
            rest = await bare.client.wait_for_end()
            await bare.client.close()
        await asyncio.sleep(0)
        left = psutil.Process().num_fds() - before, server.live_calls

    assert (b"", (0, 0)) == (rest, left)
    assert [] == seen.all(Ended)
    assert ["a call couldn't be taken: No space left on device"] == caplog.messages


async def echoes(server: VsockServer) -> None:
    """A call on it is echoed."""
    async with connect(socket_url(server)) as client:
        await client.send(connected_text())
        await client.send(bytes(640))
        assert bytes(640) == await client.recv()


# aiohttp's own parts.


def test_aiohttp_is_still_as_it_was_when_this_was_written() -> None:
    """
    What the direct engine uses of aiohttp beyond its documentation.

    Where this fails, aiohttp has changed: the server falls back to ``--engine aiohttp`` by itself. Read what became of
    ``RequestHandler.set_parser`` in the new version, mend vonage_sock/server/takeover.py, and then this test.
    """
    parameters = list(inspect.signature(RequestHandler.set_parser).parameters.values())
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]

    assert aiohttp.__version__.startswith(f"{takeover.KNOWN_MAJOR}.")
    assert ["self", "parser"] == required
    assert takeover.usable()


@pytest.mark.parametrize("change", ["version", "name"])
async def test_where_aiohttp_has_changed_calls_go_its_documented_way(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word: they are echoed as before."""
    if change == "version":
        monkeypatch.setattr(aiohttp, "__version__", "4.0.0a1")
    else:
        monkeypatch.delattr(RequestHandler, "set_parser")
    usable = takeover.usable()
    if change == "name":
        # aiohttp's own websocket needs it as well; only we look for it here.
        monkeypatch.undo()
        monkeypatch.setattr(app_module, "usable", lambda: False)
    async with serving() as server:
        poller = server._poller
        await echoes(server)

    assert (False, None) == (usable, poller)


@pytest.mark.parametrize("missing", ["available", "usable"])
async def test_what_was_asked_for_and_cannot_be_is_one_sentence(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything listens; without asking, or with aiohttp's, there is no question."""
    monkeypatch.setattr(app_module, missing, lambda: False)
    server = serving(engine=Engine.DIRECT)
    with pytest.raises(UsageError, match="--engine direct needs Linux and a version 3 of aiohttp"):
        await server.listen()

    assert server._runner is None
    assert [False, False] == [uses_direct(Engine.AUTO), uses_direct(Engine.AIOHTTP)]


async def test_the_engine_is_what_was_asked_for() -> None:
    """Ours by itself where it can be, aiohttp's where that was said."""
    used = []
    for engine in (Engine.AUTO, Engine.DIRECT, Engine.AIOHTTP):
        async with serving(engine=engine) as server:
            used.append(server._poller is not None)
            await echoes(server)

    assert [True, True, False] == used
