"""
Whether a peer takes what it is sent.

What the kernel has taken from us isn't with the peer yet: for one that doesn't read it keeps megabytes, minutes of a call.
So the kernel is asked, now and then, how much waits there and how much was acknowledged.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from typing import Final

ACKNOWLEDGED_AT: Final = 120
"""Where ``tcpi_bytes_acked`` stands in Linux's ``struct tcp_info``."""

INFO_BYTES: Final = ACKNOWLEDGED_AT + 8


class Delivery:
    """Looks at one connection; where the system doesn't tell, all is taken."""

    __slots__ = ("_acknowledged", "_sock", "_taken_at")

    def __init__(self, sock: socket.socket | None) -> None:
        self._sock = sock
        self._acknowledged: int | None = None
        self._taken_at = 0

    def unread_for_ns(self, now: int) -> int:
        """How long nothing was taken of what waits, as far as was looked; 0 where nothing waits."""
        acknowledged = self._look()
        if acknowledged is None or acknowledged != self._acknowledged:
            self._acknowledged, self._taken_at = acknowledged, now
        return now - self._taken_at

    def _look(self) -> int | None:
        """How many bytes were acknowledged; None where no more are waiting to be."""
        if self._sock is None or sys.platform != "linux":
            return None
        try:
            waiting = fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, bytes(4))
            if not int.from_bytes(waiting, sys.byteorder):
                return None
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
        except (OSError, ValueError):
            return None
        return None if len(info) < INFO_BYTES else int(struct.unpack_from("=Q", info, ACKNOWLEDGED_AT)[0])
