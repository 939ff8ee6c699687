"""Who writes to which name, and how much all have written: ``--overwrite`` must not mix two calls."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import ClassVar, Protocol


class Names(Protocol):
    """Numbers recordings, knows which names are being written to, and counts what was recorded in all."""

    def next_recording(self) -> int:
        """The number of one more recording, from 1 on."""
        ...

    def claim(self, path: Path) -> bool:
        """Take a name, for as long as nobody else of this run may write to it; False where one has it. In any thread."""
        ...

    def release(self, path: Path) -> None:
        """Others may take the name."""
        ...

    def recorded(self, more_bytes: int) -> int:
        """So much more was recorded; how much it is in all."""
        ...


class OwnNames:
    """For all that one process records."""

    _claimed: ClassVar[set[Path]] = set()
    _lock: ClassVar = threading.Lock()

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._bytes = 0

    def next_recording(self) -> int:
        """The number of one more recording."""
        return next(self._numbers)

    def claim(self, path: Path) -> bool:
        """Take a name."""
        with self._lock:
            if (whole := path.absolute()) in self._claimed:
                return False
            self._claimed.add(whole)
            return True

    def release(self, path: Path) -> None:
        """Others may take the name."""
        self._claimed.discard(path.absolute())

    def recorded(self, more_bytes: int) -> int:
        """So much more was recorded by who has these names."""
        self._bytes += more_bytes
        return self._bytes
