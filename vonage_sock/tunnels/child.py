"""
A tunnel's program as a child of ours, behind its guard: its lines come to us, and it never outlives us.

Rule 1: nothing is downloaded; the program is one that the user has installed. Rule 2: only the last lines are kept. Rule 3:
what it prints is shown through ``base.said`` only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from vonage_sock.tunnels.base import TunnelError

GUARD: Final = "vonage_sock.tunnels.guard"
MAX_LINE_BYTES: Final = 16384
KEPT_LINES: Final = 20
STOP_WAIT_S: Final = 3.0
"""The guard kills the program sooner than this."""

_START = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from {module} import main; main()"


def ours(module: str) -> list[str]:
    """A command that runs the ``main`` of a module of ours, with what may be imported here."""
    return [sys.executable, "-P", "-c", _START.format(module=module), json.dumps(sys.path)]


def find_program(name: str, environ: Mapping[str, str]) -> Path | None:
    """A program on ``PATH``, as the shell would find it; never one of the working directory's."""
    directories = [part for part in environ.get("PATH", "").split(":") if part.startswith("/")]
    found = shutil.which(name, path=":".join(directories)) if directories else None
    return None if found is None else Path(found)


class Child:
    """One run of a program. ``last_lines`` are what it printed last."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)

    async def start(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """
        Run it.

        Raises:
            TunnelError: not even its guard can be run.
        """
        self._process = self._spawn(command, environ)
        loop = asyncio.get_running_loop()
        self._reader = reader = asyncio.StreamReader(limit=MAX_LINE_BYTES, loop=loop)
        self._transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), self._process.stdout
        )

    async def line(self) -> str | None:
        """What it prints next; None when it has ended."""
        if self._reader is None:
            return None
        while True:
            try:
                data = await self._reader.readline()
            except ValueError:
                continue  # longer than any that its guard passes on
            if not data:
                return None
            text = data.decode(errors="replace").rstrip("\r\n")
            if text.strip():
                self.last_lines.append(text)
                return text

    async def how_it_ended(self) -> str:
        """Once there are no more lines: its exit code or signal, in words behind its name."""
        if self._process is None:
            return "was never started"
        code = await asyncio.to_thread(self._wait, STOP_WAIT_S)
        if code is None or code < 0:
            return "was ended"
        if code <= 128:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(code - 128).name}"
        return f"ended with exit code {code}"

    async def stop(self) -> None:
        """End it and all that it started, and wait until that is done; again changes nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.to_thread(_bury, process)
        finally:
            if process.poll() is None:
                process.kill()
            if self._transport is not None:
                self._transport.close()

    def _spawn(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603  (what the user has installed)
                [*ours(GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as error:
            raise TunnelError(f"{self._name} can't be started: {error.strerror or error}") from error

    def _wait(self, seconds: float) -> int | None:
        try:
            return None if self._process is None else self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def _bury(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
