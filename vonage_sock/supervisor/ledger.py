"""
The numbers that all workers of a server share: calls are counted, named and limited once, and so are recordings.

Eight bytes each in a file that has no name, so that nothing is left behind. Rule: they are changed under a lock of the
file, which the system takes back from a process that dies, and which nobody holds for longer than it takes to read and
write them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vonage_sock.protocol.replays import MEMORY_BYTES, Replays

LAST_CALL: Final = 0
LAST_RECORDING: Final = 1
RECORDED_BYTES: Final = 2
FIRST_SLOT: Final = 3
NUMBER: Final = struct.Struct("<q")
REPLAYS_LOCK: Final = 1
REPLAYS_AT: Final = 1 << 16
"""The signed tokens that were used stand behind all numbers, at a multiple of any system's page."""

NAMES_AT: Final = 1 << 20
"""Locks on names stand behind all numbers, one byte each, at a place that the name gives."""


class Ledger:
    """
    The shared numbers, from one process.

    POSIX locks belong to a process and are dropped when it closes any descriptor of the file: one ``Ledger`` each.

    Args:
        fd: of the file that ``make`` made; inherited by the workers.
        workers: how many slots there are.
    """

    def __init__(self, fd: int, workers: int) -> None:
        self.fd = fd
        self._workers = workers
        self._claimed: set[int] = set()
        self._claiming = threading.Lock()

    @classmethod
    def make(cls, workers: int) -> Ledger:
        """A new one, all numbers 0."""
        with tempfile.TemporaryFile(prefix="vsock-") as file:
            fd = os.dup(file.fileno())
        os.ftruncate(fd, (FIRST_SLOT + 2 * workers) * NUMBER.size)
        return cls(fd, workers)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)

    @property
    def open_calls(self) -> int:
        """How many calls are open in all workers."""
        return self._sum_from(FIRST_SLOT)

    def enter(self, slot: int, limit: int) -> str | None:
        """Let a call into this worker: its id; None when ``limit`` are open in all of them."""
        with self._locked():
            if self.open_calls >= limit:
                return None
            self._add(FIRST_SLOT + slot, 1)
            return f"c{self._add(LAST_CALL, 1)}"

    def leave(self, slot: int) -> None:
        """A call of this worker is over."""
        with self._locked():
            self._add(FIRST_SLOT + slot, -1)

    def begin_silence(self, slot: int, limit: int) -> bool:
        """A call of this worker has yet to say something; False when so many in all of them have."""
        first = FIRST_SLOT + self._workers
        with self._locked():
            if self._sum_from(first) >= limit:
                return False
            self._add(first + slot, 1)
            return True

    def end_silence(self, slot: int) -> None:
        """It said something, or is over."""
        with self._locked():
            self._add(FIRST_SLOT + self._workers + slot, -1)

    def clear(self, slot: int) -> None:
        """A worker has died, and its calls with it."""
        with self._locked():
            self._write(FIRST_SLOT + slot, 0)
            self._write(FIRST_SLOT + self._workers + slot, 0)

    def next_recording(self) -> int:
        """The number of one more recording, from 1 on."""
        with self._locked():
            return self._add(LAST_RECORDING, 1)

    def recorded(self, more_bytes: int) -> int:
        """So much more was recorded; how much it is in all workers."""
        with self._locked():
            return self._add(RECORDED_BYTES, more_bytes)

    def claim(self, path: Path) -> bool:
        """Take a file's name; False where this process or another one has it. In any thread."""
        place = _place_of(path)
        with self._claiming:
            if place in self._claimed:
                return False
            try:
                fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except BlockingIOError:
                return False
            self._claimed.add(place)
            return True

    def release(self, path: Path) -> None:
        """Others may take the name."""
        place = _place_of(path)
        with self._claiming:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, place)
            self._claimed.discard(place)

    def replays(self) -> Replays:
        """
        The signed tokens that were used in any worker; the first that asks makes room for them.

        Raises:
            OSError: there is no room.
        """
        with self._locked(REPLAYS_LOCK):
            # Written out: a page that has no room yet would end the process that looks at it.
            end = REPLAYS_AT + MEMORY_BYTES
            while (at := max(REPLAYS_AT, os.fstat(self.fd).st_size)) < end:
                os.pwrite(self.fd, bytes(end - at), at)
        memory = mmap.mmap(self.fd, MEMORY_BYTES, offset=REPLAYS_AT)
        return Replays(memory, lock=lambda: self._locked(REPLAYS_LOCK))

    @contextlib.contextmanager
    def _locked(self, place: int = 0) -> Iterator[None]:
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 1, place)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, place)

    def _sum_from(self, place: int) -> int:
        raw = os.pread(self.fd, self._workers * NUMBER.size, place * NUMBER.size)
        return sum(number for (number,) in NUMBER.iter_unpack(raw))

    def _add(self, place: int, change: int) -> int:
        (number,) = NUMBER.unpack(os.pread(self.fd, NUMBER.size, place * NUMBER.size))
        self._write(place, number + change)
        return int(number) + change

    def _write(self, place: int, number: int) -> None:
        os.pwrite(self.fd, NUMBER.pack(number), place * NUMBER.size)


class WorkerAdmission:
    """Lets calls into one worker, by what is open in all of them."""

    def __init__(self, ledger: Ledger, *, slot: int, limit: int, silent: int) -> None:
        self._ledger = ledger
        self._slot = slot
        self._limit = limit
        self._most_silent = silent

    @property
    def limit(self) -> int:
        """How many may be open at once, in all workers."""
        return self._limit

    @property
    def open_calls(self) -> int:
        """How many are open, in all workers."""
        return self._ledger.open_calls

    def enter(self) -> str | None:
        """Let one more call in."""
        return self._ledger.enter(self._slot, self._limit)

    def leave(self) -> None:
        """A call is over."""
        self._ledger.leave(self._slot)

    def begin_silence(self) -> bool:
        """A call has yet to say something."""
        return self._ledger.begin_silence(self._slot, self._most_silent)

    def end_silence(self) -> None:
        """It said something."""
        self._ledger.end_silence(self._slot)


def _place_of(path: Path) -> int:
    # Two names that meet in one place cost a number more in a name, and nothing else.
    return NAMES_AT + int.from_bytes(hashlib.sha256(os.fsencode(path.absolute())).digest()[:7])
