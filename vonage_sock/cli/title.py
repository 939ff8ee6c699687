"""
The command line as ``ps`` shows it, without secrets.

Anybody on a machine can read how a program was started. Where the system keeps that in the program's own memory (Linux) it
is written over as soon as the program runs; for a moment before, and on other systems, a secret given as an option can be
seen: the environment is the better place (``VSOCK_SIGNATURE_SECRET``).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vonage_sock.protocol.redaction import HIDDEN, is_secret_name, redact_text

STAT: Final = Path("/proc/self/stat")
ARG_START, ARG_END = 47, 48
MAX_BYTES: Final = 1 << 20


def hide_secrets() -> None:
    """Write over what is secret in our own command line, where there is any and the system allows it."""
    if hidden(sys.argv) != sys.argv:
        with contextlib.suppress(Exception):
            _write_over()


def hidden(words: Sequence[str]) -> list[str]:
    """A command line with ``***`` for the values of options that hold secrets, and for secrets by their form."""
    result: list[str] = []
    follows = False
    for word in words:
        name, equals, _ = word.partition("=")
        if follows:
            result.append(HIDDEN)
        elif equals and word.startswith("--") and is_secret_name(name.lstrip("-")):
            result.append(f"{name}={HIDDEN}")
        else:
            result.append(redact_text(word))
        follows = not follows and not equals and word.startswith("--") and is_secret_name(word.lstrip("-"))
    return result


def _write_over() -> None:
    import ctypes  # noqa: PLC0415  (few command lines hold a secret)

    # The program's name, which may hold spaces, stands in brackets before the numbers.
    numbers = STAT.read_text().rpartition(")")[2].split()
    start, end = int(numbers[ARG_START - 2]), int(numbers[ARG_END - 2])
    size = end - start
    if not start or not 0 < size <= MAX_BYTES:
        return
    words = [word.decode("utf-8", "surrogateescape") for word in ctypes.string_at(start, size).split(b"\0")]
    shown = "\0".join(hidden(words)).encode("utf-8", "surrogateescape")[: size - 1]
    ctypes.memmove(start, shown.ljust(size, b"\0"), size)
