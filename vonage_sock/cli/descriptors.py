"""How many files and sockets the system lets a program open: often enough for a terminal, and few for a thousand calls."""

from __future__ import annotations

from typing import Final

from vonage_sock.limits import Limits

SPARE: Final = 128
"""For the program itself: webhooks, decoders, pipes, libraries."""


def make_room(limits: Limits, for_each: int) -> str | None:
    """
    Ask the system for as many descriptors as connections and calls need; a sentence when calls don't get theirs, else None.

    Processes that are started later inherit what was given.
    """
    try:
        import resource  # noqa: PLC0415  (not on every platform)
    except ImportError:
        return None
    calls = limits.calls
    needed = calls * for_each + SPARE
    wanted = needed + limits.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    given = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    except (OSError, ValueError):
        given = soft
    if given >= needed:
        return None
    enough_for = max(1, (given - SPARE) // for_each)
    return (
        f"the system lets this program open {given:,} files, which is enough for about {enough_for:,} calls and not for "
        f"{calls:,}; raise its limit (ulimit -n {needed}), or let fewer in with --max-calls"
    )
