"""
An Applications API over TLS, as strict as Vonage's: it replaces the whole application by what is put.

It leaves out what nobody here asks for: creating and deleting applications, and the regions.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

KEY, SECRET = "a1b2c3d4", "s3cr3tOfThisAccount"
APP_ID = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
OTHER_ID = "11111111-2222-4333-8444-555555555555"
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\n-----END PUBLIC KEY-----\n"
OLD: dict[str, dict[str, Any]] = {
    "answer_url": {"address": "https://old.example.com/answer", "http_method": "GET", "socket_timeout": 3000},
    "event_url": {"address": "https://old.example.com/event", "http_method": "POST", "connect_timeout": 500},
}


def application(app_id: str = APP_ID, **voice: Any) -> dict[str, Any]:
    """An application with several capabilities, and with members that no model knows."""
    return {
        "id": app_id,
        "name": "My phone line",
        "keys": {"public_key": PUBLIC_KEY},
        "privacy": {"improve_ai": False},
        "security": {"auth": ["unknown", {"to": "us"}]},
        "capabilities": {
            "voice": {
                "webhooks": copy.deepcopy(OLD),
                "signed_callbacks": True,
                "conversations_ttl": 48,
                "leg_persistence_time": 7,
                "region": "eu-west",
                "payment_enabled": False,
                **voice,
            },
            "messages": {
                "webhooks": {"inbound_url": {"address": "https://old.example.com/in", "http_method": "POST"}},
                "version": "v1",
                "authenticate_inbound_media": True,
            },
            "network_apis": {"redirect_uri": "https://old.example.com/oauth", "network_application_id": "x"},
            "vbc": {},
        },
    }


@dataclass
class Asked:
    """One request that reached the API."""

    method: str
    path: str
    body: Any


@dataclass
class FakeApi:
    """
    The API's state, and its faults.

    ``faults`` holds what the next requests are answered with instead, by method, or by method and application: a status,
    ``"hang"``, ``"late"`` (the change is made, and then nothing comes), ``"drop"`` (the connection is closed without an
    answer), ``"after"`` (the same, but the change is made), ``"queued"`` (the same, but the change is made when ``arrive``
    is called), or a ``web.Response``. ``hanging`` counts who waits.
    """

    applications: dict[str, dict[str, Any]] = field(default_factory=lambda: {APP_ID: application()})
    numbers: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    key: str = KEY
    secret: str = SECRET
    host: str = ""
    hanging: int = 0
    queued: list[Any] = field(default_factory=list)
    transports: set[asyncio.Transport] = field(default_factory=set)
    ca: Path = Path()

    @property
    def options(self) -> list[str]:
        """What a command is given to come here."""
        return ["--api-host", self.host, "--ca", str(self.ca), "--api-key", self.key, "--api-secret", self.secret]

    def addresses(self, app_id: str = APP_ID) -> dict[str, str]:
        """The addresses of voice, as they stand now."""
        webhooks = self.applications[app_id]["capabilities"]["voice"]["webhooks"]
        return {name: item["address"] for name, item in webhooks.items()}

    async def arrive(self) -> None:
        """What stood in a queue is done."""
        while self.queued:
            await self.queued.pop(0)()

    def is_as_it_was(self, app_id: str = APP_ID) -> bool:
        """Nothing of it is another than at first."""
        return application(app_id) == self.applications[app_id]

    def writes(self) -> list[Any]:
        """The bodies that were put."""
        return [asked.body for asked in self.asked if asked.method == "PUT"]


@contextlib.asynccontextmanager
async def applications_api(folder: Path) -> AsyncIterator[FakeApi]:
    """The API on a free port of this machine, with a certificate whose authority is in ``folder``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "api-ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    api = FakeApi(ca=folder / "api-ca.pem")
    runner = web.AppRunner(_make_app(api), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    api.host = f"localhost:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        for transport in api.transports:
            # A client that keeps its connection would be waited for.
            transport.abort()
        await runner.cleanup()
        await asyncio.sleep(0)


def _make_app(api: FakeApi) -> web.Application:
    app = web.Application(middlewares=[_front_door(api)])
    app.router.add_get("/v2/applications", partial(_list, api))
    app.router.add_get("/v2/applications/{id}", partial(_read, api))
    app.router.add_put("/v2/applications/{id}", partial(_write, api))
    app.router.add_get("/account/numbers", partial(_numbers, api))
    app.router.add_get("/account/get-balance", partial(_balance, api))
    return app


def _front_door(api: FakeApi) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        if isinstance(request.transport, asyncio.Transport):
            api.transports.add(request.transport)
        text = await request.text()
        api.asked.append(Asked(request.method, request.path, json.loads(text) if text else None))
        expected = base64.b64encode(f"{api.key}:{api.secret}".encode()).decode()
        app_id = request.match_info.get("id", "")
        waiting = api.faults.get(f"{request.method} {app_id}") or api.faults.get(request.method) or []
        fault = waiting.pop(0) if waiting else None
        if fault in {"after", "late"}:
            await handler(request)
        if fault == "queued":
            api.queued.append(partial(handler, request))
        if fault in {"drop", "after", "queued"} and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if fault in {"hang", "late"}:
            api.hanging += 1
            await asyncio.Event().wait()
        if isinstance(fault, web.Response):
            return fault
        if isinstance(fault, int):
            return web.json_response({"type": "about:blank", "title": "Fault", "detail": "as wanted"}, status=fault)
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"title": "Unauthorized", "detail": "Invalid credentials"}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    return middleware


async def _answer(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)


async def _balance(_api: FakeApi, _request: web.Request) -> web.Response:
    return await _answer({"value": 3.14, "autoReload": False})


async def _list(api: FakeApi, request: web.Request) -> web.Response:
    size, page = int(request.query.get("page_size", 10)), int(request.query.get("page", 1))
    items = list(api.applications.values())
    pages = max(1, -(-len(items) // size))
    chosen = items[(page - 1) * size : page * size]
    return await _answer(
        {
            "page_size": size,
            "page": page,
            "total_items": len(items),
            "total_pages": pages,
            "_embedded": {"applications": chosen},
            "_links": {"self": {"href": "/v2/applications"}},
        }
    )


def _shown(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "_links": {"self": {"href": f"/v2/applications/{value['id']}"}}}


async def _read(api: FakeApi, request: web.Request) -> web.Response:
    value = api.applications.get(request.match_info["id"])
    if value is None:
        return await _answer({"title": "Not Found", "detail": "Invalid Application ID"}, 404)
    return await _answer(_shown(value))


async def _write(api: FakeApi, request: web.Request) -> web.Response:
    """Replace it whole; what isn't sent is gone, and without a public key new keys are made."""
    app_id = request.match_info["id"]
    if app_id not in api.applications:
        return await _answer({"title": "Not Found", "detail": "Invalid Application ID"}, 404)
    body = await request.json()
    refused = {"_links", "id"} & body.keys()
    if refused or not isinstance(body.get("name"), str):
        return await _answer({"title": "Bad Request", "detail": f"unknown or missing members: {sorted(refused)}"}, 400)
    keys = body.get("keys") or {"public_key": "-----BEGIN PUBLIC KEY-----\nNEW\n-----END PUBLIC KEY-----\n"}
    api.applications[app_id] = {**body, "id": app_id, "keys": keys}
    return await _answer(_shown(api.applications[app_id]))


async def _numbers(api: FakeApi, request: web.Request) -> web.Response:
    wanted = request.query.get("application_id")
    found = [item for item in api.numbers if wanted in {None, item.get("app_id")}]
    return await _answer({"count": len(found), "numbers": found} if found else {})
