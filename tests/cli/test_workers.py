"""``--workers``: several processes that are one server to whoever uses it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.cli.conftest import WAIT_S, Program, Vsock, pcm_of
from tests.control.fakes import APPLICATION, private_key
from vonage_sock.cli.plan import Plan, ServeOptions
from vonage_sock.cli.serve import serve as serve_command
from vonage_sock.errors import UsageError
from vonage_sock.testing import VonageCaller

CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'
FRAME = bytes(range(256)) * 2 + bytes(128)


async def started(server: Program) -> dict[str, Any]:
    """Its first line, which is that it listens."""
    return await server.event("server.started")


@contextlib.asynccontextmanager
async def calls(url: str, count: int) -> AsyncIterator[list[ClientConnection]]:
    """So many calls, each of which has heard its echo once."""
    async with contextlib.AsyncExitStack() as stack:
        sockets = []
        for _ in range(count):
            sockets.append(await stack.enter_async_context(websockets.connect(url)))
            await sockets[-1].send(CONNECTED)
            await sockets[-1].send(FRAME)
        for one in sockets:
            assert FRAME == await one.recv()
        yield sockets


async def close_code(socket: ClientConnection) -> int:
    """How it ends."""
    async with asyncio.timeout(WAIT_S):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code


def workers_of(server: Program) -> list[psutil.Process]:
    """Its processes."""
    return psutil.Process(server.process.pid).children()


async def all_gone(processes: list[psutil.Process]) -> None:
    """Wait for processes that aren't our children."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, WAIT_S)
    assert [] == alive


async def test_several_processes_are_one_server(vsock: Vsock, tmp_path: Path) -> None:
    """One stream with one beginning and one end; ids and recordings are numbered through; health tells of the whole."""
    server = await vsock("serve", "--echo", "--record", "out.wav", "--workers", 2, "--port", 0, "--json")
    first = await started(server)

    async with calls(first["socket_url"], 12), aiohttp.ClientSession() as session:
        async with session.get(f"{first['url']}/health") as answer:
            health = await answer.json()
        async with session.get(first["answer_url"], params={"uuid": "u-1", "from": "1", "to": "2"}) as answer:
            ncco = await answer.json()
        used = [len(process.net_connections("tcp")) for process in workers_of(server)]
    for _ in range(12):
        await server.event("recording.saved")
    server.interrupt()
    code, output, errors = await server.end()
    events = [json.loads(line) for line in output.splitlines()]
    times = [event["t"] for event in events if not event["event"].startswith("recording.")]
    named = [f"out-{number}.wav" for number in range(2, 13)]

    assert (0, "") == (code, errors)
    assert {"status": "ok", "calls": 12} == health
    assert first["socket_url"] == ncco[-1]["endpoint"][0]["uri"]
    assert min(used) > 1
    assert [1, 1] == [sum(event["event"] == name for event in events) for name in ("server.started", "server.stopped")]
    assert ("server.stopped", 12) == (events[-1]["event"], events[-1]["calls"])
    assert {f"c{number}" for number in range(1, 13)} == {event["call"] for event in events if "call" in event}
    assert sorted(times) == times
    assert sorted(["out.wav", *named]) == sorted(path.name for path in tmp_path.iterdir())
    assert {FRAME} == {pcm_of(path) for path in tmp_path.iterdir()}


async def test_the_limit_on_calls_is_that_of_the_whole_server(vsock: Vsock) -> None:
    """--max-calls 3 lets three in, whichever worker takes them; the fourth is told why it isn't."""
    server = await vsock("serve", "--echo", "--workers", 2, "--max-calls", 3, "--port", 0, "--json")
    url = (await started(server))["socket_url"]

    async with calls(url, 3):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url)
    for _ in range(3):
        await server.event("call.ended")
    async with calls(url, 3) as again:
        pass
    server.interrupt()
    code, _, _ = await server.end()

    body = b"No more calls now: 3 calls are open already, and --max-calls lets no more in.\n"
    assert (503, body) == (refused.value.response.status_code, refused.value.response.body)
    assert (3, 0) == (len(again), code)


