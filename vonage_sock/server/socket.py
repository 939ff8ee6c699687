"""
aiohttp's server websocket as the driver wants it.

aiohttp's own ``close()`` drops the connection as soon as another task reads from it, with audio still coming in: the
kernel then answers with a reset, and the peer may lose our close frame. So the close frame is sent by itself, and reading
goes on until the peer's comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import WebSocketError, WSMsgType, web

from vonage_sock.call.allowance import Allowance
from vonage_sock.call.inspect import Found
from vonage_sock.call.wire import WireWatch
from vonage_sock.clock import SECOND
from vonage_sock.limits import DEFAULTS, Limits
from vonage_sock.protocol.rfc6455 import (
    CLOSE_ABNORMAL,
    CLOSE_NO_CODE,
    CLOSE_NORMAL,
    CLOSE_POLICY,
    CLOSE_PROTOCOL_ERROR,
    close_body,
    may_be_sent,
)
from vonage_sock.transport.delivery import Delivery
from vonage_sock.transport.framesocket import LINGER_NS, TOO_MANY_PARTS

_ENDS: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


def new_websocket(limits: Limits = DEFAULTS) -> web.WebSocketResponse:
    """A response that upgrades: no compression, bounded messages; pings, pongs and closes are the socket's to see."""
    # aiohttp refuses a message of the very size that it is given.
    size = limits.message_bytes + 1
    return _WebSocket(compress=False, max_msg_size=size, autoclose=False, autoping=False)


class _WebSocket(web.WebSocketResponse):
    """aiohttp's, which closes without a word when a peer breaks the rules; this one says which."""

    async def close(self, *, code: int = CLOSE_NORMAL, message: bytes = b"", drain: bool = True) -> bool:
        error = sys.exc_info()[1]
        if not message and isinstance(error, WebSocketError):
            message = close_body(code, str(error))[2:]
        return await super().close(code=code, message=message, drain=drain)


class ServerSocket:
    """
    One upgraded request.

    Args:
        parts: how many pings and pongs may come; any number, when left out. aiohttp joins fragments without a word.
    """

    def __init__(
        self, request: web.Request, websocket: web.WebSocketResponse, *, parts: Allowance | None = None
    ) -> None:
        self._parts = parts
        self._websocket = websocket
        self._transport = request.transport
        self._code = CLOSE_ABNORMAL
        self._reason = ""
        self._refused = False
        self._close_sent: tuple[int, str] | None = None
        self._read_to_the_end = asyncio.Event()
        self._watch = WireWatch()
        self._delivery = Delivery(None if self._transport is None else self._transport.get_extra_info("socket"))
        self._loop = asyncio.get_running_loop()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until the socket is closed."""
        try:
            while True:
                message = await self._websocket.receive()
                if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                    self._watch.data(len(message.data), self._time_ns())
                    yield message.data
                    continue
                if message.type in (WSMsgType.PING, WSMsgType.PONG) and not self._lets_in():
                    await self._refuse(CLOSE_POLICY, TOO_MANY_PARTS)
                    return
                if message.type is WSMsgType.PING:
                    await self._answer_ping(message.data)
                    continue
                if message.type is WSMsgType.PONG:
                    self._watch.ponged()
                    continue
                self._watch.over(answered=message.type is WSMsgType.CLOSE)
                if message.type is WSMsgType.CLOSE:
                    await self._answer_close(message.data, message.extra)
                elif isinstance(message.data, WebSocketError):
                    self._code, self._reason, self._refused = message.data.code, str(message.data), True
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
            self._watch.pinged(self._time_ns())
            await self._websocket.ping()

    async def close(self, code: int, reason: str) -> None:
        """Write a close frame and wait for the peer's."""
        if self._close_sent is None and not self._websocket.closed:
            body = close_body(code, reason)
            self._close_sent = struct.unpack("!H", body[:2])[0], body[2:].decode()
            self._watch.closing(code, self._time_ns())
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
        """That of whoever closed first; 1006 when the peer sent no close frame."""
        return self._code

    def close_reason(self) -> str:
        """The text that came with the code."""
        return self._reason

    def found(self, now: int) -> list[Found]:
        """What aiohttp saw and doesn't pass on; it joins fragments without a word."""
        return self._watch.found(self._time_ns())

    def awaits_pong(self) -> bool:
        """A ping of ours is unanswered."""
        return self._watch.awaits_pong

    def unread_for_ns(self, now: int) -> int:
        """How long the peer has taken nothing of what waits for it."""
        return self._delivery.unread_for_ns(now)

    def refused(self) -> bool:
        """The peer broke the rules of WebSocket, and aiohttp closed with a code that says how."""
        return self._refused

    def _time_ns(self) -> int:
        return round(self._loop.time() * SECOND)

    def _lets_in(self) -> bool:
        return self._parts is None or self._parts.take(1, self._time_ns())

    async def _refuse(self, code: int, reason: str) -> None:
        self._watch.over(answered=False)
        self._code, self._reason, self._refused = code, reason, True
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._websocket.send_frame(close_body(code, reason), WSMsgType.CLOSE)
            async with asyncio.timeout(LINGER_NS / SECOND):
                # A connection that is closed with something unread is reset, and our close frame with it.
                while (await self._websocket.receive()).type not in _ENDS:
                    pass
        if self._transport is not None:
            self._transport.close()

    async def _answer_ping(self, data: bytes) -> None:
        if not self._websocket.closed:
            with contextlib.suppress(ConnectionError):
                await self._websocket.pong(data)

    async def _answer_close(self, code: int, reason: str | None) -> None:
        if self._close_sent is None:
            # aiohttp gives a close frame without a code as 0, and takes some that none may have.
            answer, why = code or CLOSE_NORMAL, ""
            self._code, self._reason = code or CLOSE_NO_CODE, reason or ""
            if not may_be_sent(answer):
                answer, why = CLOSE_PROTOCOL_ERROR, f"a close frame with the code {code}, which none may have"
                self._code, self._reason, self._refused = answer, why, True
            await self._websocket.close(code=answer, message=why.encode(), drain=False)
            return
        # A peer may answer with a code of its own, which says nothing.
        self._code, self._reason = self._close_sent
        if self._transport is not None:
            self._transport.close()
