"""Our own tries, at the server: what they can do, and what not."""

from __future__ import annotations

import aiohttp
import pytest
from wire import Seen, serving

from vonage_sock.clock import SECOND, SystemClock
from vonage_sock.protocol.probing import PROBE_HEADER, probe_reply, probe_value
from vonage_sock.server.config import Engine
from vonage_sock.server.probes import MAX_MESSAGE_BYTES

KEY = "a key of this run"


def shown() -> dict[str, str]:
    """What a try shows."""
    return {PROBE_HEADER: probe_value(KEY, nonce="ab", now_s=SystemClock().wall_ns() // SECOND)}


async def test_a_try_of_the_socket_is_no_call(each_engine: Engine) -> None:
    """What it sends comes back, with one call open already and no room for another; nobody is told."""
    seen = Seen()
    headers = shown()
    async with (
        serving(list, seen, probe_key=KEY, max_calls=1) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.addresses.socket_url),
        session.ws_connect(server.addresses.socket_url, headers=headers) as probe,
    ):
        await probe.send_bytes(b"there")
        back = await probe.receive_bytes()
        calls = server.live_calls
        await probe.send_bytes(b"x" * (MAX_MESSAGE_BYTES + 1))
        end = await probe.receive()

    assert b"there" == back
    assert 1 == calls
    assert aiohttp.WSMsgType.CLOSE == end.type


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/health", 204, ""), ("/webhooks/event", 204, ""), ("/socket", 426, "This address takes WebSockets.\n")],
)
async def test_other_tries_do_nothing(path: str, status: int, body: str) -> None:
    """They are answered, in a way that nobody else can."""
    seen = Seen()
    headers = shown()
    async with serving(list, seen, probe_key=KEY) as server, aiohttp.ClientSession() as session:
        async with session.get(server.addresses.base_url + path, headers=headers) as response:
            got = response.status, await response.text(), response.headers[PROBE_HEADER]

    assert (status, body, probe_reply(headers[PROBE_HEADER], KEY)) == got
    assert {"server.started", "server.stopped"} == {event.name for event in seen.events}


async def test_a_try_of_the_answer_url_is_told_no_secret() -> None:
    """The NCCO without what opens the socket; and the server shows that it is itself."""
    headers = shown()
    async with serving(list, probe_key=KEY) as server, aiohttp.ClientSession() as session:
        async with session.get(server.addresses.answer_url, headers=headers) as response:
            ncco, reply = await response.json(), response.headers[PROBE_HEADER]

    (endpoint,) = ncco[-1]["endpoint"]
    assert probe_reply(headers[PROBE_HEADER], KEY) == reply
    assert "***" == endpoint["authorization"]["value"]
