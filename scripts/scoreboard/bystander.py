"""
A caller who speaks 50 frames a second, hears the echo, and asks ``/health`` 20 times a second; until stdin ends.

    python scripts/scoreboard/bystander.py PORT [HEADER: VALUE …]

The first line says that the call has begun, the last what was heard. Round trips count from when a frame was really sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import struct
import sys
import time
from typing import Final

from wire import BINARY, FRAME_BYTES, Peer, frame, numbered, tcp

EACH_S: Final = 0.02
ASK_EACH_S: Final = 0.05
LATE_S: Final = 1.0
MS: Final = 1000.0


class Health:
    """How long the event loop takes to answer, on a connection that stays."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._asked_at: float | None = None
        self.slowest_s = 0.0
        self.socket = tcp(port)

    def ask(self) -> None:
        """Unless an answer is awaited still."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            with contextlib.suppress(OSError):
                self.socket.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode())

    def read(self) -> None:
        """An answer, or the end of a connection that the server keeps for so long only."""
        now = time.monotonic()
        got = b""
        with contextlib.suppress(OSError):
            got = self.socket.recv(65536)
        if self._asked_at is not None and got:
            self.slowest_s = max(self.slowest_s, now - self._asked_at)
        self._asked_at = None
        if not got:
            self.socket.close()
            self.socket = tcp(self._port)

    def waiting(self) -> None:
        """What isn't answered counts too."""
        if self._asked_at is not None:
            self.slowest_s = max(self.slowest_s, time.monotonic() - self._asked_at)


def main() -> None:
    """Speak and listen."""
    with contextlib.suppress(OSError):
        # It stands for somebody on another machine, whose time is his own.
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    port = int(sys.argv[1])
    peer = Peer(port, headers="".join(f"{line}\r\n" for line in sys.argv[2:]))
    if peer.status != 101:
        return
    health = Health(port)
    print("begun", flush=True)
    sent: dict[bytes, float] = {}
    trips: list[float] = []
    own_s, number, is_open, listening = 0.0, 0, True, True
    due = asked = time.monotonic()
    while listening:
        now = time.monotonic()
        if now >= due:
            own_s = max(own_s, now - due) if number else 0.0
            payload = numbered(number)
            number += 1
            due = max(due + EACH_S, now)
            if is_open:
                sent[payload] = time.monotonic()
                is_open = written(peer, payload)
        if now >= asked:
            asked = now + ASK_EACH_S
            health.ask()
        watched = [sys.stdin, health.socket, *([peer.socket] if is_open else [])]
        ready, _, _ = select.select(watched, [], [], max(0.0, due - time.monotonic()))
        if peer.socket in ready:
            is_open = heard(peer, sent, trips)
        if health.socket in ready:
            health.read()
        listening = sys.stdin not in ready
    health.waiting()
    overdue = [at for at in sent.values() if time.monotonic() - at > LATE_S]
    trips.sort()
    print(
        json.dumps(
            {
                "frames": number,
                "lost": len(overdue),
                "p99_ms": round(trips[len(trips) * 99 // 100] * MS, 2) if trips else LATE_S * MS,
                "max_ms": round(trips[-1] * MS, 2) if trips else LATE_S * MS,
                "lag_ms": round(health.slowest_s * MS, 2),
                "own_ms": round(own_s * MS, 2),
                "open": is_open,
            }
        )
    )


def written(peer: Peer, payload: bytes) -> bool:
    """Send a frame; whether the call is still there."""
    try:
        peer.write(frame(BINARY, payload))
    except OSError:
        return False
    return True


BUFFER: Final = bytearray()


def heard(peer: Peer, sent: dict[bytes, float], trips: list[float]) -> bool:
    """Take what has come; whether the call is still there."""
    now = time.monotonic()
    try:
        got = peer.socket.recv(1 << 18)
    except OSError:
        return False
    BUFFER.extend(got)
    at = 0
    while len(BUFFER) >= at + 2:
        size, begin = BUFFER[at + 1], 2
        if size == 126:
            if len(BUFFER) < at + 4:
                break
            (size,), begin = struct.unpack_from("!H", BUFFER, at + 2), 4
        if len(BUFFER) < at + begin + size:
            break
        if BUFFER[at] & 0x0F == BINARY and size == FRAME_BYTES:
            was = sent.pop(bytes(BUFFER[at + begin : at + begin + size]), None)
            trips += [] if was is None else [now - was]
        at += begin + size
    del BUFFER[:at]
    return bool(got)


if __name__ == "__main__":
    main()
