"""Secrets of every kind given in every way, and then looked for in all that is written, in files, and in process titles."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import jwt
import wire
from hostile import hostile
from rows import Row
from running import Bench, end, free_port, wait_for, wait_until

NAME: Final = "secrets"
PROMISE: Final = "secrets appear 0 times in output, errors, logs, reports and process titles"
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 90.0

CANARY: Final = "canary7f3a91d2c4e8b6"
TOKEN: Final = jwt.encode({"sub": CANARY}, "k" * 32, algorithm="HS256")
FORMS: Final = (CANARY, TOKEN, TOKEN.split(".")[1], TOKEN.split(".")[2])
"""What may be seen nowhere: the word itself, and the parts of a token."""

BESIDE: Final = "visible5150"
"""Stands beside each secret and may be seen: nothing said at all would be no proof."""


def run(bench: Bench) -> Iterator[Row]:
    """The caller first, which holds most secrets; then a server that is told some; then files."""
    yield from caller(bench)
    yield from served(bench)
    yield from by_file(bench)


def row(name: str, texts: list[bytes], *, expects: bool = True) -> Row:
    """How often a secret stands in these."""
    data = b"\n".join(texts)
    found = sum(data.count(form.encode()) for form in FORMS)
    seen = BESIDE.encode() in data or not expects
    told = f"{found} in {len(data):,} bytes"
    if found:
        at = min(data.find(form.encode()) for form in FORMS if form.encode() in data)
        told += f": {data[max(0, at - 60) : at + 10]!r}"
    elif not seen:
        told += "; nor was anything else said"
    return Row(name, "0 occurrences", told, ok=not found and seen)


def caller(bench: Bench) -> Iterator[Row]:
    """Vsock call and load: in options, the environment, addresses and metadata."""
    with bench.server("serve", "--echo") as server, hostile([f"{BESIDE} Bearer {TOKEN} token={CANARY}"]) as port:
        http, ws = f"http://{BESIDE}:{CANARY}@127.0.0.1", f"ws://{BESIDE}:{CANARY}@127.0.0.1"
        query = f"?{BESIDE}=1&token={CANARY}&api_key={CANARY}&jwt={TOKEN}"
        meta = ("--header", f"authorization=Bearer {TOKEN}", "--header", f"{BESIDE}=1", "--header", f"token={CANARY}")
        short = ("--duration", "0.3")
        targets = [
            f"{http}:{server.port}/webhooks/answer{query}",
            f"{ws}:{server.port}/socket{query}",
            f"http://127.0.0.1:{port}/answer/0{query}",
            f"http://127.0.0.1:{port}/status/0{query}",
            f"ws://127.0.0.1:{port}/ws/0{query}",
            f"{ws}:9/{BESIDE}{query}",
            f"ftp://{BESIDE}:{CANARY}@h/{query}",
        ]
        if bench.quick:
            targets = targets[:1] + targets[5:6]
        commands = [
            ["call", target, "--signature-secret", CANARY, *short, *more, "--fast", *meta]
            for target in targets
            for more in ((), ("--json",), ("-v",))
        ]
        yield row("call: options, addresses", bench.outputs(commands))
        environment = {"VSOCK_SIGNATURE_SECRET": CANARY}
        plain = ["call", f"http://127.0.0.1:{server.port}/webhooks/answer?{BESIDE}=1", *short, "--json"]
        yield row("call: the environment", [output(bench, plain, environment)])
        yield row("usage errors", [output(bench, ["call", "--signature-secret", CANARY, "x", BESIDE, CANARY])])
        page = bench.folder() / "page.html"
        asked = f"http://127.0.0.1:{server.port}/webhooks/answer{query}"
        words = ["load", asked, "-n", "1", "--procs", "1", "--duration", "2", "--ramp", "0", "--html", str(page)]
        words += ["--signature-secret", CANARY, *meta]
        before = len(server.events("call.connected"))
        yield from titles(bench, "load, its processes", words, lambda: len(server.events("call.connected")) > before)
        yield row("load: its page", [page.read_bytes() if page.exists() else b""])
        wire.request(server.port, "GET", f"/webhooks/answer?{BESIDE}=1&token={CANARY}")
        server.stop()
        yield row("the server they called", [server.output.read_bytes(), server.errors.read_bytes()])


def titles(bench: Bench, name: str, words: list[str], runs: Callable[[], bool]) -> Iterator[Row]:
    """A program with its children while it runs, and all that it says."""
    process = subprocess.Popen(
        bench.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=bench.folder()
    )
    seen: list[bytes] = []
    try:
        # What the system keeps before the program's first line can't be hidden by it.
        wait_until(runs, within_s=20)
        until = time.monotonic() + 1.5
        while time.monotonic() < until and process.poll() is None:
            seen += [command_line(pid) for pid in family(process.pid)]
            time.sleep(0.1)
        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    finally:
        end(process)
    yield row(f"{name}: output", [said])
    yield row(f"{name}: titles", [*seen, BESIDE.encode() if any(seen) else b""])


def family(pid: int) -> list[int]:
    """A process and all that come of it."""
    found = [pid]
    for known in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{known}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
    return found


def command_line(pid: int) -> bytes:
    """How it was started, as anybody can read it; nothing of one that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def served(bench: Bench) -> Iterator[Row]:
    """What a server is told by webhooks and calls, and by its own NCCO; with processes of its own."""
    folder = bench.folder()
    ncco = folder / "ncco.json"
    endpoint = {
        "type": "websocket",
        "uri": "{socket_url}",
        "content-type": "audio/l16;rate=16000",
        "headers": {"token": CANARY, BESIDE: "1"},
        "authorization": {"type": "custom", "value": f"Bearer {CANARY}"},
    }
    ncco.write_text(json.dumps([{"action": "connect", "endpoint": [endpoint]}]))
    for name, more in (("lines", ["-v"]), ("JSON lines", ["--json"]), ("workers", ["-v", "--workers", "2"])):
        if bench.quick and name == "lines":
            continue
        out = folder / name
        port = free_port()
        words = ["serve", "--echo", "--ncco", str(ncco), "--port", str(port), "--ngrok-api", "http://127.0.0.1:9"]
        words += ["--url", f"https://{BESIDE}.example", "--tunnel", "none", *more]
        with out.open("wb") as file:
            process = subprocess.Popen(bench.command(*words), stdout=file, stderr=subprocess.STDOUT)
        try:
            tell(port)
            seen = [command_line(pid) for pid in family(process.pid)]
        finally:
            end(process)
        yield row(f"serve, {name}", [out.read_bytes(), *seen])


