"""Calls for coroutines, over real sockets, with the websockets client as the platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import websockets
from aiohttp import web
from websockets.asyncio.client import ClientConnection

from vonage_sock import AsyncCall, AudioFormat, Server
from vonage_sock.call.events import Event, FindingRaised
from vonage_sock.errors import AudioFileError, UsageError
from vonage_sock.server.facade import MAX_WAITING_FRAMES, Bridge
from vonage_sock.testing import PcmSource

CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","name":"Ann"}'
FRAME = bytes(range(128)) * 5

Peer = Callable[[ClientConnection], Awaitable[None]]


async def meet(handler: Callable[[AsyncCall], Awaitable[None]], peer: Peer) -> list[Event]:
    """A call between a handler and a platform; what observers saw."""
    events: list[Event] = []
    async with (
        asyncio.timeout(20),
        Server(handler, port=0, observers=[events.append]) as server,
        websockets.connect(server.addresses.socket_url, max_queue=None) as socket,
    ):
        await socket.send(CONNECTED)
        await peer(socket)
    return events


async def frames_from(socket: ClientConnection, count: int) -> bytes:
    """The next so many binary messages; ``notify`` is answered on the way."""
    pcm = b""
    while count:
        message = await socket.recv()
        if isinstance(message, bytes):
            pcm += message
            count -= 1
        else:
            await answer(socket, message)
    return pcm


async def answer(socket: ClientConnection, message: str | bytes) -> None:
    """Do what the platform does with a command."""
    command = json.loads(message)
    if command["action"] == "notify":
        await socket.send(json.dumps({"event": "websocket:notify", "payload": command["payload"]}))


async def test_frames_come_in_order_and_go_out_again() -> None:
    """``async for frame in call`` gives each frame; ``send`` returns it at once."""

    async def echo(call: AsyncCall) -> None:
        async for frame in call:
            await call.send(frame)

    async def peer(socket: ClientConnection) -> None:
        for number in range(20):
            await socket.send(bytes([number]) * 640)
            assert bytes([number]) * 640 == await socket.recv()

    await meet(echo, peer)


async def test_a_handler_knows_the_call() -> None:
    """Metadata and format are those of this call."""
    seen: list[object] = []

    async def look(call: AsyncCall) -> None:
        seen.extend([call.headers, call.audio_format, call.id])

    async def peer(socket: ClientConnection) -> None:
        await socket.wait_closed()

    await meet(look, peer)

    assert [{"name": "Ann"}, AudioFormat(16000), "c1"] == seen


async def test_when_the_handler_returns_the_call_is_closed() -> None:
    """The platform sees 1000."""

    async def leave(call: AsyncCall) -> None:
        return

    async def peer(socket: ClientConnection) -> None:
        await socket.wait_closed()

        assert 1000 == socket.close_code

    await meet(leave, peer)


async def test_a_handler_that_raises_closes_its_call_with_1011() -> None:
    """The fault is a finding, not a traceback."""

    async def stumble(call: AsyncCall) -> None:
        raise LookupError("no menu")

    async def peer(socket: ClientConnection) -> None:
        await socket.wait_closed()

        assert 1011 == socket.close_code

    events = await meet(stumble, peer)

    assert ["VS307"] == [event.code for event in events if isinstance(event, FindingRaised)]


async def test_digits_wait_for_the_handler() -> None:
    """Keys pressed early are not lost, and the end of the call is told by None."""
    digits: list[str | None] = []
    done = asyncio.Event()

    async def collect(call: AsyncCall) -> None:
        async for _ in call:
            break
        for _ in range(3):
            digits.append(await call.next_digit())
        done.set()

    async def peer(socket: ClientConnection) -> None:
        for digit in "12":
            await socket.send(json.dumps({"event": "websocket:dtmf", "digit": digit, "duration": 100}))
        await socket.send(FRAME)

    await meet(collect, peer)
    await done.wait()

    assert ["1", "2", None] == digits


async def test_play_waits_until_the_caller_has_heard_it() -> None:
    """``play`` returns True after the platform's notify."""
    results: list[bool] = []

    async def greet(call: AsyncCall) -> None:
        results.append(await call.play(lambda audio_format: PcmSource(FRAME * 3, audio_format)))

    async def peer(socket: ClientConnection) -> None:
        assert FRAME * 3 == await frames_from(socket, 3)
        assert not results
        await answer(socket, await socket.recv())
        await socket.wait_closed()

    await meet(greet, peer)

    assert [True] == results


async def test_clear_cuts_off_what_plays() -> None:
    """The platform is told to drop its queue, and the waiting ``play`` gives False."""
    results: list[bool] = []

    async def interrupted(call: AsyncCall) -> None:
        playing = asyncio.create_task(call.play(lambda audio_format: PcmSource(FRAME * 500, audio_format)))
        await call.next_digit()
        await call.clear()
        results.append(await playing)

    async def peer(socket: ClientConnection) -> None:
        await frames_from(socket, 3)
        await socket.send(json.dumps({"event": "websocket:dtmf", "digit": "#", "duration": 100}))
        texts = [message async for message in socket if isinstance(message, str)]

        assert ['{"action":"clear"}'] == texts

    await meet(interrupted, peer)

    assert [False] == results


