"""A recording as a strict reader sees it."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Final

from wire import FRAME_BYTES, numbered

UNREADABLE: Final = (wave.Error, EOFError, OSError)
"""What reading a file raises that is no WAV."""


def samples(path: Path) -> bytes:
    """
    The bytes of its samples, read by the standard library.

    Raises:
        wave.Error, EOFError, OSError: it can't be read.
    """
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())


def readable(path: Path) -> bool:
    """Whether the standard library takes it for a WAV file."""
    try:
        samples(path)
    except UNREADABLE:
        return False
    return True


def frames_kept(path: Path, sent: int, *, first: int = 0) -> int:
    """How many of the numbered frames that were sent stand in the file from its beginning on; -1 when it is no such file."""
    try:
        found = samples(path)
    except UNREADABLE:
        return -1
    whole = b"".join(numbered(first + number) for number in range(sent))
    return len(found) // FRAME_BYTES if whole.startswith(found) else -1
