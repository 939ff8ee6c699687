"""Output that is closed, full, never read or gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import wire
from rows import Row
from running import Bench, end, free_port, wait_for
from screen import on_screen

NAME: Final = "output"
PROMISE: Final = (
    "output closed, full, unread or gone: calls unaffected (p99 ≤ 60 ms, 0 lost), exit codes hold, no traceback"
)
QUICK: Final = False
ALONE: Final = True

P99_MS: Final = 60.0
STOP_S: Final = 3.0
FLOOD_S: Final = 1.5


def run(bench: Bench) -> Iterator[Row]:
    """A bystander's call while something is wrong with a server's output."""
    ways = {
        "stdout never read": {"stdout": "unread"},
        "stderr never read": {"stderr": "unread"},
        "stdout closed": {"stdout": "closed"},
        "both closed": {"stdout": "closed", "stderr": "closed"},
        "a reader that left": {"stdout": "left"},
        "stdout on a full disk": {"stdout": "full"},
        "both on a full disk": {"stdout": "full", "stderr": "full"},
    }
    for name, streams in ways.items():
        if not bench.quick or name in ("stdout never read", "stdout on a full disk"):
            yield beside(bench, name, **streams)
    yield hung_up(bench)


def beside(bench: Bench, name: str, *, stdout: str = "file", stderr: str = "file") -> Row:
    """A flood of webhooks, each of which is to be shown, and a call that must not feel it."""
    port = free_port()
    folder = bench.folder()
    with contextlib.ExitStack() as stack:
        streams = {
            which: stack.enter_context(stream(kind, folder / which))
            for which, kind in (("stdout", stdout), ("stderr", stderr))
        }
        closing = "".join(
            f"{'' if which == 'stdout' else '2'}>&- "
            for which, kind in (("stdout", stdout), ("stderr", stderr))
            if kind == "closed"
        )
        words = bench.command("serve", "--echo", "--json", "--port", str(port), "--ngrok-api", "http://127.0.0.1:9")
        command = ["sh", "-c", f'exec "$@" {closing}', "sh", *words]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **streams)
        stack.callback(end, process)
        wait_for(port)
        with bench.bystander(port) as bystander:
            event = {"status": "answered", "note": "x" * 4000}
            answers = []
            until = time.monotonic() + FLOOD_S
            while time.monotonic() < until:
                answers.append(wire.post(port, "/webhooks/event", event)[0])
            heard = bystander.heard()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)
        took = time.monotonic() - began
    said = (folder / "stderr").read_text() if stderr == "file" else ""
    wants = {"full": 1}.get(stdout, 0)
    says = {"full": "No space left", "unread": "were not shown"}.get(stdout, "") if stderr == "file" else ""
    ok = heard.open and not heard.lost and heard.p99_ms <= P99_MS + heard.own_ms and set(answers) == {204}
    ok = ok and code == wants and took <= STOP_S and says in said and "Traceback" not in said
    told = f"{heard.told}; exit code {code} in {took:.1f} s{', said' if says and says in said else ''}"
    return Row(name, f"p99 ≤ {P99_MS:.0f} ms, 0 lost, exit code {wants}", told, ok=ok)


@contextlib.contextmanager
def stream(kind: str, path: Path) -> Iterator[Any]:
    """A file, a full disk, a pipe that nobody reads, or one whose reader has left."""
    if kind in ("file", "closed"):
        with path.open("wb") as file:
            yield file
        return
    if kind == "full":
        with Path("/dev/full").open("wb") as file:
            yield file
        return
    read, write = os.pipe()
    if kind == "left":
        os.close(read)
    try:
        yield write
    finally:
        os.close(write)
        if kind != "left":
            os.close(read)


def hung_up(bench: Bench) -> Row:
    """The terminal's window is closed in the middle of a call: that is a request to stop."""
    port = free_port()
    command = bench.command("serve", "--echo", "--port", str(port), "--ngrok-api", "http://127.0.0.1:9")
    with on_screen(command) as screen:
        wait_for(port)
        with wire.Peer(port) as peer:
            time.sleep(0.3)
            began = time.monotonic()
            screen.hang_up()
            close = peer.close_code(within_s=STOP_S)
        code = screen.process.wait(10)
        took = time.monotonic() - began
    told = f"closed with {close}, exit code {code} in {took:.1f} s"
    return Row(
        "terminal gone", f"1001, exit code 0 in {STOP_S:.0f} s", told, ok=close == 1001 and not code and took <= STOP_S
    )
