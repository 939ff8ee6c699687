"""500 connections at once, while somebody is on a call."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from typing import Final

import wire
from rows import Row
from running import Bench

NAME: Final = "connects"
PROMISE: Final = "500 connects at once are answered within 2 s; the live call is kept"
QUICK: Final = True

CONNECTS: Final = 500
GOAL_S: Final = 2.0
PATIENCE_S: Final = 15.0


def run(bench: Bench) -> Iterator[Row]:
    """Upgrade requests from 500 sockets in one go; an answer is 101 or a refusal, silence is none."""
    with bench.server("serve", "--echo") as server, bench.bystander(server.port) as bystander:
        time.sleep(0.5)
        seconds, statuses = storm(server.port)
        time.sleep(0.5)
        heard = bystander.heard()
        answered = sum(statuses.values())
        kinds = ", ".join(f"{count} with {status}" for status, count in sorted(statuses.items()))
        yield Row(
            "500 connects",
            f"500 answered within {GOAL_S:.0f} s",
            f"{answered} in {seconds:.2f} s ({kinds})",
            ok=answered == CONNECTS and seconds <= GOAL_S,
        )
        yield Row(
            "the live call",
            "kept, 0 frames lost",
            heard.told,
            ok=heard.open and not heard.lost,
        )
        # The places are free again: a new call is taken.
        time.sleep(0.3)
        with wire.Peer(server.port) as peer:
            yield Row("a call afterwards", "101", str(peer.status), ok=peer.status == 101)


def storm(port: int) -> tuple[float, dict[int, int]]:
    """Connect all, then wait for all answers: the seconds, and how often each status was given."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        waiting = {}
        for _ in range(CONNECTS):
            plain = stack.enter_context(contextlib.closing(wire.tcp(port)))
            plain.sendall(wire.upgrade(port))
            waiting[plain.fileno()] = plain
        statuses: dict[int, int] = {}
        poll = select.poll()
        for number in waiting:
            poll.register(number, select.POLLIN)
        while waiting and time.monotonic() - began < PATIENCE_S:
            for number, _ in poll.poll(100):
                head = b""
                with contextlib.suppress(OSError):
                    head = waiting[number].recv(4096)
                poll.unregister(number)
                del waiting[number]
                if head:
                    status = int(head.split()[1])
                    statuses[status] = statuses.get(status, 0) + 1
        return time.monotonic() - began, statuses
