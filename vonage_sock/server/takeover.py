"""
The connected socket of a request that asks for an upgrade, taken from aiohttp.

The one module that touches what aiohttp doesn't document: ``RequestHandler.set_parser``, which is given what came behind
the request. The rest is asyncio's own: reading is paused, the descriptor is doubled, and aiohttp sees its connection end.
Where aiohttp has changed, ``usable`` says so, and calls go through its documented WebSocketResponse.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from vonage_sock.protocol.rfc6455 import accept_value

KNOWN_MAJOR: Final = 3
FLUSH_WAIT_S: Final = 2.0
FLUSH_POLL_S: Final = 0.005


def usable() -> bool:
    """Whether the aiohttp that is installed is one that this was written for."""
    return int(aiohttp.__version__.split(".", 1)[0]) == KNOWN_MAJOR and hasattr(RequestHandler, "set_parser")


class _Tail:
    """A parser, for aiohttp, that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes behind the request."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Nothing to do: the socket itself says it."""


def upgrade_head(request: web.Request) -> bytes:
    """What accepts an upgrade, for a request that ``WebSocketResponse.can_prepare`` found good."""
    accept = accept_value(request.headers["Sec-WebSocket-Key"].strip())
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


async def take_socket(request: web.Request) -> tuple[socket.socket, bytes]:
    """
    The request's socket, not blocking, and what came on it already; the handler's response will go nowhere.

    Raises:
        ConnectionError: the peer is gone, or doesn't read what it was sent before.
        OSError: the system has no descriptor left; the connection is dropped.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the peer is gone")
    tail = _Tail()
    request.protocol.set_parser(tail)  # type: ignore[arg-type]  # all it is asked for is these two methods
    transport.pause_reading()
    await _flush(transport)
    if transport.is_closing():
        raise ConnectionResetError("the peer is gone")
    try:
        taken = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    finally:
        # aiohttp can't go on with it either: what it reads would go nowhere.
        transport.abort()
    taken.settimeout(0)
    return taken, tail.data


async def _flush(transport: asyncio.Transport) -> None:
    """An answer to an earlier request on the same connection comes before ours."""
    try:
        async with asyncio.timeout(FLUSH_WAIT_S):
            while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110
                await asyncio.sleep(FLUSH_POLL_S)
    except TimeoutError as error:
        transport.abort()
        raise ConnectionResetError("the peer doesn't read") from error
