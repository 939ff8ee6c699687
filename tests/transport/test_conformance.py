"""
What RFC 6455 asks of a server, tried from outside: bytes on a TCP connection in, bytes on it out.

The frames are made and read here by hand, so that nothing of ours judges itself. Each row of the table is tried at once
and in small pieces, on both event loops; by aiohttp's engine too, with what is known to be otherwise there.
``scripts/conformance`` lets the Autobahn suite judge the same servers.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from echoes import echo_server
from loops import on_both_loops

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
LIMIT = 100_000
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPTED = b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="
"""The key and its answer are those of section 1.3."""

Frame = tuple[int, bytes]
"""Opcode and payload of a frame that came back; all of ours are whole and unmasked."""


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A frame as a client sends it (section 5.2); or as none may."""
    head = bytes([fin << 7 | rsv << 4 | opcode])
    size, bit = len(payload), masked << 7
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


def fragments(opcode: int, *payloads: bytes) -> bytes:
    """One message in so many fragments (section 5.4)."""
    last = len(payloads) - 1
    return b"".join(
        frame(CONTINUATION if at else opcode, payload, fin=at == last) for at, payload in enumerate(payloads)
    )


@dataclass(frozen=True)
class Row:
    """
    What a client sends, and what it gets for it.

    Args:
        back: the frames that come back before the close frame.
        code: the code of the server's close frame; without one the client closes with 1000, and is answered with it.
        at_once: not in pieces: what comes after the end finds nobody any more.
    """

    name: str
    sent: bytes
    back: tuple[Frame, ...] = ()
    code: int | None = None
    at_once: bool = False


def echoed() -> Iterator[Row]:
    """Messages of the sizes at which a head changes its form, and what may be in them (sections 5.2, 5.6 and 8.1)."""
    for size in (0, 1, 125, 126, 127, 128, 640, 65_535, 65_536, LIMIT):
        yield Row(f"text of {size}", frame(TEXT, b"*" * size), ((TEXT, b"*" * size),))
        yield Row(f"binary of {size}", frame(BINARY, b"\xfe" * size), ((BINARY, b"\xfe" * size),))
    for text in (
        "κόσμε",
        "\0",
        "\u07ff\u0800\uffff",
        "\ufdd0\ufffe",
        "\ud7ff\ue000",
        "\U00010000\U0010ffff",
        "\ufeff#",
    ):
        yield Row(f"text {text!a}", frame(TEXT, text.encode()), ((TEXT, text.encode()),))
    many = b"".join(frame(BINARY, bytes([number])) for number in range(50))
    yield Row("fifty messages at once", many, tuple((BINARY, bytes([number])) for number in range(50)))


def pinged() -> Iterator[Row]:
    """Pings are answered in order with what they carry; pongs are not answered (sections 5.5.2 and 5.5.3)."""
    for payload in (b"", b"hello", bytes(range(256))[131:], b"\xff\xfe\xfd"):
        yield Row(f"ping of {len(payload)}", frame(PING, payload), ((PONG, payload),))
    ten = [b"%d" % number for number in range(10)]
    yield Row("ten pings", b"".join(frame(PING, payload) for payload in ten), tuple((PONG, payload) for payload in ten))
    yield Row("pong out of the blue", frame(PONG, b"here"))
    yield Row("pong and ping", frame(PONG, b"here") + frame(PING, b"there"), ((PONG, b"there"),))
    yield Row("ping that is too long", frame(PING, b"*" * 126), code=1002)
    yield Row("ping in fragments", frame(PING, b"a", fin=False) + frame(CONTINUATION, b"b"), code=1002)


def fragmented() -> Iterator[Row]:
    """A message comes back whole, however it was cut; control frames may come between (section 5.4)."""
    yield Row("two fragments", fragments(TEXT, b"frag", b"ment"), ((TEXT, b"fragment"),))
    yield Row("binary in three", fragments(BINARY, b"\x00\xff", b"\xfe", b"\x01"), ((BINARY, b"\x00\xff\xfe\x01"),))
    yield Row("empty fragments", fragments(TEXT, b"", b"", b"all", b""), ((TEXT, b"all"),))
    yield Row("all of it empty", fragments(BINARY, b"", b"", b""), ((BINARY, b""),))
    yield Row("a thousand fragments", fragments(BINARY, *[b"xy"] * 1000), ((BINARY, b"xy" * 1000),))
    letters = "κό😀".encode()
    cut = [letters[at : at + 1] for at in range(len(letters))]
    yield Row("a letter across fragments", fragments(TEXT, *cut), ((TEXT, letters),))
    ping = frame(PING, b"now")
    between = (
        frame(TEXT, b"a", fin=False) + ping + frame(CONTINUATION, b"b", fin=False) + ping + frame(CONTINUATION, b"c")
    )
    yield Row("pings between fragments", between, ((PONG, b"now"), (PONG, b"now"), (TEXT, b"abc")))
    yield Row("nothing to continue", frame(CONTINUATION, b"a"), code=1002)
    yield Row("nothing to continue, and more to come", frame(CONTINUATION, b"a", fin=False), code=1002)
    whole = fragments(TEXT, b"a", b"b")
    yield Row("continued after its end", whole + frame(CONTINUATION, b"c"), ((TEXT, b"ab"),), 1002)
    yield Row("a message within a message", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), code=1002)
    yield Row("binary within text", frame(TEXT, b"a", fin=False) + frame(BINARY, b"b", fin=False), code=1002)


