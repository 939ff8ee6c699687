"""Opening a websocket as the platform: what can go wrong is one sentence each."""

from __future__ import annotations

import asyncio
import re
import ssl
import struct

import pytest
import trustme
import websockets.asyncio.client
import websockets.asyncio.server
from answering import Application, RawHandler, raw_server, saying, silent
from websockets.utils import accept_key

from vonage_sock.call.inspect import Found
from vonage_sock.errors import ConnectError
from vonage_sock.simulator import socket as module
from vonage_sock.simulator.socket import ClientSocket, UnofferedError, open_socket, reason_of

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
        (
            401,
            (
                "it wants an Authorization header, or another one: call its answer URL, whose NCCO has it "
                "(for the type vonage give --signature-secret), or start vsock serve with --no-auth"
            ),
        ),
        (403, "it doesn't allow this client"),
        (404, "there is nothing at this path"),
        (426, "the path is right, but the upgrade didn't get through"),
        (500, "a websocket server answers 101"),
        (503, "it takes no more calls (vsock serve: --max-calls, --max-silent)"),
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

    why = "TLS fails (wrong version number); the server speaks no TLS there, so try ws:// or http://"
    assert f"can't reach wss://127.0.0.1:{port}/x: {why}" == sentence


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


# What the library sees and doesn't pass on.


def wire_frame(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
    """A server's frame of up to 64 KB."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size = len(payload)
    return head + (bytes([size]) if size < 126 else bytes([126]) + struct.pack("!H", size)) + payload


def upgraded(then: RawHandler, headers: str = "") -> RawHandler:
    """A handler that answers the upgrade, with these header lines too, and goes on by hand."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"Sec-WebSocket-Key: (\S+)", head)[1]
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{headers}\r\n".encode()
        )
        await then(reader, writer)

    return handle


def writing(data: bytes) -> RawHandler:
    """A handler that writes this, and stays until the other side says something or goes."""

    async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read(4096)

    return write


async def seen_after(data: bytes, messages: int) -> tuple[list[str | bytes], list[Found], bool]:
    """Messages, findings, and whether the socket refused the rest, when a server writes this."""
    async with raw_server(upgraded(writing(data))) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        got = []
        async for message in client:
            got.append(message)
            if len(got) == messages:
                break
        found = client.found(0)
        refused = client.refused()
        client.abort()
    return got, found, refused


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
            "the extension permessage-deflate",
        ),
        ("Sec-WebSocket-Protocol: audio", "the subprotocol audio"),
    ],
)
async def test_what_nobody_offered_is_a_finding_besides_the_error(header: str, taken: str) -> None:
    """The sentence names what the server took."""
    async with raw_server(upgraded(silent, f"{header}\r\n")) as port:
        with pytest.raises(UnofferedError) as caught:
            await open_socket(f"ws://127.0.0.1:{port}/", {})

    assert f"ws://127.0.0.1:{port}/ answers the upgrade with what was not offered: {taken}" in str(caught.value)
    assert "VS314" == caught.value.found.code
    assert caught.value.found.numbers["reason"].startswith(taken)


async def test_a_message_in_fragments_is_whole_and_told() -> None:
    """Binary and text, with a ping between the pieces."""
    pieces = wire_frame(2, bytes(300), fin=False) + wire_frame(9, b"p") + wire_frame(0, bytes(340))
    text = wire_frame(1, b"{", fin=False) + wire_frame(0, b"}")
    got, found, refused = await seen_after(pieces + wire_frame(2, bytes(640)) + text, 3)

    assert ([bytes(640), bytes(640), "{}"], False) == (got, refused)
    assert [("VS313", 640, 2), ("VS313", 2, 2)] == [
        (item.code, item.numbers["size"], item.numbers["fragments"]) for item in found
    ]


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (wire_frame(2, bytes(100), rsv=4), ["VS314"]),
        (wire_frame(2, bytes(100), rsv=6), []),
        (wire_frame(10, b"", rsv=4), []),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n" * 10, []),
    ],
    ids=["compressed", "other bits", "a pong", "http"],
)
async def test_a_frame_that_is_marked_as_compressed_is_told_as_such(data: bytes, codes: list[str]) -> None:
    """The socket is closed for that and for any other reserved bits."""
    _, found, refused = await seen_after(data, 0)

    assert (codes, True) == ([item.code for item in found], refused)


