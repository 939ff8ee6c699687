"""
A server of anybody's, with one fault at a time; and its ways to be reached.

It leaves out what no doctor asks for: recordings, other events, a second call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

from vonage_sock.account.credentials import Credentials
from vonage_sock.account.sdk import Sdk
from vonage_sock.clock import SystemClock
from vonage_sock.doctor.addresses import read_target
from vonage_sock.doctor.checks import Check, Result
from vonage_sock.doctor.examination import Examination
from vonage_sock.doctor.order import Order

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fake:
    """
    What the server answers.

    Args:
        answer, event: take the place of a good answer.
        talk: what the socket's handler does once it is open; an echo by itself.
        ncco: what the answer URL gives; ``{base}`` and ``{socket}`` are filled in.
    """

    base: str = ""
    answer: Handler | None = None
    event: Handler | None = None
    upgrade: Handler | None = None
    talk: Callable[[web.WebSocketResponse], Awaitable[None]] | None = None
    ncco: Any = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The answer URL."""
        return f"{self.base}/answer"

    @property
    def socket_url(self) -> str:
        """The websocket's address."""
        return f"ws{self.base.removeprefix('http')}/socket"

    def good_ncco(self) -> list[dict[str, Any]]:
        """An NCCO without a fault."""
        endpoint = {"type": "websocket", "uri": self.socket_url, "content-type": "audio/l16;rate=16000"}
        return [{"action": "connect", "eventUrl": [f"{self.base}/event"], "endpoint": [endpoint]}]


async def echo(ws: web.WebSocketResponse) -> None:
    """Give audio back until the caller hangs up."""
    async for message in ws:
        if isinstance(message.data, bytes):
            await ws.send_bytes(message.data)


@contextlib.asynccontextmanager
async def serving(fake: Fake, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Fake]:
    """The server on a free port; ``host`` is what it is called by."""
    app = web.Application()
    app.router.add_route("*", "/answer", _of(fake, _answer))
    app.router.add_route("*", "/webhooks/answer", _of(fake, _answer))
    app.router.add_route("*", "/event", _of(fake, _event))
    app.router.add_get("/socket", _of(fake, _socket))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    fake.base = f"http{'s' if tls else ''}://{host}:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()


def _of(fake: Fake, handle: Callable[[Fake, web.Request], Awaitable[web.StreamResponse]]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await handle(fake, request)

    return handler


async def _answer(fake: Fake, request: web.Request) -> web.StreamResponse:
    fake.asked.append((request.method, request.path))
    if fake.answer is not None:
        return await fake.answer(request)
    return web.json_response(fake.good_ncco() if fake.ncco is None else fake.ncco)


async def _event(fake: Fake, request: web.Request) -> web.StreamResponse:
    fake.asked.append((request.method, request.path))
    fake.events.append(json.loads(await request.text() or "{}"))
    return web.Response(status=204) if fake.event is None else await fake.event(request)


async def _socket(fake: Fake, request: web.Request) -> web.StreamResponse:
    fake.asked.append((request.method, request.path))
    if fake.upgrade is not None:
        return await fake.upgrade(request)
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    await (fake.talk or echo)(ws)
    return ws


@dataclass
class Told:
    """What a doctor said."""

    checks: list[tuple[str, Check]] = field(default_factory=list)

    def __call__(self, about: str, check: Check) -> None:
        """Keep it."""
        self.checks.append((about, check))

    @property
    def faults(self) -> list[Check]:
        """What is wrong."""
        return [check for _, check in self.checks if check.result is Result.FAULT]

    @property
    def names(self) -> list[str]:
        """What was looked at, with its mark."""
        marks = {Result.OK: "+", Result.FAULT: "x", Result.SKIPPED: "-"}
        return [f"{marks[check.result]}{check.name}" for _, check in self.checks]

    def of(self, name: str) -> Check:
        """The first check of this name."""
        return next(check for _, check in self.checks if check.name == name)


async def examine(
    url: str | None,
    *,
    credentials: Credentials | None = None,
    api_host: str = "127.0.0.1:9",
    ca: Path | None = None,
    whole_s: float = 20.0,
    **order: Any,
) -> Told:
    """Examine it as the command does, with a shorter call."""
    told, found = Told(), credentials or Credentials()
    sdk = Sdk(found, api_host=api_host, ca=ca)
    wanted = Order(target=None if url is None else read_target(url), credentials=found, **order)
    examination = Examination(wanted, sdk, clock=SystemClock(), tell=told, whole_s=whole_s, call_s=0.2)
    await examination.run()
    return told


def server_tls(leaf: trustme.LeafCert) -> ssl.SSLContext:
    """A server's side of TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


async def raw_server(answer: bytes) -> asyncio.Server:
    """A server that says this to whoever comes, and closes."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            writer.write(answer)
        finally:
            writer.close()

    return await asyncio.start_server(say, "127.0.0.1", 0)
