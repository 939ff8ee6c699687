"""
A user's server that means no good: whatever can be said in an answer, a header, a message or a close, it says.

    /answer/N   an NCCO with text N in every field and key, and a socket to call
    /status/N   an error with text N as its reason phrase, body and header
    /kind/N     an NCCO under text N as its content type
    /junk/N     text N instead of an NCCO
    /ws/N       a socket: messages of text N, odd audio, and a close with text N as its reason
    /refuse/N   an upgrade that is refused with text N
    others      204
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE_REASON_BYTES: Final = 123
PATIENCE_S: Final = 5.0


def raw(text: str) -> bytes:
    """A text as bytes that no decent sender would send."""
    return text.encode("utf-8", "surrogatepass")


def in_a_line(text: str) -> bytes:
    """The same where a line end would end a header."""
    return raw(text).replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b"")


@contextmanager
def hostile(texts: Sequence[str]) -> Iterator[int]:
    """The port of a server that says these while the block runs."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(listener, port, texts), daemon=True).start()
        yield port


def _accept(listener: socket.socket, port: int, texts: Sequence[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=_serve, args=(peer, port, texts), daemon=True).start()


def _serve(peer: socket.socket, port: int, texts: Sequence[str]) -> None:
    with peer, contextlib.suppress(OSError, ValueError, IndexError):
        peer.settimeout(PATIENCE_S)
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := peer.recv(65536)):
                return
            head += more
        _, kind, number = head.split()[1].split(b"?")[0].decode().split("/")
        text = texts[int(number)]
        if kind == "ws":
            _call(peer, head, text)
        else:
            peer.sendall(_answer(kind, text, f"ws://127.0.0.1:{port}/ws/{number}"))


def _answer(kind: str, text: str, socket_url: str) -> bytes:
    match kind:
        case "answer":
            return _http(b"200 OK", json.dumps(ncco(text, socket_url)).encode())
        case "status":
            return _http(b"500 " + in_a_line(text), raw(text), headers=b"X-Odd: " + in_a_line(text) + b"\r\n")
        case "kind":
            return _http(b"200 OK", json.dumps(ncco(text, socket_url)).encode(), kind=in_a_line(text)[:2000])
        case "junk":
            return _http(b"200 OK", raw(text))
        case "refuse":
            return _http(b"403 " + in_a_line(text)[:2000], raw(text), headers=b"X-Odd: " + in_a_line(text) + b"\r\n")
    return b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def ncco(text: str, socket_url: str) -> list[dict[str, Any]]:
    """Actions of which each field and key says the text; one calls the socket."""
    endpoint = {
        "type": "websocket",
        "uri": socket_url,
        "content-type": "audio/l16;rate=16000",
        "headers": {text[:60]: text[:60]},
        text: text,
    }
    return [
        {"action": "talk", "text": text, text: text, "language": text},
        {"action": text},
        {"action": "connect", "endpoint": [endpoint], "from": text, text: {text: [text]}},
        {"action": "connect", "endpoint": [{"type": text, text: text}]},
        {"action": "notify", "payload": {text: text}, "eventUrl": [text]},
    ]


def _http(status: bytes, body: bytes, *, kind: bytes = b"application/json", headers: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return (
        b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + length + b"\r\n"
        b"Connection: close\r\n" + headers + b"\r\n" + body
    )


def _call(peer: socket.socket, head: bytes, text: str) -> None:
    key = next(
        line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    peer.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )
    for said in (json.dumps({"action": text, text: text}), json.dumps({"action": "notify", "payload": {text: text}})):
        peer.sendall(_frame(1, said.encode()))
    # A text frame of bytes that are no UTF-8 would end the call before its close reason is told.
    peer.sendall(_frame(1, text.encode("utf-8", "replace")))
    peer.sendall(_frame(2, b"\0" * 321))
    reason = text.encode("utf-8", "replace")[:CLOSE_REASON_BYTES].decode("utf-8", "ignore").encode()
    threading.Event().wait(0.15)
    peer.sendall(_frame(8, struct.pack("!H", 4000) + reason))
    while peer.recv(65536):
        pass


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 65536:
        return bytes([0x80 | opcode, 126]) + struct.pack("!H", size) + payload
    return bytes([0x80 | opcode, 127]) + struct.pack("!Q", size) + payload
