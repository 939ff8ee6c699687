"""Our Vonage against servers that other people might write, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp.web
import pytest
import websockets
import websockets.asyncio.server
from loops import on_both_loops
from wire import Seen

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import DtmfPressed, Ended
from vonage_sock.clock import MS
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource

Handler = Callable[[websockets.asyncio.server.ServerConnection], Awaitable[None]]
FRAMES = 15


def order_for(target: str, *, rate_hz: int = 16000, **plan: Any) -> CallOrder:
    """A short call with audio whose frames all differ."""
    size = rate_hz // 25
    pcm = b"".join(struct.pack("<H", number + 1) * (size // 2) for number in range(FRAMES))
    plan.setdefault("duration_ns", (FRAMES + 5) * 20 * MS)
    return CallOrder(
        target=target,
        audio=lambda audio_format: PcmSource(pcm, audio_format),
        plan=LegPlan(audio_format=AudioFormat(rate_hz), **plan),
    )


async def call(target: str, seen: Seen | None = None, **plan: Any) -> dict[str, Any]:
    """The report of a call."""
    async with asyncio.timeout(20):
        return await VonageCall(order_for(target, **plan), observers=[] if seen is None else [seen]).run()


def codes(report: dict[str, Any]) -> list[str]:
    """What was found, but for gaps, which a busy machine makes by itself."""
    return [finding["code"] for finding in report["findings"] if finding["code"] != "VS201"]


@contextlib.asynccontextmanager
async def websockets_server(handler: Handler) -> AsyncIterator[str]:
    """A server of the websockets library with its defaults; compression is on offer there."""
    async with websockets.serve(handler, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/any?x=1"


@contextlib.asynccontextmanager
async def aiohttp_server(handler: Callable[[aiohttp.web.WebSocketResponse], Awaitable[None]]) -> AsyncIterator[str]:
    """A server of aiohttp's with its defaults."""

    async def socket(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        response = aiohttp.web.WebSocketResponse()
        await response.prepare(request)
        await handler(response)
        return response

    app = aiohttp.web.Application()
    app.router.add_get("/any", socket)
    runner = aiohttp.web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/any?x=1"
    finally:
        await runner.cleanup()


async def websockets_echo(connection: websockets.asyncio.server.ServerConnection) -> None:
    """Ten lines that anybody would write."""
    async for message in connection:
        if isinstance(message, bytes):
            await connection.send(message)


async def aiohttp_echo(socket: aiohttp.web.WebSocketResponse) -> None:
    """The same with aiohttp."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)


both_servers = pytest.mark.parametrize(
    ("serve", "echo"),
    [(websockets_server, websockets_echo), (aiohttp_server, aiohttp_echo)],
    ids=["websockets", "aiohttp"],
)


@both_servers
@pytest.mark.parametrize("rate_hz", [8000, 24000])
@on_both_loops
async def test_an_echo_is_measured(serve: Any, echo: Any, rate_hz: int) -> None:
    """Every frame comes back, is recognized as an echo, and the close is the caller's."""
    async with serve(echo) as url:
        report = await call(url, rate_hz=rate_hz)

    assert report["frames_sent"] == FRAMES + 5
    assert FRAMES <= report["frames_received"] <= FRAMES + 5
    assert ("frames", rate_hz) == (report["echo"]["method"], report["rate_hz"])
    assert FRAMES - 1 <= report["echo"]["frames"] <= FRAMES
    assert (1000, "platform", url) == (report["close_code"], report["closed_by"], report["target"])
    assert [] == codes(report)


@on_both_loops
async def test_what_the_platform_sends_is_what_vonage_sends() -> None:
    """First connected with the headers flattened, then exact frames and keys between them; no extension is offered."""
    got: list[str | bytes] = []
    request_headers: dict[str, str] = {}

    async def keep(connection: websockets.asyncio.server.ServerConnection) -> None:
        request_headers.update({key.lower(): value for key, value in connection.request.headers.raw_items()})
        got.extend([message async for message in connection])

    seen = Seen()
    async with websockets_server(keep) as url:
        await call(
            url,
            seen,
            headers={"id": "x", "nested": {"a": [1]}, "event": "mine", "content-type": "mine"},
            key_presses=(KeyPress(40 * MS, "4", 100), KeyPress(100 * MS, "#", 200)),
        )
    texts = [json.loads(message) for message in got if isinstance(message, str)]

    assert {
        "event": "websocket:connected",
        "content-type": "audio/l16;rate=16000",
        "id": "x",
        "nested": {"a": [1]},
    } == texts[0]
    assert got[0] == json.dumps(texts[0], separators=(",", ":"))
    assert [
        {"event": "websocket:dtmf", "digit": "4", "duration": 100},
        {"event": "websocket:dtmf", "digit": "#", "duration": 200},
    ] == texts[1:]
    assert {640} == {len(message) for message in got if isinstance(message, bytes)}
    assert ["4", "#"] == [event.digit for event in seen.all(DtmfPressed)]
    assert not {"sec-websocket-extensions", "sec-websocket-protocol", "authorization"} & set(request_headers)


@both_servers
@on_both_loops
async def test_commands_are_answered(serve: Any, echo: Any) -> None:
    """``clear`` with cleared, ``notify`` with its payload once the audio before it has been heard."""
    answers: list[str] = []

    async def say(send_text: Any, send_bytes: Any) -> None:
        await send_text('{"action":"clear"}')
        for _ in range(3):
            await send_bytes(bytes(640))
        await send_text('{"action":"notify","payload":{"n":1}}')

    async def with_websockets(connection: websockets.asyncio.server.ServerConnection) -> None:
        await say(connection.send, connection.send)
        answers.extend([message async for message in connection if isinstance(message, str)])

    async def with_aiohttp(socket: aiohttp.web.WebSocketResponse) -> None:
        await say(socket.send_str, socket.send_bytes)
        answers.extend([m.data async for m in socket if m.type is aiohttp.WSMsgType.TEXT])

    async with serve(with_websockets if serve is websockets_server else with_aiohttp) as url:
        report = await call(url)

    assert ['{"event":"websocket:cleared"}', '{"event":"websocket:notify","payload":{"n":1}}'] == answers[1:]
    assert (1, 1, 3) == (report["clears"], report["notifies"], report["frames_heard"])


@both_servers
@on_both_loops
async def test_a_server_that_closes_is_told_apart(serve: Any, echo: Any) -> None:
    """Its code and reason stand in the report."""

    async def with_websockets(connection: websockets.asyncio.server.ServerConnection) -> None:
        await connection.recv()
        await connection.close(4003, "no thanks")

    async def with_aiohttp(socket: aiohttp.web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.close(code=4003, message=b"no thanks")

    async with serve(with_websockets if serve is websockets_server else with_aiohttp) as url:
        report = await call(url)

    assert (4003, "no thanks", "server") == (report["close_code"], report["close_reason"], report["closed_by"])


@both_servers
@on_both_loops
async def test_a_server_that_returns_at_once_is_no_mystery(serve: Any, echo: Any) -> None:
    """A handler that ends closes the socket with 1000 in both libraries."""

    async def nothing(_socket: object) -> None:
        return

    async with serve(nothing) as url:
        report = await call(url)

    assert (1000, "server", 0) == (report["close_code"], report["closed_by"], report["frames_received"])


@on_both_loops
async def test_a_dropped_connection_is_a_finding() -> None:
    """1006, lost by the network, VS308."""

    async def drop(connection: websockets.asyncio.server.ServerConnection) -> None:
        await connection.send(bytes(640))
        await connection.recv()
        connection.transport.abort()

    async with websockets_server(drop) as url:
        report = await call(url)

    assert (1006, "network", ["VS308"]) == (report["close_code"], report["closed_by"], codes(report))


@on_both_loops
async def test_text_garbage_is_found_and_the_call_goes_on() -> None:
    """Text that isn't JSON, an unknown command, a notify without a payload: each has its finding."""

    async def garbage(connection: websockets.asyncio.server.ServerConnection) -> None:
        for text in ("hello", "\x1b]0;x\x07", '{"action":"dance"}', "[]", '{"action":"notify"}', '{"event":"clear"}'):
            await connection.send(text)
        await websockets_echo(connection)

    async with websockets_server(garbage) as url:
        report = await call(url)

    assert {"VS301", "VS305", "VS306"} == set(codes(report))
    assert ("platform", 1000) == (report["closed_by"], report["close_code"])
    assert report["frames_received"] >= FRAMES


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@on_both_loops
async def test_odd_sizes(strict: bool) -> None:
    """Re-framed with a finding, or, as Vonage's servers do, the end of the leg."""

    async def odd(connection: websockets.asyncio.server.ServerConnection) -> None:
        await connection.send(bytes(range(1, 161)) * 4)
        await connection.send(bytes(641))
        await connection.send(bytes(639))
        async for _ in connection:
            pass

    async with websockets_server(odd) as url:
        report = await call(url, strict=strict)

    if strict:
        assert (["VS101"], 1) == (codes(report), report["frames_received"])
        assert "platform" == report["closed_by"]
    else:
        assert ({"VS102", "VS103"}, 3) == (set(codes(report)), report["frames_received"])


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\x81\x02\xff\xfe", 1007), (b"\x82\x7f" + struct.pack("!Q", 2**25), 1009), (b"\xf2\x00", 1002)],
    ids=["not UTF-8", "oversize", "reserved bits"],
)
@on_both_loops
async def test_what_breaks_websocket_itself_is_refused(data: bytes, code: int) -> None:
    """The server is told how, and the call ends as closed by the platform; no traceback."""
    closed: list[int | None] = []

    async def bad(connection: websockets.asyncio.server.ServerConnection) -> None:
        connection.transport.write(data)
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            while True:
                await connection.recv()
        closed.append(connection.close_code)

    async with websockets_server(bad) as url:
        report = await call(url)

    assert [code] == closed
    assert (code, "platform") == (report["close_code"], report["closed_by"])


@on_both_loops
async def test_a_server_that_never_reads_holds_nobody_up() -> None:
    """The call ends at its time, although its close is never answered."""
    release = asyncio.Event()

    async def deaf(connection: websockets.asyncio.server.ServerConnection) -> None:
        connection.transport.pause_reading()
        await release.wait()
        connection.transport.abort()

    seen = Seen()
    async with websockets_server(deaf) as url:
        report = await call(url, seen)
        release.set()

    assert ("platform", 1006) == (report["closed_by"], report["close_code"])
    assert 1 == len(seen.all(Ended))
