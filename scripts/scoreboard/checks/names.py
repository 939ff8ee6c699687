"""1,022 callers whose numbers are paths."""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import wavs
import wire
from rows import Row
from running import Bench, Server, wait_until

NAME: Final = "names"
PROMISE: Final = "1,022 file names from callers: none outside the directory, none overwritten, all for the owner alone"
QUICK: Final = True
ALONE: Final = False

BASES: Final = (
    *("..", "../..", "../../etc/passwd", "/etc/passwd", "/", "//", "./.", ".", "...", "....//....//x", "..%2f..%2fx"),
    *("%2e%2e/x", "..\\..\\x", "C:\\x", "\\\\host\\share", "~", "~root", "$HOME", "${HOME}", "$(touch x)", "`touch x`"),
    *(
        "; touch x",
        "| touch x",
        "& touch x",
        "> x",
        "*",
        "?",
        "[a-z]",
        "{n}",
        "{call}",
        "{from.__class__}",
        "{0}",
        "{}",
    ),
    *(
        "%s",
        "%n",
        "-rf",
        "--overwrite",
        "",
        " ",
        "\t",
        "\n",
        "\r\n",
        "a\nb",
        "\0",
        "a\0b.wav",
        "\x1b[2J",
        "\x07",
        "\x7f",
    ),
    *(
        "\u202e",
        "\u2028",
        "\ufeff",
        "\ufffd",
        "\uff0e\uff0e\uff0f",
        "\u2215",
        "\u2024\u2024/",
        "é",
        "e\u0301",
        "日本",
        "😀",
    ),
    *("\ud800", "con", "nul", "aux.txt", ".hidden", ".part", "kept.wav", "../kept.wav", "../../outside.wav", "link"),
    *("link/x", "{time}", "x" * 300, "x" * 4096),
)
WRAPS: Final = (
    *(
        "{}",
        "{}/",
        "/{}",
        "a{}",
        "{}a",
        "./{}",
        "../{}",
        "{}.wav",
        "{}/../x",
        "{}\\",
        "{}\0",
        "{} ",
        "{}.wav.part",
        '"{}"',
    ),
)
"""73 bases and 14 ways to write each."""

QUICK_STEP: Final = 10


def run(bench: Bench) -> Iterator[Row]:
    """Each names a recording, beside files and links that must stay as they are."""
    names = [wrap.replace("{}", base) for base, wrap in itertools.product(BASES, WRAPS)]
    names = names[::QUICK_STEP] if bench.quick else names
    folder = bench.folder()
    inside = folder / "a" / "recordings"
    inside.mkdir(parents=True)
    planted = plant(folder, inside)
    with bench.server("serve", "--record", "a/recordings/{from}-{to}.wav", folder=folder) as server:
        for number, name in enumerate(names):
            call(server, name, number)
        wait_until(lambda: len(server.events("recording.saved")) >= len(names), within_s=10)
        alive = server.alive
    yield from left(folder, inside, planted, len(names), alive=alive)


def plant(folder: Path, inside: Path) -> dict[Path, bytes]:
    """Files that somebody else has there, and a link that leads out."""
    planted = {path: f"kept {number}".encode() for number, path in enumerate(places(folder, inside))}
    for path, content in planted.items():
        path.write_bytes(content)
    (inside / "link").symlink_to(folder)
    return planted


def places(folder: Path, inside: Path) -> Iterator[Path]:
    """Where the callers' names might lead."""
    yield from (inside / "kept.wav", inside / "a-a.wav", inside.parent / "kept.wav", folder / "outside.wav")


def call(server: Server, name: str, number: int) -> None:
    """A call whose first message has the name as both numbers, and whose audio is its own."""
    first = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "from": name, "to": name}
    with wire.Peer(server.port, connected=False) as peer:
        peer.send(wire.TEXT, json.dumps(first).encode())
        peer.send(wire.BINARY, wire.numbered(number + 1))
        peer.hang_up()


def left(folder: Path, inside: Path, planted: dict[Path, bytes], count: int, *, alive: bool) -> Iterator[Row]:
    """What is on the disk then."""
    found = [path for path in every_file(folder) if path not in planted and path != inside / "link"]
    outside = [path for path in found if path.parent != inside]
    yield Row("outside the directory", "0", str(len(outside)), ok=not outside)
    changed = [path for path, content in planted.items() if not path.exists() or path.read_bytes() != content]
    yield Row("files of others changed", "0", str(len(changed)), ok=not changed)
    heard = {wavs.samples(path) for path in found if wavs.readable(path)}
    kept = sum(wire.numbered(number + 1) in heard for number in range(count))
    told = f"{kept:,} of {count:,}" + ("" if alive else ", and the server is gone")
    yield Row("recordings, each its own", f"{count:,} of {count:,}", told, ok=kept == count == len(found) and alive)
    open_files = [path for path in found if stat.S_IMODE(path.stat().st_mode) != 0o600]
    yield Row(
        "mode 0600", f"{count:,} of {count:,}", f"{len(found) - len(open_files):,}", ok=bool(found) and not open_files
    )


def every_file(folder: Path) -> Iterator[Path]:
    """All that is no directory, links as themselves."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)
