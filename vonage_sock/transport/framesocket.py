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
from vonage_sock.transport.steady import SHORT_HEAD_BYTES, steady_of

LINGER_NS: Final = 500 * MS
"""How long a peer that has said all it has to say may take to close its end of TCP."""

CLOSE_WAIT_NS: Final = 1500 * MS
TOO_MANY_PARTS: Final = "too many pings, pongs or fragments"


@functools.lru_cache(maxsize=8)
def _plain(size: int) -> tuple[bytes, int]:
    """The head of a frame, and its size: the same objects for all calls, so that they stay in the processor's cache."""
    return frame_head(Opcode.BINARY, size), size


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
        "_poller",
        "_pong",
        "_reader",
        "_receiver",
        "_send",
        "_sock",
        "_state",
        "_timer",
        "_usual",
        "delivery",
        "progress_at",
        "refused",
        "steady",
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
        self._send = sock.send
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
        self._corked: list[bytes] | None = None
        self._usual: tuple[bytes, int] | None = None
        self.steady = steady_of(sock, self, receiver, client=client)
        self.watch = WireWatch()
        self.delivery = Delivery(sock)
        self.progress_at = self.steady.heard_at = poller.clock.now()
        """When the peer last took something of what waits."""

        self.refused = False
        """The peer broke the rules of WebSocket, and was sent a close frame that says how."""

        self._early = early
        poller.watch(self._fd, self.watcher())
        if early:
            self.steady.early = True
            poller.loop.call_soon(self._look_early)

    def watcher(self) -> Ready:
        """Whom the poller calls."""
        return self.steady

    @property
    def heard_at(self) -> int:
        """When the peer sent something last."""
        return self.steady.heard_at

    @property
    def mirror(self) -> Mirror | None:
        """What says of a message whether it goes straight back; None where none does."""
        return self.steady.mirror

    @mirror.setter
    def mirror(self, mirror: Mirror) -> None:
        self.steady.mirror = mirror

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
        if type(message) is bytes and self.steady.send_plain(message):
            return
        if isinstance(message, str):
            self._send_frame(Opcode.TEXT, message.encode())
        else:
            self._send_frame(Opcode.BINARY, message)
            self._learn_plain(len(message))

    def send_framed(self, data: bytes) -> None:
        """Send bytes that are frames already, one or several, masked if we are a client."""
        if self._state is not _OPEN:
            return
        if self.unsent or self._corked is not None:
            self._write(data)
            return
        try:
            sent = self._send(data)
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
        self.steady.hold_back()
        self.steady.expect_nothing()
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
        self.steady.readable(now)

    def take(self, data: bytes, now: int) -> None:
        """This came, whatever it is; nothing is the end."""
        if not data:
            self._end(now)
            return
        steady = self.steady
        steady.heard_at = now
        self._corked, prepared = [], steady.plain_bytes
        steady.hold_back()
        try:
            self._take_all(data, now)
        finally:
            self._uncork()
        if prepared >= 0:
            self._learn_plain(prepared)

    def reflect(self, payload: bytes, now: int) -> None:
        """A frame that may go straight back."""
        mirror, steady = self.steady.mirror, self.steady
        if mirror is None:
            goes = False
        elif self._corked is None:
            goes = len(payload) == steady.plain_bytes and mirror.takes(payload, now) and steady.send_plain(payload)
        else:
            goes = self._state is _OPEN and not self.unsent and mirror.takes(payload, now)
            if goes:
                self._corked.append(_plain(len(payload))[0] + payload)
        if not goes:
            self.settle_mirror(now)
            self._receiver.binary(payload, now)
        elif mirror is not None and mirror.full:
            self.settle_mirror(now)

    def settle_mirror(self, now: int) -> None:
        """Tell of what went straight back, before anything else is told."""
        mirror = self.steady.mirror
        if mirror is not None and mirror.due:
            mirror.settle(now)

    def _take_all(self, data: bytes, now: int) -> None:
        """Several frames, or one that isn't as the last one was."""
        steady, client = self.steady, self._client
        size, head = steady.usual_bytes, self._usual[0] if self._usual else b""
        at, last = 0, len(data) - size
        while size and at <= last and steady.usual_bytes == size and data.startswith(head, at):
            payload_at = at + SHORT_HEAD_BYTES
            at += size
            if client:
                self._receiver.binary(data[payload_at:at], now)
                continue
            payload = unmask(data[payload_at + MASK_BYTES : at], data[payload_at : payload_at + MASK_BYTES])
            if steady.mirror is None:
                self._receiver.binary(payload, now)
            else:
                self.reflect(payload, now)
        if at < len(data):
            self.settle_mirror(now)
            steady.expect_nothing()
            self._take(data[at:], now)
            self._expect_again()

    def _expect_again(self) -> None:
        """A ping or a text between two frames changes nothing of what the next one is like."""
        usual = self._usual
        if usual is not None and self._state is _OPEN and self._reader.between_messages:
            self.steady.expect(*usual)

    def take_early(self, now: int) -> None:
        """In the place of the first read, whoever reads first: what came before the socket was ours."""
        early, self._early = self._early, b""
        self.steady.early = False
        self.take(early, now)

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
        if len(head) == SHORT_HEAD_BYTES and self._reader.between_messages and self._state is _State.OPEN:
            self._usual = head, len(head) + size + (0 if self._client else MASK_BYTES)
            self.steady.expect(*self._usual)

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
        self.steady.hold_back()
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
            self.steady.prepare(*_plain(size))

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
            sent = self._send(data)
        except OSError as error:
            self.keep_unsent(data, error)
            return
        if sent < len(data):
            self.keep_unsent(data[sent:])

    def keep_unsent(self, data: bytes, error: OSError | None = None) -> None:
        """What the kernel didn't take waits, unless it never will."""
        self.steady.hold_back()
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
            sent = self._send(unsent)
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
        self._cancel_timer()
        self.watch.over(answered=lingered)
        self.unsent = self._pong = None
        self._poller.forget(self._fd)
        self._sock.close()
        self.steady.close()
        self._receiver.gone(code, reason, now)
        # Not before those who called us have done with us.
        self._poller.loop.call_soon(self._let_go)

    def _let_go(self) -> None:
        """Hold nobody any more who holds us: what is left to the collector of garbage holds up all calls when it comes."""
        self.steady.release()
        del self._receiver

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