async def test_pongs_are_seen() -> None:
    """A library's server answers; one that doesn't read keeps us waiting."""

    async def answer(connection: websockets.asyncio.server.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.asyncio.server.serve(answer, "127.0.0.1", 0) as server, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {})
        await client.ping()
        asked = client.awaits_pong()
        await client.send("what comes behind the ping")
        await anext(aiter(client))
        answered = not client.awaits_pong()
        await client.close(1000, "")

    assert (True, True) == (asked, answered)
    assert [] == client.found(0)


async def test_audio_that_goes_on_after_our_close_is_a_finding() -> None:
    """Where the server neither reads nor stops."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(wire_frame(2, bytes(320)))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(upgraded(talk)) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        reading = asyncio.create_task(read_all(client))
        await client.close(1000, "")
        await reading
        found = client.found(0)

    assert ["VS310", "VS316"] == [item.code for item in found]


async def test_a_server_that_closes_tcp_has_seen_our_close() -> None:
    """Though it sends no close frame, it doesn't leave the socket open."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)

    async with raw_server(upgraded(leave)) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        reading = asyncio.create_task(read_all(client))
        await client.close(1000, "")
        await reading

    assert ([], 1006) == (client.found(0), client.close_code())


@pytest.mark.parametrize("late_s", [0.0, 0.6])
async def test_a_server_that_answers_our_close_in_the_end_may_be_late(late_s: float) -> None:
    """What was under way is nobody's fault."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        await asyncio.sleep(late_s)
        writer.write(wire_frame(2, bytes(320)) + wire_frame(8, b"\x03\xe8"))
        await reader.read()

    async with raw_server(upgraded(answer)) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        reading = asyncio.create_task(read_all(client))
        await client.close(1000, "")
        await reading

    assert ([], 1000) == (client.found(0), client.close_code())


async def read_all(client: ClientSocket) -> int:
    """How many messages come until the end."""
    return len([message async for message in client])


# What a drill does to it.


async def flooded(*, narrow: bool) -> int:
    """How much a server can send to a socket that nobody reads from."""
    sent = 0

    async def flood(connection: websockets.asyncio.server.ServerConnection) -> None:
        nonlocal sent
        while True:
            await connection.send(bytes(640))
            sent += 640

    async with websockets.asyncio.server.serve(flood, "127.0.0.1", 0, compression=None) as server:
        client = await open_socket(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, narrow=narrow)
        before = -1
        async with asyncio.timeout(10):
            while before != sent:
                before = sent
                await asyncio.sleep(0.1)
        client.reset()
    return before


async def test_a_narrow_socket_lets_a_server_feel_that_nobody_reads() -> None:
    """Soon, as on a real network."""
    narrow, wide = await flooded(narrow=True), await flooded(narrow=False)

    assert 0 < narrow < wide / 2


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "ws://no.such.host.invalid/x", "ws://", "http://x/"])
async def test_a_narrow_socket_fails_in_a_sentence_too(url: str) -> None:
    """As any other."""
    with pytest.raises(ConnectError) as caught:
        await open_socket(url, {}, narrow=True)

    assert "\n" not in str(caught.value)


def held_back(client: ClientSocket) -> asyncio.Event:
    """Set when a message has come that is kept until somebody reads."""
    came, wait = asyncio.Event(), client._wait_to_read

    async def tell_and_wait() -> None:
        came.set()
        await wait()

    client._wait_to_read = tell_and_wait
    return came


async def test_what_is_not_read_comes_when_it_is_read_again() -> None:
    """Nothing is lost meanwhile."""
    async with raw_server(upgraded(writing(wire_frame(2, bytes(320)) * 5))) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        came = held_back(client)
        client.stop_reading()
        waiting = asyncio.create_task(anext(aiter(client)))
        await came.wait()
        too_soon = waiting.done()
        client.read_again()
        message = await waiting
        client.abort()

    assert (False, bytes(320)) == (too_soon, message)


async def test_a_socket_that_is_lost_while_nothing_is_read_ends() -> None:
    """Nobody waits for it."""
    async with raw_server(upgraded(writing(wire_frame(2, bytes(320))))) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        came = held_back(client)
        client.stop_reading()
        reading = asyncio.create_task(read_all(client))
        await came.wait()
        client.abort()

        assert 1 >= await reading


async def test_who_has_gone_answers_neither_ping_nor_close() -> None:
    """What comes is seen all the same."""
    heard = b""

    async def say_goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readexactly(1)
        writer.write(wire_frame(9, b"?") + wire_frame(8, b"\x03\xf3late"))
        heard = await reader.read()

    async with raw_server(upgraded(say_goodbye)) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        await client.send("x")
        client.vanish()
        await read_all(client)

    assert (1, 1011, "late") == (client.pings(), client.close_code(), client.close_reason())
    assert 7 > len(heard)


async def test_a_dropped_or_reset_socket_may_be_dropped_again() -> None:
    """Two ends of a call may come at once."""
    async with raw_server(upgraded(writing(b""))) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        client.drop()
        await read_all(client)
        client.drop()
        client.reset()

    assert (1006, 0) == (client.close_code(), client.unsent_bytes())


async def test_over_tls_a_drop_closes_both_ways() -> None:
    """There is no half of it to close."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("localhost").configure_cert(context)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    ended = asyncio.Event()

    async def handler(connection: websockets.asyncio.server.ServerConnection) -> None:
        await connection.wait_closed()
        ended.set()

    async with websockets.asyncio.server.serve(handler, "127.0.0.1", 0, ssl=context) as server, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        connection = await websockets.asyncio.client.connect(
            f"wss://localhost:{port}/", ssl=trusted, compression=None, create_connection=module._Connection
        )
        client = ClientSocket(connection)
        client.drop()
        await read_all(client)
        await ended.wait()

    assert 1006 == client.close_code()


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (wire_frame(2, bytes(100), rsv=6), 1002, "reserved bits must be 0"),
        (wire_frame(3, b""), 1002, "invalid opcode"),
        (wire_frame(1, b"\xff"), 1007, "invalid start byte at position 0"),
        (struct.pack("!BBQ", 0x82, 127, 1 << 40), 1009, " exceeds limit of "),
    ],
    ids=["reserved bits", "unknown opcode", "no UTF-8", "too large"],
)
async def test_what_broke_the_rules_is_told_with_its_reason(data: bytes, code: int, reason: str) -> None:
    """Both are those of the close frame that we sent first."""
    async with raw_server(upgraded(writing(data))) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        await read_all(client)

    assert (True, code) == (client.refused(), client.close_code())
    assert reason in client.close_reason()


@pytest.mark.parametrize(
    ("close", "expected"),
    [(b"\x03\xf3late", (1011, "late")), (b"\x03\xe8bye", None), (b"", None)],
    ids=["its own", "the answer", "an answer without a code"],
)
async def test_a_close_that_the_server_had_sent_before_ours_was_read(
    close: bytes, expected: tuple[int, str] | None
) -> None:
    """The call's code is ours, with our reason; that of the server is told apart from a mere answer."""

    async def close_unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(wire_frame(8, close))
        await reader.read()

    async with raw_server(upgraded(close_unread)) as port, asyncio.timeout(10):
        client = await open_socket(f"ws://127.0.0.1:{port}/", {})
        await client.close(1000, "ours")

    assert (1000, "ours") == (client.close_code(), client.close_reason())
    assert expected == client.had_closed()
