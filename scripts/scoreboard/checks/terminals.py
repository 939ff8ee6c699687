"""Small and dumb terminals, and locales that know few letters."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Final

from injections import COLOURS
from rows import Row
from running import Bench
from screen import on_screen

NAME: Final = "terminals"
PROMISE: Final = "20 columns, a dumb terminal, no colour, locales C and latin-1: whole output, 0 tracebacks"
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 120.0

DUMB: Final = "a dumb terminal"
COLOURLESS: Final = "no colour"
TERMINALS: Final[dict[str, tuple[int, dict[str, str]]]] = {
    "20 columns": (20, {"TERM": "xterm-256color"}),
    "1 column": (1, {"TERM": "xterm-256color"}),
    DUMB: (80, {"TERM": "dumb"}),
    COLOURLESS: (80, {"TERM": "xterm-256color", "NO_COLOR": "1"}),
}
"""How wide each is, and what the environment says of it."""


def run(bench: Bench) -> Iterator[Row]:
    """What is drawn where there is little room, and what is written where there are few letters."""
    yield from small(bench)
    yield from locales(bench)


def small(bench: Bench) -> Iterator[Row]:
    """A whole call on small and dumb terminals, on all of them at once."""
    with contextlib.ExitStack() as stack:
        screens = {
            name: stack.enter_context(
                on_screen(
                    bench.command("demo"), columns=columns, rows=24, cwd=bench.folder(), env={**os.environ, **env}
                )
            )
            for name, (columns, env) in TERMINALS.items()
        }
        for name, screen in screens.items():
            code = screen.end(within_s=40)
            yield drawn(name, code, bytes(screen.sent))


def drawn(name: str, code: int, sent: bytes) -> Row:
    """What a demo sent to its terminal."""
    escapes = sent.count(b"\x1b") if name == DUMB else 0
    coloured = [code for code in COLOURS.findall(sent) if b"3" in code] if name == COLOURLESS else []
    ok = not code and not escapes and not coloured and b"Traceback" not in sent and len(sent) > 500
    told = f"exit code {code}, {len(sent):,} bytes"
    told += f", {escapes} escapes" if name == DUMB else ""
    told += f", {len(coloured)} colours" if name == COLOURLESS else ""
    return Row(name, "a whole demo, no traceback", told, ok=ok)


def locales(bench: Bench) -> Iterator[Row]:
    """Each command in locales that lack most letters."""
    folder = bench.folder()
    (folder / "x.yaml").write_text(json.dumps({"name": "日本→\u00d7ü", "steps": [{"press": "1"}]}), encoding="utf-8")
    (folder / "x.json").write_text(json.dumps([{"action": "talk", "日本→": "ü"}], ensure_ascii=False), encoding="utf-8")
    commands = [
        ("explain",),
        ("lint", "x.json"),
        ("scenario", "check", "x.yaml"),
        ("call", "vsock:echo", "--scenario", "x.yaml", "--repeat", "2"),
        ("call", "http://127.0.0.1:9/日本→"),
        ("play", "日本→.wav"),
    ]
    none = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for name, encoding in (("locale C", "ascii"), ("latin-1", "latin-1")):
        bad = []
        for words in commands:
            done = subprocess.run(
                bench.command(*words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                cwd=folder,
                timeout=60,
                env={**os.environ, **none, "PYTHONIOENCODING": encoding},
            )
            written = done.stdout + done.stderr
            with contextlib.suppress(UnicodeDecodeError):
                written.decode(encoding)
                if b"Traceback" not in written and b"didn't foresee" not in written and written:
                    continue
            bad.append(words[0])
        told = f"{len(bad)} of {len(commands)} commands" + (f": {', '.join(bad)}" if bad else "")
        yield Row(name, "0 tracebacks, only its letters", told, ok=not bad)
