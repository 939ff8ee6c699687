"""``vsock call --api-port``: calls that an application orders and controls."""

from __future__ import annotations

import asyncio
import functools
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


BUSY = {
    "to": [{"type": "phone", "number": "442079460001"}],
    "random_from_number": True,
    "ncco": [{"action": "wait"}],
}


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


async def test_of_many_calls_the_last_are_shown_and_all_count(vsock: Vsock) -> None:
    """The first failed, and no call after it hides that."""
    program = await vsock("call", "--api-port", 0, "--calls", 52, "--connect-outcome", "busy", "--verbose")
    url = (await program.text("/v1/calls")).split()[-1].removesuffix("/v1/calls")
    bearer = token()
    for number in range(52):
        await ask(url, "POST", "", BUSY if number else order("ws://127.0.0.1:9/"), bearer=bearer)
    code, output, _ = await program.end()

    assert 7 == code
    assert "\nthe last 50 of 52 calls are shown\n" in output
    assert ("\ncall2: " in output, "\ncall3: " in output) == (False, True)


async def test_an_nccos_only_socket_that_cannot_be_opened_is_shown_and_told(vsock: Vsock) -> None:
    """With the ladder, VS425 and exit code 7; with --calls the run goes on, and --quiet gives each call a line."""
    regions: list[str] = []
    asked = asyncio.Event()

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        regions.append(request.query["region_url"])
        asked.set()
        endpoint = {"type": "websocket", "uri": "ws://127.0.0.1:9/", "content-type": "audio/l16;rate=8000"}
        return aiohttp.web.json_response([{"action": "connect", "endpoint": [endpoint]}])

    app = aiohttp.web.Application()
    app.add_routes([aiohttp.web.get("/", answer)])
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    target = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    code, output, errors = await (await vsock("call", target)).end()
    json_code, lines, _ = await (await vsock("call", target, "--json")).end()
    asked.clear()
    several = await vsock("call", target, "--api-port", 0, "--calls", 2, "--quiet", "--connect-outcome", "busy")
    await asked.wait()
    status, _ = await ask(regions[-1], "POST", "", BUSY)
    several_code, quiet_lines, _ = await several.end()
    await runner.cleanup()
    report = json.loads(lines.splitlines()[-1])

    assert (7, 7, 7, 201) == (code, json_code, several_code, status)
    assert ("VS425" in output, "can't reach ws://127.0.0.1:9/" in errors) == (True, True)
    assert ["VS425"] == [finding["code"] for finding in report["findings"]]
    assert ["call: can't re", "call2: no sock"] == [line[:14] for line in quiet_lines.splitlines()[-2:]]
    assert "" not in quiet_lines.splitlines()


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
        (["ws://127.0.0.1:9/", "--api-host", "::1"], "--api-host is about the REST API; give --api-port PORT as well"),
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


async def test_another_region_knows_nothing_of_a_call(vsock: Vsock) -> None:
    """It answers 404 for it and doesn't list it; a call that is ordered there is known there alone."""
    async with websockets.serve(listen, "127.0.0.1", 0) as server:
        uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ask_as = functools.partial(ask, bearer=token())
        program = await vsock("call", "--api-port", 0, "--api-other-port", 0, "--json", "--calls", 2)
        first, other = [(await program.event("api.started"))["url"] for _ in range(2)]
        here, there = [(await ask_as(url, "POST", "", order(uri)))[1]["uuid"] for url in (first, other)]
        known = [(await ask_as(url, "GET", f"/{uuid}"))[0] for url in (first, other) for uuid in (here, there)]
        listed = [
            [leg["uuid"] for leg in (await ask_as(url, "GET", ""))[1]["_embedded"]["calls"]] for url in (first, other)
        ]
        wrong = await ask_as(other, "PUT", f"/{here}", {"action": "hangup"})
        right = [
            (await ask_as(url, "PUT", f"/{uuid}", {"action": "hangup"}))[0]
            for url, uuid in ((first, here), (other, there))
        ]
        await program.end()

    assert [200, 404, 404, 200] == known
    assert [[here], [there]] == listed
    assert (404, "Call was not found or call is inactive") == (wrong[0], wrong[1]["detail"])
    assert [204, 204] == right
