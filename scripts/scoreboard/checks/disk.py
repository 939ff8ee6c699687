"""Disks that are full, broken, read-only, gone or slow under a recording."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import wavs
import wire
from faults import STALL_US, injected
from rows import Row
from running import Bench, Server, wait_until

NAME: Final = "disk"
PROMISE: Final = (
    "a disk that fails costs a recording, not its call: told in words, the file valid, exit code 4; "
    "500 ms stalls: echo p99 ≤ 10 ms"
)
QUICK: Final = False
ALONE: Final = True
LIMIT_S: Final = 120.0

FRAMES: Final = 60
STALLED_FRAMES: Final = 150
FRAME_S: Final = 0.02
LATER: Final = "when=20+"
"""In the middle of the call."""

GOAL_P99_MS: Final = 10.0


def run(bench: Bench) -> Iterator[Row]:
    """A call on each kind of disk that fails, beside each other; then, alone, the one whose times count."""
    disks: dict[str, partial[list[Row]]] = {
        "full": partial(failing, words="No space left on device", faults=[f"pwrite64:error=ENOSPC:{LATER}"]),
        "broken": partial(failing, words="Input/output error", faults=[f"pwrite64:error=EIO:{LATER}"]),
        # The first link names the part, the second would have named the recording.
        "read-only": partial(failing, words="Read-only file system", faults=["linkat:error=EROFS:when=2+"]),
        "gone": partial(failing, words="No such file or directory", during=shutil.rmtree),
    }
    with ThreadPoolExecutor(len(disks)) as pool:
        for found in [pool.submit(call_on, bench, name) for name, call_on in disks.items()]:
            yield from found.result()
    yield from stalled(bench)


def failing(
    bench: Bench, name: str, words: str, faults: Sequence[str] = (), during: Callable[[Path], None] | None = None
) -> list[Row]:
    """The call goes on, the words are told, what was written is valid, and the exit code says so."""
    folder = bench.folder()
    home = folder / "recordings"
    home.mkdir()
    before = injected(*faults) if faults else ()
    with bench.server("serve", "--echo", "--record", "recordings/a.wav", folder=folder, before=before) as server:
        delays = call(server, FRAMES, during=None if during is None else lambda: during(home))
        wait_until(lambda: server.events("recording.failed"), within_s=5)
        told = [event["error"] for event in server.events("recording.failed")]
        _, code = server.stop()
    echoed = len(delays)
    found = sorted(home.iterdir()) if home.exists() else []
    kept = [wavs.frames_kept(path, FRAMES) for path in found]
    valid = all(count >= 0 for count in kept) if during is None else not found
    left = ", ".join(f"{path.name} of {count} frames" for path, count in zip(found, kept, strict=True)) or "none"
    wanted = "valid" if during is None else "none"
    said = told[0] if told else "nothing"
    return [
        Row(f"{name}: echo", f"{FRAMES} frames", f"{echoed} frames", ok=echoed == FRAMES),
        Row(f"{name}: told", words, said, ok=len(told) == 1 and said.startswith(words)),
        Row(f"{name}: file", wanted, left, ok=valid and (during is not None or any(kept))),
        Row(f"{name}: exit code", "4", str(code), ok=code == 4),
    ]


def stalled(bench: Bench) -> Iterator[Row]:
    """Each call that a recording makes to its disk takes half a second."""
    folder = bench.folder()
    slow = ("pwrite64", "fsync", "ftruncate", "linkat", "unlink", "statfs", "flock")
    before = injected(*(f"{name}:delay_enter={STALL_US}" for name in slow))
    with bench.server("serve", "--echo", "--record", "a.wav", folder=folder, before=before) as server:
        delays = call(server, STALLED_FRAMES)
        wait_until(lambda: server.events("recording.saved"), within_s=15)
        _, code = server.stop()
    p99_ms = sorted(delays)[int(len(delays) * 0.99)] * 1000 if delays else float("inf")
    kept = wavs.frames_kept(folder / "a.wav", STALLED_FRAMES)
    yield Row("stalls of 500 ms: echo", f"p99 ≤ {GOAL_P99_MS:.0f} ms", f"{p99_ms:.1f} ms", ok=p99_ms <= GOAL_P99_MS)
    lost = "no readable file" if kept < 0 else f"{(STALLED_FRAMES - kept) * wire.FRAME_BYTES} bytes lost"
    yield Row("stalls of 500 ms: file", "0 bytes lost", lost, ok=kept == STALLED_FRAMES)
    yield Row("stalls of 500 ms: exit code", "0", str(code), ok=code == 0)


def call(server: Server, frames: int, *, during: Callable[[], None] | None = None) -> Sequence[float]:
    """Speak in real time and hang up: how many seconds each frame took to come back."""
    delays = []
    with wire.Peer(server.port) as peer:
        began = time.monotonic()
        for number in range(frames):
            if number == frames // 2 and during is not None:
                during()
            time.sleep(max(0.0, began + number * FRAME_S - time.monotonic()))
            sent_at = time.monotonic()
            peer.write(wire.frame(wire.BINARY, wire.numbered(number)))
            while True:
                opcode, payload = peer.receive()
                if opcode == wire.BINARY:
                    break
            if payload == wire.numbered(number):
                delays.append(time.monotonic() - sent_at)
        peer.hang_up()
    return delays
