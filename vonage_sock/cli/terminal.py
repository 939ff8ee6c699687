r"""
The terminal's keys, one by one, while a program runs in it; and its own ways put back, whatever happens.

Keys come as they are pressed (no line, no echo), and Ctrl-C, Ctrl-Z and Ctrl-\ stay signals. Rule 1: nothing is read, and
no mode set, while another job has the terminal: that is the shell's. Rule 2: who ends or stops the program puts the modes
back first: ``close``, a second Ctrl-C, Ctrl-Z, Ctrl-\, and in the end the interpreter. Only SIGKILL can't be helped; then
``stty sane`` can.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable
from typing import Any, Final

READ_BYTES: Final = 4096
LOOK_EVERY_S: Final = 0.5
"""How soon it is seen that the terminal is ours again."""

LFLAG: Final = 3
CC: Final = 6

_open: list[Keyboard] = []


class Keyboard:
    """
    The keys of a terminal.

    Args:
        fd: the terminal; this one's from here on.
        receive: given what is typed, on the event loop.
        pause: the program is about to be stopped by Ctrl-Z; called to clear its screen away.
        resume: it goes on.
    """

    def __init__(
        self,
        fd: int,
        receive: Callable[[bytes], None],
        *,
        pause: Callable[[], object],
        resume: Callable[[], object],
    ) -> None:
        self._fd = fd
        self._receive = receive
        self._pause = pause
        self._resume = resume
        self._loop = asyncio.get_running_loop()
        self._before: list[Any] | None = None
        self._reading = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def start(self) -> None:
        """Take the keys from now on, or as soon as the terminal is ours."""
        _open.append(self)
        self._on_signal(signal.SIGTSTP, self._stop_program)
        self._on_signal(signal.SIGCONT, self._look)
        self._on_signal(signal.SIGQUIT, self._quit_program)
        self._look()

    def close(self) -> None:
        """Put the terminal's ways back, and read no more."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._let_go()
        for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGQUIT):
            with contextlib.suppress(ValueError, RuntimeError):
                self._loop.remove_signal_handler(number)
        with contextlib.suppress(OSError):
            os.close(self._fd)
        _open.remove(self)

    def restore(self) -> None:
        """Put the terminal's ways back, from anywhere, when nothing else can be done any more."""
        before, self._before = self._before, None
        if before is not None and self._is_ours():
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, before)

    def _on_signal(self, number: signal.Signals, action: Callable[[], None]) -> None:
        # Who had a signal ignored, or handles it, goes on doing so.
        if signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(ValueError, RuntimeError, OSError):
                self._loop.add_signal_handler(number, action)

    def _look(self) -> None:
        """Take the keys, if the terminal is ours and they aren't taken; look again a little later either way."""
        if self._closed:
            return
        if not self._is_ours():
            self._stop_reading()
        elif not self._take():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LOOK_EVERY_S, self._look)

    def _take(self) -> bool:
        """False where the terminal is gone."""
        try:
            modes = termios.tcgetattr(self._fd)
            if modes[LFLAG] & (termios.ICANON | termios.ECHO):
                # Whoever had the terminal in between, such as the shell, has left its own ways there.
                self._before = [*modes[:CC], list(modes[CC])]
                modes[LFLAG] &= ~(termios.ICANON | termios.ECHO)
                modes[CC][termios.VMIN], modes[CC][termios.VTIME] = 1, 0
                termios.tcsetattr(self._fd, termios.TCSADRAIN, modes)
            if not self._reading:
                self._loop.add_reader(self._fd, self._read)
                self._reading = True
        except (termios.error, OSError, NotImplementedError):
            return False
        return True

    def _read(self) -> None:
        if not self._is_ours():
            self._stop_reading()
            return
        try:
            data = os.read(self._fd, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._receive(data)
        else:
            # It is gone; a SIGHUP says what becomes of the program.
            self._stop_reading()
            if self._timer is not None:
                self._timer.cancel()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def _let_go(self) -> None:
        self._stop_reading()
        self.restore()

    def _is_ours(self) -> bool:
        """This program is the one that the terminal is for; one without job control always is."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            # Not our controlling terminal: no job of ours can be behind another.
            return os.isatty(self._fd)

    def _stop_program(self) -> None:
        """Ctrl-Z: as if nobody had handled it, but tidy."""
        self._pause()
        self._let_go()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        # To this thread, so that it has taken effect when the next line is run, which may be in an hour.
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        self._on_signal(signal.SIGTSTP, self._stop_program)
        self._resume()
        self._look()

    def _quit_program(self) -> None:
        r"""Ctrl-\: as if nobody had handled it, but tidy."""
        self._pause()
        self._let_go()
        self._loop.remove_signal_handler(signal.SIGQUIT)
        signal.pthread_kill(threading.get_ident(), signal.SIGQUIT)


def restore_modes() -> None:
    """Put back what is still changed; for the ways out that nobody comes back from."""
    for keyboard in _open:
        keyboard.restore()


atexit.register(restore_modes)


def open_keyboard(*, stdin_is_taken: bool) -> int | None:
    """
    A descriptor of our own for the terminal's keys; None where nobody sits.

    Args:
        stdin_is_taken: standard input holds something else, and the keys are those of the program's own terminal.
    """
    try:
        name = "/dev/tty" if stdin_is_taken else os.ttyname(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    # One of its own, since what shares a description with others may not be made non-blocking.
    try:
        fd = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if os.isatty(fd):
        return fd
    os.close(fd)
    return None
