"""Text that acts on terminals, in all that comes from outside, on every way out: pipes, JSON lines, a terminal, files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import wire
from hostile import hostile, in_a_line, raw
from injections import KINDS, MARK, MIXED, carried_out, offending
from rows import Row
from running import Bench, free_port, wait_for
from screen import on_screen

NAME: Final = "injection"
PROMISE: Final = "17 kinds of injection: 0 bytes outside text, colour codes and newline"
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 180.0

TEXTS: Final = [text for texts in KINDS.values() for text in texts]
FIRSTS: Final = [texts[0] for texts in KINDS.values()]
SETTLE_S: Final = 0.6


def run(bench: Bench) -> Iterator[Row]:
    """A server that strangers talk to; then our caller, whom strangers answer; then files of strangers."""
    texts = FIRSTS if bench.quick else TEXTS
    yield judged("serve, JSON lines", serve_json(bench, texts), lines=True)
    yield judged("serve -v, a terminal", serve_terminal(bench, texts), live=True)
    if not bench.quick:
        yield judged("serve -v, a pipe", serve_pipe(bench, texts))
        yield judged("lint", lint(bench, texts))
        yield from slower(bench, MIXED)


def slower(bench: Bench, calls: Sequence[str]) -> Iterator[Row]:
    """What takes a process for each text."""
    yield judged("a tunnel's agent", tunnel(bench, calls))
    with hostile(calls) as port:
        yield judged("call, plain", call(bench, port, calls))
        yield judged("call, JSON lines", call(bench, port, calls, "--json"), lines=True)
        yield judged("load, with its page", load(bench, port, calls))
    yield judged("scenarios, JUnit", scenarios(bench, calls))
    yield judged("file names, words", names(bench, calls))


def judged(name: str, found: Sequence[bytes], *, live: bool = False, lines: bool = False) -> Row:
    """How much of what was written is neither text, nor colour, nor newline; nothing written is no pass."""
    data = b"".join(found)
    odd = offending(data, live=live)
    odd += carried_out(data.decode(errors="replace"))
    if lines:
        odd += [f"no JSON: {line[:40]!r}" for line in data.splitlines() if not is_json(line)]
    shown = data.count(MARK.encode())
    told = f"{len(odd)} in {len(data):,} bytes ({shown:,} injections shown)"
    if odd:
        told += f": {', '.join(sorted(set(odd))[:6])}"
    return Row(name, "0 bytes outside text", told, ok=not odd and shown > 0)


def is_json(line: bytes) -> bool:
    """One whole object in ASCII."""
    try:
        return line.isascii() and isinstance(json.loads(line), dict)
    except ValueError:
        # What is wrong is said to people, beside the lines.
        return line.startswith((b"warning: ", b"Error: "))


# Our server, and strangers who call it.


def serve_json(bench: Bench, texts: Sequence[str]) -> list[bytes]:
    """Both streams of a server."""
    with bench.server("serve", "--echo", "--stats") as server:
        molest(server.port, texts)
        server.stop()
        return [server.output.read_bytes(), server.errors.read_bytes()]


def serve_pipe(bench: Bench, texts: Sequence[str]) -> list[bytes]:
    """The same as lines for people."""
    port = free_port()
    written = bench.folder() / "output"
    with (
        written.open("wb") as out,
        started(bench, ["serve", "--echo", "-v", "--stats", "--port", str(port)], out, port),
    ):
        molest(port, texts)
    return [written.read_bytes()]


def serve_terminal(bench: Bench, texts: Sequence[str]) -> list[bytes]:
    """The same as a picture."""
    port = free_port()
    command = bench.command("serve", "--echo", "-v", "--port", str(port), "--ngrok-api", "http://127.0.0.1:9")
    with on_screen(command, columns=200, env=plain_env(TERM="xterm-256color", COLORTERM="truecolor")) as screen:
        wait_for(port)
        molest(port, texts)
        time.sleep(SETTLE_S)
    return [bytes(screen.sent)]


@contextlib.contextmanager
def started(bench: Bench, words: list[str], out: object, port: int) -> Iterator[None]:
    """A server of vsock that writes both streams to a file."""
    process = subprocess.Popen(
        bench.command(*words, "--ngrok-api", "http://127.0.0.1:9"),
        stdout=out,  # type: ignore[arg-type]
        stderr=subprocess.STDOUT,
        env=plain_env(),
    )
    try:
        wait_for(port)
        yield
        time.sleep(SETTLE_S)
    finally:
        process.terminate()
        process.wait(10)


def molest(port: int, texts: Sequence[str]) -> None:
    """Put each text wherever a stranger can."""
    for text in texts:
        webhooks(port, text)
        requests(port, text)
        with contextlib.suppress(OSError):
            on_a_call(port, text)


def webhooks(port: int, text: str) -> None:
    """In fields, keys and values of what the platform tells; and instead of JSON."""
    quoted = urllib.parse.quote_from_bytes(raw(text[:500]))
    fields = {"from": text, "to": text, "uuid": text, "conversation_uuid": text, text: {text: [text]}}
    event = {**fields, "status": text, "direction": text, "reason": text, "detail": text, "disconnected_by": text}
    wire.request(port, "GET", f"/webhooks/answer?from={quoted}&{quoted}={quoted}")
    wire.post(port, "/webhooks/answer", fields)
    wire.post(port, "/webhooks/event", event)
    wire.post(port, "/webhooks/event", {"status": "completed", "duration": text, "sip_code": text})
    wire.request(port, "POST", "/webhooks/event", body=raw(text), headers="Content-Type: application/json\r\n")
    wire.request(port, "POST", "/webhooks/event", body=b'{"a":"' + raw(text))
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    wire.request(port, "POST", "/webhooks/event", headers=form, body=f"status={quoted}&{quoted}={quoted}".encode())


def requests(port: int, text: str) -> None:
    """In the method, the path, the headers and the version of a request."""
    odd = in_a_line(text)[:4000]
    for head in (
        b"GET /" + odd + b" HTTP/1.1\r\nHost: x\r\n",
        odd + b" / HTTP/1.1\r\nHost: x\r\n",
        b"GET /webhooks/answer HTTP/1.1\r\nHost: " + odd + b"\r\n",
        b"GET / HTTP/1.1\r\n" + odd + b": " + odd + b"\r\n",
        b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + odd + b"\r\nSec-WebSocket-Protocol: " + odd + b"\r\n",
        b"POST /webhooks/event HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + odd + b"\r\n",
    ):
        with contextlib.suppress(OSError), contextlib.closing(wire.tcp(port, timeout_s=2)) as plain:
            plain.sendall(head + b"Connection: close\r\n\r\n")
            plain.recv(65536)


def on_a_call(port: int, text: str) -> None:
    """In what a call says: metadata, keys, unknown words, what isn't JSON, odd audio, and why it ends."""
    with wire.Peer(port, connected=False) as peer:
        connected = {
            "event": "websocket:connected",
            "content-type": "audio/l16;rate=16000",
            **{key[:100]: text for key in (text, "caller", "uuid")},
        }
        for message in (
            connected,
            {"event": "websocket:dtmf", "digit": text[:200], "duration": text[:50]},
            {"event": "websocket:dtmf", "digit": "5"},
            {"event": text, text: text},
            {"event": "websocket:connected", "content-type": text},
            [text],
        ):
            peer.send(wire.TEXT, json.dumps(message).encode())
        peer.send(wire.TEXT, text.encode("utf-8", "replace"))
        peer.send(wire.BINARY, b"\0" * 641)
        peer.send(wire.BINARY, b"\0" * 640)
        time.sleep(0.02)
        reason = text.encode("utf-8", "replace")[:123].decode("utf-8", "ignore").encode()
        peer.send(wire.CLOSE, struct.pack("!H", 4001) + reason)
        peer.close_code(within_s=2)


