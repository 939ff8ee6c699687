"""
A call's steady state, in one small object.

Where hundreds of calls take turns, nothing of a call is left in the processor's caches when its next frame is due: a frame
costs what has to be fetched for it. So all that one needs there and back is here and nothing else is touched. What isn't as
usual goes the long way, through the call, its meter and its socket.

All of it is there in C, too: ``native/load.c`` does the same, and is used where it was built.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from vonage_sock import native
from vonage_sock.audio.frames import FRAMES_PER_SECOND
from vonage_sock.simulator.load.marks import POOL_FRAMES
from vonage_sock.simulator.load.tally import FINE_BITS, LOST_AFTER_S, SUB_BITS, Book
from vonage_sock.transport.steady import BUFFER

MAX_WAITING: Final = LOST_AFTER_S * FRAMES_PER_SECOND
CHECK_EVERY: Final = 64
UNREAD: Final = -1
"""In the place of a number of bytes: nobody has read."""

_LAST: Final = POOL_FRAMES - 1
JITTER_SHARE_BITS: Final = 4
"""RFC 3550, 6.4.1: the estimate moves by a sixteenth of each new difference."""


class LaneSocket(Protocol):
    """The two functions of a socket that a lane needs."""

    def send(self, data: bytes, /) -> int:
        """Write; how much of it was taken."""
        ...

    def recv_into(self, buffer: bytearray, nbytes: int, /) -> int:
        """Read; how much came, or ``UNREAD`` where that is the long way's."""
        ...


class Aside:
    """In the place of a lane's socket, while one of its functions has to go the long way."""

    __slots__ = ("recv_into", "send")

    def __init__(self, send: Callable[[bytes], int], recv_into: Callable[[bytearray, int], int]) -> None:
        self.send = send
        self.recv_into = recv_into


class LongWay(Protocol):
    """The socket behind a lane."""

    def keep_unsent(self, data: bytes, error: OSError | None = None) -> None:
        """The kernel didn't take this."""
        ...

    def take(self, data: bytes, now: int) -> None:
        """This came, and doesn't begin with a frame that was expected; nothing is the end."""
        ...

    def readable(self, now: int) -> None:
        """There is something to read, or the end of it, and the lane doesn't read."""
        ...

    def ready(self, events: int, now: int) -> None:
        """The socket can be read or written, as epoll's ``events`` say."""
        ...

    def abort(self) -> None:
        """Drop the connection."""
        ...


