"""
WebSocket frames: bytes of a connection in, what they say out, and the other way round.

A message comes out whole, however its bytes and fragments came in. What breaks the rules ends the reading with the code to
close with; nothing raises, and nothing that the peer announces is kept room for before it has come.

Source: RFC 6455, sections 5 to 8.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

CLOSE_NORMAL: Final = 1000
CLOSE_GOING_AWAY: Final = 1001
CLOSE_PROTOCOL_ERROR: Final = 1002
CLOSE_NO_CODE: Final = 1005
CLOSE_ABNORMAL: Final = 1006
CLOSE_NOT_UTF8: Final = 1007
CLOSE_POLICY: Final = 1008
CLOSE_TOO_BIG: Final = 1009
CLOSE_INTERNAL_ERROR: Final = 1011
"""What a connection is closed with; 1005 and 1006 say that there was no code or no close frame. Source: section 7.4.1."""

MAX_CONTROL_BYTES: Final = 125
MAX_REASON_BYTES: Final = 123
"""What a close frame has room for. Source: sections 5.5 and 5.5.1."""

SENDABLE_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
MASK_BYTES: Final = 4

_ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_CONTROL: Final = 0x08
_MASKED: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class Text:
    """A whole text message."""

    text: str


@dataclass(frozen=True, slots=True)
class Binary:
    """A whole binary message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with a pong of the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, or a sign of life that nobody asked for."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """The peer's last frame; 1005 stands for a frame without a code."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """The peer broke the rules: why, and the code to close with."""

    code: int
    reason: str


Received = Text | Binary | Ping | Pong | CloseFrame | Violation
Unmask = Callable[[bytes | bytearray, bytes | bytearray], bytes]
"""Payload and mask of four bytes to the payload in clear."""


