"""How many files and sockets the system lets a program open: often enough for a terminal, and few for a thousand calls."""

from __future__ import annotations

import sys
from typing import Final

EVERYTHING: Final = sys.maxsize


def allow_files(wanted: int = EVERYTHING) -> int:
    """
    Let this process open that many files and sockets, or as many as the system gives; how many that is.

    Processes that are started later inherit what was given.

    Returns:
        At least what was there before; ``EVERYTHING`` where there is no limit.
    """
    try:
        import resource  # noqa: PLC0415  (not on every platform)
    except ImportError:
        return EVERYTHING
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return EVERYTHING
    given = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft >= given:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    except (OSError, ValueError):
        return soft
    return given
