"""
What somebody on the internet may send: handshakes, frames, JSON texts and webhooks that are wrong, by a seed.

Each kind is half what people get wrong by hand and half noise. Nothing here knows how the server reads. The tests send a
few of each, ``scripts/scoreboard`` thousands.
"""

from __future__ import annotations

import json
import operator
import random
import struct
from collections.abc import Callable
from typing import Any, Final

UPGRADE: Final = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
MASK: Final = b"\x37\xfa\x21\x3d"
CONNECTED: Final = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'
WEBHOOKS: Final = ("/webhooks/answer", "/webhooks/event", "/webhooks/events", "/webhooks/fallback")

_HEADERS: Final = (
    *UPGRADE,
    "Accept-Encoding",
    "Authorization",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "If-Modified-Since",
    "Origin",
    "Range",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
    "Transfer-Encoding",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
)
_VALUES: Final = (
    b"",
    b" ",
    b"\xff\xfe",
    b"\xc3\xa9",
    b"\x00",
    b"\x7f",
    b"a\rb",
    b"a\n b",
    b"-1",
    b"0",
    b"1e9",
    b"99999999999999999999",
    b"chunked",
    b"gzip",
    b"br",
    b"deflate",
    b"zstd",
    b"identity, chunked",
    b"100-continue",
    b"nothing",
    b"permessage-deflate; client_max_window_bits=99",
    b"permessage-deflate; server_max_window_bits=",
    b"permessage-deflate; x=\xff",
    b"text/html; charset=nothing",
    b"application/json; charset=utf-16",
    b"application/json; charset=\xff",
    b"application/json; charset=rot13",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"application/x-www-form-urlencoded; charset=idna",
    b"%",
    b"%zz",
    b"[::1",
    b"a b",
    b"localhost:99999",
    b"localhost:x",
    b"[",
    b"]",
    b"@",
    b"http://[",
    b"user@host:80",
    b'"; \\"',
    b"bytes=5-1",
    b"Thu, 99 Foo 2026 99:99:99 GMT",
    b"h2c",
    b"dGhlIHNhbXBsZSBub25jZQ",
    b"dGhlIHNhbXBsZSBub25jZQ== ",
    b"\xe2\x82\xac" * 8,
    b"=" * 24,
    b"A" * 9000,
    b"0013",
    b"\xd9\xa1\xd9\xa3",
    b"close, Upgrade",
)
_TARGETS: Final = (
    b"",
    b"*",
    b"socket",
    b"//",
    b"///socket",
    b"/socket?%zz=%",
    b"/%2e%2e/socket",
    b"/socket#x",
    b"/\xff",
    b"/%ff%fe",
    b"http://[/",
    b"http://[::1/socket",
    b"http://localhost:99999/socket",
    b"http://localhost:x/socket",
    b"http://\xff/",
    b"http:///socket",
    b"https://a b/",
    b"localhost:80",
    b"ftp://x/y",
    b"/socket?" + b"a=1&" * 500,
    b"/" + b"a" * 9000,
    b"/socket\x00",
    b"/socket\x7f",
    b"/%00",
    b"/webhooks/answer?uuid=%ed%a0%80",
    b"/webhooks/answer;x=y",
    b"?",
    b"/?#",
    b"[",
    b"//[",
    b"//x:99999/",
    b"///[::1",
)
_LINES: Final = (
    b"",
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"SSH-2.0-x\r\n",
    b"GET /socket\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /socket HTTP/0.9\r\n\r\n",
    b"GET /socket HTTP/1.0\r\n\r\n",
    b"GET /socket HTTP/9.9\r\n\r\n",
    b"GET /socket HTTP/1.\r\n\r\n",
    b"G\xcbT /socket HTTP/1.1\r\n\r\n",
    b"get /socket HTTP/1.1\r\n\r\n",
    b"GET  /socket  HTTP/1.1\r\n\r\n",
    b"GET /socket HTTP/1.1\n\n",
    b"CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT [ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT /socket HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"TRACE /socket HTTP/1.1\r\nHost: x\r\n\r\n",
)


