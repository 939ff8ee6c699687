"""SIGTERM and SIGINT with ten live calls, of which one never reads."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import wire
from rows import Row
from running import Bench, Server
from wavs import frames_kept

NAME: Final = "stop"
PROMISE: Final = (
    "a signal ends a server with 10 live calls in ≤ 3 s: 1001 to all 9 who read, 10 files complete, exit code 0"
)
QUICK: Final = True
ALONE: Final = True

CALLS: Final = 10
FRAMES: Final = 100
GOAL_S: Final = 3.0


def run(bench: Bench) -> Iterator[Row]:
    """Each signal to a server of its own."""
    for number in (signal.SIGTERM,) if bench.quick else (signal.SIGTERM, signal.SIGINT):
        folder = bench.folder()
        with (
            bench.server("serve", "--echo", "--record", "call-{n}.wav", folder=folder) as server,
            contextlib.ExitStack() as stack,
        ):
            deaf = stack.enter_context(wire.Peer(server.port, receive_buffer=2048))
            readers = [stack.enter_context(wire.Peer(server.port)) for _ in range(CALLS - 1)]
            speak(deaf, readers)
            yield from stopped(server, number, readers, folder)


def speak(deaf: wire.Peer, readers: list[wire.Peer]) -> None:
    """Say the same in each call, until those who read have heard their echo: it is with the server, then."""
    for peer in (deaf, *readers):
        peer.write(b"".join(wire.frame(wire.BINARY, wire.numbered(number)) for number in range(FRAMES)))
    for peer in readers:
        heard = 0
        while heard < FRAMES:
            heard += peer.receive()[0] == wire.BINARY
    time.sleep(0.3)


def stopped(server: Server, number: signal.Signals, readers: list[wire.Peer], folder: Path) -> Iterator[Row]:
    """Send the signal, and look at what it left."""
    began = time.monotonic()
    server.tell(number)
    codes = [peer.close_code(within_s=GOAL_S) for peer in readers]
    seconds, code = server.stop(number, within_s=90) if server.alive else (0.0, server.process.returncode)
    seconds = max(seconds, time.monotonic() - began)
    told = "" if code is not None else ", killed"
    yield Row(
        number.name, f"ended in {GOAL_S:.0f} s", f"{seconds:.2f} s{told}", ok=seconds <= GOAL_S and code is not None
    )
    polite = codes.count(1001)
    yield Row("  1001", f"{CALLS - 1} of {CALLS - 1}", f"{polite} of {CALLS - 1}", ok=polite == CALLS - 1)
    files = sorted(folder.glob("*.wav"))
    whole = sum(frames_kept(path, FRAMES) == FRAMES for path in files)
    rest = len(list(folder.iterdir())) - len(files)
    left = f", {rest} others left" if rest else ""
    yield Row("  files complete", f"{CALLS} of {CALLS}", f"{whole} of {CALLS}{left}", ok=whole == CALLS and not rest)
    yield Row("  exit code", "0", str(code), ok=code == 0)
