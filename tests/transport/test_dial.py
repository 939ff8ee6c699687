"""Opening a websocket as a client, against another library's server and against bare bytes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from loops import on_both_loops
from rig import Heard
from websockets.asyncio.server import ServerConnection, serve

from vonage_sock.clock import SystemClock
from vonage_sock.errors import ConnectError
from vonage_sock.protocol.rfc6455 import Opcode, frame_of
from vonage_sock.transport.dial import MAX_HEAD_BYTES, open_client
from vonage_sock.transport.poller import Poller


@contextlib.asynccontextmanager
async def polling() -> AsyncIterator[tuple[Poller, Callable[[socket.socket], object]]]:
    """A poller, and who is to be given the sockets that are made: with the poller they are closed, each of them."""
    poller, made = Poller(SystemClock()), []
    yield poller, made.append
    poller.close()
    assert {-1} >= {sock.fileno() for sock in made}


@contextlib.asynccontextmanager
async def answering(answer: Callable[[str], list[bytes]]) -> AsyncIterator[str]:
    """A server that answers a request with these pieces, given the accept value for its key; its address."""
    serving: list[asyncio.Task[None] | None] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            writer.close()
            return
        key = next(
            line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key")
        )
        guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
        for piece in answer(accept):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await asyncio.gather(*filter(None, serving), return_exceptions=True)


def head(accept: str) -> bytes:
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


@on_both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_messages_go_both_ways(host: str) -> None:
    """Without compression; ``localhost`` may be ::1 first, where nobody listens. Our headers go before the library's."""
    requests: list[tuple[str, list[str], object]] = []
    prepared: list[socket.socket] = []

    async def echo(connection: ServerConnection) -> None:
        request = connection.request
        requests.append((request.path, request.headers.get_all("User-Agent"), request.headers.get("X-Call")))
        requests.append(("extensions", connection.protocol.extensions, request.headers.get("Sec-WebSocket-Extensions")))
        async for message in connection:
            await connection.send(message)

    heard = Heard()
    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        poller = Poller(SystemClock())
        frames = await open_client(
            poller,
            f"ws://{host}:{port}/socket?a=1",
            heard,
            headers={"User-Agent": "Vonage", "X-Call": "7"},
            before=prepared.append,
        )
        frames.send("hello")
        frames.send(bytes(640))
        await heard.next(2)
        frames.close(1000, "bye")
        await heard.end()
        poller.close()

    assert [("text", "hello"), ("binary", bytes(640)), ("gone", 1000, "bye")] == heard.told
    assert [("/socket?a=1", ["Vonage"], "7"), ("extensions", [], None)] == requests
    assert 1 <= len(prepared)


@on_both_loops
@pytest.mark.parametrize("piece", [1, 10_000_000], ids=["byte by byte", "at once"])
async def test_what_comes_behind_the_answer_is_not_lost(piece: int) -> None:
    """In the same packet, and more of it than an answer may have."""
    heard = Heard()
    size = 100 if piece == 1 else MAX_HEAD_BYTES * 2

    def answer(accept: str) -> list[bytes]:
        data = head(accept) + frame_of(Opcode.BINARY, bytes(size)) + frame_of(Opcode.TEXT, b"behind")
        return [data[at : at + piece] for at in range(0, len(data), piece)]

    async with answering(answer) as url, polling() as (poller, made):
        frames = await open_client(poller, url, heard, before=made)
        await heard.end()
        assert not frames.is_open

    assert [("binary", bytes(size)), ("text", "behind"), ("gone", 1006, "")] == heard.told


@on_both_loops
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            lambda _: [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"],
            "server rejected WebSocket connection: HTTP 404",
        ),
        (lambda _: [b"HTTP/1.1 200 101\r\n\r\n"], "server rejected WebSocket connection: HTTP 200"),
        (lambda _: [b"\x16\x03\x01 what\r\n\r\n"], "did not receive a valid HTTP response"),
        (lambda _: [b"HTTP/1.1 101 Yes\r\n\r\n"], "missing Connection header"),
        (lambda _: [b"HTTP/1.1 101 Yes\r\nno colon\r\n\r\n"], "did not receive a valid HTTP response"),
        (lambda _: [head("wrong")], "invalid Sec-WebSocket-Accept header: wrong"),
        (lambda accept: [head(accept)[:-4]], "did not receive a valid HTTP response"),
        (lambda _: [], "did not receive a valid HTTP response"),
        (lambda _: [b"HTTP/1.1 101 Yes\r\n", b"X: y\r\n" * 20_000], "did not receive a valid HTTP response"),
    ],
)
async def test_what_is_no_upgrade_is_one_sentence(answer: Callable[[str], list[bytes]], reason: str) -> None:
    """That says what came instead."""
    async with answering(answer) as url, polling() as (poller, made):
        with pytest.raises(ConnectError) as caught:
            await open_client(poller, url, Heard(), before=made)

    assert f"{url} didn't accept a websocket: {reason}" == str(caught.value)


@on_both_loops
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1/", "http://127.0.0.1/ isn't the address of a websocket"),
        ("wss://127.0.0.1/", "wss://127.0.0.1/: a poller has no TLS"),
        ("ws://127.0.0.1:1/", "can't connect to ws://127.0.0.1:1/: "),
        ("ws://no.such.host.invalid/", "can't connect to ws://no.such.host.invalid/: "),
        (f"ws://{'x' * 70}/", "its host can't be a name"),
    ],
)
async def test_an_address_that_leads_nowhere_is_one_sentence(url: str, reason: str) -> None:
    """And leaves nothing behind."""
    async with polling() as (poller, made):
        with pytest.raises(ConnectError) as caught:
            await open_client(poller, url, Heard(), before=made)

    assert reason in str(caught.value)


@on_both_loops
async def test_a_header_that_would_break_the_request_is_refused() -> None:
    """Before anything is sent."""
    async with answering(lambda accept: [head(accept)]) as url, polling() as (poller, made):
        with pytest.raises(ConnectError, match="the header X can't be sent"):
            await open_client(poller, url, Heard(), before=made, headers={"X": "a\r\nY: b"})


@on_both_loops
async def test_who_never_answers_is_given_up() -> None:
    """After the time that it was given."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        async with polling() as (poller, made):
            with pytest.raises(ConnectError) as caught:
                await open_client(poller, url, Heard(), before=made, timeout_s=0.05)

    assert f"{url} didn't answer within 0.05 s" == str(caught.value)


@on_both_loops
async def test_who_is_no_longer_wanted_leaves_nothing() -> None:
    """Cancelled in the middle of the handshake."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        async with polling() as (poller, made):
            opening: Awaitable[object] = asyncio.create_task(
                open_client(poller, f"ws://127.0.0.1:{silent.getsockname()[1]}/", Heard(), before=made)
            )
            asking, _ = await loop.sock_accept(silent)
            await loop.sock_recv(asking, 4096)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            asking.close()


async def test_a_name_without_an_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may know it and have nothing for it."""

    async def nothing(*_: object, **__: object) -> list[object]:
        return []

    async with polling() as (poller, made):
        monkeypatch.setattr(poller.loop, "getaddrinfo", nothing)
        with pytest.raises(ConnectError, match=r"127\.0\.0\.1 has no address"):
            await open_client(poller, "ws://127.0.0.1:1/", Heard(), before=made)
