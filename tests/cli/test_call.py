"""``vsock call`` against servers that aren't ours, and when it is stopped."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import websockets

from tests.cli.conftest import Vsock


async def test_text_from_the_server_can_t_act_on_the_terminal(vsock: Vsock, speech: Path) -> None:
    """A close reason with control characters is shown as text."""

    async def rude(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await socket.close(1000, "\x1b]52;c;eA==\x07\u202e")

    async with websockets.serve(rude, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        code, output, errors = await (await vsock("call", f"ws://127.0.0.1:{port}/", "--audio", speech)).end()

    assert (0, "") == (code, errors)
    assert r"\x1b]52;c;eA==\x07\u202e" in output
    assert not {"\x1b", "\x07", "\u202e"} & set(output)


async def test_ctrl_c_hangs_up_and_reports(vsock: Vsock) -> None:
    """The call ends as if the caller had put the receiver down: 1000, a report, exit code 0."""
    heard = asyncio.Event()

    async def listen(socket: websockets.ServerConnection) -> None:
        async for _ in socket:
            heard.set()

    async with websockets.serve(listen, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        caller = await vsock("call", f"ws://127.0.0.1:{port}/", "--audio", "noise", "--duration", 600, "--json")
        await heard.wait()
        caller.interrupt()
        code, output, _ = await caller.end()
    report = json.loads(output.splitlines()[-1])

    assert 0 == code
    assert ("call.report", 1000, "platform") == (report["event"], report["close_code"], report["closed_by"])


async def test_ctrl_c_before_the_socket_is_open_gives_the_call_up(vsock: Vsock) -> None:
    """A server that accepts and says nothing doesn't hold the program."""
    knocked = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        knocked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        caller = await vsock("call", f"ws://127.0.0.1:{port}/")
        await knocked.wait()
        caller.interrupt()
        code, output, errors = await caller.end()

    assert (0, "") == (code, errors)
    assert "no socket was opened" in output


async def test_a_leg_that_is_strict_drops_a_server_with_wrong_frames(vsock: Vsock, speech: Path) -> None:
    """As Vonage does; the finding is an error and the exit code 3."""

    async def sloppy(socket: websockets.ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                await socket.send(message[:320])

    async with websockets.serve(sloppy, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        caller = await vsock("call", f"ws://127.0.0.1:{port}/", "--audio", speech, "--strict", "--json")
        code, output, _ = await caller.end()
    report = json.loads(output.splitlines()[-1])

    assert 3 == code
    assert "VS101" in [finding["code"] for finding in report["findings"]]


async def test_a_running_ngrok_agent_s_address_is_taken(vsock: Vsock) -> None:
    """The server is told everywhere under its public address."""
    port = 0

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        tunnel = {
            "public_url": "https://ab12.ngrok-free.app",
            "proto": "https",
            "config": {"addr": f"http://localhost:{port}"},
        }
        body = json.dumps({"tunnels": [tunnel]}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(agent, "127.0.0.1", 0) as api,
        await asyncio.start_server(agent, "127.0.0.1", 0) as free,
    ):
        port = free.sockets[0].getsockname()[1]
        free.close()
        await free.wait_closed()
        url = f"http://127.0.0.1:{api.sockets[0].getsockname()[1]}"
        server = await vsock("serve", "--port", port, "--ngrok-api", url, "--json")
        started = await server.event("server.started")

    assert "https://ab12.ngrok-free.app/webhooks/answer" == started["answer_url"]
    assert "wss://ab12.ngrok-free.app/socket" == started["socket_url"]
