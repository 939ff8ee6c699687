"""
Which tokens were used: each may be used once, and what is remembered of them has a fixed size.

Rule: whatever is forgotten raises a floor, and no token as old as the floor is taken any more. So a full memory, or a clock
that jumps, makes the time shorter for which a token is good, and never lets one in twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, Final, Protocol

BUCKETS: Final = 4096
ENTRIES_IN_BUCKET: Final = 16
"""65,536 in all: more than 180 a second for the six minutes that a token is good for."""

_DIGEST_BYTES: Final = 16
_FLOOR: Final = struct.Struct("<d")
_ENTRY: Final = struct.Struct(f"<d{_DIGEST_BYTES}s")
_BUCKET_BYTES: Final = ENTRIES_IN_BUCKET * _ENTRY.size
_EMPTY: Final = bytes(_DIGEST_BYTES)

MEMORY_BYTES: Final = _FLOOR.size + BUCKETS * _BUCKET_BYTES


class Memory(Protocol):
    """Bytes that can be changed in their place: a ``bytearray``, or an ``mmap`` that several processes share."""

    def __getitem__(self, key: slice, /) -> Any:
        """A copy of a part."""
        ...

    def __setitem__(self, key: slice, value: bytes, /) -> None:
        """Put as many bytes in its place."""
        ...


class Use(Enum):
    """What is known of a token that is shown."""

    FIRST = "first"
    AGAIN = "again"
    FORGOTTEN = "forgotten"
    """It may have been used: it is as old as one that had to be forgotten."""


class Replays:
    """
    The tokens that were used.

    Args:
        memory: ``MEMORY_BYTES`` of zeros, or what others have made of them; memory of its own, when left out.
        lock: held while it is looked at, where others use it too.
    """

    def __init__(
        self,
        memory: Memory | None = None,
        *,
        lock: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._memory: Memory = bytearray(MEMORY_BYTES) if memory is None else memory
        self._lock = lock

    def use(self, token_id: str, *, issued_at_s: float) -> Use:
        """Whether the token was used before; from now on it was."""
        digest = hashlib.sha256(token_id.encode("utf-8", "surrogatepass")).digest()[:_DIGEST_BYTES]
        at = _FLOOR.size + int.from_bytes(digest[:4]) % BUCKETS * _BUCKET_BYTES
        with self._lock():
            entries = list(_ENTRY.iter_unpack(self._memory[at : at + _BUCKET_BYTES]))
            if any(known == digest for _, known in entries):
                return Use.AGAIN
            if issued_at_s <= self._floor_s:
                return Use.FORGOTTEN
            oldest_s, number = min((known_s, number) for number, (known_s, _) in enumerate(entries))
            if entries[number][1] != _EMPTY:
                self._memory[: _FLOOR.size] = _FLOOR.pack(max(self._floor_s, oldest_s))
            place = at + number * _ENTRY.size
            self._memory[place : place + _ENTRY.size] = _ENTRY.pack(issued_at_s, digest)
        return Use.FIRST

    @property
    def _floor_s(self) -> float:
        (floor_s,) = _FLOOR.unpack(self._memory[: _FLOOR.size])
        return float(floor_s)
