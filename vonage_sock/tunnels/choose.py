"""
Which tunnel is taken: the address that was given, an agent that runs, or one that is started.

Rule: nothing is started that wasn't asked for, and nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import TracebackType
from typing import Self

from vonage_sock.clock import Clock
from vonage_sock.tunnels.agent import NGROK_API_URL
from vonage_sock.tunnels.base import News, Tunnel


class TunnelKind(Enum):
    """What ``--tunnel`` may say."""

    AUTO = "auto"
    """A running ngrok agent; where one may be started, else the ngrok SDK, ``ngrok`` or ``cloudflared``."""

    NONE = "none"
    """No public address but one that is given."""

    NGROK = "ngrok"
    """A running ngrok agent; else one is started: by the SDK, or by the program."""

    CLOUDFLARED = "cloudflared"
    """A quick tunnel of Cloudflare's, by its program."""


class OpenTunnel:
    """A tunnel that leads to us; use it as an asynchronous context, or ``close`` it."""

    def __init__(self, tunnel: Tunnel, url: str) -> None:
        self._tunnel = tunnel
        self.url = url
        """The public base address now, without a last slash."""

    @property
    def name(self) -> str:
        """What to call it."""
        return self._tunnel.name

    async def news(self) -> News:
        """Wait for what becomes of it; ``url`` is the new one when this returns ``Opened``."""
        raise NotImplementedError

    async def why_closed(self) -> str | None:
        """Look now: why it leads to us no more; None where it does."""
        return await self._tunnel.why_closed()

    async def close(self) -> None:
        """Give back what was started, and nothing else; never raises."""
        await self._tunnel.close()

    async def __aenter__(self) -> Self:
        """It is open already."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()


async def open_tunnel(
    port: int,
    *,
    kind: TunnelKind,
    clock: Clock,
    environ: Mapping[str, str],
    url: str | None = None,
    tls: bool = False,
    start: bool = False,
    ngrok_api: str = NGROK_API_URL,
) -> OpenTunnel:
    """
    A public address that leads to this port.

    Args:
        url: a public base address that was given, and is taken as it is.
        tls: our port speaks TLS.
        start: ``AUTO`` may start one where no agent runs; the named kinds always may.
        environ: where ``PATH`` and ``NGROK_AUTHTOKEN`` are looked up.

    Raises:
        NoTunnelError: no tunnel was found, and none was to be started.
        TunnelError: it can't be opened.
    """
    raise NotImplementedError
