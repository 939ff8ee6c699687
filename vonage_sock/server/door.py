"""
The server's door: what a connection may do before there is a request, which aiohttp leaves open.

aiohttp bounds each line of a head and how many there are; how long the head takes, and how large it becomes, is bounded
here, and how many connections there are at once. A ``Visitor`` is aiohttp's own protocol, which counts what comes until the
end of each head; a ``Door`` makes them, in place of aiohttp's ``Server``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from logging import Logger
from typing import Any, Final

from aiohttp import web

from vonage_sock.limits import Limits

HEAD_END: Final = b"\r\n\r\n"
LINGER_S: Final = 0.5
"""Who was refused is read from for so long, as a connection that is closed with something unread is reset."""

Complain = Callable[[str, str], object]
"""Given the kind of a complaint and its sentence."""


class Runner(web.AppRunner):
    """Runs an application whose connections come through a ``Door``."""

    __slots__ = ("door",)

    def __init__(
        self, app: web.Application, *, limits: Limits, complain: Complain, shutdown_timeout: float, logger: Logger
    ) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout, logger=logger)
        settings = {
            "access_log": None,
            "logger": logger,
            "keepalive_timeout": limits.keep_alive_s,
            "lingering_time": LINGER_S,
            "max_line_size": limits.head_bytes,
            "max_field_size": limits.head_bytes,
            "auto_decompress": False,
        }
        self.door = Door(self, limits, complain, settings)

    @property
    def server(self) -> Any:
        """What makes a protocol for each connection; it is what sites ask for."""
        return self.door

    @property
    def web_server(self) -> web.Server | None:
        """Aiohttp's own."""
        return super().server


class Door:
    """Makes the protocol of each connection; with as many open as may be, one that says so."""

    def __init__(self, runner: Runner, limits: Limits, complain: Complain, settings: dict[str, Any]) -> None:
        self._runner = runner
        self._settings = settings
        self.limits = limits
        self.complain = complain
        self.open = 0

    def __call__(self) -> asyncio.Protocol:
        """For the event loop: somebody connects."""
        if self.open >= self.limits.connections:
            return Refusal(self)
        return Visitor(self, self._runner.web_server, **self._settings)


class Refusal(asyncio.Protocol):
    """Says that there are too many connections, and closes this one."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer before anything was asked."""
        most = self._door.limits.connections
        why = f"{most:,} connections are open already, and --max-connections lets no more in"
        self._door.complain("connections", f"a connection was refused: {why}")
        if isinstance(transport, asyncio.Transport):
            transport.write(answer("503 Service Unavailable", f"No more connections now: {why}."))
            asyncio.get_running_loop().call_later(LINGER_S, transport.close)


class Visitor(web.RequestHandler):
    """One connection, until it is closed or becomes a call's."""

    __slots__ = ("_counted", "_door", "_end", "_head_bytes", "_refused", "_timer")

    def __init__(self, door: Door, server: web.Server | None, **settings: Any) -> None:
        if server is None:
            raise RuntimeError("a connection came to a server that isn't set up")
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._door = door
        self._counted = self._refused = False
        self._head_bytes = 0
        self._end: bytes | None = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Its first head is waited for from here on."""
        self._counted = True
        self._door.open += 1
        super().connection_made(transport)
        # Newer versions of aiohttp give up a first request, without a word, after the time for later ones.
        self.keep_alive(True)  # noqa: FBT003  (aiohttp's)
        self._wait_for_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        self._head_came()
        self.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head, and give all to aiohttp."""
        if self._refused:
            return
        if self._end is not None and not self._take_head(data):
            return
        super().data_received(data)

    def leave(self) -> None:
        """It is a call from here on, or over: it counts as a connection no longer."""
        if self._counted:
            self._counted = False
            self._door.open -= 1

    def begin_request(self) -> None:
        """A request is handled from here on: what comes is its body."""
        self._end = None
        self._head_came()

    def end_request(self) -> None:
        """It was handled, and read to its end: what comes next is another head."""
        self._end, self._head_bytes = b"", 0

    def _wait_for_head(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._door.limits.head_s, self._too_slow)

    def _take_head(self, data: bytes) -> bool:
        """Look at what may be a part of a head; False when that is too large."""
        if self._timer is None:
            self._wait_for_head()
        seen = (self._end or b"") + data
        end = seen.find(HEAD_END)
        self._head_bytes += len(data) if end < 0 else max(0, end + len(HEAD_END) - len(seen) + len(data))
        if self._head_bytes > self._door.limits.head_bytes:
            self._too_large()
            return False
        if end < 0:
            self._end = seen[-len(HEAD_END) + 1 :]
        else:
            self._end = None
            self._head_came()
        return True

    def _head_came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        why = f"its head didn't come within {self._door.limits.head_s:g} s (--head-within)"
        self._refuse("head_s", "408 Request Timeout", why)

    def _too_large(self) -> None:
        why = f"its head is larger than {self._door.limits.head_bytes:,} bytes (--max-head-bytes)"
        self._refuse("head_bytes", "431 Request Header Fields Too Large", why)

    def _refuse(self, kind: str, status: str, why: str) -> None:
        self._refused = True
        self._head_came()
        if self.transport is None:
            return
        self._door.complain(kind, f"a request was refused: {why}")
        self.transport.write(answer(status, f"This request isn't taken: {why}."))
        asyncio.get_running_loop().call_later(LINGER_S, self.force_close)


def answer(status: str, text: str) -> bytes:
    """A whole answer, after which the connection is closed."""
    body = f"{text}\n".encode()
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n"
    ).encode() + body