def forbidden() -> Iterator[Row]:
    """Bits, kinds and lengths that none may send, after a message that is fine (sections 5.1 and 5.2)."""
    fine, back = frame(TEXT, b"fine"), ((TEXT, b"fine"),)
    for rsv in range(1, 8):
        yield Row(f"reserved bits {rsv:03b}", fine + frame(TEXT, b"a", rsv=rsv), back, 1002)
    for opcode in (BINARY, PING, CLOSE):
        yield Row(f"a reserved bit in kind {opcode}", fine + frame(opcode, rsv=4), back, 1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Row(f"kind {opcode}", fine + frame(opcode, b"a") + frame(PING), back, 1002)
    for opcode in (TEXT, BINARY, PING, CLOSE):
        yield Row(f"kind {opcode} without a mask", fine + frame(opcode, masked=False), back, 1002)
    yield Row("more than the limit", fine + frame(BINARY, bytes(LIMIT + 1)), back, 1009)
    yield Row("more in the end", fine + fragments(BINARY, bytes(LIMIT), b"", b"a"), back, 1009)
    yield Row("much more, and only announced", fine + b"\x82\xff" + struct.pack("!Q", 1 << 40) + b"mask", back, 1009)


def not_utf8() -> Iterator[Row]:
    """Text that isn't UTF-8 ends the connection, as soon as a fragment shows it (section 8.1)."""
    bad = {
        "a lone continuation": b"\x80",
        "a start and no end": b"\xce",
        "a start and another start": b"\xce\xce",
        "overlong": b"\xc0\x80",
        "overlong of three": b"\xe0\x9f\xbf",
        "overlong of four": b"\xf0\x8f\xbf\xbf",
        "half a surrogate pair": b"\xed\xa0\x80",
        "both halves": b"\xed\xa0\xbd\xed\xb8\x80",
        "beyond the last letter": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
        "a byte that no letter has": b"\xff",
    }
    for name, text in bad.items():
        yield Row(f"{name}", frame(TEXT, b"fine: " + text), code=1007)
    yield Row("in a first fragment, with more to come", frame(TEXT, b"\xf4\x90", fin=False), code=1007)
    yield Row("in a later fragment", frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"\xff", fin=False), code=1007)
    yield Row("a letter that its last fragment leaves open", fragments(TEXT, b"\xce", b""), code=1007)
    yield Row("in binary it is as good as anything", frame(BINARY, b"\xc0\x80\xff"), ((BINARY, b"\xc0\x80\xff"),))


def closed() -> Iterator[Row]:
    """A close frame is answered with its code, and nothing after it (sections 5.5.1, 7.1 and 7.4)."""
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Row(f"code {code}", closing(code, b"why"), code=code)
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
        yield Row(f"code {code}, which none may send", closing(code), code=1002)
    yield Row("no code", frame(CLOSE), code=1000)
    yield Row("half a code", frame(CLOSE, b"\x03"), code=1002)
    yield Row("the longest reason", closing(1001, b"*" * 123), code=1001)
    yield Row("a longer reason", closing(1001, b"*" * 124), code=1002)
    yield Row("a reason that isn't UTF-8", closing(1001, b"\xce\xff"), code=1007)
    yield Row("in fragments", frame(CLOSE, b"\x03\xe8", fin=False), code=1002)
    yield Row("a message after it", closing(1001) + frame(TEXT, b"still here"), code=1001, at_once=True)
    yield Row("twice", closing(1001) + closing(1002), code=1001, at_once=True)
    yield Row("amid a message", frame(TEXT, b"a", fin=False) + closing(1001), code=1001)
    yield Row("a message before it", frame(TEXT, b"a") + closing(1001), ((TEXT, b"a"),), 1001)


TABLE = [row for rows in (echoed, pinged, fragmented, forbidden, not_utf8, closed) for row in rows()]


