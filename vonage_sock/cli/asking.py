"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from typing import Final

from vonage_sock.cli.printing import say

MAX_ANSWER: Final = 1024
YES: Final = frozenset({"y", "yes"})


def can_ask() -> bool:
    """Whether somebody can read a question and answer it."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


async def ask(question: str, stopped: asyncio.Event) -> bool:
    """
    Whether the answer is yes; an empty line, the end of the input and a signal to stop are no.

    The input is waited for and not read in a thread, which would hold the program when it ends.
    """
    if sys.stdin is None:
        return False
    loop = asyncio.get_running_loop()
    fd = sys.stdin.fileno()
    with contextlib.suppress(OSError, termios.error):
        # What was typed before the question isn't its answer.
        termios.tcflush(fd, termios.TCIFLUSH)
    say(f"{question} [y/N]")
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    waits = [asyncio.ensure_future(readable.wait()), asyncio.ensure_future(stopped.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(fd)
        for wait in waits:
            wait.cancel()
    if stopped.is_set():
        return False
    return os.read(fd, MAX_ANSWER).decode("utf-8", "replace").strip().lower() in YES
