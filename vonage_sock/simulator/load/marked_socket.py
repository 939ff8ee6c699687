"""A call's socket that leaves to a lane what nearly always comes: the frame that was said, returned as it was."""

from __future__ import annotations

import socket

from vonage_sock.simulator.leg.machine import MAX_MESSAGE_BYTES
from vonage_sock.simulator.load.lane import Aside, Lane, LaneSocket, unread
from vonage_sock.transport.framesocket import FrameSocket, Receiver
from vonage_sock.transport.poller import Poller, Ready


class MarkedSocket(FrameSocket):
    """
    A socket of which it is known what comes next: the frame after the last one, in a message of its own.

    To see that by one comparison is what lets a core measure as many calls as it does. While nothing else comes and the
    kernel takes all, the lane has the kernel's socket to itself; whatever else there is goes this way, as on every frame
    socket.

    Args:
        kernel: what the lane gets in the place of ``sock``, where that is to know more than frames.
    """

    __slots__ = ("_frame_bytes", "_kernel", "_lane", "_returned")

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        receiver: Receiver,
        lane: Lane,
        returned: list[bytes],
        *,
        early: bytes = b"",
        kernel: LaneSocket | None = None,
    ) -> None:
        self._lane = lane
        self._kernel = kernel or sock
        self._returned = returned
        self._frame_bytes = len(returned[0])
        lane.expect(returned)
        lane.long_way = self
        super().__init__(poller, sock, receiver, client=True, max_message_bytes=MAX_MESSAGE_BYTES, early=early)
        self._choose_way()

    def watcher(self) -> Ready:
        """The lane sees first what comes."""
        return self._lane

    def take(self, data: bytes, now: int) -> None:
        """This came, whatever it is; nothing is the end."""
        super().take(data, now)
        self._choose_way()

    def ready(self, events: int, now: int) -> None:
        """For the poller."""
        super().ready(events, now)
        self._choose_way()

    def keep_unsent(self, data: bytes, error: OSError | None = None) -> None:
        """The kernel didn't take this."""
        super().keep_unsent(data, error)
        self._choose_way()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and give the peer its time to answer."""
        super().close(code, reason)
        self._choose_way()

    def _end(self, now: int) -> None:
        try:
            super()._end(now)
        finally:
            # The number of a socket that is closed may be another's soon.
            self._choose_way()

    def _choose_way(self) -> None:
        reads = self.steady.usual_bytes == self._frame_bytes
        writes = self.is_open and not self.unsent
        kernel = self._kernel
        if reads and writes:
            self._lane.sock = kernel
        else:
            send = kernel.send if writes else self._send_long
            self._lane.sock = Aside(send, kernel.recv_into if reads else unread)

    def _send_long(self, data: bytes) -> int:
        self.send_framed(data)
        return len(data)
