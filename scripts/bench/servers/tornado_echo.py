"""Echo on Tornado, as its manual shows it."""

import asyncio

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Echo(WebSocketHandler):
    """Sends back what comes."""

    def on_message(self, message: str | bytes) -> None:
        """Echo."""
        if isinstance(message, bytes):
            self.write_message(message, binary=True)


async def main() -> None:
    """Serve until ended."""
    sockets = bind_sockets(0, "127.0.0.1", backlog=1024)
    HTTPServer(Application([("/socket", Echo)])).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
