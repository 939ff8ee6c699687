"""The terminal's own ways, put back whatever happens. Real pseudo-terminals, real signals, real jobs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.sitting import ALONE, Sitting
from vonage_sock.cli.terminal import open_keyboard

PROGRAM = """
import asyncio, os, signal, sys
from vonage_sock.cli.terminal import Keyboard, open_keyboard

def take(data):
    if data == b"!":
        ended.set()
    print("got", data.decode(), flush=True)

async def main():
    global ended
    ended = asyncio.Event()
    keyboard = Keyboard(open_keyboard(stdin_is_taken=False), take, pause=lambda: print("pausing", flush=True), resume=print)
    keyboard.start()
    print("pid", os.getpid(), "ready", flush=True)
    await ended.wait()
    {end}

asyncio.run(main())
"""


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Any]:
    """Start something at a terminal."""
    sittings: list[Sitting] = []

    def start(*arguments: str, **more: Any) -> Sitting:
        sittings.append(Sitting(*arguments, cwd=tmp_path, **more))
        return sittings[-1]

    yield start
    for sitting in sittings:
        sitting.close()


def pid_of(sitting: Sitting) -> int:
    """Of the program, not of its shell."""
    lines = sitting.until("ready")
    return int(next(line for line in lines if line.startswith("pid")).split()[1])


@pytest.mark.parametrize("end", ["keyboard.close()", "raise RuntimeError('unforeseen')"])
def test_the_modes_are_put_back_however_the_program_ends(sit: Any, end: str) -> None:
    """Also by an exception that nobody expected; while it runs, each key comes by itself and isn't shown."""
    sitting = sit("-c", PROGRAM.format(end=end))
    sitting.until("ready")
    taken = sitting.takes_keys
    sitting.type("k")
    lines = sitting.until("got k")
    sitting.type("!")
    sitting.end()

    assert taken
    assert "k" not in lines
    assert sitting.is_as_before


def test_ctrl_backslash_ends_the_program_tidily(sit: Any) -> None:
    """It still is what it was: killed by SIGQUIT."""
    sitting = sit("-c", f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)){PROGRAM.format(end='')}")
    sitting.until("ready")
    sitting.type("\x1c")

    assert -signal.SIGQUIT & 255 == sitting.end()
    assert sitting.is_as_before


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(sit: Any) -> None:
    """The shell finds its own ways; with bg it keeps them, and what is typed is the shell's until the job is in front."""
    sitting = sit("-c", PROGRAM.format(end="keyboard.close()"))
    sitting.until("ready")
    sitting.type("\x1a")
    sitting.until("[stopped 1, tidy]")
    sitting.type("fg\n")
    sitting.until_keys_are_taken()
    sitting.type("a")
    sitting.until("got a")
    sitting.type("\x1a")
    sitting.until("[stopped 2, tidy]")
    sitting.type("bg\nfor the shell\n")
    sitting.until("[typed for the shell]")
    sitting.until_keys_are_taken()
    sitting.type("b")
    lines = sitting.until("got b")
    sitting.type("!")

    assert 0 == sitting.end()
    assert not [line for line in lines if "got for" in line]
    assert sitting.is_as_before


def test_a_program_that_is_stopped_from_outside_takes_the_keys_when_it_goes_on(sit: Any) -> None:
    """SIGSTOP can't be seen coming; the shell's modes that it left are what is put back in the end."""
    sitting = sit("-c", PROGRAM.format(end="keyboard.close()"))
    os.kill(pid_of(sitting), signal.SIGSTOP)
    sitting.until("[stopped 1, untidy]")
    os.system(f"stty sane < {os.ttyname(sitting.slave)}")
    sitting.type("fg\n")
    sitting.until_keys_are_taken()
    sitting.type("!")

    assert 0 == sitting.end()
    assert not sitting.takes_keys


def test_without_a_shell_ctrl_z_does_nothing(sit: Any) -> None:
    """In a container nobody could wake it again: the system leaves such a program running, and so do we."""
    sitting = sit("-c", PROGRAM.format(end="keyboard.close()"), shell=ALONE)
    sitting.until("ready")
    sitting.type("\x1a")
    sitting.until("pausing")
    sitting.until_keys_are_taken()
    sitting.type("!")

    assert 0 == sitting.end()


@pytest.mark.parametrize("stdin_is_taken", [False, True])
def test_where_nobody_sits_there_is_no_keyboard(stdin_is_taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe on standard input is nobody, and so is a program without a terminal."""
    read, write = os.pipe()
    with os.fdopen(read) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        if stdin_is_taken:
            monkeypatch.setattr("os.isatty", lambda _fd: False)

        assert None is open_keyboard(stdin_is_taken=stdin_is_taken)
    os.close(write)
