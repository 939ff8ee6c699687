"""``vsock call`` against servers that aren't ours, and when it is stopped."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import websockets
from aiohttp import web

from tests.cli.conftest import Vsock, pcm_of


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
    assert "no socket was opened: the caller hung up" in output


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
            "public_url": "https://ab12.ngrok.example",
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

    assert "https://ab12.ngrok.example/webhooks/answer" == started["answer_url"]
    assert "wss://ab12.ngrok.example/socket" == started["socket_url"]


async def test_a_whole_call_is_heard_in_one_file(vsock: Vsock, tmp_path: Path) -> None:
    """Menu, recording and goodbye, without waiting; events go where the NCCO says, and nothing else is on stdout."""
    events: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        base = f"http://{request.host}"
        menu = {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}, "eventUrl": [f"{base}/event"]}
        return web.json_response([{"action": "wait", "timeout": 2}, menu, {"action": "wait", "timeout": 99}])

    async def event(request: web.Request) -> web.Response:
        events.append(await request.json())
        if "dtmf" not in events[-1]:
            return web.Response(status=204)
        record = {"action": "record", "timeOut": 1, "format": "wav"}
        phone = {"action": "connect", "endpoint": [{"type": "phone", "number": "441"}]}
        return web.json_response([record, phone])

    app = web.Application()
    app.add_routes([web.get("/answer", answer), web.post("/event", event)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/answer"
        options = ("--fast", "--dtmf", "7", "--connect-outcome", "busy", "--record-dir", ".", "--save", "heard.wav")
        code, output, errors = await (await vsock("call", url, "--json", "--rate", "8000", *options)).end()
    finally:
        await runner.cleanup()
    lines = [json.loads(line) for line in output.splitlines()]

    assert (0, "") == (code, errors)
    assert "call.report" == lines[-1]["event"]
    assert "7" == next(body["dtmf"]["digits"] for body in events if "dtmf" in body)
    assert ["busy"] == [body["status"] for body in events if body.get("sip_code") == 486]
    assert 8000 == len(pcm_of(tmp_path / "recording.wav")) // 2
    assert 3.5 * 8000 == len(pcm_of(tmp_path / "heard.wav")) // 2


async def test_ctrl_c_ends_a_talk(vsock: Vsock) -> None:
    """As if the caller had hung up: the last events, and exit code 0."""
    statuses: list[str] = []

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response([{"action": "wait", "timeout": 7200}])

    async def event(request: web.Request) -> web.Response:
        statuses.append((await request.json())["status"])
        return web.Response(status=204)

    app = web.Application()
    app.add_routes([web.get("/answer", answer), web.post("/event", event)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        caller = await vsock("call", f"http://127.0.0.1:{runner.addresses[0][1]}/answer", "--json")
        while (await caller.event("webhook.event"))["status"] != "answered":
            pass
        caller.interrupt()
        code, _, errors = await caller.end()
    finally:
        await runner.cleanup()

    assert (0, "") == (code, errors)
    assert "completed" == statuses[-1]


async def test_a_record_dir_that_is_missing_is_a_sentence(vsock: Vsock) -> None:
    """Before anything is called."""
    code, output, errors = await (await vsock("call", "http://127.0.0.1:1/answer", "--record-dir", "none")).end()

    assert (2, "") == (code, output)
    assert "--record-dir none isn't a directory; create it first" in errors


async def test_a_whole_file_in_one_message_is_named(vsock: Vsock, speech: Path) -> None:
    """The classic mistake gets a finding with its size; strictly, it ends the call as Vonage would."""

    async def hasty(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await socket.send(bytes(2_000_000))
        await socket.wait_closed()

    async with websockets.serve(hasty, "127.0.0.1", 0, max_queue=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        lenient = await vsock("call", f"ws://127.0.0.1:{port}/", "--duration", 1, "--json")
        strict = await vsock("call", f"ws://127.0.0.1:{port}/", "--strict", "--json")
        reports = [
            (code, json.loads(output.splitlines()[-1])) for code, output, _ in [await lenient.end(), await strict.end()]
        ]
    found = [
        (code, {finding["code"] for finding in report["findings"]} & {"VS101", "VS102"}) for code, report in reports
    ]

    assert [(0, {"VS102"}), (3, {"VS101"})] == found


async def test_a_server_that_closes_ends_the_call_at_once(vsock: Vsock) -> None:
    """Also one that leaves TCP open after its close frame: what is counted ends with the frame."""

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        writer.write(b"\x88\x02\x0f\xa1")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(raw, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        _, output, _ = await (await vsock("call", f"ws://127.0.0.1:{port}/", "--json")).end()
    report = json.loads(output.splitlines()[-1])

    assert (4001, "server") == (report["close_code"], report["closed_by"])
    assert report["duration_s"] < 0.9


async def test_a_call_that_can_t_be_made_has_a_report_too(vsock: Vsock) -> None:
    """The last JSON line is call.report, with the sentence that stands on stderr."""
    code, output, errors = await (await vsock("call", "ws://127.0.0.1:9/", "--json")).end()
    report = json.loads(output.splitlines()[-1])

    assert (7, "call.report") == (code, report["event"])
    assert f"Error: {report['error']}\n" == errors


async def test_a_drill_in_json_and_its_exit_code(vsock: Vsock) -> None:
    """Told as it strikes, and in the report; a server that takes it well gives 0."""

    async def echo(socket: websockets.ServerConnection) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                await socket.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        options = ["--audio", "noise", "--duration", 5, "--drop-after", 0.2, "--jitter", 5, "--json"]
        code, output, errors = await (await vsock("call", url, *options)).end()
    lines = [json.loads(line) for line in output.splitlines()]

    assert (0, "") == (code, errors)
    assert ["jitter", "drop-after"] == [line["drill"] for line in lines if line["event"] == "call.drill"]
    assert ["drop-after", "jitter"] == [drill["drill"] for drill in lines[-1]["drills"]]


async def test_ctrl_c_ends_a_drill(vsock: Vsock) -> None:
    """A cut cable that would be watched for 90 s is given up at once."""

    async def listen(socket: websockets.ServerConnection) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for _ in socket:
                pass

    async with websockets.serve(listen, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        caller = await vsock("call", url, "--audio", "noise", "--half-open-after", 0, "--json")
        await caller.event("call.drill")
        caller.interrupt()
        code, output, _ = await caller.end()
    (drill,) = json.loads(output.splitlines()[-1])["drills"]

    assert 0 == code
    assert drill["took"].startswith("it didn't notice within ")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--stall", "2s"], "Error: --stall '2s' isn't a stall; 2@5 stalls for 2 s at 5 s of the socket\n"),
        (
            ["--drop-after", "1", "--reset-after", "2"],
            "Error: --drop-after and --reset-after exclude each other; give one of them\n",
        ),
        (
            ["--answer-twice"],
            "Error: --answer-twice needs an answer URL: a socket's address alone has no webhooks\n",
        ),
    ],
)
async def test_drills_that_cannot_be_had(vsock: Vsock, options: list[str], error: str) -> None:
    """One sentence and exit code 2."""
    code, _, errors = await (await vsock("call", "ws://127.0.0.1:1/", *options)).end()

    assert (2, error) == (code, errors)
