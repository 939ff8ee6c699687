"""
Many command lines of vsock, some at once: what takes half a second of each, loading the program, is done once.

stdin has one object: ``commands``, of each its words; ``outputs``, where each writes both streams; ``at_once``, how many
run at the same time. Each becomes a process of its own, as ``python -m vonage_sock`` would make one.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from vonage_sock import cli
from vonage_sock.starting import leave_on_ctrl_c

LIMIT_S: Final = 60
LOADED: Final = ("call", "load", "lint", "explain", "scenario", "serve")
"""The commands whose modules are loaded before."""


def become(words: Sequence[str], output: str) -> None:
    """Run a command line to its end, which is that of the process."""
    signal.alarm(LIMIT_S)
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY | os.O_CREAT)):
        os.dup2(os.open(path, flags, 0o600), number)
    os.dup2(1, 2)
    sys.argv[1:] = words
    leave_on_ctrl_c()
    cli.main()
    sys.exit(0)


def main() -> None:
    """Fork for each; what it raises, as its exit code, is its own."""
    job = json.load(sys.stdin)
    for name in LOADED:
        importlib.import_module(f"vonage_sock.cli.{cli.COMMANDS[name][0]}")
    running = 0
    for words, output in zip(job["commands"], job["outputs"], strict=True):
        if running == job["at_once"]:
            os.wait()
            running -= 1
        if not os.fork():
            become(words, output)
        running += 1
    for _ in range(running):
        os.wait()


if __name__ == "__main__":
    main()
