"""Opening a websocket as a client, on a socket that a poller can have."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Final

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.uri import parse_uri

from vonage_sock.errors import ConnectError
from vonage_sock.transport.framesocket import FrameSocket, Receiver
from vonage_sock.transport.poller import Poller

MAX_HEAD_BYTES: Final = 64 * 1024
_HEAD_END: Final = b"\r\n\r\n"


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
            infos = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, where = infos[0]
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(0)
            if before is not None:
                before(sock)
            await loop.sock_connect(sock, where)
            early = await _upgrade(loop, sock, ClientProtocol(address), headers or {})
    except BaseException as error:
        if sock is not None:
            sock.close()
        if isinstance(error, TimeoutError):
            raise ConnectError(f"{url} didn't answer within {timeout_s:g} s") from error
        if isinstance(error, OSError):
            raise ConnectError(f"can't connect to {url}: {error.strerror or error}") from error
        if isinstance(error, InvalidHandshake | EOFError):
            raise ConnectError(f"{url} didn't accept a websocket: {error}") from error
        raise
    return FrameSocket(poller, sock, receiver, client=True, max_message_bytes=max_message_bytes, early=early)


async def _upgrade(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: ClientProtocol, headers: Mapping[str, str]
) -> bytes:
    """Ask for the upgrade; what came behind the answer."""
    request = protocol.connect()
    request.headers.update(Headers(headers))
    protocol.send_request(request)
    await loop.sock_sendall(sock, b"".join(protocol.data_to_send()))
    head = b""
    while _HEAD_END not in head:
        data = await loop.sock_recv(sock, MAX_HEAD_BYTES)
        if not data:
            raise EOFError("the connection was closed in the middle of the answer")
        head += data
        if len(head) > MAX_HEAD_BYTES:
            raise EOFError("its answer has no end")
    end = head.index(_HEAD_END) + len(_HEAD_END)
    status_line = head[: head.index(b"\r\n")].decode("latin-1")
    if " 101" not in status_line:
        raise EOFError(f"it answered {status_line!r}")
    protocol.receive_data(head[:end])
    if protocol.handshake_exc is not None:
        raise protocol.handshake_exc
    return head[end:]
