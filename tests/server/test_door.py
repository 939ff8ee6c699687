"""What a connection may do before there is a request."""

from __future__ import annotations

import asyncio
import gc

import pytest
from websockets.asyncio.client import connect
from wire import PATIENCE_S, RawClient, Seen, connected_text, request, serving, socket_url

from vonage_sock.call.events import Notice
from vonage_sock.limits import Limits
from vonage_sock.server.app import VsockServer

pytestmark = pytest.mark.usefixtures("each_engine")
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"


class Plain:
    """A connection of bare bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, server: VsockServer, data: bytes = b"") -> Plain:
        """Connect, and send something."""
        made = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        made.write(data)
        return made

    def write(self, data: bytes) -> None:
        """Send something."""
        self._writer.write(data)

    async def head(self) -> bytes:
        """The next answer that has a body, and those before it."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
            if not lengths:
                return head + await self.head()
            return head + await self._reader.readexactly(int(lengths[0].split(b":")[1]))

    async def rest(self) -> bytes:
        """All that comes until the end."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._reader.read()
        finally:
            self._writer.close()


def told(seen: Seen) -> list[str]:
    """The notices."""
    return [notice.message for notice in seen.all(Notice)]


@pytest.mark.parametrize(
    "sent", [b"", b"GET", GET, GET + b"A: b\r\n"], ids=["nothing", "a word", "a line", "two lines"]
)
async def test_a_head_that_does_not_come_is_given_up(sent: bytes) -> None:
    """With 408 and the option that says so, on however many connections; told in one line, and in the end with a count."""
    seen = Seen()
    async with serving(list, seen, limits=Limits(head_s=0.1)) as server:
        slow = [await Plain.open(server, sent) for _ in range(5)]
        answers = [await one.rest() for one in slow]

    why = "its head didn't come within 0.1 s (--head-within)"
    assert all(answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n") for answer in answers)
    assert all(answer.endswith(f"\r\n\r\nThis request isn't taken: {why}.\n".encode()) for answer in answers)
    assert ["", " (4 times in the last minutes)"] == [
        said.removeprefix(f"a request was refused: {why}") for said in told(seen)
    ]


async def test_a_head_that_comes_byte_by_byte_is_given_up() -> None:
    """The time is that of the whole head: each byte doesn't begin it anew."""
    async with serving(limits=Limits(head_s=0.2)) as server:
        slow = await Plain.open(server, GET)
        reading = asyncio.create_task(slow.head())
        while not reading.done():
            slow.write(b"x")
            await asyncio.sleep(0.02)
        after = await slow.rest()

    assert reading.result().startswith(b"HTTP/1.1 408 ")
    assert after == b""


@pytest.mark.parametrize(
    "sent",
    [
        GET + b"A: " + b"b" * 2000,
        (GET + b"".join(b"H%d: v\r\n" % number for number in range(200))),
        b"GET /" + b"a" * 2000,
    ],
    ids=["a long header", "many headers", "no line"],
)
@pytest.mark.parametrize("step", [1 << 20, 50], ids=["at once", "in pieces"])
async def test_a_head_that_is_too_large_is_refused(sent: bytes, step: int) -> None:
    """With 431, as soon as it is: nothing of it is kept, and nothing that follows is looked at."""
    seen = Seen()
    async with serving(list, seen, limits=Limits(head_bytes=1000)) as server:
        client = await Plain.open(server)
        for at in range(0, len(sent), step):
            client.write(sent[at : at + step])
            await asyncio.sleep(0)
        answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert ["a request was refused: its head is larger than 1,000 bytes (--max-head-bytes)"] == told(seen)


async def test_each_head_of_a_connection_is_bounded_by_itself() -> None:
    """A connection that is kept serves any number of requests; a body is no head; a later head is bounded, too."""
    body = b"{" + b" " * 3000 + b"}"
    post = b"POST /webhooks/event HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with serving(limits=Limits(head_bytes=1000)) as server:
        client = await Plain.open(server)
        statuses = []
        for _ in range(20):
            client.write(GET + b"\r\n")
            statuses.append((await client.head())[9:12])
        client.write(post + body[:100])
        await asyncio.sleep(0.05)
        client.write(body[100:] + GET + b"\r\n")
        both = await client.head()
        client.write(GET + b"A: " + b"b" * 2000)
        rest = await client.rest()

    assert [b"200"] * 20 == statuses
    assert [b"204", b"200", b"431"] == [part[:3] for part in (both + rest).split(b"HTTP/1.1 ")[1:]]


async def test_a_connection_is_not_kept_longer_than_it_may() -> None:
    """Between two requests."""
    async with serving(limits=Limits(keep_alive_s=0.2)) as server:
        client = await Plain.open(server, GET + b"\r\n")
        rest = await client.rest()

    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_connections_beyond_the_limit_are_answered_and_closed() -> None:
    """With 503; calls aren't counted, and a connection that goes makes room."""
    seen = Seen()
    async with serving(list, seen, limits=Limits(connections=2)) as server:
        calls = []
        for _ in range(3):
            calls.append(await connect(socket_url(server)))
            await calls[-1].send(connected_text())
        held = [await Plain.open(server, GET + b"\r\n") for _ in range(2)]
        for one in held:
            await one.head()
        refused = [await (await Plain.open(server)).rest() for _ in range(4)]
        held[0]._writer.close()
        status = 503
        while status == 503:
            status, _, _ = await request(server, "GET", "/health")
        for call in calls:
            await call.close()
        held[1]._writer.close()

    why = "2 connections are open already, and --max-connections lets no more in"
    assert all(answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") for answer in refused)
    assert all(answer.endswith(f"No more connections now: {why}.\n".encode()) for answer in refused)
    first, counted = told(seen)
    assert f"a connection was refused: {why}" == first
    assert counted.startswith(f"{first} (")
    assert counted.endswith(" times in the last minutes)")


async def test_who_goes_early_leaves_nothing_behind() -> None:
    """Neither a place that stays taken nor a timer that goes off later."""
    seen = Seen()
    async with serving(list, seen, limits=Limits(connections=1, head_s=0.1)) as server:
        for _ in range(10):
            client = await Plain.open(server, GET)
            client._writer.transport.abort()
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.15)
        status, _, _ = await request(server, "GET", "/health")
    gc.collect()

    assert ([], 200) == (told(seen), status)


async def test_a_raw_client_may_take_its_time_once_it_is_a_call() -> None:
    """No bound of HTTP holds for a socket."""
    async with serving(limits=Limits(head_s=0.1, keep_alive_s=0.1)) as server:
        client = await RawClient.open(server)
        await asyncio.sleep(0.4)
        client.send(9, b"still here")
        answer = await client.receive()
        await client.close()

    assert (10, b"still here") == (answer.opcode, answer.payload)
