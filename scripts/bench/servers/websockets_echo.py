"""Echo on websockets, as its manual shows it."""

import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def echo(socket: ServerConnection) -> None:
    """Send back what comes."""
    async for message in socket:
        if isinstance(message, bytes):
            await socket.send(message)


async def main() -> None:
    """Serve until ended."""
    async with serve(echo, "127.0.0.1", 0, compression=None, backlog=1024) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


uvloop.run(main())
