"""Our own server, tried through a public address that is a real one, with TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from fakes import tls_edge

from vonage_sock.clock import SystemClock
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import ServerConfig
from vonage_sock.transport.tls import trusting
from vonage_sock.tunnels.health import ANSWER_TRIES, SOCKET_FRAMES, Health, Trip, check, reach

Certificates = tuple[Path, Path]
CLOCK = SystemClock()


@asynccontextmanager
async def serving(
    certificates: Certificates, seen: list[object] | None = None, **config: object
) -> AsyncIterator[tuple[str, str]]:
    """Our server behind a public address: that, and the key of its tries."""
    settings = ServerConfig(port=0, **config)  # type: ignore[arg-type]
    server = VsockServer(settings, list, observers=() if seen is None else (seen.append,), clock=CLOCK)
    await server.listen()
    try:
        async with tls_edge(certificates[0], server.port) as url:
            server.publish(url)
            yield url, settings.probe_key
    finally:
        await server.stop()


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def checked_there(answer: Answer) -> Health:
    """What is found where another server answers."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return await check(url, probe_key="key", clock=CLOCK, within_s=0)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("config", [{}, {"signature_secret": "s" * 40, "max_calls": 1}], ids=["plain", "signed"])
async def test_the_way_is_timed_and_nobody_is_told(certificates: Certificates, config: dict[str, object]) -> None:
    """By our answer URL and our socket, though no other socket would be let in; no event is told, no call is counted."""
    seen: list[object] = []
    async with serving(certificates, seen, **config) as (url, key):
        health = await check(url, probe_key=key, clock=CLOCK, trust=trusting(certificates[1]))

    assert () == health.faults
    assert (ANSWER_TRIES, SOCKET_FRAMES) == (
        health.answer and health.answer.tries,
        health.socket and health.socket.tries,
    )
    assert health.line.startswith("the tunnel takes ")
    assert [] == seen


async def test_a_try_without_the_key_is_a_stranger(certificates: Certificates) -> None:
    """Another program that shows some value is answered like everybody."""
    seen: list[object] = []
    async with serving(certificates, seen) as (url, _):
        fault = await reach(url, probe_key="another", clock=CLOCK, trust=trusting(certificates[1]))

    assert "another answers than this server, with 200" == fault


async def test_an_address_whose_signer_is_not_known_is_said(certificates: Certificates) -> None:
    """As TLS says it."""
    async with serving(certificates) as (url, key):
        health = await check(url, probe_key=key, clock=CLOCK, trust=ssl.create_default_context(), within_s=0)

    assert health.line.startswith(f"calls won't get here through {url}: TLS fails (")


async def test_a_name_that_this_server_refuses_is_said(certificates: Certificates) -> None:
    """Its public address is another."""
    async with serving(certificates) as (url, key):
        fault = await reach(
            url.replace("localhost", "0.0.0.0"), probe_key=key, clock=CLOCK, trust=_unnamed(certificates[1])
        )

    # It leads here, and says so of no machine, as a name does that somebody else has let lead to us.
    assert (
        fault
        == "this server refuses what comes through it with 421: This server isn't known by the name that was asked for."
    )


def _unnamed(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    return context


@pytest.mark.parametrize(
    ("response", "part"),
    [
        pytest.param(
            lambda: web.Response(status=404, headers={"ngrok-error-code": "ERR_NGROK_3200"}, text="<html>"),
            "another answers than this server, with 404: the ngrok tunnel of this name is offline (ERR_NGROK_3200)",
            id="offline",
        ),
        pytest.param(
            lambda: web.Response(status=502, text="<!doctype html>… ERR_NGROK_8012 …"),
            "its agent can't reach the server behind it (ERR_NGROK_8012)",
            id="no upstream",
        ),
        pytest.param(
            lambda: web.Response(text="<noscript>You are about to visit … (ERR_NGROK_6024)</noscript>"),
            "ngrok's warning page for browsers stands in the server's place (ERR_NGROK_6024)",
            id="interstitial",
        ),
        pytest.param(
            lambda: web.Response(status=530, headers={"Server": "cloudflare"}, text="error code: 1033"),
            "with 530: Cloudflare knows the name, and no cloudflared runs for it (error 1033)",
            id="cloudflare",
        ),
        pytest.param(
            lambda: web.Response(status=302, headers={"Location": "https://login.example/\x85?token=abcdef"}),
            "it answers with a redirect (302 to login.example), and Vonage follows none",
            id="redirect",
        ),
        pytest.param(lambda: web.Response(text="[]"), "another answers than this server, with 200", id="another"),
    ],
)
async def test_what_answers_in_our_place_is_named(response: Callable[[], web.Response], part: str) -> None:
    """By what it says of itself, in one half sentence."""

    async def answer(_: web.Request) -> web.Response:
        return response()

    health = await checked_there(answer)

    assert [True] == [fault.endswith(part) for fault in health.faults]
    assert health.line.isprintable()


async def test_a_way_without_websockets_is_said(certificates: Certificates) -> None:
    """Webhooks come through, and the upgrade is answered by somebody else."""

    async def proxy(request: web.Request) -> web.StreamResponse:
        if request.path == "/socket":
            return web.Response(status=400)
        async with asyncio.timeout(5):
            return await behind(request)

    async with serving(certificates) as (url, key):
        behind = await _passing_on(url, certificates[1])
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", proxy)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        health = await check(f"http://127.0.0.1:{runner.addresses[0][1]}", probe_key=key, clock=CLOCK, within_s=0)
        await runner.cleanup()

    assert ("webhooks come through and WebSockets don't: the upgrade is answered with 400",) == health.faults
    assert health.answer is not None


async def _passing_on(url: str, ca: Path) -> Answer:
    import aiohttp

    async def behind(request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        connector = aiohttp.TCPConnector(ssl=trusting(ca) or True)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url + request.path, headers=headers) as response,
        ):
            mine = {name: value for name, value in response.headers.items() if name.startswith("X-")}
            return web.Response(status=response.status, body=await response.read(), headers=mine)

    return behind


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://127.0.0.1:9", "it can't be connected to: "),
        ("https://nobody.invalid", "its name isn't known to the name servers (yet)"),
    ],
)
async def test_an_address_where_nobody_is_is_said(url: str, part: str) -> None:
    """Without waiting for the system's patience."""
    fault = await reach(url, probe_key="key", clock=CLOCK)

    assert part in (fault or "")


def test_trips_are_summed_up() -> None:
    """The median, and how far neighbours are apart; of none there is nothing to say."""
    trip = Trip.of([40_000_000, 42_000_000, 41_000_000])

    assert Trip(tries=3, median_ms=41.0, jitter_ms=1.5) == trip
    assert None is Trip.of([])
    assert "the tunnel takes 41 ms there and back, jitter 1.5 ms" == Health(url="u", answer=trip).line
