"""
How late what came was read: frames are timed when we get to them, which is later the more there is to do.

That is in every round trip, and stands beside it. The kernel knows when a frame came. To ask it costs
as much as to read, so that it is asked on a few sockets, which stand for all. Where it doesn't answer, what counts is how
long a frame can have waited at most.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from math import gcd
from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import SECOND, Clock
from vonage_sock.simulator.load.schedule import SLOTS
from vonage_sock.transport.waking import EachWakes

STAMPED_CALLS: Final = 32
"""About so many are asked for."""

_SO_TIMESTAMPNS: Final = 35
_STAMP: Final = struct.Struct("@qq")
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_STAMP.size)


def stamped_every(calls: int) -> int:
    """Of so many calls, each how-manieth has a stamped socket; in time, no slot is left out."""
    every = max(1, calls // STAMPED_CALLS)
    while gcd(every, SLOTS) > 1:
        every += 1
    return every


class StampedSocket:
    """
    The two functions of a socket that a lane needs; whoever reads also learns how long that waited.

    Args:
        frame_bytes: of a frame's message, of which one comes each 20 ms.
        waited: told of the nanoseconds.

    Raises:
        OSError: the system doesn't stamp.
    """

    __slots__ = ("_clock", "_frame_bytes", "_recvmsg_into", "_waited", "send")

    def __init__(self, sock: socket.socket, frame_bytes: int, clock: Clock, waited: Callable[[int], None]) -> None:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.send = sock.send
        self._recvmsg_into = sock.recvmsg_into
        self._frame_bytes = frame_bytes
        self._clock = clock
        self._waited = waited

    def recv_into(self, buffer: bytearray, nbytes: int, /) -> int:
        """
        Read; how much came.

        Raises:
            OSError: as the socket's own function.
        """
        count, ancillary, _, _ = self._recvmsg_into((memoryview(buffer)[:nbytes],), _ANCILLARY_BYTES)
        for _, kind, data in ancillary:
            if kind == _SO_TIMESTAMPNS and len(data) == _STAMP.size:
                seconds, rest_ns = _STAMP.unpack(data)
                waited_ns = max(0, self._clock.wall_ns() - seconds * SECOND - rest_ns)
                # It is the last one's stamp; those before it waited longer.
                for before in range(-(-count // self._frame_bytes)):
                    self._waited(waited_ns + before * FRAME_NS)
        return count


class Lag(EachWakes):
    """
    Wakes for every socket, and tells how long frames waited for us.

    Args:
        count: told of how many frames, and of the nanoseconds that they waited.

    Raises:
        OSError: the system gives no more descriptors.
    """

    def __init__(self, count: Callable[[int, int], None]) -> None:
        super().__init__()
        self._count = count
        self._kept_ns = self._before_ns = self._round_ns = 0
        self._stamped = False

    def stands_for(self, every: int) -> Callable[[int], None]:
        """What to tell a stamped socket's waits to, each of which stands for those of so many frames."""

        def waited(span_ns: int) -> None:
            self._stamped = True
            self._count(every, span_ns)

        return waited

    def kept(self, span_ns: int) -> None:
        """For so long nobody looked, since frames were being written."""
        self._kept_ns += span_ns

    def begin(self) -> None:
        """Somebody asks next what is ready; what is written from here on is a part of the round."""
        self._before_ns, self._kept_ns = self._kept_ns, 0

    def woken(self, found: int, *, woken_at: int, done_at: int) -> None:
        """All that was found has been read."""
        round_ns = done_at - woken_at
        if found and not self._stamped:
            # It may have come just after the round before had looked.
            self._count(found, self._round_ns + self._before_ns + round_ns)
        self._round_ns, self._kept_ns = round_ns, 0
