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

SWITCH: Final = "VSOCK_FRAMES"


def load() -> Any:
    """What was built; None where nothing was, or where it isn't wanted."""
    if os.environ.get(SWITCH) == "python" or sys.platform != "linux":
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


def in_use() -> str:
    """What the path of a frame is in: ``c`` or ``python``."""
    return "python" if frames is None else "c"


def explain() -> str:
    """The same for people, and why it is Python where it is; half a sentence."""
    if frames is not None:
        return "in C"
    if os.environ.get(SWITCH) == "python":
        return f"in Python, as {SWITCH} asks"
    if sys.platform != "linux":
        return "in Python; in C they are on Linux"
    return "in Python: nothing that fits was built (a C compiler and Python's headers, then install vsock again)"
