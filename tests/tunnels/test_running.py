"""A running agent, of version 2 or 3: its tunnel is looked after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from vonage_sock.tunnels.agent import find_ngrok
from vonage_sock.tunnels.base import Closed, NoTunnelError, Opened
from vonage_sock.tunnels.running import RunningAgent

FIRST, SECOND = "https://ab12.ngrok-free.example", "https://cd34.ngrok-free.example"
WAIT_S = 10

Lists = Callable[[str], dict[str, object]]


def version_2(url: str) -> dict[str, object]:
    """It lists tunnels, and knows no endpoints."""
    plain = {"public_url": url.replace("https", "http"), "proto": "http", "config": {"addr": "http://localhost:8000"}}
    return {"tunnels": {"tunnels": [plain, plain | {"public_url": url, "proto": "https"}], "uri": "/api/tunnels"}}


def version_3(url: str) -> dict[str, object]:
    """Newer ones list no tunnels but endpoints."""
    endpoint = {"id": "ep_2a", "name": "command_line", "url": url, "upstream": {"url": "http://localhost:8000"}}
    return {"tunnels": {"tunnels": [], "uri": "/api/tunnels"}, "endpoints": {"endpoints": [endpoint]}}


class FakeAgent:
    """Answers with its lists; None for an agent that is broken."""

    def __init__(self, lists: dict[str, object] | None) -> None:
        self.lists = lists
        self.runner = web.AppRunner(self._app(), shutdown_timeout=0.1)

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/{name}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        if self.lists is None:
            return web.Response(status=502)
        value = self.lists.get(request.match_info["name"])
        return web.Response(status=404) if value is None else web.Response(text=json.dumps(value))


@asynccontextmanager
async def agent(lists: dict[str, object] | None) -> AsyncIterator[tuple[FakeAgent, RunningAgent]]:
    """One that runs, and the tunnel by it."""
    fake = FakeAgent(lists)
    await fake.runner.setup()
    await web.TCPSite(fake.runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{fake.runner.addresses[0][1]}"
    try:
        async with asyncio.timeout(WAIT_S):
            yield fake, RunningAgent(api_url=url, look_s=0.01)
    finally:
        await fake.runner.cleanup()


@pytest.mark.parametrize("lists", [version_2, version_3])
async def test_what_becomes_of_its_tunnel_is_told_once(lists: Lists) -> None:
    """Another address, a tunnel that is closed, and one that is there again; a broken answer is no news."""
    async with agent(lists(FIRST)) as (fake, tunnel):
        opened = await tunnel.open(8000, tls=False)
        before = await tunnel.why_closed()
        fake.lists = lists(SECOND)
        why = await tunnel.why_closed()
        news = [await tunnel.news()]
        fake.lists = {"tunnels": {"tunnels": []}}
        news.append(await tunnel.news())
        fake.lists = None
        unclear = await tunnel.why_closed()
        fake.lists = lists(SECOND)
        news.append(await tunnel.news())
        await tunnel.close()

    assert FIRST == opened
    assert [Opened(SECOND), Closed("the ngrok agent has closed its tunnel to us"), Opened(SECOND)] == news
    assert [None, f"its address is {SECOND} now", None] == [before, why, unclear]


async def test_an_agent_that_goes_away_is_gone() -> None:
    """Which is told when it is next asked."""
    async with agent(version_2(FIRST)) as (fake, tunnel):
        await tunnel.open(8000, tls=False)
        await fake.runner.cleanup()
        news = await tunnel.news()

    assert Closed("the ngrok agent is gone") == news


async def test_an_address_stays_where_several_lead_to_us() -> None:
    """A second tunnel is no reason to move."""
    both = {"tunnels": [*version_2(SECOND)["tunnels"]["tunnels"], *version_2(FIRST)["tunnels"]["tunnels"]]}  # type: ignore[index]
    async with agent(version_2(FIRST)) as (fake, tunnel):
        await tunnel.open(8000, tls=False)
        fake.lists = {"tunnels": both}
        why = await tunnel.why_closed()

    assert None is why


async def test_without_an_agent_there_is_no_tunnel() -> None:
    """And it is said how to have one: under TLS, one that speaks it."""
    tunnel = RunningAgent(api_url="http://127.0.0.1:9")
    with pytest.raises(NoTunnelError) as error:
        await tunnel.open(8443, tls=True)

    assert str(error.value) == (
        "no ngrok agent runs on this machine; start one with: ngrok http https://localhost:8443"
    )


async def test_a_tunnel_that_speaks_otherwise_does_not_do() -> None:
    """A call through it would end in 502; what to start in its place is said."""
    async with agent(version_2(FIRST)) as (fake, _):
        url = f"http://127.0.0.1:{fake.runner.addresses[0][1]}"
        found = await find_ngrok(8000, api_url=url, tls=True)

    assert None is found.url
    assert "its tunnel to port 8000 speaks plain http, and we https" in found.reason
    assert found.reason.endswith("start one with: ngrok http https://localhost:8000")
