"""A terminal for a program to run on: what it is sent is kept as it came."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Screen:
    """A program on a terminal of its own."""

    process: subprocess.Popen[bytes]
    master: int
    sent: bytearray = field(default_factory=bytearray)
    reader: threading.Thread | None = None

    def end(self, *, within_s: float) -> int:
        """
        Wait until the program is over and all that it sent is here; its exit code.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        code = self.process.wait(within_s)
        if self.reader is not None:
            self.reader.join(within_s)
        return code

    def hang_up(self) -> None:
        """Close the terminal, as when its window is closed."""
        with contextlib.suppress(OSError):
            os.close(self.master)
        self.master = -1


@contextmanager
def on_screen(command: Sequence[str], *, columns: int = 120, rows: int = 50, **options: Any) -> Iterator[Screen]:
    """Run a program with a terminal as its standard streams and as the one that controls it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def control() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    streams: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave}
    # A terminal that controls a program is taken by the program itself.
    process = subprocess.Popen(command, preexec_fn=control, **streams, **options)  # noqa: PLW1509
    os.close(slave)
    screen = Screen(process, master)
    screen.reader = reader = threading.Thread(target=_read, args=(screen,), daemon=True)
    reader.start()
    try:
        yield screen
    finally:
        with contextlib.suppress(OSError):
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(2)
        if screen.master >= 0:
            os.close(screen.master)


def _read(screen: Screen) -> None:
    with contextlib.suppress(OSError):
        while more := os.read(screen.master, 65536):
            screen.sent += more
