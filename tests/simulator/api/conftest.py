"""What tests of the REST API share: an application's keys, its SDK, and a bot that uses it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from vonage import Auth, HttpClientOptions, Vonage

APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"


@dataclass(frozen=True)
class Keys:
    """A key pair as PEM."""

    private: str
    public: bytes

    def token(self, **claims: Any) -> str:
        """An application's token, made with PyJWT alone."""
        return jwt.encode(claims, self.private, algorithm="RS256")


def new_keys() -> Keys:
    """Another pair."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Keys(private.decode(), public)


@pytest.fixture(scope="session")
def keys() -> Keys:
    """The application's."""
    return new_keys()


@pytest.fixture
def sdk(keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Vonage]]:
    """The official SDK, which trusts the certificate in ``tmp_path / "cert.pem"``, given the API's host."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    made: list[Vonage] = []

    def make(host: str, private: str = keys.private) -> Vonage:
        made.append(Vonage(Auth(application_id=APPLICATION, private_key=private), HttpClientOptions(api_host=host)))
        return made[-1]

    yield make
    for client in made:
        client.http_client._session.close()


@dataclass
class Bot:
    """
    An application written with aiohttp alone: it echoes, and does what ``on_text`` says when the platform says something.

    ``ncco`` is its answer, with ``{base}`` and ``{ws}`` filled in; ``received`` is the audio that came, ``socket`` the last
    caller's.
    """

    ncco: list[dict[str, Any]] = field(default_factory=list)
    on_text: Callable[[dict[str, Any]], Awaitable[None]] | None = None
    on_event: Callable[[dict[str, Any]], Awaitable[None]] | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    echo: bool = True
    says: bytes | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    answered: list[dict[str, str]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    socket: web.WebSocketResponse = field(default_factory=web.WebSocketResponse)
    port: int = 0

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Its socket's."""
        return f"ws://127.0.0.1:{self.port}/socket"

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """Status and leg of each event that has one, in the order in which they came."""
        return [
            ("socket" if body["to"].startswith("ws") else "phone", body["status"])
            for body in self.events
            if "status" in body
        ]

    def leg(self, kind: str) -> str:
        """The uuid of the socket's or the phone's leg."""
        return next(
            str(body["uuid"])
            for body in self.events
            if "to" in body and str(body["to"]).startswith("ws") == (kind == "socket")
        )

    def payloads(self) -> list[Any]:
        """Of the notify actions that were carried out."""
        return [body["payload"] for body in self.events if "payload" in body]

    def filled(self, ncco: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """With the addresses."""
        filled: list[dict[str, Any]] = json.loads(
            json.dumps(ncco).replace("{base}", self.base).replace("{ws}", self.ws)
        )
        return filled

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Bot]:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_get("/answer", self._answer)
        app.router.add_post("/event", self._event)
        app.router.add_get("/socket", self._socket)
        app.router.add_get("/files/{name}", self._file)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.answered.append(dict(request.query))
        return web.json_response(self.filled(self.ncco))

    async def _event(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        if self.on_event is not None:
            await self.on_event(self.events[-1])
        return web.Response(status=204)

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]])

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = self.socket = web.WebSocketResponse()
        await socket.prepare(request)
        tasks: set[asyncio.Task[None]] = set()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.texts.append(json.loads(message.data))
                if self.on_text is not None:
                    tasks.add(asyncio.create_task(self.on_text(self.texts[-1])))
            else:
                self.received += message.data
                if self.echo:
                    await socket.send_bytes(self.says or message.data)
        await asyncio.gather(*tasks)
        return socket


CONNECT: dict[str, Any] = {
    "action": "connect",
    "eventUrl": ["{base}/event"],
    "endpoint": [{"type": "websocket", "uri": "{ws}", "content-type": "audio/l16;rate=8000", "headers": {"id": "x"}}],
}
AFTERWARDS: dict[str, Any] = {"action": "notify", "payload": {"said": "afterwards"}, "eventUrl": ["{base}/event"]}
