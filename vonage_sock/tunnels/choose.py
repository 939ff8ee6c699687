"""
Which tunnel is taken: the address that was given, an agent that runs, or one that is started.

Rule: nothing is started that wasn't asked for, and nothing is ever downloaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from enum import Enum
from types import TracebackType
from typing import Self

from vonage_sock.errors import UsageError
from vonage_sock.protocol.redaction import keep_secret
from vonage_sock.tunnels.agent import NGROK_API_URL
from vonage_sock.tunnels.base import News, NoTunnelError, Opened, Tunnel, TunnelError
from vonage_sock.tunnels.child import find_program
from vonage_sock.tunnels.given import GivenTunnel
from vonage_sock.tunnels.ngrok_sdk import TOKEN_VARIABLE, has_token, installed, sdk_command
from vonage_sock.tunnels.programs import CloudflaredLog, Dialect, NgrokLog
from vonage_sock.tunnels.running import RunningAgent
from vonage_sock.tunnels.started import StartedTunnel

HOW_TO_GET: dict[str, str] = {
    "ngrok": "install it from ngrok.com/download, or pip install 'vonage-sock[ngrok]' and set NGROK_AUTHTOKEN",
    "cloudflared": "install it from github.com/cloudflare/cloudflared",
}


class TunnelKind(Enum):
    """What ``--tunnel`` may say."""

    AUTO = "auto"
    """A running ngrok agent; where one may be started, else the ngrok SDK, ``ngrok`` or ``cloudflared``."""

    NONE = "none"
    """No public address but one that is given, which isn't looked at."""

    NGROK = "ngrok"
    """A running ngrok agent; else one is started: by the SDK, or by the program."""

    CLOUDFLARED = "cloudflared"
    """A quick tunnel of Cloudflare's, by its program."""


class OpenTunnel:
    """
    A tunnel that leads to us; use it as an asynchronous context, or ``close`` it.

    ``url`` is the public base address now, without a last slash; ``started`` is whether it was started by us.
    """

    def __init__(self, tunnel: Tunnel, url: str) -> None:
        self._tunnel = tunnel
        self.url = url
        self.started = isinstance(tunnel, StartedTunnel)
        self.given = isinstance(tunnel, GivenTunnel)

    @property
    def name(self) -> str:
        """What to call it."""
        return self._tunnel.name

    async def news(self) -> News:
        """Wait for what becomes of it; ``url`` is the new one when this returns ``Opened``."""
        news = await self._tunnel.news()
        if isinstance(news, Opened):
            self.url = news.url
        return news

    async def why_closed(self) -> str | None:
        """Look now: why it leads to us no more; None where it does, or where that can't be known."""
        return await self._tunnel.why_closed()

    async def close(self) -> None:
        """Give back what was started, and nothing else; again changes nothing."""
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
    environ: Mapping[str, str],
    url: str | None = None,
    tls: bool = False,
    start: bool = False,
    ngrok_api: str = NGROK_API_URL,
    starting: Callable[[str], None] | None = None,
) -> OpenTunnel:
    """
    A public address that leads to this port.

    Args:
        url: a public base address that was given, and is taken as it is.
        tls: our port speaks TLS.
        start: ``AUTO`` may start one where no agent runs; the named kinds always may.
        environ: where ``PATH`` and ``NGROK_AUTHTOKEN`` are looked up.
        starting: told the name of what is started, which takes some seconds.

    Raises:
        NoTunnelError: no tunnel was found, and none was to be started.
        TunnelError: it can't be opened.
        UsageError: what was asked for isn't installed.
    """
    if url is not None:
        return await _opened(GivenTunnel(url), port, tls=tls)
    keep_secret(environ.get(TOKEN_VARIABLE))
    if kind is TunnelKind.NONE:
        raise NoTunnelError("no tunnel is looked for (--tunnel none)")
    if kind is not TunnelKind.CLOUDFLARED:
        start = start or kind is TunnelKind.NGROK
        try:
            return await _opened(RunningAgent(api_url=ngrok_api), port, tls=tls)
        except NoTunnelError:
            if not start:
                raise
    tunnel = _startable(kind, port, tls=tls, environ=_without_ours(environ))
    if starting is not None:
        starting(tunnel.name)
    return await _opened(tunnel, port, tls=tls)


async def _opened(tunnel: Tunnel, port: int, *, tls: bool) -> OpenTunnel:
    return OpenTunnel(tunnel, await tunnel.open(port, tls=tls))


def _startable(kind: TunnelKind, port: int, *, tls: bool, environ: Mapping[str, str]) -> StartedTunnel:
    if kind is not TunnelKind.CLOUDFLARED and has_token(environ) and installed():
        return StartedTunnel(NgrokLog(), sdk_command(port, tls=tls), environ, name="ngrok SDK")
    dialects: list[Dialect] = [NgrokLog(), CloudflaredLog()]
    wanted = [one for one in dialects if kind in (TunnelKind.AUTO, TunnelKind(one.name))]
    for dialect in wanted:
        program = find_program(dialect.name, environ)
        if program is not None:
            command = dialect.command(program, port=port, tls=tls)
            return StartedTunnel(dialect, command, environ, name=dialect.name)
    lack = " nor ".join(one.name for one in wanted)
    lack = f"neither {lack} is" if len(wanted) > 1 else f"{lack} isn't"
    cures = "; ".join(f"{one.name}: {HOW_TO_GET[one.name]}" for one in wanted)
    raise UsageError(f"{lack} on PATH, and vsock downloads nothing ({cures}); or give --url")


def _without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """What a program of others is given: none of the account's secrets."""
    return {name: value for name, value in environ.items() if not name.startswith(("VONAGE_", "VSOCK_"))}


async def closed_quietly(tunnel: OpenTunnel | None) -> None:
    """Close it, at the end of all; what goes wrong then is of no use to anybody."""
    if tunnel is not None:
        with contextlib.suppress(TunnelError, OSError):
            await tunnel.close()
