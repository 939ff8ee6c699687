"""Servers for load tests, of the websockets library: each does one thing with what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

Handler = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Its address, while it serves."""
    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/socket"


def changing(change: Callable[[bytes], bytes]) -> Handler:
    """Returns each frame as ``change`` makes it."""

    async def handle(socket: ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                await socket.send(change(message))

    return handle


echo = changing(lambda frame: frame)


def late(delay_s: float) -> Handler:
    """Returns each frame unchanged after so many seconds."""

    async def handle(socket: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def answer() -> None:
            while True:
                at, frame = await waiting.get()
                await asyncio.sleep(at - loop.time())
                await socket.send(frame)

        answering = asyncio.create_task(answer())
        async for message in socket:
            if isinstance(message, bytes):
                waiting.put_nowait((loop.time() + delay_s, message))
        answering.cancel()

    return handle


async def in_pairs(socket: ServerConnection) -> None:
    """Returns two frames as one message."""
    kept = b""
    async for message in socket:
        if isinstance(message, bytes):
            kept += message
            if len(kept) >= 2 * len(message):
                await socket.send(kept)
                kept = b""


async def in_crumbs(socket: ServerConnection) -> None:
    """Returns the stream in messages of 300 bytes, which fit no frame."""
    kept = b""
    async for message in socket:
        if isinstance(message, bytes):
            kept += message
            while len(kept) >= 300:
                await socket.send(kept[:300])
                kept = kept[300:]


async def silent(socket: ServerConnection) -> None:
    """Returns nothing."""
    async for _ in socket:
        pass


async def losing(socket: ServerConnection) -> None:
    """Returns all but each tenth frame."""
    count = 0
    async for message in socket:
        if isinstance(message, bytes):
            count += 1
            if count % 10:
                await socket.send(message)


async def swapping(socket: ServerConnection) -> None:
    """Returns each tenth frame after the one that follows it."""
    count, kept = 0, None
    async for message in socket:
        if isinstance(message, bytes):
            count += 1
            if count % 10 == 0:
                kept = message
                continue
            await socket.send(message)
            if kept is not None:
                await socket.send(kept)
                kept = None


async def unrelated(socket: ServerConnection) -> None:
    """Plays noise of its own, as much as it is sent."""
    generator = np.random.default_rng(5)
    async for message in socket:
        if isinstance(message, bytes):
            await socket.send(generator.integers(-4000, 4000, len(message) // 2).astype("<i2").tobytes())


async def leaving(socket: ServerConnection) -> None:
    """Ends the call after ten frames, with 1011."""
    for _ in range(11):
        await socket.recv()
    await socket.close(1011)


async def vanishing(socket: ServerConnection) -> None:
    """Drops the connection after ten frames."""
    for _ in range(11):
        await socket.recv()
    socket.transport.abort()


def only(most: int) -> Handler:
    """An echo for so many calls at once; more are ended."""
    there = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal there
        if there >= most:
            await socket.close(1013)
            return
        there += 1
        try:
            await echo(socket)
        finally:
            there -= 1

    return handle