def tunnel(bench: Bench, texts: Sequence[str]) -> list[bytes]:
    """In what listens where an ngrok agent should."""
    found = []
    for text in texts:
        with agent(text) as at:
            server = ["serve", "--port", "0", "--ngrok-api", f"http://127.0.0.1:{at}", "--once"]
            found.append(for_a_moment(bench, server))
    # The agent's texts are shown as characters of an address only; of MARK the letters are left.
    return found


@contextlib.contextmanager
def agent(text: str) -> Iterator[int]:
    """An agent's API whose tunnels have this address."""

    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            entry = {"public_url": text, "url": text, "config": {"addr": text}, "upstream": {"url": text}}
            body = json.dumps({"tunnels": [entry], "endpoints": [entry]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with HTTPServer(("127.0.0.1", 0), Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def for_a_moment(bench: Bench, words: list[str]) -> bytes:
    """What a server says until it listens, and a moment longer."""
    process = subprocess.Popen(bench.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=plain_env())
    assert process.stdout is not None
    said = b""
    while b"stopped" not in said and (line := process.stdout.readline()):
        said += line
        if b"answer " in line:
            process.send_signal(signal.SIGTERM)
    process.wait(10)
    return said


# Our caller, and strangers who answer.


def call(bench: Bench, port: int, texts: Sequence[str], *options: str) -> list[bytes]:
    """Each way to answer, by several calls at once."""
    ways = ("http/answer", "http/junk", "http/status", "http/kind", "ws/ws", "ws/refuse")
    targets = [way.replace("/", f"://127.0.0.1:{port}/") + f"/{number}" for number in range(len(texts)) for way in ways]
    more = ("--fast", "--duration", "1", "-v", *options)
    return bench.outputs([("call", target, *more) for target in targets])


def load(bench: Bench, port: int, texts: Sequence[str]) -> list[bytes]:
    """Refusals and closes in figures, lines and pages."""
    commands, pages = [], []
    for number in range(len(texts)):
        for kind in ("ws", "refuse"):
            pages.append(bench.folder() / "page.html")
            target = f"ws://127.0.0.1:{port}/{kind}/{number}"
            commands.append(("load", target, "-n", "1", "--duration", "0.5", "--ramp", "0", "--html", str(pages[-1])))
    return [*bench.outputs(commands), *(page.read_bytes() for page in pages if page.exists())]


# Files and words.


def lint(bench: Bench, texts: Sequence[str]) -> list[bytes]:
    """NCCOs of strangers."""
    commands = []
    folder = bench.folder()
    everything = [{"action": text, text: text, "endpoint": [{"type": text, text: text}]} for text in texts]
    everything += [
        {"action": "connect", "endpoint": [{"type": "websocket", "uri": text, text: text}]} for text in texts
    ]
    whole = folder / "ncco.json"
    whole.write_text(json.dumps(everything))
    commands += [("lint", str(whole)), ("lint", str(whole), "--json")]
    for number, text in enumerate(MIXED):
        path = folder / f"{number}.json"
        path.write_bytes(b'[{"action":"talk"}, "' + raw(text))
        commands.append(("lint", str(path)))
    return bench.outputs(commands)


def scenarios(bench: Bench, texts: Sequence[str]) -> list[bytes]:
    """Scenarios of strangers: their names, steps and mistakes; and the report for CI."""
    commands, reports = [], []
    for text in texts:
        folder = bench.folder()
        good, bad = folder / "good.yaml", folder / "bad.yaml"
        words = {"name": text[:200], "steps": [{"press": "1"}], "expect": {"close_code": 4000}}
        good.write_text(json.dumps(words))
        bad.write_bytes(b'{"name": "x", "' + raw(text) + b'": 1}')
        reports.append(folder / "junit.xml")
        commands.append(("call", "vsock:echo", "--scenario", str(good), "--junit", str(reports[-1]), "--repeat", "2"))
        commands += [
            ("call", "vsock:echo", "--scenario", str(good), "--json"),
            ("scenario", "check", str(bad), str(good)),
        ]
    return [*bench.outputs(commands), *(report.read_bytes() for report in reports if report.exists())]


def names(bench: Bench, texts: Sequence[str]) -> list[bytes]:
    """Names of files, and words of the command line."""
    commands: list[tuple[str, ...]] = []
    for text in texts:
        word = os.fsdecode(in_a_line(text)[:150].replace(b"/", b"_"))
        name = bench.folder() / f"{word}.wav"
        name.write_bytes(b"RIFF\0\0\0\0WAVE" + raw(text))
        commands += [("play", str(name), "--port", "0"), ("explain", word), (f"x{word}",), ("serve", f"--{word}")]
        commands += [("call", f"http://127.0.0.1:9/{word}"), ("scenario", "check", str(Path("/none") / word))]
    return bench.outputs(commands)


# Small things.


def plain_env(**more: str) -> dict[str, str]:
    """An environment that colours nothing by itself."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VSOCK_", "VONAGE_"))}
    return {**kept, "PYTHONUTF8": "1", **more}
