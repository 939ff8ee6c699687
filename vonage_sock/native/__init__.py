"""
The path of a frame in C, where it was built.

Every class in it is written in Python, too, beside what uses it; both do the same. Where there is no compiler, where the
system isn't Linux, or where ``VSOCK_FRAMES=python`` is set, those in Python are used, and calls cost more.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

SWITCH: Final = "VSOCK_FRAMES"


def load() -> Any:
    """What was built; None where nothing was, or where it isn't wanted."""
    if os.environ.get(SWITCH) == "python" or sys.platform != "linux":
        return None
    try:
        from vonage_sock.native import _frames  # type: ignore[attr-defined]  # noqa: PLC0415  (it may not be there)
    except ImportError:
        return None
    return _frames


frames: Final = load()
