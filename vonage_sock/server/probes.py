"""
Our own tries of our public address: answered so that the way is tried whole, and told nobody.

Rule: who shows that it is a try can have returned what it sends, for a little while, and can do nothing else.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import WSMsgType, web

from vonage_sock.clock import SECOND, Clock
from vonage_sock.protocol.probing import PROBE_HEADER, is_probe, probe_reply

MAX_AT_ONCE: Final = 4
MAX_MESSAGES: Final = 200
MAX_MESSAGE_BYTES: Final = 4096
MAX_S: Final = 10.0


class Probes:
    """
    Knows them.

    Args:
        key: what they are signed with.
    """

    def __init__(self, key: str, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._open = 0

    def reply_to(self, request: web.Request) -> dict[str, str] | None:
        """The headers that show a try that it has come to us; None for what is none."""
        value = request.headers.get(PROBE_HEADER)
        if value is None or not is_probe(value, self._key, now_s=self._clock.wall_ns() // SECOND):
            return None
        return {PROBE_HEADER: probe_reply(value, self._key)}

    async def echo(self, request: web.Request, reply: dict[str, str]) -> web.StreamResponse:
        """A socket that returns what comes, of no call."""
        websocket = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES)
        websocket.headers.update(reply)
        if self._open >= MAX_AT_ONCE or "Upgrade" not in request.headers or not websocket.can_prepare(request):
            return web.Response(status=426, headers=reply, text="This address takes WebSockets.\n")
        self._open += 1
        try:
            await websocket.prepare(request)
            async with asyncio.timeout(MAX_S):
                for _ in range(MAX_MESSAGES):
                    message = await websocket.receive()
                    if message.type is not WSMsgType.BINARY:
                        break
                    await websocket.send_bytes(message.data)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self._open -= 1
            await websocket.close()
        return websocket
