"""The websockets library's client as the driver wants it: what Vonage's own client does on the wire, and nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, NegotiationError
from websockets.extensions import Extension
from websockets.frames import DATA_OPCODES, Close, Frame, Opcode
from websockets.protocol import Event
from websockets.typing import ExtensionName
from websockets.uri import parse_uri

from vonage_sock.call.inspect import Found
from vonage_sock.call.wire import WireWatch
from vonage_sock.clock import SECOND
from vonage_sock.errors import ConnectError
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL, CLOSE_NO_CODE
from vonage_sock.simulator.leg.machine import MAX_MESSAGE_BYTES
from vonage_sock.transport import tls

OPEN_WAIT_S: Final = 10.0
CLOSE_WAIT_S: Final = 1.0
USER_AGENT: Final = "vsock (a simulated Vonage)"


NARROW_BYTES: Final = 4096
NARROW_MSS: Final = 1460
"""
Loopback's segments of 64 KB let the kernel keep 4 MB for a peer that doesn't read, two minutes of a call at 16 kHz; with
those of a real network it is some 400 KB.
"""

COMPRESSED: Final = "a message is marked as compressed"
MAX_SHOWN: Final = 100


class UnofferedError(ConnectError):
    """The server's answer to the upgrade takes what wasn't offered; ``found`` says what."""

    def __init__(self, sentence: str, found: Found) -> None:
        super().__init__(sentence)
        self.found = found


async def open_socket(
    url: str,
    headers: Mapping[str, str],
    *,
    timeout_s: float = OPEN_WAIT_S,
    narrow: bool = False,
    trust: ssl.SSLContext | None = None,
) -> ClientSocket:
    """
    Open a websocket without compression and without a subprotocol.

    Args:
        narrow: with small buffers, so that a server soon feels that nobody reads.
        trust: whom to believe where the address asks for TLS; the system's authorities when None.

    Raises:
        UnofferedError: the server takes an extension or a subprotocol all the same.
        ConnectError: nobody listens, the name isn't known, TLS fails, or the server refuses the upgrade.
    """
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ConnectError(f"{url} can't be called: the {name} header holds what HTTP can't carry")
    made: list[_Connection] = []

    def make(*args: Any, **options: Any) -> _Connection:
        made.append(_Connection(*args, **options))
        return made[-1]

    try:
        more: dict[str, Any] = {"sock": await _narrow_connection(url, timeout_s)} if narrow else {}
        if trust is not None and url.lower().startswith("wss:"):
            more["ssl"] = trust
        await _ConnectOnce(
            url,
            additional_headers=dict(headers),
            compression=None,
            user_agent_header=USER_AGENT,
            open_timeout=timeout_s,
            close_timeout=CLOSE_WAIT_S,
            ping_interval=None,
            max_size=MAX_MESSAGE_BYTES,
            proxy=None,
            create_connection=cast("type[ClientConnection]", make),
            **more,
        )
    except NegotiationError as error:
        taken = _taken_without_offer(made[-1])
        found = Found("VS314", {"reason": taken})
        raise UnofferedError(f"{url} answers the upgrade with what was not offered: {taken}", found) from error
    except (InvalidHandshake, InvalidURI, OSError, ValueError) as error:
        raise ConnectError(why_not(url, error, timeout_s)) from error
    return ClientSocket(made[-1])


class _ConnectOnce(connect):
    """A connection that follows no redirect: the headers, a token among them, are for this address only."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Give the refusal back."""
        return exc


