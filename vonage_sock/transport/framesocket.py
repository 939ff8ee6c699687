"""
A websocket on a connected socket, moved by callbacks.

What comes in is given to the receiver at once, in the same step in which the kernel gave it, without a task or a queue
between. What is sent goes to the kernel at once too; what that doesn't take waits here, and whoever sends can look at how
much that is.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import socket
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from vonage_sock.call.allowance import Allowance
from vonage_sock.call.mirror import Mirror
from vonage_sock.call.wire import WireWatch
from vonage_sock.clock import MS
from vonage_sock.protocol.rfc6455 import (
    CLOSE_ABNORMAL,
    CLOSE_NO_CODE,
    CLOSE_NORMAL,
    CLOSE_POLICY,
    MASK_BYTES,
    Binary,
    CloseFrame,
    FrameReader,
    Opcode,
    Ping,
    Pong,
    Text,
    Violation,
    close_body,
    frame_head,
)
from vonage_sock.transport.delivery import Delivery
from vonage_sock.transport.masking import unmask
from vonage_sock.transport.poller import Poller, Ready, Timer

READ_BYTES: Final = 8 * 1024
"""
What is read at once, before the others have their turn: a quarter of a second of a call that fell behind, and of the
smallest messages no more than are handled in some 20 ms.
"""

BUFFER: Final = bytearray(READ_BYTES)
"""One for all sockets: what is in it is looked at before anybody reads again."""

LINGER_NS: Final = 500 * MS
"""How long a peer that has said all it has to say may take to close its end of TCP."""

CLOSE_WAIT_NS: Final = 1500 * MS
TOO_MANY_PARTS: Final = "too many pings, pongs or fragments"

_HEAD_16_BYTES: Final = 4
_PAYLOAD_AT: Final = _HEAD_16_BYTES + MASK_BYTES


def _whole(size: int, frame_bytes: int) -> int:
    """As much of a size as is whole frames: where they pile up, none is cut in two by where reading stops."""
    return size // frame_bytes * frame_bytes if 0 < frame_bytes <= size else size


@functools.lru_cache(maxsize=8)
def _plain(size: int) -> tuple[int, bytes]:
    """A size, and the head of a frame of it: the same objects for all calls, so that they stay in the processor's cache."""
    return size, frame_head(Opcode.BINARY, size)


class Receiver(Protocol):
    """Who is told, on the event loop. Nothing here may wait."""

    def binary(self, data: bytes, now: int) -> None:
        """A binary message came."""
        ...

    def text(self, text: str, now: int) -> None:
        """A text message came."""
        ...

    def gone(self, code: int, reason: str, now: int) -> None:
        """The connection is over; told once, and nothing after it. 1006 when there was no close frame."""
        ...


class _State(Enum):
    OPEN = "open"
    CLOSING = "our close frame is out, the peer's isn't in"
    LINGERING = "both close frames are through"
    GONE = "gone"


_OPEN: Final = _State.OPEN


