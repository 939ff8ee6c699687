"""
aiohttp's server websocket as the driver wants it.

aiohttp's own ``close()`` drops the connection as soon as another task reads from it, with audio still coming in: the
kernel then answers with a reset, and the peer may lose our close frame. So the close frame is sent by itself, and reading
goes on until the peer's comes.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web

from vonage_sock.call.machine import CLOSE_ABNORMAL, CLOSE_NO_CODE
from vonage_sock.server.config import MAX_MESSAGE_BYTES

MAX_REASON_BYTES = 123
"""What a close frame has room for. Source: RFC 6455, sections 5.5 and 5.5.1."""


def new_websocket() -> web.WebSocketResponse:
    """A response that upgrades: no compression, bounded messages, pings answered."""
    return web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES, autoclose=False)


class ServerSocket:
    """One upgraded request."""

    def __init__(self, request: web.Request, websocket: web.WebSocketResponse) -> None:
        self._websocket = websocket
        self._transport = request.transport
        self._reason = ""
        self._close_sent: int | None = None
        self._read_to_the_end = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until the socket is closed."""
        try:
            while True:
                message = await self._websocket.receive()
                if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                    yield message.data
                    continue
                if message.type is WSMsgType.CLOSE:
                    await self._answer_close(message.data, message.extra)
                return
        finally:
            self._read_to_the_end.set()

    async def send(self, message: str | bytes) -> None:
        """Write one message."""
        if self._websocket.closed:
            raise ConnectionResetError("the socket is closed")
        if isinstance(message, bytes):
            await self._websocket.send_bytes(message)
        else:
            await self._websocket.send_str(message)

    async def ping(self) -> None:
        """Write a ping."""
        if self._close_sent is None and not self._websocket.closed:
            await self._websocket.ping()

    async def close(self, code: int, reason: str) -> None:
        """Write a close frame and wait for the peer's."""
        if self._close_sent is None and not self._websocket.closed:
            self._close_sent = code
            body = struct.pack("!H", code) + reason.encode()[:MAX_REASON_BYTES]
            await self._websocket.send_frame(body, WSMsgType.CLOSE)
        await self._read_to_the_end.wait()

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def buffered_bytes(self) -> int:
        """What waits in the transport."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close_code(self) -> int:
        """The peer's code, or ours; 1006 when there was no close frame."""
        code = self._websocket.close_code
        if code == 0:
            # aiohttp's word for a close frame without a code.
            return CLOSE_NO_CODE
        return code or CLOSE_ABNORMAL

    def close_reason(self) -> str:
        """The text that came with the code."""
        return self._reason

    async def _answer_close(self, code: int, reason: str | None) -> None:
        self._reason = reason or ""
        if self._close_sent is None:
            await self._websocket.close(code=code or 1000, drain=False)
        elif self._transport is not None:
            self._transport.close()
