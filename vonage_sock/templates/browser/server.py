"""A web page that plays live calls, and speaks into them, on the port of the calls themselves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from vonage_sock import AsyncCall, Server

from program import run, settings, show, stopped

PAGE = Path(__file__).parent / "page"
CLOSE_WRONG_KEY = 4001
KEY_WITHIN_S = 5
MAX_MESSAGE_BYTES = 64_000
MAX_WAITING = 250
"""What a page that lags is kept: five seconds of audio. Then it loses the oldest."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Listener:
    """A page that is open, and the call that it listens to."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.call: AsyncCall | None = None
        self._socket = socket
        self._waiting: asyncio.Queue[bytes | str] = asyncio.Queue(MAX_WAITING)

    def tell(self, message: bytes | str) -> None:
        """Audio, or what happens; it never waits."""
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(message)

    async def write(self) -> None:
        """Send what there is, for as long as the page is open."""
        while True:
            message = await self._waiting.get()
            if isinstance(message, bytes):
                await self._socket.send_bytes(message)
            else:
                await self._socket.send_str(message)


class Switchboard:
    """
    Live calls, and the pages that listen to them.

    A page is let in by a key that stands in its address behind ``#``, where browsers send it to nobody: what people say on
    the telephone is not for everyone who finds the server.
    """

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe()
        self._calls: dict[str, AsyncCall] = {}
        self._listeners: set[Listener] = set()

    @property
    def routes(self) -> list[web.AbstractRouteDef]:
        """The page, and its socket."""
        return [web.get("/", self._page), web.get("/page/{name}", self._page), web.get("/listen", self._listen)]

    async def answer(self, call: AsyncCall) -> None:
        """Take a call: what the caller says goes to those who listen."""
        self._calls[call.id] = call
        keys = asyncio.create_task(self._tell_keys(call))
        self._share_out()
        try:
            async for frame in call:
                for listener in self._listeners_of(call):
                    listener.tell(frame)
        finally:
            keys.cancel()
            del self._calls[call.id]
            self._share_out()

    def _listeners_of(self, call: AsyncCall) -> list[Listener]:
        return [listener for listener in self._listeners if listener.call is call]

    async def _tell_keys(self, call: AsyncCall) -> None:
        while (key := await call.next_digit()) is not None:
            for listener in self._listeners_of(call):
                listener.tell(json.dumps({"key": key}))

    def _share_out(self) -> None:
        """Whose call is over, or who had none, listens to the newest; and all are told which there are."""
        live = list(self._calls.values())
        calls = [
            {"id": call.id, "from": str(call.headers.get("from", "unknown")), "rate_hz": call.audio_format.rate_hz}
            for call in live
        ]
        for listener in self._listeners:
            if listener.call not in live:
                listener.call = live[-1] if live else None
            listener.tell(json.dumps({"calls": calls, "listening": listener.call and listener.call.id}))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "index.html")
        if name not in ("index.html", "page.css", "page.js", "audio.js"):
            raise web.HTTPNotFound
        return web.FileResponse(PAGE / name, headers=HEADERS)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=20)
        await socket.prepare(request)
        if not await self._knows_key(socket):
            await socket.close(code=CLOSE_WRONG_KEY, message=b"wrong key")
            return socket
        listener = Listener(socket)
        self._listeners.add(listener)
        writing = asyncio.create_task(listener.write())
        self._share_out()
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await self._speak(listener, message.data)
                elif message.type is WSMsgType.TEXT:
                    await self._obey(listener, message.data)
        finally:
            self._listeners.discard(listener)
            writing.cancel()
        return socket

    async def _knows_key(self, socket: web.WebSocketResponse) -> bool:
        with contextlib.suppress(TimeoutError, TypeError):
            shown = await socket.receive_str(timeout=KEY_WITHIN_S)
            return secrets.compare_digest(shown.encode(), self.key.encode())
        return False

    async def _speak(self, listener: Listener, pcm: bytes) -> None:
        if listener.call is not None:
            await listener.call.send(pcm)

    async def _obey(self, listener: Listener, text: str) -> None:
        try:
            asked: Any = json.loads(text)
        except ValueError:
            return
        match asked:
            case {"listen": str(call_id)} if call_id in self._calls:
                listener.call = self._calls[call_id]
                self._share_out()
            case {"hang_up": True} if listener.call is not None:
                await listener.call.close()


async def main() -> None:
    """Serve."""
    board = Switchboard()
    async with Server(board.answer, routes=board.routes, observers=[show], **settings()) as server:
        print(f"Page: {server.addresses.base_url}/#{board.key}", flush=True)
        await stopped()


if __name__ == "__main__":
    run(main())
