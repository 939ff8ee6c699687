"""A short call on a real socket."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiohttp import web

from tests.doctor.fakes import Fake, raw_server, serving
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import SystemClock
from vonage_sock.doctor.trying import KEY, open_as_vonage, said, try_call


async def test_a_server_that_echoes_is_heard_and_told_of_a_key() -> None:
    """Silence, a key and sound go out, and the caller hangs up."""
    texts: list[str] = []

    async def talk(ws: web.WebSocketResponse) -> None:
        async for message in ws:
            if isinstance(message.data, bytes):
                await ws.send_bytes(message.data)
            else:
                texts.append(message.data)

    async with serving(Fake(talk=talk)) as fake:
        opening = await open_as_vonage(fake.socket_url, {"X-A": "b"}, SystemClock())
        assert opening.socket is not None
        tried = await try_call(opening.socket, AudioFormat(16000), {"id": "7"}, SystemClock(), span_s=0.2)

    assert tried.ended is not None
    assert ("platform", KEY) == (tried.ended.closed_by, tried.ended.dtmf)
    assert 0 < tried.report["frames_received"] <= 10
    assert '"id":"7"' in texts[0].replace(" ", "")
    assert '"digit":"5"' in texts[1].replace(" ", "")


async def test_a_server_that_does_not_close_is_left() -> None:
    """The caller waits for no close frame for ever."""

    async def talk(ws: web.WebSocketResponse) -> None:
        await asyncio.sleep(30)

    async with serving(Fake(talk=talk)) as fake:
        opening = await open_as_vonage(fake.socket_url, {}, SystemClock())
        assert opening.socket is not None
        tried = await try_call(opening.socket, AudioFormat(8000), {}, SystemClock(), span_s=0.1)

    assert tried.report["frames_sent"] >= 5


async def test_a_refusal_is_kept_whole_and_what_is_no_http_is_a_sentence() -> None:
    """Nothing raises."""

    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=403, text="no", headers={"X-Why": "b"})

    async with serving(Fake(upgrade=refuse)) as fake:
        refused = await open_as_vonage(fake.socket_url, {}, SystemClock())
    async with await raw_server(b"SSH-2.0-x\r\n") as server:
        other = await open_as_vonage(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, SystemClock())

    assert (403, b"no", "b") == (refused.status, refused.body, refused.headers["x-why"])
    assert (None, None, True) == (other.socket, other.status, other.error is not None)


async def test_a_server_that_says_nothing_is_late() -> None:
    """And what takes what wasn't offered is told as that."""

    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def subprotocol(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        ws.headers["Sec-WebSocket-Protocol"] = "graphql-ws"
        await ws.prepare(request)
        return ws

    async with serving(Fake(upgrade=hang)) as fake:
        late = await open_as_vonage(fake.socket_url, {}, SystemClock(), wait_s=0.1)
    async with serving(Fake(upgrade=subprotocol)) as fake:
        taken = await open_as_vonage(fake.socket_url, {}, SystemClock())

    assert late.late
    assert "the subprotocol graphql-ws" == taken.unoffered


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
def test_the_caller_speaks_in_the_middle(rate_hz: int) -> None:
    """Each frame of the noise is another, so that it is found again."""
    frames = [np.frombuffer(frame, "<i2") for frame in list(said(AudioFormat(rate_hz), 100))[:100]]
    loud = [at for at, frame in enumerate(frames) if frame.any()]

    assert (list(range(25, 75)), rate_hz // 50) == (loud, len(frames[0]))
