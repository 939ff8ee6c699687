"""
A timer of the kernel's that a loop can wait for like for a socket: exact, where uvloop's timers know whole milliseconds.

Python has such timers from 3.13 on; before that they are the C library's.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import time
from typing import Final, Protocol

from vonage_sock.clock import SECOND

_MONOTONIC: Final = time.CLOCK_MONOTONIC
_NEXT_MOMENT_NS: Final = 1
_COUNT_BYTES: Final = 8


class Alarm(Protocol):
    """What can be waited for until some time has passed."""

    def fileno(self) -> int:
        """Readable when the time has come, and until ``clear`` or another time is set."""
        ...

    def set(self, after_ns: int, every_ns: int = 0) -> None:
        """Ring after so long, and then each so long, or once; what was set before is forgotten."""
        ...

    def stop(self) -> None:
        """Don't ring."""
        ...

    def clear(self) -> None:
        """It was heard."""
        ...

    def close(self) -> None:
        """Give the descriptor back."""
        ...


class TimerFd:
    """
    The kernel's.

    Raises:
        OSError: the system has none, or gives no more descriptors.
    """

    def __init__(self) -> None:
        self._fd: int = _library().timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def fileno(self) -> int:
        """Readable when the time has come, and until ``clear`` or another time is set."""
        return self._fd

    def set(self, after_ns: int, every_ns: int = 0) -> None:
        """Ring after so long, and then each so long, or once; what was set before is forgotten."""
        self._set(max(after_ns, _NEXT_MOMENT_NS), every_ns)

    def stop(self) -> None:
        """Don't ring."""
        self._set(0, 0)

    def clear(self) -> None:
        """It was heard."""
        # Nothing is there where the time that it rang for isn't set any more.
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, _COUNT_BYTES)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def _set(self, after_ns: int, every_ns: int) -> None:
        times = _Times(every_ns // SECOND, every_ns % SECOND, after_ns // SECOND, after_ns % SECOND)
        _library().timerfd_settime(self._fd, 0, ctypes.byref(times), None)


class _Times(ctypes.Structure):
    """The C library's ``struct itimerspec``."""

    _fields_ = (
        ("every_s", ctypes.c_long),
        ("every_ns", ctypes.c_long),
        ("after_s", ctypes.c_long),
        ("after_ns", ctypes.c_long),
    )


@functools.cache
def _library() -> ctypes.CDLL:
    """
    What this process has loaded already.

    Raises:
        OSError: it has no such timers.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "timerfd_settime"):
        raise OSError("the C library has no timerfd")
    return library
