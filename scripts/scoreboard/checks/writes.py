"""SIGKILL at each of the first 200 writes of a recording."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import wavs
from faults import strace
from rows import Row
from running import HERE, Bench, CannotRunError, clean, end

from checks import kill

NAME: Final = "writes"
PROMISE: Final = (
    "SIGKILL at each of a recording's first 200 writes: a readable, bit-exact prefix; vsock repair completes all"
)
QUICK: Final = True
ALONE: Final = False
LIMIT_S: Final = 120.0

WRITES: Final = 200
QUICK_WRITES: Final = (1, 2, 3, 4, 50, 51, 200)
ATTACHED: Final = "attached"
LOST_FRAMES: Final = 2
"""Of 20 ms each: the frame that was being written, and the one whose header was."""


def run(bench: Bench) -> Iterator[Row]:
    """Each in a process of its own; then one repair of all that they have left."""
    home = bench.folder()
    numbers = QUICK_WRITES if bench.quick else range(1, WRITES + 1)
    folders = {number: home / f"{number:03}" for number in numbers}
    command = [bench.python, str(HERE / "recording_child.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean(None)) as server:
        try:
            for number, folder in folders.items():
                folder.mkdir()
                killed(server, folder, number)
        finally:
            end(server)
    told = {number: (folder / "told").stat().st_size for number, folder in folders.items()}
    parts = {number: folder / "a.wav.part" for number, folder in folders.items()}
    # A kill at the very first write comes before there is a file: nothing was recorded, and nothing is left.
    left = {number: part for number, part in parts.items() if part.exists() or told[number]}
    kept = {number: wavs.frames_kept(part, told[number] + LOST_FRAMES) for number, part in left.items()}
    yield told_of("readable, a bit-exact prefix", kept, dict.fromkeys(kept, 0), len(folders))
    yield told_of("lacks a frame at most", kept, {number: told[number] - 1 for number in kept}, len(folders))
    yield kill.agreed([part for number, part in left.items() if kept[number] > 0])
    done = bench.run("repair", str(home))
    repaired = {
        number: wavs.frames_kept(folder / "a.wav", told[number] + LOST_FRAMES)
        for number, folder in folders.items()
        if number in left
    }
    row = told_of("repaired, nothing lost", repaired, told, len(folders))
    yield Row(row.name, row.goal, row.measured, ok=row.ok and not done.returncode)


def killed(server: subprocess.Popen[str], folder: Path, number: int) -> None:
    """Record until the write of that number, which is the last thing that the program does."""
    assert server.stdin is not None
    assert server.stdout is not None
    print(folder, file=server.stdin, flush=True)
    pid = server.stdout.readline().strip()
    fault = f"inject=pwrite64:signal=SIGKILL:when={number}"
    tracer = [strace(), "-f", "-p", pid, "-o", "/dev/null", "-e", "trace=pwrite64", "-e", fault]
    with subprocess.Popen(tracer, stderr=subprocess.PIPE, text=True) as tracing:
        try:
            assert tracing.stderr is not None
            if ATTACHED not in (said := tracing.stderr.readline()):
                raise CannotRunError(f"strace may not trace here: {said.strip()[-100:]}")
            print(file=server.stdin, flush=True)
            server.stdout.readline()
        finally:
            end(tracing)


def told_of(name: str, kept: dict[int, int], least: dict[int, int], count: int) -> Row:
    """How many are as they should be; the kills before there is a file are among them."""
    bad = [number for number, frames in kept.items() if frames < least[number] or frames < 0]
    good = count - len(bad)
    more = f"; not at write {', '.join(map(str, bad[:5]))}" if bad else ""
    return Row(name, f"{count} of {count}", f"{good} of {count}{more}", ok=good == count and bool(kept))
