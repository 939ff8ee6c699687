"""The ngrok agent that runs on this machine already: its tunnel is used, and looked after, but never closed by us."""

from __future__ import annotations

import asyncio
from typing import Final

from vonage_sock.tunnels.agent import NGROK_API_URL, TunnelLookup, find_ngrok
from vonage_sock.tunnels.base import Closed, News, NoTunnelError, Opened

LOOK_S: Final = 2.0
"""An agent tells nothing by itself, and is asked so often."""


class RunningAgent:
    """
    A running agent's tunnel.

    Args:
        api_url: where the agent's API is asked.
        look_s: how often, once the tunnel is open.
    """

    name = "ngrok"

    def __init__(self, *, api_url: str = NGROK_API_URL, look_s: float = LOOK_S) -> None:
        self._api_url = api_url
        self._look_s = look_s
        self._port = 0
        self._tls = False
        self._url = ""
        self._told: News = Closed("")

    async def open(self, port: int, *, tls: bool) -> str:
        """
        The address that leads to our port.

        Raises:
            NoTunnelError: no agent runs, or it has none.
        """
        self._port, self._tls = port, tls
        found = await self._look()
        if found.url is None:
            raise NoTunnelError(found.reason)
        self._url, self._told = found.url, Opened(found.url)
        return found.url

    async def news(self) -> News:
        """Ask until the answer is another than before; an agent that says nothing clear is asked again."""
        while True:
            await asyncio.sleep(self._look_s)
            news = await self._now()
            if news is not None and news != self._told:
                return self._tell(news)

    async def why_closed(self) -> str | None:
        """Ask once."""
        match await self._now():
            case Closed(reason):
                return reason
            case Opened(url) if url != self._url:
                return f"its address is {url} now"
        return None

    async def close(self) -> None:
        """It is its user's."""

    def _tell(self, news: News) -> News:
        if isinstance(news, Opened):
            self._url = news.url
        # The advice in a reason changes with what else the agent has, and that is no news.
        self._told = news
        return news

    async def _now(self) -> News | None:
        found = await self._look()
        if found.url is not None:
            return Opened(found.url)
        if not found.is_sure:
            return None
        return Closed("the ngrok agent is gone" if found.is_gone else "the ngrok agent has closed its tunnel to us")

    async def _look(self) -> TunnelLookup:
        return await find_ngrok(self._port, api_url=self._api_url, tls=self._tls, prefer=self._url or None)