async def test_a_worker_that_is_killed_takes_its_own_calls_with_it_and_comes_back(vsock: Vsock, tmp_path: Path) -> None:
    """
    Each is told as ended by the network; the others go on; the exit code is 4.

    Its recording is told as failed, and then as repaired by the worker that comes back.
    """
    server = await vsock("serve", "--echo", "--record", "{call}.wav", "--workers", 2, "--port", 0, "--json")
    url = (await started(server))["socket_url"]
    async with calls(url, 10) as sockets:
        for _ in sockets:
            await server.event("recording.started")
        victim, other = workers_of(server)
        victim.kill()
        ended = await server.event("call.ended")
        alive = [one for one in sockets if await hears_itself(one)]
        async with calls(url, 4):
            pass
        while len(told(server, "recording.repaired")) < 10 - len(alive):
            assert await server.line()
    server.interrupt()
    code, output, _ = await server.end()
    events = [json.loads(line) for line in output.splitlines()]
    lost = [event for event in events if event["event"] == "call.ended" and event["closed_by"] == "network"]
    failed = [event for event in events if event["event"] == "recording.failed"]

    assert (1006, "its worker died") == (ended["close_code"], ended["close_reason"])
    assert 0 < len(lost) == 10 - len(alive) < 10
    assert {event["call"] for event in lost} == {event["call"] for event in failed}
    assert {event["path"] for event in failed} == {event["path"] for event in told(server, "recording.repaired")}
    assert all(FRAME.startswith(pcm_of(tmp_path / event["path"])) for event in failed)
    assert (4, 14) == (code, events[-1]["calls"])
    assert 14 == sum(event["event"] == "call.ended" for event in events)
    await all_gone([victim, other])


def told(server: Program, name: str) -> list[dict[str, Any]]:
    """The events of this name among its lines so far."""
    return [event for event in map(json.loads, server.lines) if event["event"] == name]


async def hears_itself(socket: ClientConnection) -> bool:
    """Whether the call still goes on."""
    try:
        await socket.send(FRAME)
        return await socket.recv() == FRAME
    except websockets.ConnectionClosed:
        return False


async def test_ctrl_c_reaches_all_processes_and_ends_them_in_peace(vsock: Vsock, tmp_path: Path) -> None:
    """As a terminal sends it: to parent and workers. Calls are closed with 1001, files complete, the exit code is 0."""
    server = await vsock("record", "out.wav", "--echo", "--workers", 2, "--port", 0, "--json")
    url = (await started(server))["socket_url"]
    workers = workers_of(server)

    async with calls(url, 4) as sockets:
        for process in workers:
            process.send_signal(signal.SIGINT)
        server.interrupt()
        codes = [await close_code(one) for one in sockets]
    code, output, errors = await server.end()

    assert ([1001] * 4, 0, "") == (codes, code, errors)
    assert 4 == json.loads(output.splitlines()[-1])["calls"]
    assert [FRAME] * 4 == [pcm_of(path) for path in tmp_path.iterdir()]
    await all_gone(workers)


async def test_workers_whose_parent_is_killed_end_by_themselves(vsock: Vsock, tmp_path: Path) -> None:
    """Nobody is left behind: calls are closed with 1001, files complete."""
    server = await vsock("record", "out.wav", "--echo", "--workers", 2, "--port", 0, "--json")
    url = (await started(server))["socket_url"]
    workers = workers_of(server)

    async with calls(url, 3) as sockets:
        server.process.kill()
        codes = [await close_code(one) for one in sockets]
    await all_gone(workers)

    assert [1001] * 3 == codes
    assert [FRAME] * 3 == [pcm_of(path) for path in tmp_path.iterdir()]