class FrameSocket:
    """
    One connection after its upgrade.

    Args:
        sock: connected; the frame socket owns it from here on.
        client: which side we are: a client masks.
        early: what came behind the upgrade already.
        close_wait_ns: how long the peer has to answer our close frame, or to take what waits for it at the end.
        parts: how many pings, pongs and fragments may come, each as if it were a message; any number, when left out.
    """

    __slots__ = (
        "_client",
        "_close_wait_ns",
        "_closed",
        "_corked",
        "_early",
        "_fd",
        "_parts",
        "_plain_bytes",
        "_plain_head",
        "_plain_send",
        "_poller",
        "_pong",
        "_read_bytes",
        "_reader",
        "_receiver",
        "_recv_into",
        "_sock",
        "_state",
        "_timer",
        "_usual_bytes",
        "_usual_head",
        "delivery",
        "heard_at",
        "mirror",
        "progress_at",
        "refused",
        "unsent",
        "watch",
    )

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        receiver: Receiver,
        *,
        client: bool,
        max_message_bytes: int,
        early: bytes = b"",
        close_wait_ns: int = CLOSE_WAIT_NS,
        parts: Allowance | None = None,
    ) -> None:
        sock.settimeout(0)
        # Without this a kernel keeps a frame back until the one before is acknowledged.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poller = poller
        self._sock = sock
        self._fd = sock.fileno()
        self._recv_into: Callable[[bytearray, int], int] = sock.recv_into
        self._plain_send = sock.send
        self._receiver = receiver
        self._client = client
        self._close_wait_ns = close_wait_ns
        self._parts = parts
        self._reader = FrameReader(masked=not client, max_message_bytes=max_message_bytes, unmask=unmask)
        self.unsent: bytearray | None = None
        self._state = _State.OPEN
        self._closed: tuple[int, str] | None = None
        self._pong: bytes | None = None
        self._timer: Timer | None = None
        self._usual_bytes = 0
        self._usual_head = b""
        self._read_bytes = READ_BYTES
        self._corked: list[bytes] | None = None
        self._plain_bytes = -1
        self._plain_head = b""
        self.mirror: Mirror | None = None
        """What says of a message whether it goes straight back; None where none does."""

        self.watch = WireWatch()
        self.delivery = Delivery(sock)
        self.heard_at = self.progress_at = poller.clock.now()
        """When the peer sent something last, and when it last took something of what waits."""

        self.refused = False
        """The peer broke the rules of WebSocket, and was sent a close frame that says how."""

        self._early = early
        poller.watch(self._fd, self.watcher())
        if early:
            self._recv_into = self._take_early
            poller.loop.call_soon(self._look_early)

    def watcher(self) -> Ready:
        """Whom the poller calls."""
        return self

    @property
    def unsent_bytes(self) -> int:
        """What the kernel hasn't taken yet."""
        return 0 if self.unsent is None else len(self.unsent)

    @property
    def is_open(self) -> bool:
        """Messages may be sent; after that they are dropped without a word."""
        return self._state is _State.OPEN

    def send(self, message: str | bytes) -> None:
        """Send one message, unfragmented."""
        if type(message) is bytes and self.send_plain(message):
            return
        if isinstance(message, str):
            self._send_frame(Opcode.TEXT, message.encode())
        else:
            self._send_frame(Opcode.BINARY, message)
            self._learn_plain(len(message))

    def send_plain(self, message: bytes) -> bool:
        """
        Send audio of the size it had before, with nothing waiting; False where it isn't so, and nothing is sent.

        It is the path of each frame of a call.
        """
        if len(message) != self._plain_bytes:
            return False
        data = self._plain_head + message
        try:
            sent = self._plain_send(data)
        except OSError as error:
            self.keep_unsent(data, error)
            return True
        if sent != len(data):
            self.keep_unsent(data[sent:])
        return True

    def send_framed(self, data: bytes) -> None:
        """Send bytes that are frames already, one or several, masked if we are a client."""
        if self._state is not _OPEN:
            return
        if self.unsent or self._corked is not None:
            self._write(data)
            return
        send = self._plain_send
        try:
            sent = send(data)
        except OSError as error:
            self.keep_unsent(data, error)
            return
        if sent != len(data):
            self.keep_unsent(data[sent:])

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._state is not _State.OPEN:
            return
        self.watch.pinged(self._poller.clock.now())
        self._send_frame(Opcode.PING, b"")

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and give the peer its time to answer."""
        if self._state is not _State.OPEN:
            return
        body = close_body(code, reason)
        self._closed = int.from_bytes(body[:2], "big"), body[2:].decode()
        self._send_frame(Opcode.CLOSE, body)
        self._state = _State.CLOSING
        self._plain_bytes, self._usual_bytes = -1, 0
        now = self._poller.clock.now()
        if code == CLOSE_POLICY and not self.unsent:
            # Who sends too much sends more while we wait: it is read, so that it gets our frame, and not looked at.
            self.watch.over(answered=False)
            self._uncork()
            self._state = _State.LINGERING
            self._shut_down()
            self._timer = self._poller.call_at(now + LINGER_NS, self._give_up)
            return
        self.watch.closing(code, now)
        self._timer = self._poller.call_at(now + self._close_wait_ns, self._give_up)

    def abort(self) -> None:
        """Drop the connection now, with a reset."""
        if self._state is _State.GONE:
            return
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._end(self._poller.clock.now())

    def ready(self, events: int, now: int) -> None:
        """For the poller."""
        if events & select.EPOLLOUT:
            self._write_on()
        if events & ~select.EPOLLOUT and self._state is not _State.GONE:
            self.readable(now)

    # Reading.

    def readable(self, now: int) -> None:
        """For the poller: there is something to read, or the end of it."""
        try:
            count = self._recv_into(BUFFER, self._read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        # A whole frame of the size of the one before, as nearly always in a call.
        if count and count == self._usual_bytes and BUFFER.startswith(self._usual_head):
            self.heard_at = now
            if self._client:
                self._receiver.binary(bytes(BUFFER[_HEAD_16_BYTES:count]), now)
                return
            payload = unmask(BUFFER[_PAYLOAD_AT:count], BUFFER[_HEAD_16_BYTES:_PAYLOAD_AT])
            if (mirror := self.mirror) is None:
                self._receiver.binary(payload, now)
            else:
                self._reflect(mirror, payload, now)
            return
        self.take(bytes(memoryview(BUFFER)[:count]), now)

    def take(self, data: bytes, now: int) -> None:
        """This came, whatever it is; nothing is the end."""
        if not data:
            self._end(now)
            return
        self.heard_at = now
        self._corked = []
        self._plain_bytes = -1
        try:
            self._take_all(data, now)
        finally:
            self._uncork()

    def _reflect(self, mirror: Mirror, payload: bytes, now: int) -> None:
        """A frame that may go straight back."""
        if self._corked is None:
            goes = len(payload) == self._plain_bytes and mirror.takes(payload, now) and self.send_plain(payload)
        else:
            goes = self._state is _OPEN and not self.unsent and mirror.takes(payload, now)
            if goes:
                self._corked.append(_plain(len(payload))[1] + payload)
        if not goes:
            self.settle_mirror(now)
            self._receiver.binary(payload, now)
        elif mirror.full:
            self.settle_mirror(now)

    def settle_mirror(self, now: int) -> None:
        """Tell of what went straight back, before anything else is told."""
        if self.mirror is not None and self.mirror.times:
            self.mirror.settle(now)

    def _take_all(self, data: bytes, now: int) -> None:
        """Several frames, or one that isn't as the last one was."""
        size, head, client, mirror = self._usual_bytes, self._usual_head, self._client, self.mirror
        at, last = 0, len(data) - size
        while size and at <= last and self._usual_bytes == size and data.startswith(head, at):
            payload_at = at + _HEAD_16_BYTES
            at += size
            if client:
                self._receiver.binary(data[payload_at:at], now)
                continue
            payload = unmask(data[payload_at + MASK_BYTES : at], data[payload_at : payload_at + MASK_BYTES])
            if mirror is None:
                self._receiver.binary(payload, now)
            else:
                self._reflect(mirror, payload, now)
        if at < len(data):
            self.settle_mirror(now)
            self._usual_bytes = 0
            self._take(data[at:], now)

    def _take_early(self, _buffer: bytearray, _nbytes: int) -> int:
        """In the place of the first read, whoever reads first: what came before the socket was ours."""
        early, self._early = self._early, b""
        self._recv_into = self._sock.recv_into
        self.take(early, self._poller.clock.now())
        raise BlockingIOError

    def _look_early(self) -> None:
        if not self._early or self._state is _State.GONE:
            return
        try:
            self.readable(self._poller.clock.now())
        except Exception:
            self.abort()
            raise

    def _take(self, data: bytes, now: int) -> None:
        if self._state is _State.LINGERING:
            return
        pings: list[bytes] = []
        reader, allowed = self._reader, self._parts
        before = reader.parts
        all_received = reader.feed(data)
        if allowed is not None and reader.parts > before and not allowed.take(reader.parts - before, now):
            self._refuse(CLOSE_POLICY, TOO_MANY_PARTS, now)
            return
        for received in all_received:
            if self._state is _State.GONE:
                return
            if isinstance(received, Ping):
                pings.append(received.payload)
                continue
            self._answer(pings)
            self._take_one(received, now)
        self._answer(pings)

    def _answer(self, pings: list[bytes]) -> None:
        """
        A pong for each, in one write; while the peer doesn't read, only for the latest, so that what waits has a bound.

        Source: RFC 6455, section 5.5.3.
        """
        if not pings or self._state is not _State.OPEN:
            return
        if self.unsent:
            self._pong = pings[-1]
        else:
            self._write(b"".join(self._framed(Opcode.PONG, payload) for payload in pings))
        pings.clear()

    def _take_one(self, received: Text | Binary | Pong | CloseFrame | Violation, now: int) -> None:
        match received:
            case Binary(data):
                self._learn(len(data))
                self.watch.data(len(data), now)
                self._receiver.binary(data, now)
            case Text(text):
                self.watch.data(len(text), now)
                self._receiver.text(text, now)
            case Pong():
                self.watch.ponged()
            case CloseFrame(code, reason):
                self._take_close(code, reason, now)
            case Violation(code, reason):
                self._refuse(code, reason, now)

    def _learn(self, size: int) -> None:
        """What the next frame begins with and how long it is, if it is as this one was."""
        head = frame_head(Opcode.BINARY, size, masked=not self._client)
        if len(head) == _HEAD_16_BYTES and self._reader.between_messages and self._state is _State.OPEN:
            self._usual_head = head
            self._usual_bytes = len(head) + size + (0 if self._client else MASK_BYTES)
            self._read_bytes = _whole(READ_BYTES, self._usual_bytes)

    def _take_close(self, code: int, reason: str, now: int) -> None:
        self.watch.over(answered=True)
        if self._state is _State.OPEN:
            self._closed = code, reason
            self._send_frame(Opcode.CLOSE, close_body(CLOSE_NORMAL if code == CLOSE_NO_CODE else code, ""))
        self._linger(now)

    def _refuse(self, code: int, reason: str, now: int) -> None:
        self.watch.over(answered=False)
        self.refused = True
        self._closed = code, reason
        self._send_frame(Opcode.CLOSE, close_body(code, reason))
        self._linger(now)

    def _linger(self, now: int) -> None:
        """All is said; a server closes TCP, a client waits for that. Source: RFC 6455, section 7.1.1."""
        self._uncork()
        self._state = _State.LINGERING
        self._plain_bytes = -1
        self._cancel_timer()
        if not self._client and not self.refused and not self.unsent:
            self._end(now)
            return
        wait_ns = self._close_wait_ns
        if not self.unsent:
            self._shut_down()
            wait_ns = LINGER_NS
        self._timer = self._poller.call_at(now + wait_ns, self._give_up)

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    # Writing.

    def _send_frame(self, opcode: Opcode, payload: bytes) -> None:
        if self._state is _State.OPEN:
            self._write(self._framed(opcode, payload))

    def _framed(self, opcode: Opcode, payload: bytes) -> bytes:
        head = frame_head(opcode, len(payload), masked=self._client)
        if not self._client:
            return head + payload
        mask = os.urandom(MASK_BYTES)
        return b"".join((head, mask, unmask(payload, mask)))

    def _learn_plain(self, size: int) -> None:
        """Go the short way with the next message of this size."""
        if self._state is _State.OPEN and not self._client and not self.unsent and self._corked is None:
            self._plain_bytes, self._plain_head = _plain(size)

    def _uncork(self) -> None:
        """Write what was sent while several frames were taken: all in one."""
        corked, self._corked = self._corked, None
        if corked and self._state is not _State.GONE:
            self._write(b"".join(corked))

    def _write(self, data: bytes) -> None:
        if self._corked is not None:
            self._corked.append(data)
            return
        if self.unsent:
            self.unsent += data
            return
        try:
            sent = self._plain_send(data)
        except OSError as error:
            self.keep_unsent(data, error)
            return
        if sent < len(data):
            self.keep_unsent(data[sent:])

    def keep_unsent(self, data: bytes, error: OSError | None = None) -> None:
        """What the kernel didn't take waits, unless it never will."""
        self._plain_bytes = -1
        if error is not None and not isinstance(error, BlockingIOError | InterruptedError):
            # The peer is gone: what it said before may still be there to be read, and the end of it says so.
            return
        self.unsent = bytearray(data)
        self.progress_at = self._poller.clock.now()
        self._poller.watch_writing(self._fd, wanted=True)

    def _write_on(self) -> None:
        unsent = self.unsent
        if not unsent:
            return
        try:
            sent = self._plain_send(unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            sent = len(unsent)
        del unsent[:sent]
        self.progress_at = self._poller.clock.now()
        if not unsent:
            self.unsent = None
            self._poller.watch_writing(self._fd, wanted=False)
            if self._state is _State.LINGERING:
                self._shut_down()
            elif self._pong is not None:
                pong, self._pong = self._pong, None
                self._send_frame(Opcode.PONG, pong)

    # The end.

    def _give_up(self, now: int) -> None:
        self._timer = None
        self._end(now)

    def _end(self, now: int) -> None:
        if self._state is _State.GONE:
            return
        code, reason = CLOSE_ABNORMAL, ""
        lingered = self._state is _State.LINGERING
        if self._closed is not None and lingered:
            # A peer may answer with a code of its own, which says nothing.
            code, reason = self._closed
        self._state = _State.GONE
        self._plain_bytes, self._usual_bytes = -1, 0
        self._cancel_timer()
        self.watch.over(answered=lingered)
        self.unsent = self._pong = None
        self._poller.forget(self._fd)
        self._sock.close()
        self._receiver.gone(code, reason, now)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
