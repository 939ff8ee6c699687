"""
A socket's steady state, in one small object: frames of the size of the one before, one at a time.

Where hundreds of calls take turns, nothing of a call is left in the processor's caches when its next frame comes: a frame
costs what has to be fetched for it. So all that one needs is here and nothing else is touched. What isn't as usual goes the
long way, through the frame socket.
"""

from __future__ import annotations

import socket
from typing import Any, Final, Protocol

from vonage_sock import native
from vonage_sock.call.mirror import Mirror
from vonage_sock.protocol.rfc6455 import MASK_BYTES
from vonage_sock.transport.masking import unmask

READ_BYTES: Final = 8 * 1024
"""
What is read at once, before the others have their turn: a quarter of a second of a call that fell behind, and of the
smallest messages no more than are handled in some 20 ms.
"""

BUFFER: Final = bytearray(READ_BYTES)
"""One for all sockets: what is in it is looked at before anybody reads again."""

SHORT_HEAD_BYTES: Final = 4
"""The head of a usual frame: one of less than 126 bytes has a shorter one, one of 64 KiB a longer."""

PAYLOAD_AT: Final = SHORT_HEAD_BYTES + MASK_BYTES
OFF: Final = -1


class Hearer(Protocol):
    """Who is given a message that came."""

    def binary(self, data: bytes, now: int) -> None:
        """A binary message came."""
        ...


class LongWay(Protocol):
    """The frame socket behind it."""

    def take(self, data: bytes, now: int) -> None:
        """This came, whatever it is; nothing is the end."""
        ...

    def take_early(self, now: int) -> None:
        """What came before the socket was ours is to be taken first."""
        ...

    def reflect(self, payload: bytes, now: int) -> None:
        """This frame can't go straight back, or not by the way that is the shortest of all."""
        ...

    def settle_mirror(self, now: int) -> None:
        """The mirror is full, or somebody is to be told something."""
        ...

    def keep_unsent(self, data: bytes, error: OSError | None = None) -> None:
        """The kernel didn't take this."""
        ...

    def ready(self, events: int, now: int) -> None:
        """The socket can be read or written, as epoll's ``events`` say."""
        ...

    def abort(self) -> None:
        """Drop the connection."""
        ...


class Steady:
    """
    What a socket needs for a frame as usual.

    Args:
        client: which side we are: a client's frames come without a mask, and it sends none this way.
    """

    __slots__ = (
        "_client",
        "_owner",
        "_plain_head",
        "_read_bytes",
        "_receiver",
        "_recv_into",
        "_send",
        "_usual_head",
        "early",
        "heard_at",
        "mirror",
        "plain_bytes",
        "usual_bytes",
    )

    def __init__(self, sock: socket.socket, owner: LongWay, receiver: Hearer, *, client: bool) -> None:
        self._recv_into = sock.recv_into
        self._send = sock.send
        self._owner = owner
        self._receiver = receiver
        self._client = client
        self._read_bytes = READ_BYTES
        self._usual_head = self._plain_head = b""
        self.usual_bytes = 0
        """The length of a frame that is as the one before was, with its head and its mask; 0 where none is expected."""

        self.plain_bytes = OFF
        """The length of a payload that can be sent at once; ``OFF`` where nothing can."""

        self.early = False
        """Something came before the socket was ours: it is taken before anything is read."""

        self.mirror: Mirror | None = None
        """What says of a message whether it goes straight back; None where none does."""

        self.heard_at = 0
        """When something came last, in nanoseconds."""

    def expect(self, head: bytes, frame_bytes: int) -> None:
        """What comes next begins with this head, which is a short one, and is so long with it, if it is as usual."""
        self._usual_head, self.usual_bytes = head, frame_bytes
        # As much as is whole frames: where they pile up, none is cut in two by where reading stops.
        self._read_bytes = READ_BYTES // frame_bytes * frame_bytes or READ_BYTES

    def expect_nothing(self) -> None:
        """Whatever comes next goes the long way."""
        self.usual_bytes = 0

    def prepare(self, head: bytes, payload_bytes: int) -> None:
        """A payload of this size may be sent at once, behind this head."""
        self._plain_head, self.plain_bytes = head, payload_bytes

    def hold_back(self) -> None:
        """Nothing may be sent at once."""
        self.plain_bytes = OFF

    def send_plain(self, message: bytes) -> bool:
        """Send a payload of the size that is prepared; False where it isn't of that, and nothing is sent."""
        if len(message) != self.plain_bytes:
            return False
        data = self._plain_head + message
        try:
            sent = self._send(data)
        except OSError as error:
            self._owner.keep_unsent(data, error)
            return True
        if sent != len(data):
            self._owner.keep_unsent(data[sent:], None)
        return True

    def close(self) -> None:
        """The socket is closed, and its descriptor may be another's from here on."""
        self.hold_back()
        self.expect_nothing()

    def release(self) -> None:
        """Once it is closed: nobody will call any more, and nobody is held."""
        self.mirror = None
        del self._owner, self._receiver

    # For the poller.

    def readable(self, now: int) -> None:
        """There is something to read, or the end of it."""
        if self.early:
            self._owner.take_early(now)
            return
        try:
            count = self._recv_into(BUFFER, self._read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        # A whole frame of the size of the one before, as nearly always in a call.
        if not count or count != self.usual_bytes or not BUFFER.startswith(self._usual_head):
            self._owner.take(bytes(memoryview(BUFFER)[:count]), now)
            return
        self.heard_at = now
        if self._client:
            self._receiver.binary(bytes(BUFFER[SHORT_HEAD_BYTES:count]), now)
            return
        payload = unmask(BUFFER[PAYLOAD_AT:count], BUFFER[SHORT_HEAD_BYTES:PAYLOAD_AT])
        if self.mirror is None:
            self._receiver.binary(payload, now)
        else:
            self._owner.reflect(payload, now)

    def ready(self, events: int, now: int) -> None:
        """The socket can be read or written, as epoll's ``events`` say."""
        self._owner.ready(events, now)

    def abort(self) -> None:
        """Drop the connection."""
        self._owner.abort()


def steady_of(sock: socket.socket, owner: LongWay, receiver: Hearer, *, client: bool) -> Steady:
    """The quickest that this socket can have."""
    made: Any = Steady
    if native.frames is not None and type(sock) is socket.socket:
        made = native.frames.Steady
    steady: Steady = made(sock, owner, receiver, client=client)
    return steady
