"""
Lines on standard output, for commands that say something and end.

A reader that has seen enough (``| head -1``) is no fault; a disk that is full is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable

import click

from vonage_sock.errors import VsockError


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
        click.echo(text, nl=False)
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        discard_stdout()
        raise OutputError(cannot_write(error)) from error


def cannot_write(error: OSError) -> str:
    """One sentence about it."""
    return f"standard output can't be written: {error.strerror or error}"


def discard_stdout() -> None:
    """What is left in Python's own buffer would raise at exit, where nobody reads any more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