async def test_the_end_of_the_call_ends_a_play() -> None:
    """A caller who hangs up leaves no handler waiting."""
    results: list[bool] = []
    done = asyncio.Event()

    async def greet(call: AsyncCall) -> None:
        results.append(await call.play(lambda audio_format: PcmSource(FRAME * 500, audio_format)))
        done.set()

    async def peer(socket: ClientConnection) -> None:
        await frames_from(socket, 3)

    await meet(greet, peer)
    await done.wait()

    assert [False] == results


async def test_a_file_that_can_t_be_played_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    """The handler gets the error, in time to do something else."""
    errors: list[str] = []

    async def greet(call: AsyncCall) -> None:
        try:
            await call.play(tmp_path / "none.wav")
        except AudioFileError as error:
            errors.append(str(error))

    async def peer(socket: ClientConnection) -> None:
        await socket.wait_closed()

    await meet(greet, peer)

    assert ["none.wav: no such file"] == errors


async def test_a_slow_handler_loses_the_oldest_audio_and_knows_how_much() -> None:
    """What waits for a handler is bounded to a minute."""
    bridge = Bridge(lambda _call: asyncio.sleep(0))
    call = AsyncCall(bridge, None)  # type: ignore[arg-type]  # only its queue is looked at

    for number in range(MAX_WAITING_FRAMES + 2):
        call.put_frame(number.to_bytes(2, "little"))
    call.end()
    frames = [frame async for frame in call]

    assert 2 == call.frames_lost
    assert (2).to_bytes(2, "little") == frames[0]
    assert MAX_WAITING_FRAMES == len(frames)


async def test_pcm_is_played_in_whole_frames() -> None:
    """What is there already needs no file; its end is filled with silence."""
    results = []

    async def handler(call: AsyncCall) -> None:
        results.append(await call.play(FRAME + FRAME[:100]))

    async def peer(socket: ClientConnection) -> None:
        results.append(await frames_from(socket, 2))
        await answer(socket, await socket.recv())
        await socket.wait_closed()

    await meet(handler, peer)

    assert [FRAME + FRAME[:100] + bytes(540), True] == results


async def test_who_plays_after_the_call_s_end_does_not_wait_for_ever() -> None:
    """Nobody will hear it: ``play`` gives False at once."""
    results = asyncio.Queue[bool]()

    async def handler(call: AsyncCall) -> None:
        await call.next_digit()
        await results.put(await call.play(FRAME))

    async def peer(socket: ClientConnection) -> None:
        await socket.close()

    await meet(handler, peer)

    assert not await asyncio.wait_for(results.get(), 5)


async def test_pages_of_ones_own_come_from_the_same_port() -> None:
    """Beside the webhooks, and only for who asks for us by a name of ours."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"hello {request.match_info['name']}")

    async def handler(call: AsyncCall) -> None:
        """Nothing."""

    routes = [web.get("/hello/{name}", page)]
    async with (
        Server(handler, port=0, url="https://example.com", routes=routes) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session,
    ):
        answers = []
        for path, host in (("/hello/ann", "example.com"), ("/health", "example.com"), ("/hello/ann", "evil.com")):
            async with session.get(path, headers={"Host": host}) as got:
                answers.append((got.status, await got.text()))

    assert [(200, "hello ann"), (200, '{"status":"ok","calls":0}')] == answers[:2]
    assert 421 == answers[2][0]


async def test_a_route_that_is_ours_can_not_be_had() -> None:
    """It is told before anybody calls, and the server doesn't start."""

    async def page(request: web.Request) -> web.Response:
        return web.Response()

    async def handler(call: AsyncCall) -> None:
        """Nothing."""

    with pytest.raises(UsageError, match="/health is the server's own"):
        await Server(handler, port=0, routes=[web.get("/mine", page), web.get("/health", page)]).start()
    with pytest.raises(UsageError, match="a route can't be added"):
        await Server(handler, port=0, routes=[web.get("/mine", page), web.get("/mine", page)]).start()


def test_a_server_needs_something_to_do() -> None:
    """Neither handler nor behaviours is a mistake that is told at once."""
    with pytest.raises(UsageError, match="needs a handler or behaviours"):
        Server()


async def test_what_waited_can_be_dropped() -> None:
    """An echo that begins after a greeting doesn't begin with what was said during it."""
    call = AsyncCall(Bridge(lambda _call: asyncio.sleep(0)), None)  # type: ignore[arg-type]  # only its queue is looked at
    call.put_frame(b"old")
    dropped = call.drop_waiting()
    call.put_frame(b"new")
    call.end()

    assert (1, [b"new"]) == (dropped, [frame async for frame in call])
