"""``vsock call --api-port``: calls that an application orders and controls."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import jwt
import pytest
import websockets
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cli.conftest import Vsock
from vonage_sock.cli import cli
from vonage_sock.clock import SECOND, SystemClock


def token() -> str:
    """Of an application whose key nobody checks."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    now_s = SystemClock().wall_ns() // SECOND
    return jwt.encode({"application_id": "a", "iat": now_s, "jti": "x"}, pem, algorithm="RS256")


async def ask(url: str, method: str, path: str, body: Any = None, *, bearer: str = "") -> tuple[int, Any]:
    """The status and what came with it."""
    headers = {"Authorization": f"Bearer {bearer or token()}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}/v1/calls{path}", json=body, headers=headers) as response,
    ):
        text = await response.text()
        return response.status, json.loads(text) if text else None


def order(uri: str) -> dict[str, Any]:
    """A call to a websocket that lasts until it is ended."""
    endpoint = {"type": "websocket", "uri": uri, "content-type": "audio/l16;rate=8000"}
    return {"to": [endpoint], "random_from_number": True, "ncco": [{"action": "wait", "timeout": 600}]}


async def listen(socket: websockets.ServerConnection) -> None:
    """A server that says nothing."""
    async for _ in socket:
        pass


async def test_without_a_target_it_waits_for_orders(vsock: Vsock) -> None:
    """Two calls at once, each with its own id in every event, and a report of each."""
    async with websockets.serve(listen, "127.0.0.1", 0) as server:
        uri = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        program = await vsock("call", "--api-port", 0, "--calls", 2, "--json")
        url = (await program.event("api.started"))["url"]
        bearer = token()
        made = [(await ask(url, "POST", "", order(uri), bearer=bearer))[1] for _ in range(2)]
        connected = {(await program.event("call.connected"))["call"] for _ in made}
        for call in made:
            assert 204 == (await ask(url, "PUT", f"/{call['uuid']}", {"action": "hangup"}, bearer=bearer))[0]
        code, output, errors = await program.end()
    events = [json.loads(line) for line in output.splitlines()]
    asked = [event for event in events if event["event"] == "api.request"]

    assert (0, "") == (code, errors)
    assert {"call", "call2"} == connected
    assert {"call", "call2"} == {event["call"] for event in events if event["event"] == "call.report"}
    assert [("POST", 201), ("POST", 201), ("PUT", 204), ("PUT", 204)] == [(e["method"], e["status"]) for e in asked]
    assert f"/v1/calls/{made[0]['uuid']}" == asked[2]["path"]


async def test_the_screen_says_what_was_asked_and_ctrl_c_ends_it(vsock: Vsock) -> None:
    """A person sees the address, each request, and the ladder of each call."""
    async with websockets.serve(listen, "127.0.0.1", 0) as server:
        uri = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        program = await vsock("call", "--api-port", 0)
        url = (await program.text("/v1/calls")).split()[-1].removesuffix("/v1/calls")
        await ask(url, "POST", "", order(uri))
        await program.text("connect")
        await ask(url, "PUT", "/nobody", {"action": "\x1b[2J"})
        await program.text("404")
        program.interrupt()
        code, output, errors = await program.end()

    assert (0, "") == (code, errors)
    assert "signatures aren't checked" in output
    assert "POST /v1/calls → 201" in output
    assert "← POST call" in output
    assert "\x1b" not in output


async def test_a_call_that_cannot_be_made_is_told_and_counts(vsock: Vsock) -> None:
    """Its order was taken; the exit code says that something couldn't be reached."""
    program = await vsock("call", "--api-port", 0, "--calls", 1)
    url = (await program.text("/v1/calls")).split()[-1].removesuffix("/v1/calls")
    status, _ = await ask(url, "POST", "", order("ws://127.0.0.1:9/"))
    code, output, _ = await program.end()

    assert (201, 7) == (status, code)
    assert "can't reach ws://127.0.0.1:9/" in output


async def test_beside_a_target_the_application_finds_the_api_by_its_region(vsock: Vsock) -> None:
    """It hangs the call up, and the program ends with it."""
    asked: list[dict[str, str]] = []

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.append(dict(request.query))
        return aiohttp.web.json_response([{"action": "wait", "timeout": 600}])

    async def event(request: aiohttp.web.Request) -> aiohttp.web.Response:
        if (await request.json())["status"] == "answered":
            task = asyncio.create_task(ask(asked[0]["region_url"], "PUT", f"/{asked[0]['uuid']}", {"action": "hangup"}))
            tasks.append(task)
        return aiohttp.web.Response(status=204)

    tasks: list[asyncio.Task[Any]] = []
    app = aiohttp.web.Application()
    app.add_routes([aiohttp.web.get("/answer", answer), aiohttp.web.post("/event", event)])
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    program = await vsock("call", f"http://127.0.0.1:{runner.addresses[0][1]}/answer", "--api-port", 0, "--quiet")
    code, output, errors = await program.end()
    await runner.cleanup()

    assert (0, "", 204) == (code, errors, (await tasks[0])[0])
    assert "no socket was opened" in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'TARGET'"),
        (["ws://127.0.0.1:9/", "--api-tls", "x.pem"], "--api-tls is about the REST API; give --api-port PORT as well"),
        (["ws://127.0.0.1:9/", "--calls", "2"], "--calls is about the REST API"),
        (["--api-port", "0", "--api-public-key", "key.pem"], "BEGIN PUBLIC KEY"),
        (["--api-port", "0", "--api-public-key", "nowhere.pem"], "nowhere.pem"),
        (["--api-port", "0", "--api-tls", "key.pem"], "doesn't hold a certificate"),
    ],
)
def test_options_that_can_t_be_used_are_told(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence, with exit code 2."""
    monkeypatch.chdir(tmp_path)
    Path("key.pem").write_text("nothing")
    result = CliRunner().invoke(cli, ["call", *arguments])

    assert 2 == result.exit_code
    assert sentence in result.output
