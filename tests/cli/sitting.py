"""Somebody who sits at a terminal: a real pseudo-terminal, a shell that knows little, and an emulator for the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pyte

WAIT_S = 20

SHELL = """
import os, signal, sys, termios
os.login_tty(0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if not job:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
times = 0
while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    os.tcsetpgrp(0, os.getpgrp())
    tidy = termios.tcgetattr(0)[3] & termios.ICANON and termios.tcgetattr(0)[3] & termios.ECHO
    times += 1
    print(f"[stopped {times}, {'tidy' if tidy else 'untidy'}]", flush=True)
    command = sys.stdin.readline().strip()
    if command == "fg":
        os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
    if command == "bg":
        line = sys.stdin.readline().strip()
        print(f"[typed {line}]", flush=True)
        os.tcsetpgrp(0, job)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""
"""Job control as a shell has it: it stops, says how the terminal was left, and goes on with fg or bg."""

ALONE = "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
"""No shell: the program is all that there is on the terminal, as in a container."""


class Sitting:
    """A program in that shell, on a terminal of its own."""

    def __init__(
        self, *arguments: str, columns: int = 80, rows: int = 40, cwd: object = None, shell: str = SHELL, **env: str
    ) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.modes_before = termios.tcgetattr(self.slave)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("VSOCK_", "VONAGE_"))}
        environment = kept | {"TERM": "xterm", "VSOCK_NGROK_API": "http://127.0.0.1:9", "HOME": str(cwd)} | env
        self.process = subprocess.Popen(
            [sys.executable, "-c", shell, *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=str(cwd) if cwd else None,
            env=environment,
        )

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def takes_keys(self) -> bool:
        """The terminal gives each key by itself, and shows none."""
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO)

    @property
    def is_as_before(self) -> bool:
        """All its modes."""
        return self.modes_before == termios.tcgetattr(self.slave)

    def type(self, text: str) -> None:
        """On the keyboard."""
        os.write(self.master, text.encode())

    def until(self, part: str) -> list[str]:
        """The lines on the screen, once this is among them."""
        end_at = time.monotonic() + WAIT_S
        while part not in "\n".join(self.lines):
            ready, _, _ = select.select([self.master], [], [], max(0.0, end_at - time.monotonic()))
            if not ready:
                raise AssertionError("\n".join([f"no {part!r} in:", *self.lines]))
            self._stream.feed(os.read(self.master, 65536))
        return self.lines

    def read(self, wait_s: float) -> list[str]:
        """The lines on the screen, after what comes within this time."""
        if select.select([self.master], [], [], wait_s)[0]:
            self._stream.feed(os.read(self.master, 65536))
        return self.lines

    def until_keys_are_taken(self) -> None:
        """The terminal's modes tell nobody when they change."""
        end_at = time.monotonic() + WAIT_S
        while not self.takes_keys:
            assert time.monotonic() < end_at, self.lines
            self.read(0.01)

    def end(self) -> int:
        """The exit code; what is still written is read meanwhile."""
        while self.process.poll() is None:
            if select.select([self.master], [], [], 0.02)[0]:
                self._stream.feed(os.read(self.master, 65536))
        while select.select([self.master], [], [], 0)[0]:
            self._stream.feed(os.read(self.master, 65536))
        return self.process.returncode

    def close(self) -> None:
        """Whatever still runs is ended with its terminal."""
        self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)
