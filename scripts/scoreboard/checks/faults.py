"""What the machine and the network do, and nobody meant: cut cables, too few descriptors, clocks that are set."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import wire
from rows import Row
from running import Bench, CannotRunError, wait_until

NAME: Final = "faults"
PROMISE: Final = (
    "a cut cable is noticed within 30 s; without descriptors ≤ 10 % of a core, live calls kept; "
    "a clock set by days changes nothing; requests that hang don't keep a server from ending in 3 s"
)
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 120.0

CUT_S: Final = 30.0
FEW: Final = 64
SAID: Final = ("enough for about", "nobody can be let in now")
"""In a line each: at the start, that so few don't do for all the calls that may come; and when there are no more."""

ENGINES: Final = ("auto", "aiohttp")
DAYS: Final = 3
STOP_S: Final = 3.0
LIBRARIES: Final = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1")


def run(bench: Bench) -> Iterator[Row]:
    """Each on a server of its own, with both engines where the engine matters; the long wait goes on beside the rest."""
    with ThreadPoolExecutor(len(ENGINES)) as pool:
        cuts = [pool.submit(cut_cable, bench, engine) for engine in ENGINES]
        yield from few_descriptors(bench)
        yield from clock_set(bench)
        for words in (("--engine", "aiohttp"), ("--workers", "2")):
            yield hanging_requests(bench, *words)
        yield from (cut.result() for cut in cuts)


def cut_cable(bench: Bench, engine: str) -> Row:
    """A caller who says nothing any more and answers no ping; its machine acknowledges all the same."""
    with bench.server("serve", "--echo", "--engine", engine) as server, wire.Peer(server.port) as peer:
        peer.write(wire.frame(wire.BINARY, wire.numbered(1)))
        began = time.monotonic()
        gone = wait_until(lambda: server.events("call.ended"), within_s=CUT_S + 5)
        seconds = time.monotonic() - began
    told = f"after {seconds:.0f} s" if gone else "not noticed"
    return Row(f"cut cable, {engine}", f"noticed within {CUT_S:.0f} s", told, ok=gone and seconds <= CUT_S)


def few_descriptors(bench: Bench) -> Iterator[Row]:
    """Three times as many connections as descriptors, for three seconds."""
    before = ("prlimit", f"--nofile={FEW}:{FEW}")
    with bench.server("serve", "--echo", before=before) as server, bench.bystander(server.port) as bystander:
        time.sleep(0.3)
        with contextlib.ExitStack() as stack:
            for _ in range(3 * FEW):
                with contextlib.suppress(OSError):
                    stack.enter_context(contextlib.closing(wire.tcp(server.port, timeout_s=0.2)))
            began, used = time.monotonic(), cpu_s(server.pid)
            time.sleep(3)
            share = (cpu_s(server.pid) - used) / (time.monotonic() - began)
        again = wait_until(lambda: takes_a_call(server.port), within_s=5)
        heard = bystander.heard()
        yield Row("no descriptors: processor", "≤ 10 % of a core", f"{share:.0%}", ok=share <= 0.1)
        kept = heard.open and not heard.lost
        yield Row("  a live call", "kept, 0 frames lost", heard.told, ok=kept)
        yield Row("  a call afterwards", "taken", "taken" if again else "refused for 5 s", ok=again)
        said = server.said().splitlines()
        fits = len(said) == len(SAID) and all(words in line for words, line in zip(SAID, said, strict=True))
        told = "said once" if fits else f"{len(said)} lines: {' '.join(said)[:200]}"
        yield Row("  on stderr", "said once, nothing else", told, ok=fits)


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def takes_a_call(port: int) -> bool:
    """Whether there is a place."""
    with contextlib.suppress(OSError, ValueError), wire.Peer(port) as peer:
        return peer.status == 101
    return False


def clock_set(bench: Bench) -> Iterator[Row]:
    """Three days on and six back, during a call."""
    library = next((str(path) for name in LIBRARIES for path in Path("/").glob(name[1:])), None)
    if library is None:
        raise CannotRunError("libfaketime isn't installed (apt-get install faketime)")
    stamp = bench.folder() / "stamp"
    stamp.write_text("+0\n")
    env = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with bench.server("serve", "--echo", "--stats", env=env) as server, bench.bystander(server.port) as bystander:
        for moved in (f"+{DAYS}d", f"-{DAYS}d", "+0"):
            time.sleep(1)
            stamp.write_text(moved + "\n")
        time.sleep(1)
        heard = bystander.heard()
        days = {event["time"][:10] for event in server.events("call.stats")}
        found = [event["code"] for event in server.events("call.finding")]
        ok = heard.open and not heard.lost and not found and len(days) > 1
        told = f"{heard.told}, {len(found)} findings, {len(days)} days"
        yield Row("a clock set by days", "0 lost, 0 findings", told, ok=ok)


def hanging_requests(bench: Bench, *words: str) -> Row:
    """A webhook whose body doesn't come, heads that stop in the middle, an upgrade that isn't whole, a kept connection."""
    with bench.server("serve", "--echo", *words) as server, contextlib.ExitStack() as stack:
        port = server.port
        began = (
            b"POST /webhooks/event HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
            b"GET /webhooks/answer HT",
            wire.upgrade(port)[:-2],
            b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        for data in began * 3:
            plain: socket.socket = stack.enter_context(contextlib.closing(wire.tcp(port)))
            plain.sendall(data)
        time.sleep(0.3)
        seconds, code = server.stop(signal.SIGTERM, within_s=90)
        ok = seconds <= STOP_S and code == 0
        return Row(f"hanging requests, {' '.join(words)}", f"ended in {STOP_S:.0f} s", f"{seconds:.2f} s", ok=ok)