class _CompressionWatch(Extension):
    """Sees each frame before the library refuses one with reserved bits; offered to nobody."""

    name = ExtensionName("")

    def __init__(self) -> None:
        self.seen = False

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Look for the first reserved bit alone, which is what permessage-deflate sets."""
        self.seen = self.seen or (frame.rsv1 and not frame.rsv2 and not frame.rsv3 and frame.opcode in DATA_OPCODES)
        return frame

    def encode(self, frame: Frame) -> Frame:
        """Nothing."""
        return frame


class _Connection(ClientConnection):
    """
    A connection that is over for us as soon as the peer's close frame is answered, and that sees each frame.

    websockets waits a second more for the peer to close TCP, which servers that don't read just then leave open; a call
    would go on for that second.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.watch = WireWatch()
        self.compressed = _CompressionWatch()
        accepted = self.protocol.process_extensions
        self.protocol.process_extensions = lambda headers: [*accepted(headers), self.compressed]  # type: ignore[method-assign]
        self.pings = 0
        self.silent = False

    def process_event(self, event: Event) -> None:
        """Handle the handshake's response or a frame; a close frame is answered by now."""
        super().process_event(event)
        if not isinstance(event, Frame):
            return
        match event.opcode:
            case Opcode.CLOSE:
                self.loop.call_soon(self.transport.close)
            case Opcode.PING:
                self.pings += 1
            case Opcode.PONG:
                self.watch.ponged()
            case _:
                self.watch.data(len(event.data), self.time_ns(), last=event.fin)

    def send_data(self) -> None:
        """Write what the library wants sent, unless we have gone silent."""
        if self.silent:
            self.protocol.data_to_send()
        else:
            super().send_data()

    def time_ns(self) -> int:
        """The loop's time, as the watch counts it."""
        return round(self.loop.time() * SECOND)


class ClientSocket:
    """One open connection."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._close_called = False
        self._aborted = False
        self._reading = asyncio.Event()
        self._reading.set()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until the socket is closed."""
        while True:
            try:
                message = await self._connection.recv()
            except ConnectionClosed:
                return
            if not self._reading.is_set():
                await self._wait_to_read()
            yield message

    async def send(self, message: str | bytes) -> None:
        """Write one message."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise ConnectionResetError("the socket is closed") from error

    async def ping(self) -> None:
        """Write a ping."""
        self._connection.watch.pinged(self._connection.time_ns())
        try:
            await self._connection.ping()
        except ConnectionClosed as error:
            raise ConnectionResetError("the socket is closed") from error

    async def close(self, code: int, reason: str) -> None:
        """Write a close frame and wait for the peer's."""
        self._close_called = True
        self._connection.watch.closing(code, self._connection.time_ns())
        await self._connection.close(code, reason)

    def abort(self) -> None:
        """Drop the connection now."""
        self._aborted = True
        self._connection.transport.abort()

    def buffered_bytes(self) -> int:
        """What waits in the transport."""
        return self._connection.transport.get_write_buffer_size()

    def close_code(self) -> int:
        """That of whoever closed first; 1006 when the peer sent no close frame."""
        close = self._first_close()
        return CLOSE_ABNORMAL if close is None else close.code

    def close_reason(self) -> str:
        """The text that came with the code."""
        close = self._first_close()
        return "" if close is None else close.reason

    def found(self, now: int) -> list[Found]:
        """What the library saw and doesn't pass on; the times are the loop's own."""
        connection = self._connection
        if connection.connection_lost_waiter.done():
            timed_out = isinstance(connection.connection_exc, TimeoutError)
            answered = connection.protocol.close_rcvd is not None
            connection.watch.over(answered=answered, left_open=timed_out or self._aborted)
        found = connection.watch.found(connection.time_ns())
        if connection.compressed.seen:
            connection.compressed.seen = False
            found = [*found, Found("VS314", {"reason": COMPRESSED})]
        return found

    def awaits_pong(self) -> bool:
        """A ping of ours is unanswered."""
        return self._connection.watch.awaits_pong

    def unread_for_ns(self, now: int) -> int:
        """Nothing is made of it: a call goes on beside a server that is busy."""
        return 0

    def refused(self) -> bool:
        """The peer broke the rules of WebSocket, and the library closed with a code that says how."""
        return not self._close_called and self._close_sent_first() is not None

    # What a drill does to it.

    def drop(self) -> None:
        """Close TCP without a close frame: our direction of it where that can be done alone, so that the other is seen."""
        transport = self._connection.transport
        self._connection.silent = True
        if transport.is_closing():
            return
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    def reset(self) -> None:
        """Reset TCP."""
        transport = self._connection.transport
        plain = transport.get_extra_info("socket")
        if plain is not None and not transport.is_closing():
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def vanish(self) -> None:
        """Send and answer nothing any more; what comes is still seen."""
        self._connection.silent = True

    def pings(self) -> int:
        """How many pings came."""
        return self._connection.pings

    def unsent_bytes(self) -> int:
        """How much of ours waits here, or was not acknowledged by the other side's machine."""
        return self.buffered_bytes() + _unacknowledged_bytes(self._connection.transport)

    def stop_reading(self) -> None:
        """Take nothing any more: the library's queue fills up, then the kernel's, then the peer's."""
        self._reading.clear()

    def read_again(self) -> None:
        """Take what came."""
        self._reading.set()

    def had_closed(self) -> tuple[int, str] | None:
        """The code and reason of a close frame by which the peer didn't just answer ours, but ended the call on its own."""
        sent, received = self._connection.protocol.close_sent, self._connection.protocol.close_rcvd
        if received is None or received.code == CLOSE_NO_CODE or (sent is not None and received.code == sent.code):
            return None
        return received.code, received.reason

    async def _wait_to_read(self) -> None:
        waits = [asyncio.ensure_future(self._reading.wait()), asyncio.ensure_future(self._connection.wait_closed())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _first_close(self) -> Close | None:
        sent, received = self._close_sent_first(), self._connection.protocol.close_rcvd
        return sent if sent is not None and (received is not None or not self._close_called) else received

    def _close_sent_first(self) -> Close | None:
        protocol = self._connection.protocol
        return None if protocol.close_rcvd_then_sent else protocol.close_sent


def _taken_without_offer(connection: ClientConnection) -> str:
    """The header of the upgrade's answer that isn't an answer."""
    if connection.response is None:
        return "an extension or a subprotocol"
    headers = connection.response.headers
    for name, kind in (("Sec-WebSocket-Extensions", "extension"), ("Sec-WebSocket-Protocol", "subprotocol")):
        if name in headers:
            return f"the {kind} {', '.join(headers.get_all(name))[:MAX_SHOWN]}"
    return "something"


async def _narrow_connection(url: str, timeout_s: float) -> socket.socket:
    """A TCP connection with small buffers and segments."""
    loop = asyncio.get_running_loop()
    address = parse_uri(url)
    async with asyncio.timeout(timeout_s):
        family, kind, protocol, _, where = (
            await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        )[0]
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, NARROW_MSS)
            await loop.sock_connect(connection, where)
        except BaseException:
            connection.close()
            raise
    return connection


