"""500 connections at once, while somebody is on a call."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import wire
from rows import Row
from running import Bench, Heard, fairly, wait_until

NAME: Final = "connects"
PROMISE: Final = "500 connects at once are answered within 2 s, and the live call is kept"
QUICK: Final = False
ALONE: Final = True

CONNECTS: Final = 500
GOAL_S: Final = 2.0
PATIENCE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Found:
    """What one storm came to."""

    seconds: float
    statuses: Counter[int]
    heard: Heard
    taken: bool


def run(bench: Bench) -> Iterator[Row]:
    """Strangers, who say nothing; and callers, who are all let in."""
    for who, words in (("strangers", ()), ("callers", ("--max-calls", str(CONNECTS + 100)))):
        speak = who == "callers"
        found, others = fairly(partial(stormed, bench, words, speak=speak), lambda made: made.seconds <= GOAL_S)
        statuses = found.statuses
        kinds = ", ".join(f"{count} with {status}" for status, count in sorted(statuses.items()))
        yield Row(
            f"500 {who} at once",
            f"{'taken' if speak else 'answered'} within {GOAL_S:.0f} s",
            f"{statuses.total()} in {found.seconds:.2f} s ({kinds}){others}",
            ok=statuses.total() == CONNECTS and found.seconds <= GOAL_S and (not speak or statuses[101] == CONNECTS),
        )
        yield Row(
            "  the live call", "kept, 0 frames lost", found.heard.told, ok=found.heard.open and not found.heard.lost
        )
        yield Row("  a call afterwards", "taken", "taken" if found.taken else "refused for 5 s", ok=found.taken)


def stormed(bench: Bench, words: Sequence[str], *, speak: bool) -> Found:
    """One storm, on a server of its own."""
    with bench.server("serve", "--echo", *words) as server, bench.bystander(server.port) as bystander:
        time.sleep(0.3)
        seconds, statuses = storm(server.port, speak=speak)
        time.sleep(0.3)
        heard = bystander.heard()
        return Found(seconds, statuses, heard, wait_until(lambda: takes_a_call(server.port), within_s=5))


def storm(port: int, *, speak: bool) -> tuple[float, Counter[int]]:
    """
    Connect all, then wait for all answers.

    Args:
        speak: send the platform's first message to each socket that opens.

    Returns:
        The seconds, and how often each status was given.
    """
    began = time.monotonic()
    statuses: Counter[int] = Counter()
    with contextlib.ExitStack() as stack:
        waiting: dict[int, socket.socket] = {}
        poll = select.poll()
        for _ in range(CONNECTS):
            plain = stack.enter_context(contextlib.closing(wire.tcp(port)))
            plain.sendall(wire.upgrade(port))
            waiting[plain.fileno()] = plain
            poll.register(plain, select.POLLIN)
        while waiting and time.monotonic() - began < PATIENCE_S:
            for number, _ in poll.poll(100):
                plain = waiting.pop(number)
                poll.unregister(number)
                head = b""
                with contextlib.suppress(OSError):
                    head = plain.recv(4096)
                if head:
                    status = int(head.split()[1])
                    statuses[status] += 1
                    if speak and status == 101:
                        plain.sendall(wire.frame(wire.TEXT, wire.CONNECTED))
        return time.monotonic() - began, statuses


def takes_a_call(port: int) -> bool:
    """Whether there is a place."""
    with wire.Peer(port) as peer:
        return peer.status == 101
