"""SIGKILL at random moments of calls that are being recorded."""

from __future__ import annotations

import contextlib
import random
import select
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import soundfile
import wavs
import wire
from rows import Row
from running import Bench, Server, fairly

NAME: Final = "kill"
PROMISE: Final = "300 of 300 recordings that SIGKILL cut off can be read, bit-exact, and ≤ 100 ms of each is lost"
QUICK: Final = False
ALONE: Final = True
LIMIT_S: Final = 120.0

KILLS: Final = 15
QUICK_KILLS: Final = 2
CALLS: Final = 20
"""On each server that is killed."""
EARLIEST_S, LATEST_S = 0.15, 1.0
FRAME_S: Final = 0.02
GOAL_MS: Final = 100
GROUP: Final = 50
SOX_AT_ONCE: Final = 2
PART: Final = 1_000_000
"""The numbers of a call's frames begin with its own times this."""


def run(bench: Bench) -> Iterator[Row]:
    """Many calls on each of many servers; what each had returned as an echo it had."""
    chance = random.Random(1)
    lost_ms: list[int] = []
    paths: list[Path] = []
    kills = QUICK_KILLS if bench.quick else KILLS
    for _ in range(kills):
        (found, lost), _ = fairly(partial(cut_off, bench, chance.uniform(EARLIEST_S, LATEST_S)), little)
        paths += found
        lost_ms += [one for one in lost if one is not None]
    count = kills * CALLS
    whole = len(lost_ms)
    yield Row("readable, a bit-exact prefix", f"{count} of {count}", f"{whole} of {count}", ok=whole == count)
    worst = max(lost_ms, default=0)
    over = sum(lost > GOAL_MS for lost in lost_ms)
    told = f"{worst} ms at most, {sum(lost_ms) / max(1, whole):.0f} ms on average" + (f", {over} over" if over else "")
    yield Row("lost of each", f"≤ {GOAL_MS} ms", told, ok=bool(lost_ms) and not over)
    yield agreed(paths)


def cut_off(bench: Bench, after_s: float) -> tuple[list[Path], list[int | None]]:
    """One server: the files that it left, and what each call lost."""
    folder = bench.folder()
    with bench.server("serve", "--echo", "--record", "call-{n}.wav", folder=folder) as server:
        echoed = killed(server, after_s)
    found = sorted(path for path in folder.iterdir() if path.is_file())
    return found, list(judged(found, echoed))


def little(made: tuple[list[Path], list[int | None]]) -> bool:
    """Whether nothing more was lost than may be; a file that can't be read is nobody else's fault."""
    return all(lost is None or lost <= GOAL_MS for lost in made[1])


def killed(server: Server, after_s: float) -> list[int]:
    """Speak in real time, then kill; how many frames of each call came back."""
    echoed = [0] * CALLS
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(wire.Peer(server.port)) for _ in range(CALLS)]
        rests = [bytearray() for _ in peers]
        began = time.monotonic()
        number = 0
        while (now := time.monotonic() - began) < after_s:
            if now >= number * FRAME_S:
                for call, peer in enumerate(peers):
                    peer.write(wire.frame(wire.BINARY, wire.numbered(call * PART + number)))
                number += 1
            wait_s = max(0.0, min(number * FRAME_S, after_s) - (time.monotonic() - began))
            for ready in select.select([peer.socket for peer in peers], [], [], wait_s)[0]:
                call = next(at for at, peer in enumerate(peers) if peer.socket is ready)
                echoed[call] += heard(ready.recv(65536), rests[call])
        server.tell(signal.SIGKILL)
        server.process.wait()
    return echoed


def heard(got: bytes, rest: bytearray) -> int:
    """How many frames of audio are whole now."""
    rest += got
    count = at = 0
    while len(rest) >= at + 4:
        size, head = rest[at + 1], 2
        if size == 126:
            (size,), head = struct.unpack_from("!H", rest, at + 2), 4
        if len(rest) < at + head + size:
            break
        count += rest[at] & 0x0F == wire.BINARY
        at += head + size
    del rest[:at]
    return count


def judged(paths: list[Path], echoed: list[int]) -> Iterator[int | None]:
    """For each call how many ms of what it had are in none of the files; None where no readable file is its."""
    kept: dict[int, int] = {}
    for path in paths:
        with contextlib.suppress(*wavs.UNREADABLE):
            samples = wavs.samples(path)
            call = struct.unpack("<I", samples[:4])[0] // PART if samples else -1
            whole = b"".join(
                wire.numbered(call * PART + number) for number in range(len(samples) // wire.FRAME_BYTES + 1)
            )
            if whole.startswith(samples):
                kept[call] = len(samples) // wire.FRAME_BYTES
    for call, frames in enumerate(echoed):
        yield max(0, frames - kept[call]) * 20 if call in kept else None


def agreed(paths: list[Path]) -> Row:
    """Whether other readers find the same samples in each file."""
    readers = {"soundfile": by_soundfile}
    readers |= {name: reader for name, reader in (("sox", by_sox), ("ffmpeg", by_ffmpeg)) if shutil.which(name)}
    wanted = [wavs.samples(path) if wavs.readable(path) else None for path in paths]
    odd = [name for name, reader in readers.items() if reader(paths) != wanted]
    told = f"the same in {len(paths)} files" if not odd else f"not the same: {', '.join(odd)}"
    return Row(f"wave, {', '.join(readers)}", "the same samples", told, ok=bool(paths) and not odd)


def by_soundfile(paths: list[Path]) -> list[bytes | None]:
    """By libsndfile, told the format by nothing but the file."""
    found: list[bytes | None] = []
    for path in paths:
        with open(path, "rb") as file:
            try:
                found.append(bytes(soundfile.read(file, dtype="int16")[0].tobytes()))
            except soundfile.LibsndfileError:
                found.append(None)
    return found


def by_sox(paths: list[Path]) -> list[bytes | None]:
    """By sox, told that it is WAV, as the name may say nothing."""
    commands = [["sox", "-t", "wav", str(path), "-t", "raw", "-"] for path in paths]
    with ThreadPoolExecutor(SOX_AT_ONCE) as pool:
        done = pool.map(by_program, commands)
    return [one.stdout if not one.returncode else None for one in done]


def by_ffmpeg(paths: list[Path]) -> list[bytes | None]:
    """By ffmpeg, which starts slowly and takes many at a time; one that it can't read ends the others of its group."""
    found: list[bytes | None] = []
    for first in range(0, len(paths), GROUP):
        group = paths[first : first + GROUP]
        read = [word for path in group for word in ("-f", "wav", "-i", str(path))]
        raw = [path.with_name(path.name + ".raw") for path in group]
        write = [word for at, path in enumerate(raw) for word in ("-map", str(at), "-f", "s16le", str(path))]
        by_program(["ffmpeg", "-v", "error", "-y", *read, *write])
        found += [path.read_bytes() if path.exists() else None for path in raw]
    return found


def by_program(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
