"""
What a tunnel is: something outside that has a public https address and leads it to a port of ours.

Rule 1: whoever opened a tunnel closes it, whatever happened in between; nothing that was started is left behind. Rule 2:
what tunnels' programs and servers say is a stranger's text: cut, made harmless and without secrets before it is in a
reason. Rule 3: reasons are half sentences for people, that begin in lower case and have no full stop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from vonage_sock.errors import ExitCode, VsockError
from vonage_sock.protocol.harmless import visible
from vonage_sock.protocol.redaction import redact_text

MAX_SAID: Final = 300
"""Characters that are kept of what a program or server says."""


class TunnelError(VsockError):
    """A tunnel can't be opened; the text says why, and what to do."""

    exit_code = ExitCode.CONNECT


class NoTunnelError(TunnelError):
    """No tunnel was found, and none was asked to be started."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The tunnel leads nowhere any more, for this reason; it may come back, but not once it is gone ``for_good``."""

    reason: str
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """The tunnel is there again, at this public base address, which may be another than before."""

    url: str


News = Closed | Opened


class Tunnel(Protocol):
    """One way to have a public address."""

    @property
    def name(self) -> str:
        """What to call it where it is told, such as ``ngrok``."""
        ...

    async def open(self, port: int, *, tls: bool) -> str:
        """
        Lead a public address to this port of ours, which speaks TLS or doesn't; the https base without a last slash.

        Raises:
            NoTunnelError: there is none, and it isn't for us to start one.
            TunnelError: it can't be opened.
        """
        ...

    async def news(self) -> News:
        """Wait for what becomes of it after ``open``; told in order, each once. Waits for ever where nothing does."""
        ...

    async def why_closed(self) -> str | None:
        """Look now: why it doesn't lead to us any more; None where it does, or where that can't be known."""
        ...

    async def close(self) -> None:
        """Give back what ``open`` took, however far it came; again changes nothing."""
        ...


async def nothing() -> News:
    """The news where none can come any more."""
    never: asyncio.Future[News] = asyncio.get_running_loop().create_future()
    return await never


def said(text: str, limit: int = MAX_SAID) -> str:
    """What a stranger says, on one line, harmless, without secrets and not too long."""
    plain = " ".join(visible(redact_text(text[: limit * 8])[: limit * 4]).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
