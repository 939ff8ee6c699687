"""Echo servers for any message, on both engines of a call: ours behind aiohttp's upgrade, and aiohttp's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import WSMsgType, web

from vonage_sock.clock import SystemClock
from vonage_sock.server.takeover import take_socket, upgrade_head
from vonage_sock.transport.framesocket import FrameSocket
from vonage_sock.transport.poller import Poller

ENGINES: Final = ("direct", "aiohttp")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Echo:
    """A receiver that sends each message back."""

    socket: FrameSocket

    def __init__(self, gone: Callable[[int], object] | None) -> None:
        self._gone = gone

    def binary(self, data: bytes, now: int) -> None:
        """Back."""
        self.socket.send(data)

    def text(self, text: str, now: int) -> None:
        """Back."""
        self.socket.send(text)

    def gone(self, code: int, reason: str, now: int) -> None:
        """Tell whoever wants to know."""
        if self._gone is not None:
            self._gone(code)


@asynccontextmanager
async def echo_server(
    engine: str, *, max_message_bytes: int, gone: Callable[[int], object] | None = None
) -> AsyncIterator[int]:
    """A server that sends each message back whole; its port. ``gone`` is told the code with which each of ours ended."""
    poller = Poller(SystemClock())

    async def direct(request: web.Request) -> web.StreamResponse:
        head = upgrade_head(request)
        sock, early = await take_socket(request)
        sock.send(head)
        echo = Echo(gone)
        echo.socket = FrameSocket(poller, sock, echo, client=False, max_message_bytes=max_message_bytes, early=early)
        return web.Response()

    async def aiohttps(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=max_message_bytes)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", direct if engine == "direct" else aiohttps)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        poller.close()