def handshake(chance: random.Random) -> bytes:
    """A request for a socket that is wrong somewhere."""
    match chance.randrange(8):
        case 0:
            return chance.choice(_LINES) + chance.randbytes(chance.randrange(20))
        case 1:
            return chance.randbytes(chance.randrange(1, 300)) + b"\r\n\r\n"
        case 2:
            whole = _request(b"GET", b"/socket", _fields())
            return whole[: chance.randrange(len(whole))]
        case 3:
            whole = bytearray(_request(b"GET", b"/socket", _fields()))
            for _ in range(chance.randrange(1, 4)):
                whole[chance.randrange(len(whole))] = chance.randrange(256)
            return bytes(whole)
        case 4:
            return _request(chance.choice((b"GET", b"POST", b"HEAD", b"CONNECT")), chance.choice(_TARGETS), _fields())
        case _:
            fields = _fields()
            for _ in range(chance.randrange(1, 4)):
                _spoil(fields, chance)
            return _request(b"GET", b"/socket", fields)


def webhook(chance: random.Random) -> bytes:
    """A webhook that is wrong in its head, in its body, or in what the one says of the other."""
    method = chance.choice((b"POST", b"POST", b"POST", b"GET", b"PUT", b"DELETE", b"HEAD", b"PATCH", b"BREW"))
    target = chance.choice(WEBHOOKS).encode() if chance.random() < 0.8 else chance.choice(_TARGETS)
    if chance.random() < 0.2:
        target += b"?" + chance.choice(
            (b"%", b"uuid=%ff", b"a=1&a=2", b"=&=&", b"uuid=" + b"\xc3", b"from=" + b"9" * 5000)
        )
    body = (
        json_text(chance).encode("utf-8", "surrogatepass")
        if chance.random() < 0.7
        else chance.randbytes(chance.randrange(200))
    )
    fields = [("Host", b"localhost"), ("Content-Type", b"application/json"), ("Content-Length", b"%d" % len(body))]
    for _ in range(chance.randrange(3)):
        _spoil(fields, chance)
    return _request(method, target, fields) + body


