"""``--tunnel``: programs that stand in for ngrok and pass calls on for real, through TLS."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest
import trustme
import websockets
from aiohttp import web

from tests.cli.conftest import WAIT_S, Vsock
from vonage_sock.errors import ExitCode
from vonage_sock.transport.tls import trusting

CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'

NGROK = '''#!{python}
"""An agent and its service in one: it prints the real one's lines, and takes the TLS off what comes."""
import asyncio, json, os, ssl, sys

def log(message, **more):
    print(json.dumps(more | {{"lvl": "info", "msg": message, "t": "2026-02-03T10:00:42Z"}}), flush=True)

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()

async def main():
    upstream = sys.argv[2]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain({cert!r})
    to_us = None
    if upstream.startswith("https://"):
        to_us = ssl.create_default_context()
        to_us.check_hostname, to_us.verify_mode = False, ssl.CERT_NONE

    async def serve(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", int(upstream.rpartition(":")[2]), ssl=to_us)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    log("client session established", obj="tunnels.session")
    url = "https://localhost:%d" % server.sockets[0].getsockname()[1]
    log("started tunnel", addr=upstream, name="command_line", obj="tunnels", url=url, pid=os.getpid())
    with open({pid!r}, "w") as file:
        file.write(str(os.getpid()))
    await asyncio.Event().wait()

asyncio.run(main())
'''


@pytest.fixture
def ngrok(tmp_path: Path) -> dict[str, str]:
    """The environment in which it is on PATH, and believed."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    program = tmp_path / "ngrok"
    text = NGROK.format(python=sys.executable, cert=str(tmp_path / "cert.pem"), pid=str(tmp_path / "pid"))
    program.write_text(text)
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin", "SSL_CERT_FILE": str(tmp_path / "ca.pem"), "NGROK_AUTHTOKEN": ""}


async def test_a_call_that_the_tunnel_took_with_it_is_told_so(
    vsock: Vsock, ngrok: dict[str, str], tmp_path: Path
) -> None:
    """It is started, tried, and watched: not "1006" but what became of it; a try is no first call, and is no file."""
    server = await vsock(
        "serve", "--port", 0, "--tunnel", "ngrok", "--once", "--record", "call.wav", "--no-auth", "--json", **ngrok
    )
    started = await server.event("server.started")
    opened = await server.event("tunnel.opened")
    checked = await server.event("tunnel.checked")
    files = [path.name for path in tmp_path.iterdir() if "call" in path.name]
    trust = trusting(tmp_path / "ca.pem")
    async with websockets.connect(started["socket_url"], ssl=trust) as socket:
        await socket.send(CONNECTED)
        await server.event("call.connected")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        ended = await server.event("call.ended")
        code, output, _ = await server.end()

    lines = [json.loads(line) for line in output.splitlines()]
    (closed,) = [line for line in lines if line["event"] == "tunnel.closed"]
    assert ("ngrok", started["url"], None) == (opened["tunnel"], opened["url"], opened["previous"])
    assert [] == [*checked["faults"], *files]
    assert checked["socket_ms"] > 0
    assert ("ngrok was killed by SIGKILL", 1) == (closed["reason"], closed["calls"])
    assert (1006, "the tunnel closed (ngrok was killed by SIGKILL)") == (ended["close_code"], ended["close_reason"])
    assert ExitCode.OK == code


async def test_our_own_end_is_the_tunnel_s_too(vsock: Vsock, ngrok: dict[str, str], tmp_path: Path) -> None:
    """By Ctrl-C, in words for people; the program is gone with us. Under TLS it is told to speak that."""
    server = await vsock("serve", "--port", 0, "--tunnel", "ngrok", "--tls-cert", tmp_path / "cert.pem", **ngrok)
    lines = [await server.text("there and back, jitter")]
    server.interrupt()
    code, output, _ = await server.end()

    assert "notice  the tunnel takes " in lines[0]
    assert "the tunnel is ngrok's, and ends with vsock" in output
    assert ExitCode.OK == code
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


async def test_a_tunnel_that_can_not_be_had_is_one_sentence(vsock: Vsock, tmp_path: Path) -> None:
    """And the exit code says whose fault it is; workers that have begun are gone without a word."""
    program = tmp_path / "cloudflared"
    program.write_text('#!/bin/sh\necho "failed to request quick Tunnel: dial tcp: no such host" >&2\nexit 1\n')
    program.chmod(0o755)
    options = ["--port", 0, "--tunnel", "cloudflared", "--workers", 2, "--json"]
    failing = await vsock("serve", *options, PATH=f"{tmp_path}:/usr/bin:/bin")
    both = await vsock("serve", "--tunnel", "ngrok", "--url", "https://calls.example")
    ends = [await server.end() for server in (failing, both)]

    assert [ExitCode.CONNECT, ExitCode.USAGE] == [code for code, _, _ in ends]
    assert "" == ends[0][1]
    assert (
        "Error: cloudflared can't open a tunnel: failed to request quick Tunnel: dial tcp: no such host\n" == ends[0][2]
    )
    assert ends[1][2].startswith("Error: --url names a public address, and --tunnel ngrok makes another")


async def test_the_ncco_follows_an_address_that_changes(vsock: Vsock) -> None:
    """In all workers; the user is told, and where the agent goes away, too."""
    url, port = "https://ab12.ngrok.example", 0

    async def tunnels(_: web.Request) -> web.Response:
        tunnel = {"public_url": url, "proto": "https", "config": {"addr": f"http://localhost:{port}"}}
        return web.json_response({"tunnels": [tunnel]})

    app = web.Application()
    app.router.add_get("/api/tunnels", tunnels)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with_port = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = with_port.sockets[0].getsockname()[1]
    with_port.close()
    await with_port.wait_closed()
    api = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server = await vsock("serve", "--port", port, "--ngrok-api", api, "--workers", 2, "--json")
    started = await server.event("server.started")
    url = "https://cd34.ngrok.example"
    moved = await server.event("tunnel.opened")
    while moved["previous"] is None:
        moved = await server.event("tunnel.opened")
    async with aiohttp.ClientSession() as session, asyncio.timeout(WAIT_S):
        nccos = [
            await (
                await session.get(f"http://127.0.0.1:{port}/webhooks/answer", headers={"Connection": "close"})
            ).json()
            for _ in range(8)
        ]
    await runner.cleanup()
    closed = await server.event("tunnel.closed")
    server.interrupt()
    code, _, errors = await server.end()

    assert "https://ab12.ngrok.example" == started["url"]
    assert (url, "https://ab12.ngrok.example") == (moved["url"], moved["previous"])
    assert {"wss://cd34.ngrok.example/socket"} == {ncco[-1]["endpoint"][0]["uri"] for ncco in nccos}
    assert "the ngrok agent is gone" == closed["reason"]
    assert "warning: the tunnel's address is https://cd34.ngrok.example now" in errors
    assert ExitCode.OK == code
