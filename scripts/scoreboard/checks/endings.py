"""Whatever ends a call, its recording has each frame that the server had."""

from __future__ import annotations

import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import wire
from rows import Row
from running import Bench, Server, wait_until
from wavs import frames_kept

NAME: Final = "endings"
PROMISE: Final = "whatever ends a call but SIGKILL, 0 bytes of its recording are lost"
QUICK: Final = True
ALONE: Final = False

FRAMES: Final = 75
End = Callable[[wire.Peer, Server], None]


def run(bench: Bench) -> Iterator[Row]:
    """All endings of a call on one server; those of a server on one each."""
    folder = bench.folder()
    words = ("serve", "--echo", "--record", "call-{n}.wav")
    with bench.server(*words, folder=folder) as server:
        for number, (name, end) in enumerate(CALLS.items(), 1):
            path = folder / f"call-{number}.wav"
            call(server, end)
            wait_until(partial(whole, path), within_s=5)
            yield row(name, path)
    for name, end in SERVERS.items():
        folder = bench.folder()
        with bench.server(*words, folder=folder) as server:
            call(server, end)
            server.process.wait(10)
            yield row(name, folder / "call-1.wav")


def call(server: Server, end: End) -> None:
    """A call in which all that was said came back, and then its end."""
    with wire.Peer(server.port) as peer:
        peer.write(b"".join(wire.frame(wire.BINARY, wire.numbered(number)) for number in range(FRAMES)))
        heard = 0
        while heard < FRAMES:
            heard += peer.receive()[0] == wire.BINARY
        end(peer, server)
        time.sleep(0.1)


def whole(path: Path) -> bool:
    """Whether all that was said is there."""
    return frames_kept(path, FRAMES) == FRAMES


def row(name: str, path: Path) -> Row:
    """What is in the file."""
    kept = frames_kept(path, FRAMES)
    told = "no readable file" if kept < 0 else f"{(FRAMES - kept) * wire.FRAME_BYTES} bytes lost"
    return Row(name, "0 bytes lost", told, ok=kept == FRAMES)


def half_a_frame(peer: wire.Peer) -> None:
    """Reset in the middle of a frame."""
    peer.write(wire.frame(wire.BINARY, wire.numbered(FRAMES))[:300])
    time.sleep(0.1)
    peer.reset()


CALLS: Final[dict[str, End]] = {
    "hang-up": lambda peer, _: peer.hang_up(),
    "end without a close frame": lambda peer, _: peer.socket.shutdown(socket.SHUT_RDWR),
    "reset": lambda peer, _: peer.reset(),
    "reset mid-frame": lambda peer, _: half_a_frame(peer),
    "frame of no known kind": lambda peer, _: peer.write(wire.frame(3, b"?")),
    "message of 16 MiB": lambda peer, _: peer.write(b"\x82\xff" + struct.pack("!Q", 1 << 24) + bytes(4)),
}
SERVERS: Final[dict[str, End]] = {
    "SIGTERM": lambda _, server: server.tell(signal.SIGTERM),
    "SIGINT": lambda _, server: server.tell(signal.SIGINT),
}
