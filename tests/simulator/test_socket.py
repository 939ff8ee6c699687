"""Opening a websocket as the platform: what can go wrong is one sentence each."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
import websockets.asyncio.server
from answering import Application, raw_server, saying, silent

from vonage_sock.errors import ConnectError
from vonage_sock.simulator.socket import open_socket, reason_of

CLOSED_PORT = "ws://127.0.0.1:1/socket"


async def why_not(url: str, **options: float) -> str:
    """The sentence that opening a socket fails with."""
    with pytest.raises(ConnectError) as caught:
        await open_socket(url, {}, **options)
    return str(caught.value)


async def test_nothing_listens() -> None:
    """And what to do about it."""
    expected = "nothing listens there (connection refused); start the server first, or check the port"

    assert f"can't reach {CLOSED_PORT}: {expected}" == await why_not(CLOSED_PORT)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "it wants an Authorization header"),
        (403, "it doesn't allow this client"),
        (404, "there is nothing at this path"),
        (426, "the path is right, but the upgrade didn't get through"),
        (500, "a websocket server answers 101"),
        (503, "it takes no more calls"),
        (200, "a websocket server answers 101"),
        (301, "a websocket server answers 101"),
        (307, "a websocket server answers 101"),
    ],
)
async def test_a_refused_upgrade_names_the_status(status: int, hint: str) -> None:
    """With a hint at what it means; no redirect is followed."""
    async with Application(upgrade_status=status).running() as app:
        url = f"ws://127.0.0.1:{app.port}/socket"
        sentence = await why_not(url)

    assert f"{url} refused the call with HTTP {status}: {hint}" == sentence
    assert ["/socket"] == [request.path for request in app.requests]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "answers, but not as a websocket"),
        (b"", "answers, but not as a websocket"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "answers, but not as a websocket"),
        (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", "invalid"),
    ],
    ids=["another protocol", "closes", "no upgrade", "wrong accept"],
)
async def test_something_else_listens(data: bytes, part: str) -> None:
    """It isn't taken for a websocket."""
    async with raw_server(saying(data)) as port:
        sentence = await why_not(f"ws://127.0.0.1:{port}/socket")

    assert part in sentence
    assert "\n" not in sentence


async def test_a_server_that_never_answers_is_given_up() -> None:
    """After the time that opening may take."""
    async with raw_server(silent) as port:
        sentence = await why_not(f"ws://127.0.0.1:{port}/x", timeout_s=0.05)

    assert f"ws://127.0.0.1:{port}/x didn't answer within 0.05 s" == sentence


async def test_tls_where_there_is_none() -> None:
    """wss:// to a plain server."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with raw_server(plain) as port:
        sentence = await why_not(f"wss://127.0.0.1:{port}/x")

    assert f"can't reach wss://127.0.0.1:{port}/x: TLS fails (wrong version number)" == sentence


async def test_a_certificate_that_nobody_vouches_for() -> None:
    """Is named as the reason."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    async def handler(connection: websockets.asyncio.server.ServerConnection) -> None:
        await connection.wait_closed()

    async with websockets.asyncio.server.serve(handler, "127.0.0.1", 0, ssl=context) as server:
        sentence = await why_not(f"wss://localhost:{server.sockets[0].getsockname()[1]}/x")

    assert "TLS fails (unable to get local issuer certificate)" in sentence


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "ws://",
        "ws:///x",
        "ws://[::1/x",
        "ws://127.0.0.1:99999/x",
        "ws://127.0.0.1:x/x",
        "ws://a..b/x",
        "ws://" + "a" * 70 + ".example/x",
        "ws://exa mple/x",
        "ws://127.0.0.1:1/x#fragment",
        "ws://no.such.host.invalid/x",
        "ws://127.0.0.1:1/\r\nX: y",
        "ws://\udc80/x",
        "",
    ],
)
async def test_no_address_makes_more_than_a_sentence(url: str) -> None:
    """Whatever an NCCO has as its uri."""
    assert "\n" not in (await why_not(url)).replace(url, "")


async def test_a_header_that_http_cannot_carry_is_a_sentence() -> None:
    """An Authorization with a line break in it comes from an NCCO and must not become a second header."""
    async with Application().running() as app:
        url = f"ws://127.0.0.1:{app.port}/socket"
        with pytest.raises(ConnectError) as caught:
            await open_socket(url, {"Authorization": "a\r\nX-Evil: 1"})

    assert f"{url} can't be called: the Authorization header holds what HTTP can't carry" == str(caught.value)
    assert [] == app.requests


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1)"), "nothing listens there"),
        (OSError(113, "No route to host"), "No route to host"),
        (OSError("odd"), "odd"),
    ],
)
def test_the_systems_reason_in_few_words(error: OSError, expected: str) -> None:
    """Several refused addresses count as one refusal."""
    assert reason_of(error).startswith(expected)
