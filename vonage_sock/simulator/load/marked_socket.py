"""A call's socket that looks for the one message that nearly always comes: the frame that was said, returned as it was."""

from __future__ import annotations

import socket

from vonage_sock.simulator.leg.machine import MAX_MESSAGE_BYTES
from vonage_sock.simulator.load.meter import CallMeter
from vonage_sock.transport.framesocket import READ_BYTES, FrameSocket, Receiver
from vonage_sock.transport.poller import Poller


class MarkedSocket(FrameSocket):
    """
    A socket of which it is known what comes next: the frame after the last one, in a message of its own.

    To see that by one comparison is what lets a core measure as many calls as it does. Whatever else comes is read as on
    every frame socket.
    """

    __slots__ = ("_meter", "_returned")

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        receiver: Receiver,
        meter: CallMeter,
        returned: list[bytes],
        *,
        early: bytes = b"",
    ) -> None:
        self._meter = meter
        self._returned = returned
        super().__init__(poller, sock, receiver, client=True, max_message_bytes=MAX_MESSAGE_BYTES, early=early)

    def readable(self, now: int) -> None:
        """For the poller: there is something to read, or the end of it."""
        recv, meter = self._recv, self._meter
        try:
            data = recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if self._usual_bytes:
            at, returned = 0, self._returned
            while data.startswith(expected := returned[meter.expected], at) and meter.returned_next(now):
                at += len(expected)
            if at:
                self.heard_at = now
                if at == len(data):
                    return
                data = data[at:]
        self._recv = self._recv_early(data)
        super().readable(now)
