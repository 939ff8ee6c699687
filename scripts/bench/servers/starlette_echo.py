"""Echo on Starlette and uvicorn, which is what FastAPI stands on."""

import asyncio

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


async def echo(socket: WebSocket) -> None:
    """Send back what comes."""
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        if message.get("bytes"):
            await socket.send_bytes(message["bytes"])


async def main() -> None:
    """Serve until ended."""
    app = Starlette(routes=[WebSocketRoute("/socket", echo)])
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", ws_per_message_deflate=False, ws_ping_interval=None)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task


uvloop.run(main())
