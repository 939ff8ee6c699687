"""
How much may be recorded: in one call, in all, and while so much of the disk stays free.

For one recorder's thread. Whoever would go beyond a bound is told why, in words for a person, and records no more.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from vonage_sock.clock import SECOND
from vonage_sock.limits import DEFAULTS, GIB, MIB, Limits, catalogue
from vonage_sock.media.claims import Names

COUNTED_TOGETHER_BYTES: Final = 1 * MIB
COUNTED_TOGETHER_SHARE: Final = 16
"""What is counted at once is no more than such a share of what may be recorded in all."""

LOOKS_EVERY_NS: Final = 1 * SECOND
SMALL_DISK_BYTES: Final = 1 * GIB
SMALL_DISK_SHARE: Final = 20
"""Of a small disk no more than such a share stays free: the bound is for one that everybody needs."""

MAX_CALLS_KNOWN: Final = 10_000


class Budget:
    """
    What one recorder may still write.

    Args:
        directory: on the disk of which so much stays free; None where nothing goes to a disk.
        names: where all recorders' bytes are counted.
    """

    def __init__(self, limits: Limits = DEFAULTS, *, directory: Path | None, names: Names) -> None:
        self._limits = limits
        self._directory = directory
        self._names = names
        self._calls: dict[str, int] = {}
        self._known_bytes = 0
        self._uncounted_bytes = 0
        self._together_bytes = min(COUNTED_TOGETHER_BYTES, limits.recording_bytes_in_all // COUNTED_TOGETHER_SHARE)
        self._looks_at = 0
        self._lack: str | None = None
        self._used_up: str | None = None

    def spend(self, call: str, more_bytes: int, now: int) -> str | None:
        """Count so much more of a call; why it can't be written, if so."""
        if self._directory is None:
            return None
        if why := self.lack(now):
            return why
        call_bytes = self._calls.pop(call, 0) + more_bytes
        if call_bytes > self._limits.recording_bytes_per_call:
            self._calls[call] = call_bytes - more_bytes
            return f"one call may take {self._told('recording_bytes_per_call')}"
        # The latest stand last, so that it is a long gone one that is forgotten.
        self._calls[call] = call_bytes
        if len(self._calls) > MAX_CALLS_KNOWN:
            del self._calls[next(iter(self._calls))]
        return self._spend_of_all(more_bytes)

    def lack(self, now: int) -> str | None:
        """Why nothing at all can be written now, if so."""
        if self._directory is not None and now >= self._looks_at:
            self._looks_at = now + LOOKS_EVERY_NS
            self._lack = self._look(self._directory)
        return self._lack or self._used_up

    def _spend_of_all(self, more_bytes: int) -> str | None:
        most_bytes = self._limits.recording_bytes_in_all
        if self._known_bytes + self._uncounted_bytes + more_bytes > most_bytes:
            # Remembered, since a little may still be left, and each further call would make a file to find that out.
            self._used_up = f"all recordings may take {self._told('recording_bytes_in_all')}"
            return self._used_up
        self._uncounted_bytes += more_bytes
        if self._uncounted_bytes >= self._together_bytes:
            self._known_bytes = self._names.recorded(self._uncounted_bytes)
            self._uncounted_bytes = 0
        return None

    def _look(self, directory: Path) -> str | None:
        try:
            disk = os.statvfs(directory)
        except OSError:
            return None  # what is wrong with it is told by who writes there
        floor_bytes = self._limits.free_disk_floor_bytes
        if disk.f_blocks * disk.f_frsize < SMALL_DISK_BYTES:
            floor_bytes = min(floor_bytes, disk.f_blocks * disk.f_frsize // SMALL_DISK_SHARE)
        if disk.f_bavail * disk.f_frsize >= floor_bytes:
            return None
        option = catalogue()["free_disk_floor_bytes"].option
        return f"{os.strerror(errno.ENOSPC)} but the {_size(floor_bytes)} that stay free ({option})"

    def _told(self, name: str) -> str:
        return f"{_size(getattr(self._limits, name))} ({catalogue()[name].option})"


def _size(count: int) -> str:
    for unit, unit_bytes in (("GiB", GIB), ("MiB", MIB)):
        if count >= unit_bytes:
            return f"{count / unit_bytes:.4g} {unit}"
    return f"{count:,} bytes"