def unmask(payload: bytes | bytearray, mask: bytes | bytearray) -> bytes:
    """Apply a mask, or take it away: it is the same. Source: section 5.3."""
    size = len(payload)
    repeated = (mask * (size // MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


class FrameReader:
    """
    Reads what one side of a connection sends.

    After a ``CloseFrame`` or a ``Violation``, each of which comes once and last, nothing more is read.

    Args:
        masked: whether the peer has to mask: a client has, a server mustn't.
        max_message_bytes: a message that would be longer is a violation, as soon as its length is known.
        unmask: a quicker one than ours.
    """

    __slots__ = (
        "_buffer",
        "_decoder",
        "_ended",
        "_masked",
        "_max_bytes",
        "_message",
        "_needed",
        "_opcode",
        "_unmask",
        "parts",
    )

    def __init__(self, *, masked: bool, max_message_bytes: int, unmask: Unmask = unmask) -> None:
        self._masked = masked
        self._max_bytes = max_message_bytes
        self._unmask = unmask
        self._buffer = bytearray()
        self._needed = 2
        self._ended = False
        self._opcode: Opcode = Opcode.CONTINUATION
        self._message = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None
        self.parts = 0
        """How many frames came that ended no message: pings, pongs, and all fragments but the last."""

    @property
    def between_messages(self) -> bool:
        """Nothing is half read: what comes next begins a message."""
        return not self._buffer and self._opcode is Opcode.CONTINUATION and not self._ended

    def feed(self, data: bytes) -> list[Received]:
        """Bytes that came in; what is complete by now, in order."""
        if self._ended:
            return []
        buffer = self._buffer
        buffer += data
        received: list[Received] = []
        at = 0
        try:
            # The length of a frame is looked at only once all of it is there: byte by byte costs no more than at once.
            while len(buffer) - at >= self._needed:
                at = self._read_frame(buffer, at, received)
        except _BrokenError as broken:
            received.append(Violation(broken.code, broken.reason))
            self._end()
        del buffer[:at]
        return received

    def _end(self) -> None:
        self._ended = True
        self._needed = _NEVER
        self._buffer.clear()
        self._message.clear()

    def _read_frame(self, buffer: bytearray, at: int, received: list[Received]) -> int:
        """Read the frame at ``at``, where it is whole; where the next one begins."""
        head, length_byte = buffer[at], buffer[at + 1]
        length, begin = length_byte & 0x7F, at + 2
        masked = length_byte & _MASKED != 0
        # What two bytes show is judged by those alone, so that it doesn't matter in which pieces they come.
        self._check_head(head, length, masked=masked)
        if length == _LENGTH_16:
            begin += 2
        elif length == _LENGTH_64:
            begin += 8
        if masked:
            begin += MASK_BYTES
        if self._lacks(buffer, at, begin):
            return at
        if length == _LENGTH_16:
            (length,) = struct.unpack_from("!H", buffer, at + 2)
        elif length == _LENGTH_64:
            (length,) = struct.unpack_from("!Q", buffer, at + 2)
        if head & _CONTROL == 0 and len(self._message) + length > self._max_bytes:
            raise _BrokenError(CLOSE_TOO_BIG, f"a message of more than {self._max_bytes} bytes")
        if self._lacks(buffer, at, begin + length):
            return at
        payload = bytes(buffer[begin : begin + length])
        if masked:
            payload = self._unmask(payload, bytes(buffer[begin - MASK_BYTES : begin]))
        self._needed = 2
        self._take(Opcode(head & 0x0F), payload, received, last=head & _FIN != 0)
        return begin + length

    def _lacks(self, buffer: bytearray, at: int, end: int) -> bool:
        self._needed = end - at
        return len(buffer) < end

    def _check_head(self, head: int, length: int, *, masked: bool) -> None:
        """
        Whether such a frame may come now.

        Args:
            length: as the second byte has it, where 126 and 127 stand for a longer one.
        """
        opcode = head & 0x0F
        if head & _RESERVED:
            raise _BrokenError(CLOSE_PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed on")
        if opcode not in _OPCODES:
            raise _BrokenError(CLOSE_PROTOCOL_ERROR, f"a frame of the unknown kind {opcode}")
        if masked != self._masked:
            wrong = "isn't masked, as a client's must be" if self._masked else "is masked, which only a client's may be"
            raise _BrokenError(CLOSE_PROTOCOL_ERROR, f"a frame {wrong}")
        if opcode & _CONTROL:
            if not head & _FIN or length > MAX_CONTROL_BYTES:
                raise _BrokenError(CLOSE_PROTOCOL_ERROR, "a control frame that is in fragments or too long")
            return
        if (opcode == Opcode.CONTINUATION) is (self._opcode is Opcode.CONTINUATION):
            wrong = "begins inside another message" if opcode else "continues a message that never began"
            raise _BrokenError(CLOSE_PROTOCOL_ERROR, f"a frame {wrong}")

    def _take(self, opcode: Opcode, payload: bytes, received: list[Received], *, last: bool) -> None:
        match opcode:
            case Opcode.PING:
                self.parts += 1
                received.append(Ping(payload))
            case Opcode.PONG:
                self.parts += 1
                received.append(Pong(payload))
            case Opcode.CLOSE:
                received.append(read_close(payload))
                self._end()
            case _:
                self._take_data(self._opcode or opcode, payload, received, last=last)

    def _take_data(self, opcode: Opcode, payload: bytes, received: list[Received], *, last: bool) -> None:
        if opcode is Opcode.TEXT:
            payload = self._checked_text(payload, last=last)
        if last and self._opcode is Opcode.CONTINUATION:
            received.append(_whole(opcode, payload))
            return
        # Fragments may be empty and without number: they are joined at once, and cost no room of their own.
        self._opcode = opcode
        self._message += payload
        self.parts += not last
        if last:
            received.append(_whole(opcode, bytes(self._message)))
            self._message = bytearray()
            self._opcode = Opcode.CONTINUATION

    def _checked_text(self, payload: bytes, *, last: bool) -> bytes:
        """The payload; text that isn't UTF-8 is told at the first fragment that shows it."""
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            self._decoder.decode(payload, last)
        except UnicodeDecodeError as error:
            raise _BrokenError(CLOSE_NOT_UTF8, "a text message that isn't UTF-8") from error
        if last:
            self._decoder = None
        return payload


_OPCODES: Final = frozenset(Opcode)
_NEVER: Final = 1 << 62


class _BrokenError(Exception):
    """What a ``Violation`` is made of, on its way out of the parsing."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def _whole(opcode: Opcode, payload: bytes) -> Text | Binary:
    return Text(payload.decode()) if opcode is Opcode.TEXT else Binary(payload)


def read_close(payload: bytes) -> CloseFrame | Violation:
    """What a close frame says. Source: sections 5.5.1 and 7.4."""
    if not payload:
        return CloseFrame(CLOSE_NO_CODE, "")
    if len(payload) == 1:
        return Violation(CLOSE_PROTOCOL_ERROR, "a close frame with half a code")
    (code,) = struct.unpack_from("!H", payload)
    if not may_be_sent(code):
        return Violation(CLOSE_PROTOCOL_ERROR, f"a close frame with the code {code}, which none may have")
    try:
        return CloseFrame(code, payload[2:].decode())
    except UnicodeDecodeError:
        return Violation(CLOSE_NOT_UTF8, "a close frame whose reason isn't UTF-8")


def may_be_sent(code: int) -> bool:
    """Whether a close frame may hold it. Source: sections 7.4.1 and 7.4.2."""
    return code in SENDABLE_CODES or 3000 <= code <= 4999


def close_body(code: int, reason: str) -> bytes:
    """What a close frame holds: a code that may be sent, 1011 in place of any other, and as much of the reason as fits."""
    if not may_be_sent(code):
        code = CLOSE_INTERNAL_ERROR
    text = reason.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore")
    return struct.pack("!H", code) + text.encode()


def frame_head(opcode: Opcode, length: int, *, masked: bool = False) -> bytes:
    """All of an unfragmented frame but its mask and payload."""
    bit = _MASKED if masked else 0
    if length < _LENGTH_16:
        return bytes((_FIN | opcode, bit | length))
    if length < 1 << 16:
        return struct.pack("!BBH", _FIN | opcode, bit | _LENGTH_16, length)
    return struct.pack("!BBQ", _FIN | opcode, bit | _LENGTH_64, length)


def frame_of(opcode: Opcode, payload: bytes, *, mask: bytes | None = None) -> bytes:
    """
    An unfragmented frame.

    Args:
        mask: four bytes, as a client has to have them; a server's frame has none.
    """
    if mask is None:
        return frame_head(opcode, len(payload)) + payload
    return frame_head(opcode, len(payload), masked=True) + mask + unmask(payload, mask)


def accept_value(key: str) -> str:
    """What ``Sec-WebSocket-Accept`` has to say to a client's key. Source: section 4.2.2."""
    return base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT_GUID, usedforsecurity=False).digest()).decode()
