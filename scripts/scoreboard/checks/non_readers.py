"""32 callers who speak and never read what comes back."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Final

import wire
from rows import Row
from running import Bench, Server, wait_until

NAME: Final = "non_readers"
PROMISE: Final = "32 callers who never read cost ≤ 32 MiB, are gone within 15 s, and end nobody else's call"
QUICK: Final = False
ALONE: Final = True

CALLERS: Final = 32
GOAL_MIB: Final = 32
GOAL_S: Final = 15.0
MIB: Final = 1 << 20
MESSAGE: Final = wire.frame(wire.BINARY, bytes(4096))
EACH_S: Final = 0.01
"""A message as often as a caller may for long, and each of six frames."""


def run(bench: Bench) -> Iterator[Row]:
    """The most memory that the server takes while they are there, and when the last of them was dropped."""
    with bench.server("serve", "--echo") as server, bench.bystander(server.port) as bystander:
        time.sleep(0.5)
        before = server.rss_bytes()
        most, seconds = held(server)
        heard = bystander.heard()
        grown = (most - before) / MIB
        yield Row("memory", f"≤ +{GOAL_MIB} MiB", f"+{grown:.1f} MiB", ok=grown <= GOAL_MIB)
        told = "some stay for 30 s" if seconds is None else f"{seconds:.1f} s"
        yield Row("all dropped", f"within {GOAL_S:.0f} s", told, ok=seconds is not None and seconds <= GOAL_S)
        fine = heard.open and not heard.lost
        yield Row("a bystander", "kept, 0 frames lost", heard.told, ok=fine)


def held(server: Server) -> tuple[int, float | None]:
    """Speak and never read, until all were dropped: the most memory, and after how many seconds that was."""
    began = time.monotonic()
    over = threading.Event()
    most = [server.rss_bytes()]
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(wire.Peer(server.port, receive_buffer=2048)) for _ in range(CALLERS)]
        speaking = threading.Thread(target=speak, args=(peers, over))
        speaking.start()
        try:
            gone = wait_until(lambda: alone(server, most), within_s=30)
        finally:
            over.set()
            speaking.join()
    return max(most), time.monotonic() - began if gone else None


def speak(peers: list[wire.Peer], over: threading.Event) -> None:
    """What the kernel takes; who was dropped says no more."""
    rest = dict.fromkeys(peers, b"")
    for peer in peers:
        peer.socket.settimeout(0)
    while not over.wait(EACH_S):
        for peer, waiting in list(rest.items()):
            data = waiting or MESSAGE
            try:
                rest[peer] = data[peer.socket.send(data) :]
            except BlockingIOError:
                continue
            except OSError:
                del rest[peer]


def alone(server: Server, most: list[int]) -> bool:
    """Whether only the bystander's call is left."""
    most.append(server.rss_bytes())
    calls: int = json.loads(wire.request(server.port, "GET", "/health")[1])["calls"]
    return calls <= 1