class Client:
    """A TCP connection to the server, and a reader of frames that takes nothing on trust."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes, *, piece: int | None = None) -> None:
        """All at once, or in pieces of so many bytes with the loop's turn between."""
        size = piece or max(1, len(data))
        for at in range(0, len(data), size):
            self._writer.write(data[at : at + size])
            await asyncio.sleep(0)
        await self._writer.drain()

    async def upgraded(self) -> None:
        """Read the answer to the upgrade."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 101 ")
        assert ACCEPTED in head

    async def not_found(self) -> None:
        """Read the answer to a request for a page that isn't there."""
        answer = await self._reader.readuntil(b"404: Not Found")
        assert answer.startswith(b"HTTP/1.1 404 ")

    async def frames(self) -> list[Frame]:
        """All frames until the server closes TCP."""
        read = []
        while head := await self._reader.read(1):
            second = (await self._reader.readexactly(1))[0]
            assert 0x80 == head[0] & 0xF0, "whole, and without reserved bits"
            assert second < 128, "a server masks nothing"
            size = second
            if second > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if second == 126 else 8), "big")
            read.append((head[0] & 0x0F, await self._reader.readexactly(size)))
        return read

    def drop(self) -> None:
        """End TCP without a word."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """A connection, before its upgrade."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            yield Client(reader, writer)
    finally:
        writer.close()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@on_both_loops
async def test_what_the_table_says(row: Row) -> None:
    """The frames that come back, a close frame with the code, and the end of TCP; the receiver is told the same code."""
    told: asyncio.Queue[int] = asyncio.Queue()
    sent, code = (row.sent + closing(1000), 1000) if row.code is None else (row.sent, row.code)
    pieces = (None,) if row.at_once else (None, 1 if len(sent) < 1000 else 997)
    async with echo_server("direct", max_message_bytes=LIMIT, gone=told.put_nowait) as port:
        for piece in pieces:
            async with connected(port) as client:
                await client.send(UPGRADE)
                await client.upgraded()
                await client.send(sent, piece=piece)
                *back, (opcode, body) = await client.frames()

            assert row.back == tuple(back)
            assert (CLOSE, code, True) == (opcode, int.from_bytes(body[:2], "big"), body[2:].isascii())
            assert (1005 if row.name == "no code" else code) == await asyncio.wait_for(told.get(), 10)
    assert told.empty()


ITS_OWN_LIMIT = {"more than the limit", "more in the end"}
WAITS_FOR_MORE = {"in a first fragment, with more to come", "in a later fragment"}
"""Text is looked at when its message is whole."""

TAKES_UNMASKED = {f"kind {opcode} without a mask" for opcode in (TEXT, BINARY, PING, CLOSE)}
AIOHTTPS = [row for row in TABLE if row.name not in ITS_OWN_LIMIT | WAITS_FOR_MORE | TAKES_UNMASKED]


@on_both_loops
async def test_what_the_table_says_holds_for_aiohttps_engine_but_for_what_is_known() -> None:
    """More than a hundred rows as they are; frames without a mask, which it takes, are beyond our reach."""
    assert 100 < len(AIOHTTPS)
    otherwise = {}
    async with echo_server("aiohttp") as port:
        for row in AIOHTTPS:
            sent, code = (row.sent + closing(1000), 1000) if row.code is None else (row.sent, row.code)
            async with connected(port) as client:
                await client.send(UPGRADE)
                await client.upgraded()
                await client.send(sent)
                *back, (opcode, body) = await client.frames()
            assert (row.back, CLOSE) == (tuple(back), opcode), row.name
            if code != int.from_bytes(body[:2], "big"):
                otherwise[row.name] = int.from_bytes(body[:2], "big")

    assert {} == otherwise


@on_both_loops
async def test_messages_sent_with_the_upgrade_are_not_lost() -> None:
    """A client may talk before it has read the answer, in the same packet or byte by byte."""
    sent = UPGRADE + frame(TEXT, b"early") + frame(BINARY, b"bird") + closing(1000)
    async with echo_server("direct", max_message_bytes=LIMIT) as port:
        for piece in (None, 1):
            async with connected(port) as client:
                await client.send(sent, piece=piece)
                await client.upgraded()

                assert [(TEXT, b"early"), (BINARY, b"bird"), (CLOSE, b"\x03\xe8")] == await client.frames()


@on_both_loops
async def test_a_connection_that_asked_for_something_else_first_is_upgraded_later() -> None:
    """Keep-alive: two requests and then a websocket, on one connection and without waiting for answers."""
    async with echo_server("direct", max_message_bytes=LIMIT) as port, connected(port) as client:
        await client.send(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n" * 2 + UPGRADE + frame(TEXT, b"late"))
        for _ in range(2):
            await client.not_found()
        await client.upgraded()
        await client.send(closing(1000))

        assert [(TEXT, b"late"), (CLOSE, b"\x03\xe8")] == await client.frames()


@on_both_loops
async def test_a_connection_that_ends_without_a_close_frame_is_told_as_1006() -> None:
    """Amid a frame or between two."""
    for sent in (frame(TEXT, b"whole"), frame(BINARY, bytes(640))[:300]):
        told: asyncio.Queue[int] = asyncio.Queue()
        server = echo_server("direct", max_message_bytes=LIMIT, gone=told.put_nowait)
        async with server as port, connected(port) as client:
            await client.send(UPGRADE)
            await client.upgraded()
            await client.send(sent)
            client.drop()

            assert 1006 == await asyncio.wait_for(told.get(), 10)
            assert told.empty()
