"""The websockets library's client as the driver wants it: what Vonage's own client does on the wire, and nothing more."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Event

from vonage_sock.call.machine import CLOSE_ABNORMAL
from vonage_sock.errors import ConnectError
from vonage_sock.simulator.leg import MAX_MESSAGE_BYTES

OPEN_WAIT_S: Final = 10.0
CLOSE_WAIT_S: Final = 1.0
USER_AGENT: Final = "vsock (a simulated Vonage)"


async def open_socket(url: str, headers: Mapping[str, str], *, timeout_s: float = OPEN_WAIT_S) -> ClientSocket:
    """
    Open a websocket without compression and without a subprotocol.

    Raises:
        ConnectError: nobody listens, the name isn't known, TLS fails, or the server refuses the upgrade.
    """
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ConnectError(f"{url} can't be called: the {name} header holds what HTTP can't carry")
    try:
        connection = await _ConnectOnce(
            url,
            additional_headers=dict(headers),
            compression=None,
            user_agent_header=USER_AGENT,
            open_timeout=timeout_s,
            close_timeout=CLOSE_WAIT_S,
            ping_interval=None,
            max_size=MAX_MESSAGE_BYTES,
            proxy=None,
            create_connection=_Connection,
        )
    except InvalidStatus as error:
        raise ConnectError(_why_refused(url, error.response.status_code)) from error
    except InvalidURI as error:
        raise ConnectError(f"{url} isn't a websocket address; it looks like wss://example.com/socket") from error
    except InvalidHandshake as error:
        raise ConnectError(f"{url} answers, but not as a websocket: {error}") from error
    except TimeoutError as error:
        raise ConnectError(f"{url} didn't answer within {timeout_s:g} s") from error
    except ssl.SSLError as error:
        raise ConnectError(f"can't reach {url}: TLS fails ({_tls_reason(error)})") from error
    except OSError as error:
        raise ConnectError(f"can't reach {url}: {reason_of(error)}") from error
    except ValueError as error:
        raise ConnectError(f"{url} can't be called: {error}") from error
    return ClientSocket(connection)


class _ConnectOnce(connect):
    """A connection that follows no redirect: the headers, a token among them, are for this address only."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Give the refusal back."""
        return exc


class _Connection(ClientConnection):
    """
    A connection that is over for us as soon as the peer's close frame is answered.

    websockets waits a second more for the peer to close TCP, which servers that don't read just then leave open; a call
    would go on for that second.
    """

    def process_event(self, event: Event) -> None:
        """Handle the handshake's response or a frame; a close frame is answered by now."""
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
            self.loop.call_soon(self.transport.close)


class ClientSocket:
    """One open connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._close_called = False

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until the socket is closed."""
        while True:
            try:
                message = await self._connection.recv()
            except ConnectionClosed:
                return
            yield message

    async def send(self, message: str | bytes) -> None:
        """Write one message."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise ConnectionResetError("the socket is closed") from error

    async def ping(self) -> None:
        """Write a ping."""
        try:
            await self._connection.ping()
        except ConnectionClosed as error:
            raise ConnectionResetError("the socket is closed") from error

    async def close(self, code: int, reason: str) -> None:
        """Write a close frame and wait for the peer's."""
        self._close_called = True
        await self._connection.close(code, reason)

    def abort(self) -> None:
        """Drop the connection now."""
        self._connection.transport.abort()

    def buffered_bytes(self) -> int:
        """What waits in the transport."""
        return self._connection.transport.get_write_buffer_size()

    def close_code(self) -> int:
        """That of whoever closed first; 1006 when the peer sent no close frame."""
        sent = self._close_sent_first()
        if sent is not None and (self._connection.protocol.close_rcvd is not None or not self._close_called):
            return sent.code
        return self._connection.close_code or CLOSE_ABNORMAL

    def close_reason(self) -> str:
        """The text that came with the code."""
        return self._connection.close_reason or ""

    def refused(self) -> bool:
        """The peer broke the rules of WebSocket, and the library closed with a code that says how."""
        return not self._close_called and self._close_sent_first() is not None

    def _close_sent_first(self) -> Close | None:
        protocol = self._connection.protocol
        return None if protocol.close_rcvd_then_sent else protocol.close_sent


def reason_of(error: OSError) -> str:
    """Why a connection couldn't be made, in the system's own few words."""
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nothing listens there (connection refused); start the server first, or check the port"
    return error.strerror or str(error)


def _why_refused(url: str, status: int) -> str:
    hints = {
        401: "it wants an Authorization header",
        403: "it doesn't allow this client",
        404: "there is nothing at this path",
        426: "the path is right, but the upgrade didn't get through",
        503: "it takes no more calls",
    }
    hint = hints.get(status, "a websocket server answers 101")
    return f"{url} refused the call with HTTP {status}: {hint}"


def _tls_reason(error: ssl.SSLError) -> str:
    return getattr(error, "verify_message", "") or (error.reason or str(error)).lower().replace("_", " ")
