"""Opening a websocket as a client, on a socket that a poller can have."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidHeader, InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from vonage_sock.errors import ConnectError
from vonage_sock.transport.framesocket import FrameSocket, Receiver
from vonage_sock.transport.poller import Poller

MAX_HEAD_BYTES: Final = 64 * 1024
_HEAD_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"


async def open_client(
    poller: Poller,
    url: str,
    receiver: Receiver,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    max_message_bytes: int = 1 << 20,
    before: Callable[[socket.socket], object] | None = None,
) -> FrameSocket:
    """
    Connect to a ``ws://`` address and upgrade; without compression, without a proxy.

    Args:
        headers: more of them for the request.
        before: given the socket before it connects, to set options.

    Raises:
        ConnectError: nobody listens, it took too long, or the answer wasn't an upgrade; says which.
    """
    try:
        address = parse_uri(url)
    except InvalidURI as error:
        raise ConnectError(f"{url} isn't the address of a websocket") from error
    if address.secure:
        raise ConnectError(f"{url}: a poller has no TLS")
    loop = poller.loop
    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(timeout_s):
            sock = await _connect(loop, address, before)
            early = await _upgrade(loop, sock, ClientProtocol(address), headers or {})
    except BaseException as error:
        if sock is not None:
            sock.close()
        if (reason := _why_not(url, error, timeout_s)) is None:
            raise
        raise ConnectError(reason) from error
    return FrameSocket(poller, sock, receiver, client=True, max_message_bytes=max_message_bytes, early=early)


def _why_not(url: str, error: BaseException, timeout_s: float) -> str | None:
    match error:
        case TimeoutError():
            return f"{url} didn't answer within {timeout_s:g} s"
        case OSError():
            return f"can't connect to {url}: {error.strerror or error}"
        case UnicodeError():
            return f"can't connect to {url}: its host can't be a name"
        case InvalidHandshake() | EOFError():
            return f"{url} didn't accept a websocket: {error}"
        case _:
            return None


async def _connect(
    loop: asyncio.AbstractEventLoop, address: WebSocketURI, before: Callable[[socket.socket], object] | None
) -> socket.socket:
    """A connection to the first of a name's addresses that takes one: ``localhost`` may have two, and a server on one."""
    refused: OSError | None = None
    for family, kind, protocol, _, where in await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        with contextlib.ExitStack() as unless_connected:
            try:
                sock = unless_connected.enter_context(socket.socket(family, kind, protocol))
                sock.settimeout(0)
                if before is not None:
                    before(sock)
                await loop.sock_connect(sock, where)
            except OSError as error:
                refused = refused or error
            else:
                unless_connected.pop_all()
                return sock
    raise refused or OSError("its name has no address")


async def _upgrade(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: ClientProtocol, headers: Mapping[str, str]
) -> bytes:
    """Ask for the upgrade; what came behind the answer."""
    request = protocol.connect()
    for name, value in headers.items():
        with contextlib.suppress(KeyError):
            del request.headers[name]
        try:
            request.headers[name] = value
        except InvalidHeader as error:
            raise ConnectError(f"the header {name} can't be sent: {error}") from error
    protocol.send_request(request)
    await loop.sock_sendall(sock, b"".join(protocol.data_to_send()))
    head = b""
    while (end := head.find(_HEAD_END)) < 0:
        if len(head) > MAX_HEAD_BYTES:
            raise EOFError("its answer has no end")
        data = await loop.sock_recv(sock, MAX_HEAD_BYTES)
        if not data:
            raise EOFError("the connection was closed in the middle of the answer")
        head += data
    end += len(_HEAD_END)
    # The library would wait for the body of any other answer.
    if head.split(b" ", 2)[1:2] != [b"101"]:
        raise EOFError(f"it answered {head[: head.index(_LINE_END)].decode('latin-1')!r}")
    protocol.receive_data(head[:end])
    if protocol.handshake_exc is not None:
        raise protocol.handshake_exc
    return head[end:]
