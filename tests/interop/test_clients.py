"""Our server against clients that other people wrote, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

import aiohttp
import pytest
from loops import on_both_loops
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from wire import Closes, Keeper, Seen, connected_text, numbered_frames, serving, socket_url

from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import Connected, DtmfPressed, Ended, MessageReceived
from vonage_sock.server.app import VsockServer


class WebsocketsClient:
    """The websockets library, with all its defaults: compression too, and its target as its origin."""

    def __init__(self, server: VsockServer) -> None:
        self._connecting = connect(socket_url(server), subprotocols=["WSBRIDGE"], origin=server.addresses.base_url)

    async def __aenter__(self) -> Self:
        self._socket = await self._connecting
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._socket.close()

    @property
    def agreed(self) -> tuple[object, ...]:
        return tuple(self._socket.protocol.extensions), self._socket.subprotocol

    async def send(self, message: str | bytes) -> None:
        await self._socket.send(message)

    async def send_in_pieces(self, message: bytes, size: int) -> None:
        await self._socket.send([message[at : at + size] for at in range(0, len(message), size)])

    async def receive(self) -> str | bytes:
        return await self._socket.recv()

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason)

    async def closed_with(self) -> tuple[int, str]:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._socket.recv()
        return self._socket.close_code, self._socket.close_reason


class AiohttpClient:
    """aiohttp's client, asked to offer compression."""

    def __init__(self, server: VsockServer) -> None:
        self._url = socket_url(server)
        self._origin = server.addresses.base_url

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(
            self._url, compress=15, protocols=["WSBRIDGE"], origin=self._origin
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._socket.close()
        await self._session.close()

    @property
    def agreed(self) -> tuple[object, ...]:
        return () if not self._socket.compress else (self._socket.compress,), self._socket.protocol

    async def send(self, message: str | bytes) -> None:
        await (self._socket.send_str(message) if isinstance(message, str) else self._socket.send_bytes(message))

    async def send_in_pieces(self, message: bytes, size: int) -> None:
        await self._socket.send_bytes(message)

    async def receive(self) -> str | bytes:
        return (await self._socket.receive()).data

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code=code, message=reason.encode())

    async def closed_with(self) -> tuple[int, str]:
        while (message := await self._socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
            pass
        return message.data, message.extra or ""


both_clients = pytest.mark.parametrize("client_of", [WebsocketsClient, AiohttpClient], ids=["websockets", "aiohttp"])


@both_clients
@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
@on_both_loops
async def test_an_echo_is_the_same_audio(client_of: type[WebsocketsClient], rate_hz: int) -> None:
    """Byte for byte, in exact frames, with neither compression nor a subprotocol agreed on."""
    frames = numbered_frames(100, rate_hz // 25)
    async with serving() as server, client_of(server) as client, asyncio.timeout(20):
        await client.send(connected_text(rate_hz))
        for frame in frames:
            await client.send(frame)
        echoed = [await client.receive() for _ in frames]
        agreed = client.agreed

    assert frames == echoed
    assert ((), None) == agreed


@both_clients
@on_both_loops
async def test_a_call_with_everything_in_it(client_of: type[WebsocketsClient]) -> None:
    """Early audio, metadata, keys, odd sizes, fragments, unknown text and a close: all of it arrives, in order."""
    seen, keeper, frames = Seen(), Keeper(), numbered_frames(10)
    async with serving(lambda: [keeper], seen) as server, client_of(server) as client:
        await client.send(frames[0])
        await client.send(" " + connected_text(16000, call="é", nested={"k": [True]}))
        await client.send('{"event":"websocket:dtmf","digit":"7","duration":180}')
        await client.send_in_pieces(b"".join(frames[1:4]), 100)
        await client.send('{"event":"something:else"}')
        for frame in frames[4:]:
            await client.send(frame)
        await client.close(4000, "adieu")
        ended = await seen.next(Ended)

    assert frames == keeper.frames
    assert [("7", 180)] == keeper.digits
    assert {"call": "é", "nested": {"k": [True]}} == seen.all(Connected)[0].headers
    assert {"event": "something:else"} == seen.all(MessageReceived)[0].message
    assert ("7", 10, 4000, "adieu", "platform") == (
        ended.dtmf,
        ended.frames_in,
        ended.close_code,
        ended.close_reason,
        ended.closed_by,
    )
    assert 1 == len(seen.all(DtmfPressed))


@both_clients
@on_both_loops
async def test_our_close_reaches_a_client_that_keeps_sending(client_of: type[WebsocketsClient]) -> None:
    """Twenty times over, with the right code and reason."""
    seen, received = Seen(), []
    async with serving(lambda: [Closes(4002, "enough")], seen) as server:
        for number in range(20):
            async with client_of(server) as client:
                await client.send(connected_text())
                flood = asyncio.create_task(_flood(client))
                async with asyncio.timeout(20):
                    received.append(await client.closed_with())
                flood.cancel()
                await asyncio.gather(flood, return_exceptions=True)
            ended = await seen.next(Ended, number + 1)
            received.append((ended.close_code, ended.closed_by))

    assert [(4002, "enough"), (4002, "server")] * 20 == received


async def _flood(client: WebsocketsClient) -> None:
    while True:
        await client.send(bytes(640))
        await asyncio.sleep(0)


@both_clients
@on_both_loops
async def test_a_stopping_server_says_so(client_of: type[WebsocketsClient]) -> None:
    """1001 with a reason."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen) as server, client_of(server) as client:
        await client.send(connected_text())
        await seen.next(Connected)
        stopping = asyncio.create_task(server.stop())
        closed_with = await client.closed_with()
        await stopping

    assert (1001, "server stopping") == closed_with
    assert ("server", 1001) == (seen.all(Ended)[0].closed_by, seen.all(Ended)[0].close_code)


class Asks(Behaviour):
    """Says audio, then asks to be told when it was heard, and clears."""

    def connected(self, call: Call) -> None:
        call.send_audio(bytes(1000))
        call.notify({"id": "a"})
        call.clear()


@both_clients
@on_both_loops
async def test_commands_are_text_and_keep_their_place(client_of: type[WebsocketsClient]) -> None:
    """Behind the audio that was sent before them, whose last frame is filled up."""
    async with serving(lambda: [Asks()]) as server, client_of(server) as client:
        await client.send(connected_text())
        received = [await client.receive() for _ in range(4)]

    assert [bytes(640), bytes(640), '{"action":"notify","payload":{"id":"a"}}', '{"action":"clear"}'] == received


@both_clients
@on_both_loops
async def test_a_long_playback_schedule_keeps_its_frames(client_of: type[WebsocketsClient]) -> None:
    """A delayed echo goes by timers alone: nothing is lost, added or out of order on either loop."""
    frames = numbered_frames(30)
    async with serving(lambda: [Echo(delay_ms=100)]) as server, client_of(server) as client, asyncio.timeout(20):
        await client.send(connected_text())
        for frame in frames:
            await client.send(frame)
            await asyncio.sleep(0.005)
        echoed = [await client.receive() for _ in frames]

    assert frames == echoed
