"""Attacks, each on a server of its own, while a bystander is on a call there."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import wire
from rows import Row
from running import Bench, Heard, fairly

NAME: Final = "attacks"
PROMISE: Final = "under each of 15 attacks the event loop is held up ≤ 100 ms, and a bystander's echo has a p99 ≤ 60 ms"
QUICK: Final = True
ALONE: Final = True
LIMIT_S: Final = 180.0

LAG_MS: Final = 100.0
P99_MS: Final = 60.0
LASTS_S: Final = 3.0
QUICK_LASTS_S: Final = 2.0
IN_QUICK: Final = ("fragments", "one-byte frames")

Attack = Callable[[int, float], None]
"""Given a port, and until when it goes on."""


def run(bench: Bench) -> Iterator[Row]:
    """Each in turn; where the machine was busy, once more."""
    for name, (attack, words) in ATTACKS.items():
        if bench.quick and name not in IN_QUICK:
            continue
        (heard, alive), others = fairly(partial(attacked, bench, attack, words), fits)
        told = (heard.told if alive else "the server is gone") + others
        yield Row(name, f"lag ≤ {LAG_MS:.0f} ms, p99 ≤ {P99_MS:.0f} ms", told, ok=fits((heard, alive)))


def fits(found: tuple[Heard, bool]) -> bool:
    """Whether the bystander had a call as if nothing were."""
    heard, alive = found
    return alive and heard.open and not heard.lost and heard.lag_ms <= LAG_MS and heard.p99_ms <= P99_MS


def attacked(bench: Bench, attack: Attack, words: Sequence[str]) -> tuple[Heard, bool]:
    """What the bystander heard, and whether the server lives."""
    lasts_s = QUICK_LASTS_S if bench.quick else LASTS_S
    before = ("prlimit", f"--nofile={FEW_DESCRIPTORS}") if attack is descriptors else ()
    words = ("serve", "--echo", *words)
    with (
        bench.server(*words, before=before, as_json="-v" not in words) as server,
        bench.bystander(server.port) as bystander,
    ):
        time.sleep(0.3)
        failures: list[BaseException] = []

        def act() -> None:
            # An attacker has a machine of his own; here he gives way.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
            try:
                attack(server.port, time.monotonic() + lasts_s)
            except BaseException as error:  # noqa: BLE001  (raised below, where it is seen)
                failures.append(error)

        attacker = threading.Thread(target=act, daemon=True)
        attacker.start()
        attacker.join(lasts_s + 15)
        if failures:
            raise failures[0]
        return bystander.heard(), server.alive


# Each tries again whatever the server ends, until its time is up.


def never_reads(port: int, until: float) -> None:
    """Sixteen who speak fast and read nothing."""
    message = wire.frame(wire.BINARY, bytes(4096))
    flood(port, until, message, peers=16, receive_buffer=2048)


def slow_heads(port: int, until: float) -> None:
    """Two hundred requests, each a letter at a time."""
    dribble(port, until, wire.upgrade(port), connections=200)


def silent(port: int, until: float) -> None:
    """A hundred sockets that say nothing, and more as soon as one is refused."""
    with contextlib.ExitStack() as stack:
        while time.monotonic() < until:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    plain = stack.enter_context(contextlib.closing(wire.tcp(port, timeout_s=1)))
                    plain.sendall(wire.upgrade(port))
            time.sleep(0.5)
            if time.monotonic() < until - 1:
                stack.close()


def resets(port: int, until: float) -> None:
    """Calls that are reset in the middle of a frame."""
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            plain = wire.tcp(port, timeout_s=1)
            plain.sendall(wire.upgrade(port))
            plain.recv(4096)
            plain.sendall(wire.frame(wire.TEXT, wire.CONNECTED) + wire.frame(wire.BINARY, wire.numbered(1))[:200])
            wire.reset(plain)


def pings(port: int, until: float) -> None:
    """Pings of the largest size, as fast as they go."""
    flood(port, until, wire.frame(wire.PING, bytes(125)) * 100)


def one_byte_frames(port: int, until: float) -> None:
    """Messages of a byte."""
    flood(port, until, wire.frame(wire.BINARY, b"\x01") * 1000)


def fragments(port: int, until: float) -> None:
    """One message in a million fragments, most of them empty."""
    first = wire.frame(wire.BINARY, b"\x01", fin=False)
    flood(port, until, wire.frame(0, b"", fin=False) * 10_000, first=first)


def letters(port: int, until: float) -> None:
    """Frames a byte at a time, each byte in a packet of its own."""
    while time.monotonic() < until:
        with contextlib.suppress(OSError), wire.Peer(port) as peer:
            for byte in itertools.islice(itertools.cycle(wire.frame(wire.BINARY, wire.numbered(7))), 100_000):
                peer.write(bytes([byte]))
                if time.monotonic() > until:
                    return


def storms(port: int, until: float) -> None:
    """500 connects at once, again and again."""
    while time.monotonic() < until:
        with contextlib.ExitStack() as stack:
            for _ in range(500):
                with contextlib.suppress(OSError):
                    plain = stack.enter_context(contextlib.closing(wire.tcp(port, timeout_s=1)))
                    plain.sendall(wire.upgrade(port))
            time.sleep(0.5)


def large_messages(port: int, until: float) -> None:
    """Messages of 128 KiB, from four at once."""
    flood(port, until, wire.frame(wire.BINARY, bytes(128 * 1024)), peers=4)


def odd_webhooks(port: int, until: float) -> None:
    """Webhooks of 64 KiB: nested, with huge numbers, many keys, hard to search, or no JSON at all."""
    bodies = [
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"a":' + b"9" * 60_000 + b"}",
        json.dumps({f"k{number}": number for number in range(4000)}).encode(),
        random.Random(1).randbytes(60_000),
        json.dumps({"status": "x", "from": '"token":"' + "\\" * 20_000 + "\n"}).encode(),
        json.dumps({"status": "x", "from": "= ://" * 12_000}).encode(),
    ]
    for body in itertools.cycle(bodies):
        if time.monotonic() > until:
            return
        with contextlib.suppress(OSError):
            wire.post(port, "/webhooks/event", body)


def large_webhooks(port: int, until: float) -> None:
    """Webhooks of 63 KiB that are in order, from eight at once; what is written of each is as large."""
    body = json.dumps({"status": "answered", "uuid": "u", "from": "x" * 63 * 1024}).encode()

    def post() -> None:
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                wire.post(port, "/webhooks/event", body)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(post)


def announced(port: int, until: float) -> None:
    """Frames of 100 MiB that are announced and never sent, on all sockets that there are."""
    header = b"\x82\xff" + struct.pack("!Q", 100 << 20) + bytes(4)
    while time.monotonic() < until:
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    peer = stack.enter_context(wire.Peer(port, timeout_s=1))
                    peer.write(header + bytes(1000))
                if time.monotonic() > until:
                    return


FEW_DESCRIPTORS: Final = 64


def descriptors(port: int, until: float) -> None:
    """More connections than the server, which may have few, has descriptors for."""
    with contextlib.ExitStack() as stack:
        for _ in range(4 * FEW_DESCRIPTORS):
            with contextlib.suppress(OSError):
                stack.enter_context(contextlib.closing(wire.tcp(port, timeout_s=0.2)))
        time.sleep(max(0.0, until - time.monotonic()))


# What they have in common.


def flood(
    port: int, until: float, data: bytes, *, first: bytes = b"", peers: int = 2, receive_buffer: int | None = None
) -> None:
    """Send the same for ever from each of so many callers; who was dropped calls again, in a moment."""
    reads = receive_buffer is None
    callers: dict[int, tuple[wire.Peer, bytes]] = {}
    with contextlib.ExitStack() as stack:
        while time.monotonic() < until:
            if len(callers) < peers:
                with contextlib.suppress(OSError):
                    peer = stack.enter_context(wire.Peer(port, receive_buffer=receive_buffer, timeout_s=2))
                    if peer.status == 101:
                        peer.socket.settimeout(0)
                        callers[peer.socket.fileno()] = peer, first
                    else:
                        time.sleep(0.05)
            numbers = list(callers)
            _, ready, _ = select.select([], numbers, [], 0.05)
            for number in ready:
                peer, rest = callers[number]
                try:
                    rest = rest or data
                    callers[number] = peer, rest[peer.socket.send(rest) :]
                    if reads:
                        swallow(peer.socket)
                except OSError:
                    del callers[number]
                    peer.socket.close()


def swallow(plain: socket.socket) -> None:
    """
    Read what is there.

    Raises:
        ConnectionError: the connection is over.
    """
    with contextlib.suppress(BlockingIOError):
        while True:
            if not plain.recv(1 << 18):
                raise ConnectionResetError("the connection is over")


def dribble(port: int, until: float, data: bytes, *, connections: int) -> None:
    """Send the same, a letter at a time, on many connections."""
    with contextlib.ExitStack() as stack:
        waiting: list[tuple[socket.socket, Iterator[int]]] = []
        while time.monotonic() < until:
            while len(waiting) < connections:
                with contextlib.suppress(OSError):
                    plain = stack.enter_context(contextlib.closing(wire.tcp(port, timeout_s=1)))
                    waiting.append((plain, iter(data[:-2])))
            for item in list(waiting):
                plain, rest = item
                try:
                    plain.send(bytes([next(rest)]))
                except (OSError, StopIteration):
                    waiting.remove(item)
            time.sleep(0.05)


ATTACKS: Final[dict[str, tuple[Attack, Sequence[str]]]] = {
    "never reads": (never_reads, ()),
    "slow heads": (slow_heads, ()),
    "silent sockets": (silent, ()),
    "resets": (resets, ()),
    "pings": (pings, ()),
    "one-byte frames": (one_byte_frames, ()),
    "fragments": (fragments, ()),
    "a letter a packet": (letters, ()),
    "500 connects": (storms, ()),
    "128 KiB messages": (large_messages, ()),
    "odd webhooks": (odd_webhooks, ()),
    "100 MiB announced": (announced, ()),
    "out of descriptors": (descriptors, ()),
    "63 KiB webhooks, --json": (large_webhooks, ()),
    "63 KiB webhooks, -v": (large_webhooks, ("-v",)),
}
