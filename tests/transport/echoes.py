"""
Echo servers and callers for any message, on the engines and drivers of real calls.

What stands between the socket and the echo is what stands between it and a call: ``DirectDriver`` on a ``FrameSocket``, or
``Driver`` on aiohttp's websocket; on the caller's side ``Driver`` on the websockets library's, or a ``FrameSocket``. Only
the machine that they run is another.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from vonage_sock.call.events import Event
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Close, Outgoing
from vonage_sock.clock import SystemClock
from vonage_sock.server.socket import ServerSocket, new_websocket
from vonage_sock.server.takeover import take_socket, upgrade_head
from vonage_sock.transport import Driver
from vonage_sock.transport.direct import DirectDriver
from vonage_sock.transport.poller import Poller

ENGINES: Final = ("direct", "aiohttp")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class EchoMachine:
    """
    A machine that sends each message back, whatever it is; it leaves out calls.

    Args:
        gone: told the code with which the connection ended.
    """

    deadline_changed = False

    def __init__(self, gone: Callable[[int], object] | None = None) -> None:
        self._gone = gone
        self.outbox: list[Outgoing] = []
        self.untold: deque[Event] = deque()

    def receive_text(self, text: str, now: int) -> None:
        self.outbox.append(text)

    def receive_bytes(self, data: bytes, now: int) -> None:
        self.outbox.append(data)

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        self.outbox.clear()

    def receive_found(self, found: Found, now: int) -> None:
        assert found.code

    def receive_close(self, code: int, reason: str, now: int) -> None:
        self.outbox.clear()
        if self._gone is not None:
            self._gone(code)

    def messages_to_send(self) -> list[Outgoing]:
        outbox, self.outbox = self.outbox, []
        return outbox

    def next_deadline(self) -> int | None:
        return None

    def handle_deadline(self, now: int) -> None:
        raise AssertionError("there was no deadline")

    def next_event(self) -> Event | None:
        return None

    def close(self, code: int, now: int, *, reason: str = "") -> None:
        self.outbox.append(Close(code, reason))


def unobserved(event: Event) -> None:
    """The machine tells nothing."""
    raise AssertionError(event)


@asynccontextmanager
async def echo_server(
    engine: str,
    *,
    max_message_bytes: int | None = None,
    gone: Callable[[int], object] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """
    A server that sends each message back whole; its port.

    Args:
        max_message_bytes: of the direct engine; that of aiohttp has the server's own.
        gone: told the code with which each connection ended.
    """
    clock = SystemClock()
    poller = Poller(clock)

    async def direct(request: web.Request) -> web.StreamResponse:
        head = upgrade_head(request)
        sock, early = await take_socket(request)
        driver = DirectDriver(
            EchoMachine(gone),
            poller,
            sock,
            head=head,
            early=early,
            max_message_bytes=max_message_bytes or 1 << 17,
            observer=unobserved,
            ended=lambda: None,
        )
        driver.start()
        return web.Response()

    async def aiohttps(request: web.Request) -> web.StreamResponse:
        websocket = new_websocket()
        await websocket.prepare(request)
        socket = ServerSocket(request, websocket)
        await Driver(EchoMachine(gone), socket, clock=clock, observer=unobserved).run()
        return websocket

    app = web.Application()
    app.router.add_get("/", direct if engine == "direct" else aiohttps)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        poller.close()
