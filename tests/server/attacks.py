"""
Sending what ``malformed`` makes to a server, and counting what it answers.

Nothing is known of the server but its port: it may be in this process or in another.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import malformed

ANSWER_WAIT_S: Final = 0.25
"""For what may get no answer at all, as half a request doesn't."""

PATIENCE_S: Final = 20
AT_ONCE: Final = 40
CALLS_AT_ONCE: Final = 6
"""Sockets that are open and never say who they are: a server needn't take many."""

TEXTS_PER_CALL: Final = 40
FRAME: Final = bytes(range(256)) * 2 + bytes(128)

Answers = Counter[str]
"""How often the server answered what: a status, a close code, or ``nothing``."""


async def send_handshakes(port: int, count: int, *, seed: int) -> Answers:
    """So many bad handshakes, each on a connection of its own."""
    chance = random.Random(seed)
    return await _each(AT_ONCE, count, lambda: _ask(port, malformed.handshake(chance)))


async def send_webhooks(port: int, count: int, *, seed: int) -> Answers:
    """So many bad webhooks, each on a connection of its own."""
    chance = random.Random(seed)
    return await _each(AT_ONCE, count, lambda: _ask(port, malformed.webhook(chance)))


async def send_frames(port: int, count: int, *, seed: int) -> Answers:
    """So many bad frames, each on a socket of its own that was properly opened."""
    chance = random.Random(seed)
    return await _each(
        CALLS_AT_ONCE, count, lambda: _break(port, malformed.frames(chance), greets=chance.random() < 0.5)
    )


async def send_texts(port: int, count: int, *, seed: int) -> Answers:
    """So many bad texts in calls that go on all the same: what is echoed at the end of each says so."""
    chance = random.Random(seed)
    texts = [malformed.json_text(chance) for _ in range(count)]
    parts = iter([texts[at : at + TEXTS_PER_CALL] for at in range(0, count, TEXTS_PER_CALL)])
    return await _each(CALLS_AT_ONCE, -(-count // TEXTS_PER_CALL), lambda: _babble(port, next(parts)))


async def echoes(port: int) -> bool:
    """A call that does everything right gets its audio back."""
    return await _babble(port, []) == "echoed"


async def _each(at_once: int, count: int, make: Callable[[], Awaitable[str]]) -> Answers:
    """So many of them, made in order, some at the same time."""
    answers: Answers = Counter()
    made: Iterator[Awaitable[str]] = (make() for _ in range(count))

    async def work() -> None:
        for attack in made:
            answers[await attack] += 1

    await asyncio.gather(*(work() for _ in range(at_once)))
    return answers


async def _ask(port: int, request: bytes) -> str:
    async with _connected(port) as (reader, writer):
        writer.write(request)
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                answer = await reader.read(4096)
        except (TimeoutError, ConnectionError):
            return "nothing"
    return answer.split(b" ", 2)[1].decode("ascii", "replace") if answer.startswith(b"HTTP/") else "nothing"


async def _break(port: int, data: bytes, *, greets: bool) -> str:
    async with _connected(port) as (reader, writer):
        if not await _upgraded(reader, writer):
            return "refused"
        writer.write((malformed.text_frame(malformed.CONNECTED) if greets else b"") + data)
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                return await _close_code(reader)
        except TimeoutError:
            return "nothing"
        except (asyncio.IncompleteReadError, ConnectionError):
            return "dropped"


async def _babble(port: int, texts: list[str]) -> str:
    async with _connected(port) as (reader, writer), asyncio.timeout(PATIENCE_S):
        if not await _upgraded(reader, writer):
            return "refused"
        for text in [malformed.CONNECTED, *texts]:
            writer.write(malformed.text_frame(text))
        writer.write(malformed.binary_frame(FRAME))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            async for opcode, payload in _frames(reader):
                if opcode == 2 and payload == FRAME:
                    return "echoed"
                if opcode == 8:
                    return str(int.from_bytes(payload[:2], "big"))
    return "dropped"


async def _upgraded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(malformed.upgrade())
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
    return head.startswith(b"HTTP/1.1 101 ")


async def _close_code(reader: asyncio.StreamReader) -> str:
    async for opcode, payload in _frames(reader):
        if opcode == 8:
            return str(int.from_bytes(payload[:2], "big"))
    return "dropped"


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Opcode and payload of each; a server's are never masked."""
    while True:
        first, size = await reader.readexactly(2)
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        yield first & 0x0F, await reader.readexactly(size)


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
