"""A call of two hours, spoken as fast as the server takes it."""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Iterator
from typing import Final

import wire
from rows import Row
from running import Bench, Server

NAME: Final = "long_call"
PROMISE: Final = "a call of 2 hours: each of its 360,000 frames comes back, and memory grows ≤ 2 MiB"
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 120.0

FRAMES: Final = 2 * 3600 * 50
WARM: Final = 60 * 50
"""A minute of call, after which it has all that a call needs."""
AT_ONCE: Final = 200
GOAL_MIB: Final = 2.0
MIB: Final = 1 << 20
UNLIMITED: Final = ("--max-messages-per-s", "1000000")
"""A call speaks 50 frames a second; this one more than a call may."""


def run(bench: Bench) -> Iterator[Row]:
    """Memory after a minute of the call, and after all of it."""
    with bench.server("serve", "--echo", "--stats", *UNLIMITED) as server, wire.Peer(server.port) as peer:
        echo = Echo(peer)
        began = time.monotonic()
        early = spoken(server, echo, 0, WARM)
        most = spoken(server, echo, WARM, FRAMES)
        seconds = time.monotonic() - began
        peer.hang_up()
        grown = (most - early) / MIB
        same = "the same" if echo.same else "but not the same"
        told = f"{echo.frames:,} in {seconds:.0f} s, {same}"
        yield Row("frames", f"{FRAMES:,} back, the same", told, ok=echo.frames == FRAMES and echo.same)
        yield Row("memory", f"≤ +{GOAL_MIB:.0f} MiB", f"+{grown:.2f} MiB", ok=early > 0 and grown <= GOAL_MIB)


class Echo:
    """What comes back, by its number and its sum."""

    def __init__(self, peer: wire.Peer) -> None:
        self.peer = peer
        self.frames = 0
        self._sent, self._heard = hashlib.blake2b(), hashlib.blake2b()
        self._rest = bytearray()

    @property
    def same(self) -> bool:
        """Whether what came back is what was said."""
        return self._sent.digest() == self._heard.digest()

    def say(self, number: int, count: int) -> None:
        """So many frames from this one on; returns when those before them are back."""
        frames = [wire.numbered(at) for at in range(number, number + count)]
        self._sent.update(b"".join(frames))
        self.peer.write(b"".join(wire.frame(wire.BINARY, frame) for frame in frames))
        self.hear(number)

    def hear(self, frames: int) -> None:
        """Wait until so many are back."""
        while self.frames < frames:
            self._rest += self.peer.socket.recv(1 << 18) or broken()
            self._take()

    def _take(self) -> None:
        at, rest = 0, self._rest
        while len(rest) >= at + 4:
            size, head = rest[at + 1], 2
            if size == 126:
                (size,), head = struct.unpack_from("!H", rest, at + 2), 4
            if len(rest) < at + head + size:
                break
            if rest[at] & 0x0F == wire.BINARY:
                self._heard.update(rest[at + head : at + head + size])
                self.frames += 1
            at += head + size
        del rest[:at]


def broken() -> bytes:
    """Nothing more comes."""
    raise ConnectionResetError("the server ended the call")


def spoken(server: Server, echo: Echo, first: int, last: int) -> int:
    """Say these frames; the most memory that the server took meanwhile."""
    most = server.rss_bytes()
    for number in range(first, last, AT_ONCE):
        echo.say(number, AT_ONCE)
        if number % 5000 == 0:
            most = max(most, server.rss_bytes())
    echo.hear(last)
    return max(most, server.rss_bytes())
