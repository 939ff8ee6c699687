"""
A server's public address on the command line: the tunnel that leads to it, tried once and watched until the end.

Whoever serves calls ``open`` when the port is known, ``begin`` when the server has told that it started, and ``close``.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from vonage_sock.call.events import Event, Notice, Observer, TunnelChecked, TunnelOpened
from vonage_sock.clock import Clock
from vonage_sock.server.config import ServerConfig
from vonage_sock.tunnels.base import NoTunnelError
from vonage_sock.tunnels.choose import OpenTunnel, TunnelKind, closed_quietly, open_tunnel
from vonage_sock.tunnels.health import Health, check, reach
from vonage_sock.tunnels.watch import ExplainedEnds, TunnelWatch

if TYPE_CHECKING:
    from vonage_sock.cli.reach import Reach

NEW_ADDRESS_S: Final = 30.0
"""A name that was just made is known everywhere after a while."""

OLD_ADDRESS_S: Final = 3.0


class TunnelOptions(Protocol):
    """What is asked for."""

    @property
    def tunnel(self) -> str:
        """A ``TunnelKind``."""
        ...

    @property
    def ngrok_api(self) -> str:
        """Where a running agent's API is."""
        ...


class Tunnelling:
    """
    The tunnel of one run.

    Args:
        show: what shows all events; ``shows`` does it in its place, and says of lost calls whether the tunnel was it.
        moved: given the public address whenever it is another than before, and the one before.
        reach: who points an application at the tunnel; with one, a tunnel may be started without being asked for by name.
        trust: whom the public address may be trusted by besides the system's authorities, where ``reach`` doesn't say.
    """

    def __init__(
        self,
        options: TunnelOptions,
        config: ServerConfig,
        *,
        show: Observer,
        clock: Clock,
        moved: Callable[[str, str], None],
        reach: Reach | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._options = options
        self._config = config
        self._clock = clock
        self._moved = moved
        self._start = reach is not None
        self._trust = trust if reach is None else reach.trust
        self._watch: TunnelWatch | None = None
        self._checking: asyncio.Task[None] | None = None
        self._tunnel: OpenTunnel | None = None
        self.shows = ExplainedEnds(show)

    @property
    def url(self) -> str | None:
        """The public base address now."""
        return None if self._tunnel is None else self._tunnel.url

    async def open(self, port: int, stopped: asyncio.Event) -> str | None:
        """
        The public base address that leads to our port; None where there is none, which is told, or when told to stop.

        Raises:
            TunnelError: the tunnel that was asked for can't be opened.
            UsageError: it isn't installed.
        """
        opening = asyncio.create_task(self._open(port))
        stopping = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait([opening, stopping], return_when="FIRST_COMPLETED")
            if not opening.done():
                return None
            self._tunnel = opening.result()
        except NoTunnelError as error:
            if self._options.tunnel != TunnelKind.NONE.value:
                self._notice("info", str(error))
        finally:
            stopping.cancel()
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        return self.url

    def begin(self, *, checked: bool = False) -> None:
        """Tell of it, try it if it wasn't ``checked`` yet, and watch it."""
        tunnel = self._tunnel
        if tunnel is None or self._options.tunnel == TunnelKind.NONE.value:
            return
        if not tunnel.given:
            self._notice("info", f"the tunnel is {tunnel.name}'s{', and ends with vsock' if tunnel.started else ''}")
            self.shows(TunnelOpened(at=self._clock.now(), tunnel=tunnel.name, url=tunnel.url))
        self._watch = TunnelWatch(
            tunnel,
            tell=self.shows,
            clock=self._clock,
            moved=self._moved_to,
            reach=lambda: self._reach(tunnel),
            followed=self._start,
        )
        self._watch.start()
        self.shows.ask(self._watch)
        if not checked:
            self._check_soon(NEW_ADDRESS_S if tunnel.started else OLD_ADDRESS_S)

    async def check(self, *, within_s: float | None = None) -> Health:
        """Try the public address now, and tell what was found; its faults only to programs."""
        if within_s is None:
            within_s = NEW_ADDRESS_S if self._tunnel is not None and self._tunnel.started else OLD_ADDRESS_S
        health = await check(
            self.url or "", probe_key=self._config.probe_key, clock=self._clock, trust=self._trust, within_s=within_s
        )
        self._tell_health(health)
        return health

    async def close(self) -> None:
        """Nothing is watched any more, nothing held back, and what was started is gone."""
        await self.shows.flush()
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        if self._watch is not None:
            await self._watch.close()
        await closed_quietly(self._tunnel)

    async def _open(self, port: int) -> OpenTunnel:
        return await open_tunnel(
            port,
            kind=TunnelKind(self._options.tunnel),
            environ=os.environ,
            url=self._config.url,
            tls=self._config.tls is not None,
            start=self._start,
            ngrok_api=self._options.ngrok_api,
            starting=lambda name: self._notice("info", f"{name} is started; its address comes in some seconds"),
        )

    def _moved_to(self, url: str, before: str) -> None:
        self._moved(url, before)
        self._check_soon(NEW_ADDRESS_S)

    def _check_soon(self, within_s: float) -> None:
        if self._checking is not None:
            self._checking.cancel()
        self._checking = asyncio.create_task(self._check(within_s))

    async def _check(self, within_s: float) -> None:
        health = await self.check(within_s=within_s)
        if health.faults:
            self._notice("warning", health.line)

    async def _reach(self, tunnel: OpenTunnel) -> str | None:
        return await reach(tunnel.url, probe_key=self._config.probe_key, clock=self._clock, trust=self._trust)

    def _tell_health(self, health: Health) -> None:
        if not health.faults:
            self._notice("info", health.line)
        answer, audio = health.answer, health.socket
        self.shows(
            TunnelChecked(
                at=self._clock.now(),
                url=health.url,
                answer_ms=None if answer is None else answer.median_ms,
                answer_jitter_ms=None if answer is None else answer.jitter_ms,
                socket_ms=None if audio is None else audio.median_ms,
                socket_jitter_ms=None if audio is None else audio.jitter_ms,
                faults=health.faults,
            )
        )

    def _notice(self, level: str, message: str) -> None:
        event: Event = Notice(at=self._clock.now(), level=level, message=message)
        self.shows(event)
