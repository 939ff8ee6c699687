"""
The way from Vonage to our port while ``vsock dev`` runs: the tunnel, and the application that points at it.

``begin`` opens it, ``leave`` takes it back and may be called again; in between the tunnel is watched, and the application
follows it to another address. Rule: what ``leave`` can't put back stays in the journal, and the screen says how to go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from vonage_sock.account.applications import JsonObject
from vonage_sock.account.journal import Entry, Journal
from vonage_sock.account.pointing import changes, point, put_back
from vonage_sock.account.sdk import ApiError, Sdk
from vonage_sock.cli.account_words import MAX_NAME, change_lines, kept, named, put_back_lines, still_points
from vonage_sock.cli.asking import ask
from vonage_sock.cli.printing import say
from vonage_sock.clock import Clock
from vonage_sock.display.safe import clean
from vonage_sock.errors import ConnectError, ExitCode, VsockError
from vonage_sock.protocol import webhooks
from vonage_sock.server.config import Addresses, ServerConfig
from vonage_sock.transport.tls import trusting
from vonage_sock.tunnels.base import Closed
from vonage_sock.tunnels.choose import OpenTunnel, TunnelKind, closed_quietly, open_tunnel
from vonage_sock.tunnels.health import check

LEAVE_S: Final = 8.0
"""How long putting back may take, with all that is tried again."""

TRIES: Final = 3
BETWEEN_S: Final = 0.5

Notify = Callable[[str, str], None]
T = TypeVar("T")


class DeclinedError(VsockError):
    """Nobody wanted it, or it was stopped before anything was changed."""


def addresses_at(base: str) -> dict[str, str]:
    """The three webhooks of voice for a server with this public base address."""
    addresses = Addresses(base)
    return {
        "answer_url": addresses.answer_url,
        "event_url": addresses.event_url,
        "fallback_answer_url": base + webhooks.FALLBACK_PATH,
    }


class Reach:
    """
    The tunnel and the application of one run.

    Args:
        application: as it was read just before.
        options: a ``ServeOptions``.
        ca: whom the public address may be trusted by, besides the system's authorities.
        ask: before the application is changed.
        keep: don't put it back.
        check: try the public address first.
    """

    def __init__(
        self,
        sdk: Sdk,
        journal: Journal,
        application: JsonObject,
        application_id: str,
        *,
        kind: TunnelKind,
        options: Any,
        config: ServerConfig,
        ca: Path | None,
        ask: bool,
        keep: bool,
        check: bool,
        clock: Clock,
    ) -> None:
        self.exit_code = ExitCode.OK
        self._sdk, self._journal, self._clock = sdk, journal, clock
        self._application, self._id = application, application_id
        self._kind, self._options, self._config, self._ca = kind, options, config, ca
        self._ask, self._keep, self._check = ask, keep, check
        self._tunnel: OpenTunnel | None = None
        self._watching: asyncio.Task[None] | None = None
        self._left = False

    async def begin(self, port: int, *, stopped: asyncio.Event, notice: Notify) -> str:
        """
        Open the tunnel and point the application at it; the public base address.

        Raises:
            DeclinedError: the answer was no, or it was stopped.
            VsockError: it can't be done.
        """
        await _unless(stopped, self._open(port))
        assert self._tunnel is not None  # noqa: S101  (it is open)
        base = self._tunnel.url
        await self._consent(base, stopped)
        await self._point(base)
        name = clean(self._application.get("name"), MAX_NAME)
        notice("info", f"application {name!r} points here{'' if self._keep else ' until this ends'}")
        return base

    def watch(self, publish: Callable[[str], None], notice: Notify) -> None:
        """Say what becomes of the tunnel from now on, and follow it."""
        self._watching = asyncio.create_task(self._watch(publish, notice))

    async def leave(self, notice: Notify) -> None:
        """Put the application back, and close the tunnel; never raises for what can't be done. Again does nothing."""
        if self._left:
            return
        self._left = True
        if self._watching is not None:
            self._watching.cancel()
        try:
            await self._put_back(notice)
        finally:
            await closed_quietly(self._tunnel)

    def give_up(self) -> None:
        """The program is ended the hard way: say what it leaves behind."""
        with contextlib.suppress(VsockError):
            entry = self._journal.read(self._id)
            if entry is not None:
                say(clean(still_points(entry, "stopped before it was"), 1000))

    @property
    def _named(self) -> str:
        return named(self._application.get("name"), self._id)

    async def _open(self, port: int) -> None:
        self._tunnel = await open_tunnel(
            port,
            kind=self._kind,
            environ=os.environ,
            url=self._config.url,
            tls=self._config.tls is not None,
            start=True,
            ngrok_api=self._options.ngrok_api,
            starting=lambda name: say(f"starting a tunnel with {name} …"),
        )
        if not self._check:
            return
        url = self._tunnel.url
        health = await check(url, probe_key=self._config.probe_key, clock=self._clock, trust=trusting(self._ca))
        if health.faults:
            raise ConnectError(f"{health.line}; nothing was changed (--no-check goes on without trying)")
        if not self._options.quiet:
            say(clean(f"{url}: {health.line}", 500))

    async def _consent(self, base: str, stopped: asyncio.Event) -> None:
        found = changes(self._application, addresses_at(base))
        if not found:
            return
        until = "for good (--keep)" if self._keep else "until this ends"
        if self._ask or not self._options.quiet:
            say("\n".join([f"A{self._named[1:]}", *change_lines(found)]))
        if self._ask and not await ask(f"Change these addresses, {until}?", stopped):
            raise DeclinedError("nothing was changed")
        if stopped.is_set():
            raise DeclinedError("stopped before anything was changed")

    async def _point(self, base: str) -> Entry | None:
        return await point(self._sdk, self._journal, self._id, addresses_at(base), clock=self._clock, keep=self._keep)

    async def _watch(self, publish: Callable[[str], None], notice: Notify) -> None:
        assert self._tunnel is not None  # noqa: S101  (it is open)
        while True:
            news = await self._tunnel.news()
            if isinstance(news, Closed):
                notice("error", f"the tunnel closed: {news.reason}; no call gets here until it is back")
                continue
            try:
                await self._point(news.url)
            except VsockError as error:
                notice("error", f"the tunnel is now {news.url}, and {self._named} can't be told: {error}")
            else:
                publish(news.url)
                notice("warning", f"the tunnel is now {news.url}, and {self._named} points there")

    async def _put_back(self, notice: Notify) -> None:
        try:
            entry = self._journal.read(self._id)
        except VsockError as error:
            self.exit_code = error.exit_code
            notice("error", str(error))
            return
        if entry is None:
            return
        if entry.keep:
            notice("info", kept(entry))
            return
        try:
            async with asyncio.timeout(LEAVE_S):
                result = await _tried_again(lambda: put_back(self._sdk, self._journal, entry))
        except (VsockError, TimeoutError) as error:
            self.exit_code = getattr(error, "exit_code", ExitCode.CONNECT)
            why = str(error) or f"{self._sdk.api_host} took more than {LEAVE_S:g} s"
            notice("error", still_points(entry, why))
            return
        for level, line in put_back_lines(result):
            notice(level, line)


async def _unless(stopped: asyncio.Event, work: Awaitable[T]) -> T:
    """
    The work's result, unless it is stopped before.

    Raises:
        DeclinedError: it was stopped.
    """
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
    if working.cancelled():
        raise DeclinedError("stopped before anything was changed")
    return working.result()


async def _tried_again(work: Callable[[], Awaitable[T]]) -> T:
    """The work's result, tried again where the network or the API may have failed for a moment."""
    for _ in range(TRIES - 1):
        try:
            return await work()
        except (ConnectError, ApiError) as error:
            if isinstance(error, ApiError) and error.status < 500 and error.status != 429:
                raise
        await asyncio.sleep(BETWEEN_S)
    return await work()
