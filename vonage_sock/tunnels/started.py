"""A tunnel that we start: a program of the user's, run as a child, that prints its address and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from vonage_sock.tunnels.base import Closed, News, Opened, TunnelError, nothing, said
from vonage_sock.tunnels.child import Child
from vonage_sock.tunnels.programs import Dialect, Failed, Lost, Ready

OPEN_WAIT_S: Final = 30.0
LAST_WORDS_S: Final = 1.0
"""A program that has failed says why, and mostly ends."""


class StartedTunnel:
    """
    A tunnel by a child process.

    Args:
        name: what to call it.
        dialect: what its lines mean.
        command: how it is run, for a port and whether that speaks TLS.
        wait_s: how long it may take to have its address.
    """

    def __init__(
        self,
        dialect: Dialect,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        name: str,
        wait_s: float = OPEN_WAIT_S,
    ) -> None:
        self.name = name
        self._dialect = dialect
        self._command = tuple(command)
        self._environ = environ
        self._wait_s = wait_s
        self._child = Child(name)
        self._reason = ""
        self._closed: str | None = None
        self._ended = False

    async def open(self, port: int, *, tls: bool) -> str:
        """
        Run the program and wait for its address.

        Raises:
            TunnelError: it ends, says that it fails, or says nothing for long; it is gone then.
        """
        try:
            await self._child.start(self._command, self._environ)
            return await self._first_address()
        except BaseException:
            await self.close()
            raise

    async def news(self) -> News:
        """Hear it out; when it has ended, that is the last news."""
        while not self._ended:
            line = await self._child.line()
            if line is None:
                self._ended = True
                self._closed = await self._why_ended()
                return Closed(self._closed, for_good=True)
            match self._dialect.read(line):
                case Ready(url):
                    self._closed, self._reason = None, ""
                    return Opened(url)
                case Lost(reason):
                    self._closed = f"{self.name} lost its way to its service: {reason}"
                    return Closed(self._closed)
                case Failed(reason):
                    self._reason = self._reason or reason
        return await nothing()

    async def why_closed(self) -> str | None:
        """As far as it was heard."""
        return self._closed

    async def close(self) -> None:
        """End the program and all that it started."""
        await self._child.stop()

    async def _first_address(self) -> str:
        try:
            async with asyncio.timeout(self._wait_s):
                while (line := await self._child.line()) is not None:
                    match self._dialect.read(line):
                        case Ready(url):
                            return url
                        case Failed(reason):
                            self._reason = reason
                            break
                # What follows an error says no more than it, but its end is waited for.
        except TimeoutError:
            raise TunnelError(
                f"{self.name} has made no public address within {self._wait_s:g} s{self._last_words()}"
            ) from None
        if self._reason:
            raise TunnelError(f"{self.name} can't open a tunnel: {self._reason}")
        raise TunnelError(f"{self.name} can't open a tunnel: it {await self._child.how_it_ended()}{self._last_words()}")

    async def _why_ended(self) -> str:
        how = f"{self.name} {await self._child.how_it_ended()}"
        return f"{how}: {self._reason}" if self._reason else how

    def _last_words(self) -> str:
        lines = self._child.last_lines
        return f"; its last line is: {said(lines[-1])}" if lines else ", and it printed nothing"
