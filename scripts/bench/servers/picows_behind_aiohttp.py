"""aiohttp answers HTTP; a socket that it has accepted is handed to picows. One port for both."""

import asyncio
import logging
import os
import socket
from typing import Final

import uvloop
from aiohttp import web
from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest
from picows.picows import WSProtocol

HANDED: Final[set[asyncio.Task[None]]] = set()


class Echo(WSListener):
    """Sends back what comes."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Echo, and answer a close; picows answers pings."""
        if frame.msg_type == WSMsgType.BINARY:
            transport.send(WSMsgType.BINARY, frame.get_payload_as_memoryview())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()


def listener(_request: WSUpgradeRequest) -> Echo:
    """One for each call."""
    return Echo()


ARGUMENTS: Final = (
    *(
        None,
        None,
        False,
        listener,
        logging.getLogger("picows"),
        True,
        5,
    ),  # of the server, as ws_create_server gives them
    *(
        False,
        20,
        20,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,
        1 << 20,
        None,
        16384,
    ),  # pings, the greatest frame, the buffer
)


async def hand_over(accepted: socket.socket, head: bytes) -> None:
    """Let picows answer the upgrade that aiohttp has read, and all that follows."""
    loop = asyncio.get_running_loop()
    protocol = WSProtocol(*ARGUMENTS)
    await loop.connect_accepted_socket(lambda: protocol, accepted)
    protocol.get_buffer(len(head))[: len(head)] = head
    protocol.buffer_updated(len(head))


async def upgrade(request: web.Request) -> web.Response:
    """Take the socket away from aiohttp."""
    assert request.transport is not None
    accepted = socket.socket(fileno=os.dup(request.transport.get_extra_info("socket").fileno()))
    lines = [f"GET {request.raw_path} HTTP/1.1".encode(), *(b": ".join(header) for header in request.raw_headers)]
    request.transport.abort()
    task = asyncio.create_task(hand_over(accepted, b"\r\n".join([*lines, b"", b""])))
    HANDED.add(task)
    task.add_done_callback(HANDED.discard)
    return web.Response()


async def health(_request: web.Request) -> web.Response:
    """An HTTP page on the same port."""
    return web.json_response({"status": "ok"})


async def main() -> None:
    """Serve until ended."""
    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_get("/socket", upgrade)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


uvloop.run(main())
