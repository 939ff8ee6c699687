"""Room for the calls of a server among the files and sockets that the system lets a program open."""

from __future__ import annotations

from typing import Final

from vonage_sock.transport.descriptors import allow_files

SPARE: Final = 128
"""For the program itself: webhooks, decoders, pipes, libraries."""


def make_room(calls: int, for_each: int) -> str | None:
    """
    Ask the system for as many descriptors as so many calls need; a sentence when it doesn't give them, else None.

    Processes that are started later inherit what was given.
    """
    needed = calls * for_each + SPARE
    given = allow_files(needed)
    if given >= needed:
        return None
    enough_for = max(1, (given - SPARE) // for_each)
    return (
        f"the system lets this program open {given:,} files, which is enough for about {enough_for:,} calls and not for "
        f"{calls:,}; raise its limit (ulimit -n {needed}), or let fewer in with --max-calls"
    )
