"""Vonage calls as Locust's load: real Locust processes, a master and its workers, against servers on this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import AnswerRequested, Event
from vonage_sock.testing import ServerMaker

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\w+ +(VS106|connect|whole call) +(\d+) +(\d+)\(", re.MULTILINE)
"""Name, requests and failures in the table that Locust prints."""

CALLS = 4
LOCUSTFILE = f"""
import gevent
from locust import events, runners
from locust.exception import StopUser
from vonage_sock.locust import VonageCallUser

runners.WORKER_REPORT_INTERVAL = 0.3

class Caller(VonageCallUser):
    audio = "noise"
    duration_s = 0.5

    def call(self):
        index = getattr(self.environment.runner, "worker_index", 0)
        super().call(from_number=f"4915550000{{index}}")
        raise StopUser

def quit_when_all_is_told(environment):
    while environment.stats.get("whole call", "call").num_requests < {CALLS}:
        gevent.sleep(0.1)
    environment.runner.quit()

@events.init.add_listener
def begin(environment, **_):
    if not isinstance(environment.runner, runners.WorkerRunner):
        gevent.spawn(quit_when_all_is_told, environment)
"""


@pytest.fixture
def locustfile(tmp_path: Path) -> Path:
    """Callers who call once, from a number that says which worker they are of; then the test is over."""
    path = tmp_path / "locustfile.py"
    path.write_text(LOCUSTFILE)
    return path


@asynccontextmanager
async def locust(locustfile: Path, *options: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Locust process; it is ended with the block."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LOCUST_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"),
        *("-u", str(CALLS), "-r", str(CALLS), "-t", "30s"),
        *map(str, options),
        cwd=locustfile.parent,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def output(process: asyncio.subprocess.Process) -> str:
    """All that it says, once it has ended by itself."""
    async with asyncio.timeout(40):
        said, _ = await process.communicate()
    return said.decode()


def figures(path: Path) -> dict[str, dict[str, Any]]:
    """Locust's own statistics, by name."""
    return {row["name"]: row for row in json.loads(path.read_text())}


async def test_a_master_and_two_workers_share_the_calls(
    vonage_server: ServerMaker, locustfile: Path, unused_tcp_port: int
) -> None:
    """Both workers call, the master has every step of every call in its statistics, and nothing failed."""
    events: list[Event] = []
    server = await vonage_server(behaviours=lambda: [Echo()], observers=[events.append])
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", unused_tcp_port)
    master = (
        *("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", unused_tcp_port, "--expect-workers", 2),
        *("--host", server.addresses.answer_url, "--json-file", "stats"),
    )

    async with locust(locustfile, *worker), locust(locustfile, *worker), locust(locustfile, *master) as process:
        said = await output(process)

    stats = figures(locustfile.parent / "stats.json")
    callers = [event.params["from"] for event in events if isinstance(event, AnswerRequested)]
    assert ["49155500000"] * 2 + ["49155500001"] * 2 == sorted(callers)
    steps = ("answer", "connect", "first heard", "own lateness p99", "whole call")
    assert {CALLS} == {stats[name]["num_requests"] for name in steps}
    assert 500 <= stats["whole call"]["min_response_time"]
    assert [] == [name for name, row in stats.items() if row["num_failures"]]
    assert f"{CALLS} calls: frames sent 1" in said
    assert 0 == process.returncode


async def test_a_server_that_breaks_the_protocol_fails_by_finding(locustfile: Path) -> None:
    """Its failures stand in Locust's report under the finding's code, in its words, and the exit code is Locust's own."""

    async def base64_echo(socket: ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                await socket.send(base64.b64encode(message).decode())

    async with serve(base64_echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with locust(locustfile, "--host", f"ws://127.0.0.1:{port}/") as process:
            said = await output(process)

    rows = {name: (int(calls), int(failed)) for name, calls, failed in ROW.findall(said)}
    assert {"VS106": (CALLS, CALLS), "connect": (CALLS, 0), "whole call": (CALLS, CALLS)} == rows
    assert (
        "VS106: CallFailedError('a text message carries … characters of base64: audio belongs in binary messages')"
        in said
    )
    assert 1 == process.returncode


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run some lines in a Python of their own."""
    return subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT, timeout=30
    )


def test_without_locust_one_sentence_says_what_to_install() -> None:
    """Whoever imports it without Locust is told the command, and nothing else."""
    ended = run_python("import sys; sys.modules['locust'] = None; import vonage_sock.locust")

    assert "pip install 'vonage-sock[locust]'" in ended.stderr.strip().splitlines()[-1]
    assert "During handling" not in ended.stderr
    assert 1 == ended.returncode


def test_nobody_else_gets_locust() -> None:
    """Neither the package nor its pytest plugin nor its testing tools import Locust or gevent, which change the process."""
    modules = "vonage_sock, vonage_sock.pytest_plugin, vonage_sock.testing.calling, vonage_sock.testing.apart"
    ended = run_python(f"import sys, {modules}; print(sorted({{'locust', 'gevent'}} & set(sys.modules)))")

    assert ("[]\n", "") == (ended.stdout, ended.stderr)
