"""The server for people who write their own program around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Observer
from vonage_sock.errors import UsageError
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import ServerConfig
from vonage_sock.server.facade import Bridge, Handler


class Server(VsockServer):
    """
    A server with a coroutine or with behaviours of your own; use it as an async context manager.

    Args:
        handler: run for each call; when it returns, the call is closed.
        behaviours: gives what is done in a call; asked once for each. They come before the handler.
        observers: told of every event, on the event loop.
        routes: aiohttp's, for pages and sockets of your own on the same port; who may come in there is for you to say.
        config: the fields of ``ServerConfig``: host, port, audio_format, url, headers and so on.

    Raises:
        UsageError: neither a handler nor behaviours, or a field that can't be used.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        *,
        behaviours: Callable[[], Sequence[Behaviour]] | None = None,
        observers: Sequence[Observer] = (),
        routes: Iterable[web.AbstractRouteDef] = (),
        **config: Any,
    ) -> None:
        if handler is None and behaviours is None:
            raise UsageError("a server needs a handler or behaviours; without either no call would be answered")

        def make_behaviours() -> list[Behaviour]:
            made = list(behaviours()) if behaviours is not None else []
            return [*made, Bridge(handler)] if handler is not None else made

        super().__init__(ServerConfig(**config), make_behaviours, observers=observers, routes=routes)

    async def serve_forever(self) -> None:
        """Serve until the task is cancelled."""
        await asyncio.Event().wait()