def frames(chance: random.Random) -> bytes:
    """One to four frames of which at least one is wrong, or bytes that are none."""
    match chance.randrange(10):
        case 0:
            return chance.randbytes(chance.randrange(1, 200))
        case 1:
            return _frame(chance.randrange(16), chance.randbytes(3), rsv=chance.randrange(1, 8))
        case 2:
            return _frame(chance.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), b"")
        case 3:
            return _frame(chance.choice((1, 2, 8, 9, 10)), chance.randbytes(20), masked=False)
        case 4:
            return _frame(chance.choice((8, 9, 10)), bytes(chance.randrange(126, 300)))
        case 5:
            return _frame(1, chance.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xce")))
        case 6:
            return _frame(
                8,
                chance.choice((b"\x03", struct.pack("!H", chance.choice((0, 999, 1005, 1006, 5000))), b"\x03\xe8\xff")),
            )
        case 7:
            return bytes([0x82, 0xFF]) + struct.pack(
                "!Q", chance.choice((1 << 17 | 1, 1 << 40, 1 << 62, 1 << 63, (1 << 64) - 1))
            )
        case 8:
            return _frame(0, b"a", fin=chance.random() < 0.5) + _frame(1, b"a", fin=False) + _frame(2, b"b")
        case _:
            pieces = [_frame(chance.randrange(16), chance.randbytes(chance.randrange(150)), fin=chance.random() < 0.7)]
            pieces += [_frame(chance.choice((1, 2, 9)), chance.randbytes(chance.randrange(1400))) for _ in range(3)]
            whole = bytearray(b"".join(pieces))
            whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            return bytes(whole[: chance.randrange(1, len(whole) + 1)])


_VALUES_OF_JSON: Final = (
    *(None, True, 0, -1, 1.5, 10**30, [], [[]], ["1"], {}, {"": None}, {"a": {"b": [1, {"c": "d"}]}}),
    *("", "12345", "x" * 3000, "\x1b]52;c;eA==\x07", "\u202e\0\n", "\U0001f600", "\ud800"),
    *("audio/l16;rate=0", "audio/l16;rate=99999999999"),
)
_TEXTS: Final[tuple[Callable[[random.Random], str], ...]] = (
    lambda chance: "[" * chance.choice((33, 1000, 60_000)),
    lambda chance: '{"a":' * chance.choice((33, 1000, 10_000)) + "1",
    lambda _: "[" * 40 + "]" * 40,
    lambda chance: "{" * chance.randrange(1, 9) + "}" * chance.randrange(9),
    lambda chance: '{"event":' + "9" * chance.choice((20, 4301, 60_000)) + "}",
    lambda chance: (
        '{"event":'
        + chance.choice(("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "+1", ".5", "1.", "0x1"))
        + "}"
    ),
    lambda _: '{"event":"websocket:dtmf","event":"websocket:connected"}',
    lambda _: '{"event":"websocket:dtmf","digit":"\\ud800"}',
    lambda chance: '{"event":"websocket:dtmf","digit":' + json.dumps(_value(chance)) + "}",
    lambda chance: '{"event":"websocket:connected","content-type":' + json.dumps(_value(chance)) + "}",
    lambda chance: '{"event":"websocket:notify","payload":' + json.dumps(_value(chance)) + "}",
    lambda chance: '{"event":' + json.dumps(_value(chance)) + "}",
    lambda chance: json.dumps(
        {"status": _value(chance), "uuid": _value(chance), "headers": _value(chance), "reason": _value(chance)}
    ),
    lambda chance: json.dumps({str(_value(chance))[:50]: _value(chance) for _ in range(chance.randrange(1, 30))}),
    lambda chance: json.dumps(_value(chance)),
    lambda _: "\ufeff{}",
    lambda chance: chance.choice(
        ("", " ", "\0", "nul", "tru", "'a'", '"', '"\\', '"\\u12', "{'a':1}", "[1,]", '{"a":1,}', "//", "{}{}")
    ),
    lambda chance: CONNECTED[: chance.randrange(1, len(CONNECTED))],
    lambda chance: "".join(
        chr(chance.choice((chance.randrange(128), chance.randrange(0xD800)))) for _ in range(chance.randrange(60))
    ),
)


def json_text(chance: random.Random) -> str:
    """A text that isn't JSON, isn't an object, or isn't what its name says."""
    return chance.choice(_TEXTS)(chance)


def _value(chance: random.Random) -> Any:
    return chance.choice(_VALUES_OF_JSON)


def _fields() -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in UPGRADE.items()]


def _spoil(fields: list[tuple[str, bytes]], chance: random.Random) -> None:
    """Leave a field out, say it twice, or say something else in it."""
    at = chance.randrange(len(fields) + 1)
    match chance.randrange(4):
        case 0 if at < len(fields):
            del fields[at]
        case 1 if at < len(fields):
            fields.append(fields[at])
        case 2:
            fields.insert(
                at, (chance.choice(("", " ", "\x00", "a b", "a:b", "\xe9", "x" * 9000)), chance.choice(_VALUES))
            )
        case _:
            name = chance.choice(_HEADERS)
            fields[:] = [field for field in fields if field[0] != name] + [(name, chance.choice(_VALUES))]


def _request(method: bytes, target: bytes, fields: list[tuple[str, bytes]]) -> bytes:
    lines = b"".join(name.encode("latin-1") + b": " + value + b"\r\n" for name, value in fields)
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, lines)


def _frame(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    size, bit = len(payload), masked << 7
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if size < 126:
        head += bytes([bit | size])
    else:
        head += struct.pack("!BH", bit | 126, size) if size < 65_536 else struct.pack("!BQ", bit | 127, size)
    return head + (MASK + _masked(payload) if masked else payload)


def _masked(payload: bytes) -> bytes:
    repeated = MASK * (len(payload) // 4 + 1)
    return bytes(map(operator.xor, payload, repeated))


def text_frame(text: str) -> bytes:
    """One whole message, as a client sends it."""
    return _frame(1, text.encode())


def binary_frame(data: bytes) -> bytes:
    """The same, of bytes."""
    return _frame(2, data)


def upgrade() -> bytes:
    """A handshake with nothing wrong in it."""
    return _request(b"GET", b"/socket", _fields())
