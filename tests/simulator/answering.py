"""What tests of the simulated Vonage share: a web server that answers as told, and one of bare bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from vonage_sock.protocol.webhooks import event_kind

RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


@dataclass
class Application:
    """
    An application at Vonage's other end: ``/answer``, ``/event`` and an echoing ``/socket``, written with aiohttp alone.

    ``ncco`` is what the answer gives, with ``{socket}`` and ``{base}`` filled in; ``answer`` makes another response;
    ``event_answers`` are NCCOs to answer a status (or another kind of event) with; ``files`` are served as they are;
    ``called`` is set when a socket has said something.
    """

    ncco: Any = None
    answer: Callable[[], Awaitable[web.StreamResponse] | web.StreamResponse] | None = None
    event_status: int = 204
    event_answers: dict[str, Any] = field(default_factory=dict)
    upgrade_status: int = 101
    socket_close: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    first_texts: list[Any] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def base(self) -> str:
        """The web server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def answer_url(self) -> str:
        """To be called."""
        return f"{self.base}/answer"

    def to(self, path: str) -> list[Request]:
        """The requests to a path, in order."""
        return [request for request in self.requests if request.path == path]

    def events(self) -> list[tuple[str, str]]:
        """What was told to ``/event``: status, and whose leg by its direction."""
        return [
            (body["status"], "socket" if str(body["to"]).startswith("ws") else "phone")
            for body in (request.json() for request in self.to("/event"))
            if "status" in body
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Application]:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(
            Request(request.method, request.path, dict(request.query), dict(request.headers), await request.read())
        )
        if request.path == "/socket":
            return await self._socket(request)
        if request.path.startswith("/event"):
            return self._event()
        if request.path in self.files:
            return web.Response(body=self.files[request.path])
        if request.path != "/answer":
            return web.Response(status=404)
        if self.answer is not None:
            answer = self.answer()
            return await answer if isinstance(answer, Awaitable) else answer
        ncco = self.connect() if self.ncco is None else self.filled(self.ncco)
        return web.json_response(ncco)

    def connect(self, **endpoint: Any) -> list[dict[str, Any]]:
        """The NCCO that leads to the echoing socket."""
        websocket = {
            "type": "websocket",
            "uri": f"ws://127.0.0.1:{self.port}/socket",
            "content-type": "audio/l16;rate=8000",
            "headers": {"id": "x"},
        }
        return [{"action": "connect", "endpoint": [websocket | endpoint]}]

    def filled(self, ncco: Any) -> Any:
        """With this server's addresses in place of ``{socket}`` and ``{base}``."""
        text = json.dumps(ncco).replace("{socket}", f"ws://127.0.0.1:{self.port}/socket").replace("{base}", self.base)
        return json.loads(text)

    def _event(self) -> web.Response:
        request = self.requests[-1]
        kind = event_kind(request.json() if request.body else request.query)
        if kind in self.event_answers:
            return web.json_response(self.filled(self.event_answers[kind]))
        return web.Response(status=self.event_status)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.upgrade_status != 101:
            return web.Response(status=self.upgrade_status, headers={"Location": "/elsewhere"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.first_texts.append(json.loads(message.data))
                self.called.set()
                if self.socket_close is not None:
                    await socket.close(code=self.socket_close)
            else:
                await socket.send_bytes(message.data)
        return socket


@contextlib.asynccontextmanager
async def raw_server(handler: RawHandler) -> AsyncIterator[int]:
    """A TCP server's port; what the handler raises because the other side left doesn't matter."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()


def saying(data: bytes) -> RawHandler:
    """A handler that reads a request's head, says something and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A handler that says nothing for ever."""
    await asyncio.Event().wait()