async def test_a_second_ctrl_c_ends_parent_and_workers_at_once(vsock: Vsock) -> None:
    """While a peer doesn't answer our close frame; with 130."""
    server = await vsock("serve", "--workers", 2, "--port", 0, "--json")
    port = (await started(server))["port"]
    workers = workers_of(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")

    server.interrupt()
    close_frame = await reader.readexactly(4)
    ended = asyncio.create_task(server.process.wait())
    while not ended.done():
        server.interrupt()
        await asyncio.wait([ended], timeout=0.2)
    writer.close()

    assert (b"\x03\xe9", 130) == (close_frame[2:], server.process.returncode)
    await all_gone(workers)


async def test_standard_input_is_read_once_and_played_by_every_worker(vsock: Vsock, speech: Path) -> None:
    """And a port in use is the sentence that one process says."""
    server = await vsock("play", "-", "--workers", 2, "--port", 0, "--json", stdin=speech.read_bytes())
    first = await started(server)
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(websockets.connect(first["socket_url"])) for _ in range(6)]
        for one in sockets:
            await one.send(CONNECTED)
        heard = [b"".join([await one.recv(decode=False) for _ in range(50)]) for one in sockets]
    code, output, errors = await (await vsock("serve", "--workers", 2, "--port", first["port"])).end()
    server.interrupt()

    assert [pcm_of(speech)] * 6 == heard
    assert (6, "") == (code, output)
    assert errors.startswith(f"Error: port {first['port']} is in use on 127.0.0.1; choose another port")
    assert 0 == (await server.end())[0]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--workers", "2", "--once"], "--once ends with the first call"),
        (["--workers", "2", "--record", "-"], "standard output holds one recording"),
        (["--once", "--max-calls", "5"], "--once lets one call in"),
    ],
)
def test_what_makes_no_sense_together_is_one_sentence(arguments: list[str], part: str) -> None:
    """Before anything is listened on."""
    with pytest.raises(UsageError, match=part):
        Plan(options_of(*arguments))


def test_a_system_without_shared_ports_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows is."""
    monkeypatch.delattr("socket.SO_REUSEPORT")
    with pytest.raises(UsageError, match="--workers needs Linux or macOS; here, leave it away"):
        Plan(options_of("--workers", "2"))


@pytest.mark.parametrize(("arguments", "limit"), [([], 64), (["--max-calls", "7"], 7), (["--once"], 1)])
def test_how_many_calls_are_let_in(arguments: list[str], limit: int) -> None:
    """--once lets in one."""
    assert limit == Plan(options_of(*arguments)).config.limits.calls


def options_of(*arguments: str) -> ServeOptions:
    """As the command line reads them."""
    return ServeOptions.of(serve_command.make_context("serve", [*arguments]).params)


async def test_a_call_of_a_worker_is_hung_up_by_the_api(vsock: Vsock, speech: Path, tmp_path: Path) -> None:
    """Its leg's events may come to another worker than its call; the parent hears them all, to the last."""
    ca, caller = tmp_path / "api.pem", VonageCaller()
    async with caller.api(tls=ca) as api:
        server = await vsock(
            *("play", speech, "--then", "hangup", "--workers", 2, "--port", 0, "--json", "--hangup", "rest"),
            *("--app", APPLICATION, "--api-host", api.host, "--ca", ca),
            VONAGE_PRIVATE_KEY=private_key(),
        )
        answer_url = (await started(server))["answer_url"]
        played = await caller(answer_url, audio="silence", duration_s=20)
        await server.event("call.ended")
        calling = asyncio.create_task(caller(answer_url, audio="silence", duration_s=20))
        await server.event("playback.started")
        server.interrupt()
        code, _, _ = await server.end()
        stopped = await calling

    assert (0, ["platform"] * 2, [204] * 2) == (
        code,
        [played.closed_by, stopped.closed_by],
        [asked.status for asked in api.requests],
    )
    assert [] == [finding.code for finding in stopped.findings if finding.code == "VS408"]
