"""
The program that stands between us and a tunnel's program, so that this never outlives us: run as a process of its own.

It is given a command, runs that in a process group of its own, and passes on what it prints. Its standard input is a pipe
that we hold and never write to: when that ends, because we closed it or are dead, however we died, the whole group is asked
to stop, and soon killed. Rule 1: it ends only when the group has. Rule 2: what is printed is passed on in short lines and
at a bounded rate, so that a program that floods us costs us nothing. Rule 3: where the system can, the command is killed
with the guard.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from vonage_sock.clock import SECOND, Clock, SystemClock

GRACE_S: Final = 1.5
"""How long the command may take to stop when asked."""

MAX_LINE_BYTES: Final = 8192
LINES_BURST: Final = 400
LINES_PER_S: Final = 50
READ_BYTES: Final = 65536
CANNOT_RUN: Final = 127
PR_SET_PDEATHSIG: Final = 1


class Allowance:
    """Lets so many lines through at once, and so many a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = float(LINES_BURST)
        self._at = clock.now()

    def take(self) -> bool:
        """Is there room for one more line?"""
        now = self._clock.now()
        self._left = min(LINES_BURST, self._left + (now - self._at) / SECOND * LINES_PER_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Lines:
    """Bytes in, whole lines out; what a line has beyond its limit is left away."""

    def __init__(self, take: Callable[[], bool]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The lines that are complete now and may be passed on, each with its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:MAX_LINE_BYTES]
        return b"".join(line[:MAX_LINE_BYTES] + b"\n" for line in lines if self._take())

    def end(self) -> bytes:
        """The last line, where it has no end."""
        rest, self._rest = self._rest, b""
        return rest + b"\n" if rest else b""


def main() -> None:
    """Run the command that the arguments are; the exit code is its own, or 128 and the signal that killed it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        process = _start(sys.argv[1:])
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror or error}", flush=True)
        sys.exit(CANNOT_RUN)
    code = _attend(process, SystemClock())
    sys.exit(code if code >= 0 else 128 - code)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    libc = _libc()

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    # There are no threads here, so that something may be done between fork and exec.
    return subprocess.Popen(  # noqa: S603  (what our parent chose)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        preexec_fn=prepare,  # noqa: PLW1509
    )


def _libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        return ctypes.CDLL(None)
    return None


def _attend(process: subprocess.Popen[bytes], clock: Clock) -> int:
    """Pass on what it prints until it ends, or until we are to end it."""
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    lines = Lines(Allowance(clock).take)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        kill_at: int | None = None
        while selector.get_map():
            for key, _ in selector.select(0.1):
                data = os.read(key.fd, READ_BYTES)
                if key.fd == 0:
                    if not data:
                        selector.unregister(0)
                        kill_at = clock.now() + round(GRACE_S * SECOND)
                        _signal_group(process, signal.SIGTERM)
                elif data:
                    _pass_on(lines.feed(data))
                else:
                    selector.unregister(process.stdout)
            if process.poll() is not None:
                break
            if kill_at is not None and clock.now() >= kill_at:
                break
    # Its own children may have outlived it, and hold its pipe.
    _signal_group(process, signal.SIGKILL)
    _drain(process.stdout.fileno(), lines)
    return process.wait()


def _drain(fd: int, lines: Lines) -> None:
    """What was printed last is often why it ended."""
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(16):
            if not (data := os.read(fd, READ_BYTES)):
                break
            _pass_on(lines.feed(data))
    _pass_on(lines.end())


def _pass_on(data: bytes) -> None:
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(1, view) :]


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
