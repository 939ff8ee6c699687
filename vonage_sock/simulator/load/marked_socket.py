"""A call's socket that looks for the one message that nearly always comes: the frame that was said, returned as it was."""

from __future__ import annotations

import socket
from typing import Final

from vonage_sock.simulator.leg.machine import MAX_MESSAGE_BYTES
from vonage_sock.simulator.load.meter import CallMeter
from vonage_sock.transport.framesocket import FrameSocket, Receiver
from vonage_sock.transport.poller import Poller

_BUFFER: Final = bytearray(4096)
"""One for all sockets: what is in it is looked at before anybody reads again. Some frames have room, where they piled up."""


class MarkedSocket(FrameSocket):
    """
    A socket of which it is known what comes next: the frame after the last one, in a message of its own.

    To see that by one comparison is what lets a core measure as many calls as it does. Whatever else comes is read as on
    every frame socket.
    """

    __slots__ = ("_frame_bytes", "_meter", "_read_bytes", "_recv_into", "_returned")

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
        self._recv_into = sock.recv_into
        self._frame_bytes = len(returned[0])
        # Whole frames, of which none is cut in two by where reading stops.
        self._read_bytes = len(_BUFFER) // self._frame_bytes * self._frame_bytes
        super().__init__(poller, sock, receiver, client=True, max_message_bytes=MAX_MESSAGE_BYTES, early=early)

    def readable(self, now: int) -> None:
        """For the poller: there is something to read, or the end of it."""
        frame_bytes, buffer, meter = self._frame_bytes, _BUFFER, self._meter
        if self._usual_bytes != frame_bytes:
            super().readable(now)
            return
        try:
            count = self._recv_into(buffer, self._read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        at, returned = 0, self._returned
        while (
            at + frame_bytes <= count and buffer.startswith(returned[meter.expected], at) and meter.returned_next(now)
        ):
            at += frame_bytes
        if at:
            self.heard_at = now
            if at == count:
                return
        self._recv = self._recv_early(bytes(memoryview(buffer)[at:count]))
        super().readable(now)
