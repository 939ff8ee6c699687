"""Servers of ours in a test's own process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Observer
from vonage_sock.server.facade import Handler
from vonage_sock.server.library import Server


class ServerMaker:
    """Starts servers for a test, each on a free port of this machine, and stops them all."""

    def __init__(self) -> None:
        self._keepers: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def __call__(
        self,
        handler: Handler | None = None,
        *,
        behaviours: Callable[[], Sequence[Behaviour]] | None = None,
        observers: Sequence[Observer] = (),
        routes: Iterable[web.AbstractRouteDef] = (),
        **config: Any,
    ) -> Server:
        """
        Start one, as ``Server`` would with the same arguments.

        Raises:
            UsageError: neither a handler nor behaviours, or a field that can't be used.
        """
        server = Server(handler, behaviours=behaviours, observers=observers, routes=routes, **{"port": 0, **config})
        await server.start()
        # A runner cancels its loop's tasks and waits for them: so the server stops also where nobody asks for it before.
        task = asyncio.create_task(_keep(server))
        self._keepers.append((asyncio.get_running_loop(), task))
        await asyncio.sleep(0)  # a task that is cancelled before its first step has no "finally"
        return server

    def stop(self) -> None:
        """Stop them; to be called while their loop doesn't run."""
        for loop, task in self._taken():
            if not loop.is_closed():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    loop.run_until_complete(task)

    async def aclose(self) -> None:
        """Stop them, on the loop on which they were started."""
        for _, task in self._taken():
            task.cancel()
            await asyncio.wait([task])

    def _taken(self) -> list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]:
        taken, self._keepers = self._keepers, []
        return taken


async def _keep(server: Server) -> None:
    try:
        await server.serve_forever()
    finally:
        await server.stop()
        server.tell_stopped()