class Lane:
    """What a call says and hears, as long as each frame comes back as it was said."""

    __slots__ = (
        "book",
        "check",
        "expected",
        "frame_bytes",
        "framed",
        "idle",
        "jitter_16",
        "last_ns",
        "long_way",
        "number",
        "oldest",
        "read_bytes",
        "returned",
        "sock",
        "waiting",
    )

    def __init__(self, book: Book) -> None:
        self.book = book
        self.sock: LaneSocket = Aside(_nowhere, unread)
        self.long_way: LongWay | None = None
        """What knows what to do with all that isn't as usual; None where that can't come from ``sock``."""

        self.check: Callable[[int], None] = _nobody
        """Given the time each ``CHECK_EVERY`` frames, and with each frame that is said while more wait than may."""

        self.framed: Sequence[bytes] = ()
        """What the socket is given, by the frame's number."""

        self.returned: Sequence[bytes] = (b"",)
        """What a server sends that returns a frame, by its number; -1 stands for what none sends."""

        self.frame_bytes = 0
        """The length of each of those."""

        self.read_bytes = len(BUFFER)
        self.number = 0
        """Of the frame that is said next."""

        self.waiting: deque[int] = deque()
        """When each frame was written, from the oldest that isn't back."""

        self.oldest = 0
        """That one's number."""

        self.expected = -1
        """The number of the frame that follows the last one that came; -1 before the first came back."""

        self.idle = True
        """No part of a frame has come whose rest hasn't."""

        self.last_ns = -1
        """How long the last one took; -1 before the first."""

        self.jitter_16 = 0
        """Sixteen times the estimate of how unevenly frames come back. Source: RFC 3550, section 6.4.1."""

    def expect(self, returned: Sequence[bytes]) -> None:
        """From now on, what comes is one of these."""
        self.returned = returned
        self.frame_bytes = len(returned[0])
        # Whole frames, of which none is cut in two by where reading stops.
        self.read_bytes = len(BUFFER) // self.frame_bytes * self.frame_bytes

    def returned_next(self, now: int) -> bool:
        """The frame that is ``expected`` came, byte for byte; False where that isn't as simple as it seems."""
        number, waiting = self.expected, self.waiting
        if number != self.oldest or not waiting or not self.idle:
            return False
        span_ns = now - waiting.popleft()
        self.expected = self.oldest = number + 1 if number != _LAST else 0
        self.jitter_16 += abs(span_ns - self.last_ns) - (self.jitter_16 >> JITTER_SHARE_BITS)
        self.last_ns = span_ns
        # As in Histogram.add: a call more for each frame would be felt.
        book = self.book
        tally = book.tally
        round_trip = tally.round_trip
        shift = span_ns.bit_length() - FINE_BITS
        round_trip.counts[(shift << SUB_BITS) + (span_ns >> shift) if shift > 0 else span_ns] += 1
        if span_ns > round_trip.max_ns:
            round_trip.max_ns = span_ns
        if span_ns > book.late_ns:
            tally.late += 1
        return True

    # For the poller.

    def readable(self, now: int) -> None:
        """There is something to read, or the end of it."""
        try:
            count = self.sock.recv_into(BUFFER, self.read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        message = self.returned[self.expected]
        if count == len(message) and BUFFER.startswith(message) and self.returned_next(now):
            return
        self._take(count, now)

    def _take(self, count: int, now: int) -> None:
        """Several frames that were expected, or something else."""
        at, frame_bytes, returned, long_way = 0, self.frame_bytes, self.returned, self.long_way
        while at + frame_bytes <= count and BUFFER.startswith(returned[self.expected], at) and self.returned_next(now):
            at += frame_bytes
        if long_way is None or 0 < at == count:
            return
        if count == UNREAD:
            long_way.readable(now)
        else:
            long_way.take(bytes(memoryview(BUFFER)[at:count]), now)

    def ready(self, events: int, now: int) -> None:
        """The socket can be read or written, as epoll's ``events`` say."""
        if self.long_way is not None:
            self.long_way.ready(events, now)

    def abort(self) -> None:
        """Drop the connection."""
        if self.long_way is not None:
            self.long_way.abort()


def lane_of(book: Book) -> Lane:
    """The quickest that there is."""
    made: Any = Lane if native.frames is None else native.frames.LoadLane
    lane: Lane = made(book)
    return lane


def say(lanes: Sequence[Lane], now: int) -> None:
    """Each says its next frame."""
    if native.frames is not None:
        native.frames.say(lanes, now)
        return
    for lane in lanes:
        number = lane.number
        lane.number = number + 1 if number != _LAST else 0
        message, waiting = lane.framed[number], lane.waiting
        try:
            sent = lane.sock.send(message)
        except OSError as error:
            _keep(lane, message, error)
        else:
            if sent != len(message):
                _keep(lane, message[sent:], None)
        waiting.append(now)
        if len(waiting) > MAX_WAITING or not number % CHECK_EVERY:
            lane.check(now)


def unread(_buffer: bytearray, _nbytes: int) -> int:
    """Leave reading to the long way."""
    return UNREAD


def _keep(lane: Lane, data: bytes, error: OSError | None) -> None:
    if lane.long_way is not None:
        lane.long_way.keep_unsent(data, error)


def _nowhere(message: bytes) -> int:
    """Before there is a socket."""
    return len(message)


def _nobody(_now: int) -> None:
    """Before there is a call."""
