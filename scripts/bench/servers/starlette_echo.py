"""Echo on Starlette and uvicorn, which is what FastAPI stands on."""

import socket

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


async def echo(call: WebSocket) -> None:
    """Send back what comes."""
    await call.accept()
    while (message := await call.receive())["type"] == "websocket.receive":
        if message.get("bytes"):
            await call.send_bytes(message["bytes"])


async def main() -> None:
    """Serve until ended."""
    app = Starlette(routes=[WebSocketRoute("/socket", echo)])
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="error", ws_per_message_deflate=False, ws_ping_interval=None)
    await uvicorn.Server(config).serve(sockets=[listener])


uvloop.run(main())
