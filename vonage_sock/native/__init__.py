"""
The path of a frame in C, where it was built.

Every class in it is written in Python, too, beside what uses it; both do the same. Where there is no compiler, where the
system isn't Linux, or where ``VSOCK_FRAMES=python`` is set, those in Python are used, and calls cost more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, Final

from vonage_sock.errors import UsageError

SWITCH: Final = "VSOCK_FRAMES"
C: Final = "c"
PYTHON: Final = "python"


def asked() -> str:
    """What the environment asks for; empty where it leaves that to us."""
    return os.environ.get(SWITCH, "").strip().lower()


def load() -> Any:
    """What was built; None where nothing was, or where it isn't wanted."""
    if asked() == PYTHON or sys.platform != "linux":
        return None
    try:
        from vonage_sock.native import _frames  # noqa: PLC0415  (it may not be there)
    except ImportError:
        return None
    return _frames


frames: Final = load()


def beware(beginnings: Iterable[bytes]) -> None:
    """What begins with one of these pairs of bytes may be a file, and is left to Python."""
    if frames is not None:
        frames.beware(beginnings)


def check() -> None:
    """
    Is it as the environment asks?

    Raises:
        UsageError: it isn't, or asks for what there is not.
    """
    if asked() not in {"", C, PYTHON}:
        shown = f"{os.environ[SWITCH]!r:.60}"
        raise UsageError(f"{SWITCH} is {shown}; it may be {C} or {PYTHON}, or not set: C where it was built")
    if asked() == C and frames is None:
        raise UsageError(f"{SWITCH} asks for {C}, but frames are {explain()}")


def in_use() -> str:
    """What the path of a frame is in: ``c`` or ``python``."""
    return PYTHON if frames is None else C


def explain() -> str:
    """The same for people, and why it is Python where it is; half a sentence."""
    if frames is not None:
        return "in C"
    if asked() == PYTHON:
        return f"in Python, as {SWITCH} asks"
    if sys.platform != "linux":
        return "in Python; in C they are on Linux"
    return "in Python: nothing that fits was built (a C compiler and Python's headers, then install vsock again)"
