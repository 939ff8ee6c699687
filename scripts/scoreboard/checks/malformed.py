"""Ten thousand malformed frames and handshakes, a thousand bad texts and a thousand bad webhooks, from outside."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from rows import Row
from running import Bench, Server, wait_until

sys.path.append(str(Path(__file__).parents[3] / "tests" / "server"))

import attacks

NAME: Final = "malformed"
PROMISE: Final = (
    "10,000 bad frames and handshakes, 1,000 texts, 1,000 webhooks: 0 crashes, tracebacks, leaks; log ≤ 64 KiB"
)
QUICK: Final = False
ALONE: Final = True
LIMIT_S: Final = 150.0

HANDSHAKES: Final = 5000
FRAMES: Final = 5000
TEXTS: Final = 1000
WEBHOOKS: Final = 1000
QUICK_PART: Final = 20
MAX_LOG_BYTES: Final = 64 << 10
ENGINES: Final = ("direct", "aiohttp")

Send = Callable[..., Awaitable[attacks.Answers]]


def run(bench: Bench) -> Iterator[Row]:
    """Half to each engine, in a process of its own."""
    part = QUICK_PART if bench.quick else 1
    for number, engine in enumerate(ENGINES):
        with bench.server("serve", "--echo", "--engine", engine) as server:
            # The event loop opens a descriptor for itself at the first connection.
            asyncio.run(attacks.echoes(server.port))
            before = settled(server)
            yield from sent(server, engine, seed=1000 * number, share=len(ENGINES) * part)
            yield from left(server, engine, before)


def sent(server: Server, engine: str, *, seed: int, share: int) -> Iterator[Row]:
    """What it answers to each kind."""
    kinds: tuple[tuple[str, Send, int], ...] = (
        ("handshakes", attacks.send_handshakes, HANDSHAKES),
        ("frames", attacks.send_frames, FRAMES),
        ("texts", attacks.send_texts, TEXTS),
        ("webhooks", attacks.send_webhooks, WEBHOOKS),
    )
    for offset, (name, send, count) in enumerate(kinds):
        count //= share  # noqa: PLW2901
        answers = asyncio.run(send(server.port, count, seed=seed + offset))
        told = ", ".join(f"{number} {what}" for what, number in answers.most_common(6))
        fine = server.alive and not answers["500"]
        if name == "texts":
            fine = fine and set(answers) == {"echoed"}
        yield Row(f"{engine}: {count} bad {name}", goal(name), told, ok=fine)


def goal(name: str) -> str:
    """What is wanted of the answers."""
    return "each call goes on" if name == "texts" else "no 500, no crash"


def left(server: Server, engine: str, before: int) -> Iterator[Row]:
    """What the server said meanwhile, and whether it is as it was."""
    echoed = asyncio.run(attacks.echoes(server.port)) if server.alive else False
    yield Row(f"{engine}: a call afterwards", "echoed", "echoed" if echoed else "not echoed", ok=echoed)
    after = settled(server, before) if server.alive else 0
    yield Row(f"{engine}: descriptors", "as before", f"{before} before, {after} after", ok=0 < after <= before)
    said = server.said()
    tracebacks = said.count("Traceback")
    yield Row(f"{engine}: tracebacks", "0", str(tracebacks), ok=tracebacks == 0)
    size = len(said.encode())
    yield Row(f"{engine}: log", "at most 64 KiB", f"{size / 1024:.1f} KiB", ok=size <= MAX_LOG_BYTES)


def settled(server: Server, wanted: int = 0) -> int:
    """How many descriptors are open, once those of ended connections are closed."""
    if wanted:
        wait_until(lambda: server.descriptors() <= wanted, within_s=10)
    else:
        time.sleep(0.3)
    return server.descriptors()
