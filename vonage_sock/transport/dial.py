"""Opening a websocket as a client, on a socket that a poller can have."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidHeader, InvalidURI
from websockets.protocol import State
from websockets.uri import parse_uri

from vonage_sock.errors import ConnectError
from vonage_sock.transport.framesocket import FrameSocket, Receiver
from vonage_sock.transport.poller import Poller

MAX_HEAD_BYTES: Final = 64 * 1024
_HEAD_END: Final = b"\r\n\r\n"

Before = Callable[[socket.socket], object]


async def open_client(
    poller: Poller,
    url: str,
    receiver: Receiver,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    max_message_bytes: int = 1 << 20,
    before: Before | None = None,
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
        sock, early = await dial(url, headers=headers, timeout_s=timeout_s, before=before)
    except InvalidURI as error:
        raise ConnectError(f"{url} isn't the address of a websocket") from error
    except TimeoutError as error:
        raise ConnectError(f"{url} didn't answer within {timeout_s:g} s") from error
    except OSError as error:
        raise ConnectError(f"can't connect to {url}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise ConnectError(f"can't connect to {url}: its host can't be a name") from error
    except InvalidHandshake as error:
        raise ConnectError(f"{url} didn't accept a websocket: {error}") from error
    return FrameSocket(poller, sock, receiver, client=True, max_message_bytes=max_message_bytes, early=early)


async def dial(
    url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float, before: Before | None = None
) -> tuple[socket.socket, bytes]:
    """
    A connected socket after its upgrade, and what came behind that; for those who say by themselves what went wrong.

    Raises:
        InvalidURI, InvalidHandshake: the library's own.
        ConnectError: the address asks for TLS, which a poller hasn't.
        OSError: no connection, or not in time.
    """
    address = parse_uri(url)
    if address.secure:
        raise ConnectError(f"{url}: a poller has no TLS")
    async with asyncio.timeout(timeout_s):
        sock = await _connect(address.host, address.port, before)
        try:
            return sock, await _upgrade(sock, ClientProtocol(address), headers or {})
        except BaseException:
            sock.close()
            raise


async def _connect(host: str, port: int, before: Before | None) -> socket.socket:
    """TCP to the first of the host's addresses that takes it."""
    loop = asyncio.get_running_loop()
    refused: OSError | None = None
    for family, kind, protocol, _, where in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(0)
        try:
            if before is not None:
                before(sock)
            await loop.sock_connect(sock, where)
        except OSError as error:
            sock.close()
            refused = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise refused or OSError(f"{host} has no address")


async def _upgrade(sock: socket.socket, protocol: ClientProtocol, headers: Mapping[str, str]) -> bytes:
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
    await asyncio.get_running_loop().sock_sendall(sock, b"".join(protocol.data_to_send()))
    answer = await _read_head(sock)
    head, end, behind = answer.partition(_HEAD_END)
    protocol.receive_data(head + end)
    if protocol.state is not State.OPEN:
        # A refusal, with the beginning of its text; the library wants all of it.
        protocol.receive_data(behind)
        protocol.receive_eof()
        raise protocol.handshake_exc or InvalidHandshake("the upgrade was not answered")
    if protocol.handshake_exc is not None:
        raise protocol.handshake_exc
    return behind


async def _read_head(sock: socket.socket) -> bytes:
    """What comes until the end of an HTTP head, or of the connection."""
    loop = asyncio.get_running_loop()
    answer = b""
    while _HEAD_END not in answer and len(answer) < MAX_HEAD_BYTES:
        more = await loop.sock_recv(sock, MAX_HEAD_BYTES)
        if not more:
            break
        answer += more
    return answer
