"""
Lines on standard output and standard error, for commands that say something and end.

A reader that has seen enough (``| head -1``) is no fault; a disk that is full is one. What can't be said on standard error
can be said nowhere, and changes nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import select
import sys
from collections.abc import Iterable
from typing import Final

import click

from vonage_sock.errors import VsockError

CANNOT_HOLD: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
SAY_WAIT_S: Final = 0.5
LIKENESS: Final = "vsock-likeness"
_LIKE: Final = {
    "→": "->",
    "←": "<-",
    "·": "-",
    "…": "...",
    "\u2013": "-",
    "\u00d7": "x",
    "│": "|",
    "─": "-",
    "✓": "+",
    "✗": "x",
    "▲": "!",
    "●": "*",
    "\u2019": "'",
}


class OutputError(VsockError):
    """What was to be said can't be written."""


def print_lines(lines: Iterable[str]) -> None:
    """
    Write all lines at once.

    Raises:
        OutputError: standard output can't be written.
    """
    text = "".join(f"{line}\n" for line in lines)
    try:
        # By itself click takes an ASCII terminal for a mistake, and sends it UTF-8.
        click.echo(text, file=sys.stdout, nl=False)
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        discard_stdout()
        raise OutputError(cannot_write(error)) from error


def cannot_write(error: OSError) -> str:
    """One sentence about it."""
    return f"standard output can't be written: {error.strerror or error}"


def say(text: str) -> None:
    """A line or more on standard error, if it takes them at once; never raises."""
    stream = sys.stderr
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):
        try:
            number = stream.fileno()
        except (OSError, ValueError, AttributeError):
            stream.write(f"{text}\n")
            return
        # A pipe that nobody reads would hold the program for ever, at its very end.
        if select.select([], [number], [], SAY_WAIT_S)[1]:
            stream.write(f"{text}\n")
            stream.flush()


def discard_stdout() -> None:
    """What is left in Python's own buffer would raise at exit, where nobody reads any more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fit_streams() -> None:
    """Let no letter that the terminal's encoding lacks end a command: it is shown by its likeness, or as an escape."""
    codecs.register_error(LIKENESS, _by_likeness)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.reconfigure(errors=LIKENESS)  # type: ignore[union-attr]  # what has no such method has no encoding


def _by_likeness(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_LIKE.get(ch) or ch.encode("ascii", "backslashreplace").decode() for ch in lacking), error.end