def _unacknowledged_bytes(transport: asyncio.Transport) -> int:
    """What the kernel has sent and got no acknowledgement for; 0 where it doesn't say."""
    plain = transport.get_extra_info("socket")
    try:
        return int.from_bytes(fcntl.ioctl(plain.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, AttributeError, ValueError):
        return 0


def reason_of(error: OSError) -> str:
    """Why a connection couldn't be made, in the system's own few words."""
    if isinstance(error, ssl.SSLError):
        return tls.why_not(error)
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nothing listens there (connection refused); start the server first, or check the port"
    return error.strerror or str(error)


def why_not(url: str, error: Exception, timeout_s: float) -> str:
    """One sentence on why a socket could not be opened."""
    match error:
        case InvalidStatus():
            return _why_refused(url, error.response.status_code)
        case InvalidURI():
            return f"{url} isn't a websocket address; it looks like wss://example.com/socket"
        case InvalidHandshake():
            return f"{url} answers, but not as a websocket: {error}"
        case TimeoutError():
            return f"{url} didn't answer within {timeout_s:g} s"
        case ssl.SSLError():
            return f"can't reach {url}: {tls.why_not(error)}"
        case OSError():
            return f"can't reach {url}: {reason_of(error)}"
    return f"{url} can't be called: {error}"


def _why_refused(url: str, status: int) -> str:
    hints = {
        401: (
            "it wants an Authorization header, or another one: call its answer URL, whose NCCO has it (for the type vonage "
            "give --signature-secret), or start vsock serve with --no-auth"
        ),
        403: "it doesn't allow this client",
        404: "there is nothing at this path",
        426: "the path is right, but the upgrade didn't get through",
        503: "it takes no more calls (vsock serve: --max-calls, --max-silent)",
    }
    hint = hints.get(status, "a websocket server answers 101")
    return f"{url} refused the call with HTTP {status}: {hint}"
