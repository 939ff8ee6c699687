"""
Regions of the Voice API over TLS, each of which knows its own live calls and answers 404 for all others.

They leave out what calls are: nobody rings. ``vsock call --api-port`` is the faithful one; these also fail as they are told.
"""

from __future__ import annotations

import contextlib
import functools
import json
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.account.sdk import Sdk

APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
CALL = "63f61863-4a51-4f6b-86e1-46edebcf9356"
OTHER_CALL = "63f7aaaa-4a51-4f6b-86e1-46edebcf9356"
CONVERSATION = "CON-f972836a-550f-45fa-956c-12a2ab5b7d22"


@dataclass
class Region:
    """
    One of them.

    ``faults`` are what the next requests are answered with instead: a status with a body, or ``"drop"`` (the connection is
    closed without an answer).
    """

    live: list[str] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)
    legs: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    host: str = ""
    ca: Path = Path()

    @property
    def done(self) -> list[tuple[str, str, Any]]:
        """What was asked, without the path's beginning."""
        return [(method, path.removeprefix("/v1/calls"), body) for method, path, body in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Whatever is asked; the connection isn't kept, as nobody closes the SDK's."""
        response = await self._answer(request)
        response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.asked.append((request.method, request.path, json.loads(text) if text else None))
        self.tokens.append(request.headers.get("Authorization", ""))
        fault = self.faults.pop(0) if self.faults else None
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        if isinstance(fault, tuple):
            return web.json_response(fault[1], status=fault[0])
        uuid = request.match_info.get("uuid", "")
        if not uuid:
            return self._create() if request.method == "POST" else self._list(request)
        if uuid not in self.live:
            return web.json_response({"title": "Not Found", "detail": "no such call"}, status=404)
        if request.method == "GET":
            return web.json_response(leg(uuid))
        if "what" in request.match_info:
            return web.json_response({"message": "done", "uuid": uuid})
        return web.Response(status=204)

    def _create(self) -> web.Response:
        self.live.append(CALL)
        body = {"uuid": CALL, "status": "started", "direction": "outbound", "conversation_uuid": CONVERSATION}
        return web.json_response(body, status=201)

    def _list(self, request: web.Request) -> web.Response:
        size, first = int(request.query["page_size"]), int(request.query["record_index"])
        return web.json_response({"_embedded": {"calls": self.legs[first : first + size]}})


def leg(uuid: str, **more: Any) -> dict[str, Any]:
    """A leg as the API tells it."""
    return {
        "uuid": uuid,
        "conversation_uuid": CONVERSATION,
        "status": "answered",
        "direction": "outbound",
        "from": {"type": "phone", "number": "442079460000"},
        "to": {"type": "phone", "number": "447700900001"},
        **more,
    }


@contextlib.asynccontextmanager
async def regions(folder: Path, count: int) -> AsyncIterator[list[Region]]:
    """So many, each at a port of this machine."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "voice-ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with contextlib.AsyncExitStack() as stack:
        yield [await _open(stack, context, folder / "voice-ca.pem") for _ in range(count)]


async def _open(stack: contextlib.AsyncExitStack, context: ssl.SSLContext, ca: Path) -> Region:
    region = Region(ca=ca)
    app = web.Application()
    for path in ("/v1/calls", "/v1/calls/{uuid}", "/v1/calls/{uuid}/{what}"):
        app.router.add_route("*", path, region.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    region.host = f"127.0.0.1:{runner.addresses[0][1]}"
    return region


@functools.cache
def private_key(name: str = "ours") -> str:
    """An application's, the same for the same name."""
    del name
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def sdk_at(region: Region, key: str) -> Sdk:
    """Vonage's own client, which trusts the regions' certificate."""
    credentials = Credentials(application_id=Setting(APPLICATION, "--app"), private_key=Setting(key, "--private-key"))
    return Sdk(credentials, api_host=region.host, ca=region.ca)


def all_kept() -> None:
    """Wait until what is kept of regions is on disk."""
    for thread in threading.enumerate():
        if thread.name == "vsock-regions":
            thread.join()