def tell(port: int) -> None:
    """Secrets in all that a stranger says."""
    wait_for(port)
    bearer = f"Authorization: Bearer {TOKEN}\r\n"
    body = {"status": "answered", "from": BESIDE, "token": CANARY, "note": f"Bearer {TOKEN}", "api_secret": [CANARY]}
    wire.request(port, "GET", f"/webhooks/answer?from={BESIDE}&token={CANARY}&jwt={TOKEN}", headers=bearer)
    wire.post(port, "/webhooks/event", body, headers=bearer)
    wire.request(port, "POST", "/webhooks/event", body=f'{{"token": "{CANARY}", '.encode(), headers=bearer)
    wire.request(port, "GET", f"/{CANARY}?token={CANARY}", headers=bearer + "X: \x01\r\n")
    with contextlib.suppress(OSError), wire.Peer(port, connected=False, headers=bearer) as peer:
        if peer.status == 101:
            said = {
                "event": "websocket:connected",
                "content-type": "audio/l16;rate=16000",
                "password": CANARY,
                "seen": BESIDE,
                "callback": f"https://u:{CANARY}@h/?sig={CANARY}",
            }
            peer.send(wire.TEXT, json.dumps(said).encode())
            peer.send(wire.TEXT, json.dumps({"event": "odd", "authorization": CANARY}).encode())
            peer.send(wire.TEXT, f"token={CANARY}".encode())
            peer.hang_up()


def by_file(bench: Bench) -> Iterator[Row]:
    """A private key where a public one, or a whole one, is wanted; and an NCCO that is checked."""
    folder = bench.folder()
    key = folder / f"{BESIDE}.pem"
    key.write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n")
    ncco = folder / f"{BESIDE}.json"
    ncco.write_text(json.dumps([{"action": "connect", "token": CANARY, "endpoint": [{"type": f"Bearer {TOKEN}"}]}]))
    commands = [
        ["call", "--api-port", "0", "--api-public-key", str(key), "--calls", "1"],
        ["call", "--api-port", "0", "--api-tls", str(key), "--calls", "1"],
        ["lint", str(ncco)],
        ["lint", str(ncco), "--json"],
    ]
    yield row("files", bench.outputs(commands))


def output(bench: Bench, words: list[str], more: dict[str, str] | None = None) -> bytes:
    """What a command writes to both streams; one that waits is stopped."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("VSOCK_", "VONAGE_"))}
    with subprocess.Popen(
        bench.command(*words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=bench.folder(),
        env=environment | (more or {}),
    ) as process:
        try:
            return process.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.communicate(timeout=20)[0]
