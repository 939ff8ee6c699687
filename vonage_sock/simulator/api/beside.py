"""
The REST API as one thing: the book of legs, the exchange that makes calls, and the servers that are asked.

There is one server for each region: a call is known where it was ordered (any other in the first), and all others answer
404, as Vonage's do.

Source: Vonage support, "region_url": a wrong region answers 404 for a live call.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from vonage_sock.call.events import Observer
from vonage_sock.clock import Clock, iso_utc
from vonage_sock.errors import ListenError
from vonage_sock.simulator.api.app import ApiServer
from vonage_sock.simulator.api.exchange import Exchange, RunCall
from vonage_sock.simulator.api.tokens import TokenCheck
from vonage_sock.simulator.control import CallBook
from vonage_sock.simulator.order import CallOrder


class RestApi:
    """
    An API beside the calls of whoever starts it; give ``book`` to each of these calls.

    Args:
        template: what all calls that are ordered have in common.
        run_call: makes one.
        most: how many calls are made in all; None for no end.
        other_ports: more regions, each at a port of its own.
    """

    def __init__(
        self,
        template: CallOrder,
        run_call: RunCall,
        *,
        tokens: TokenCheck,
        observer: Observer,
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        most: int | None = None,
        other_ports: Sequence[int] = (),
    ) -> None:
        self.book = CallBook()
        self.exchange = Exchange(
            template, run_call, book=self.book, now_text=lambda: iso_utc(clock.wall_ns()), most=most
        )
        self._servers = [
            ApiServer(
                self.book,
                self.exchange,
                tokens,
                observer=observer,
                clock=clock,
                host=host,
                port=each,
                tls=tls,
                first=number == 0,
            )
            for number, each in enumerate((port, *other_ports))
        ]

    @property
    def url(self) -> str:
        """Its address, once it has started: ``http://127.0.0.1:8100``."""
        return self.urls[0]

    @property
    def urls(self) -> tuple[str, ...]:
        """Those of all regions."""
        return tuple(server.url for server in self._servers)

    async def start(self) -> None:
        """
        Listen.

        Raises:
            ListenError: the port can't be listened on.
        """
        for server in self._servers:
            try:
                await server.start()
            except ListenError:
                await self._stop_listening()
                raise

    async def stop(self) -> None:
        """Take no more orders, and listen no more once the calls are over."""
        self.exchange.close()
        await self.exchange.idle()
        await self._stop_listening()

    async def _stop_listening(self) -> None:
        for server in self._servers:
            await server.stop()
