"""Echo: what the caller says comes back, byte for byte, at once or later."""

from __future__ import annotations

from collections import deque

from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.clock import MS


class Echo(Behaviour):
    """
    Returns every frame.

    Args:
        delay_ms: how long a frame is kept; 0 returns it within the same wake-up.
        barge_in: a key press drops what is kept and what the platform hasn't played yet.
    """

    __slots__ = ("_barge_in", "_delay_ns", "_waiting", "returns_audio", "timed")

    def __init__(self, *, delay_ms: int = 0, barge_in: bool = False) -> None:
        self.timed = delay_ms > 0
        # Who has made another echo of this one wants to be asked.
        self.returns_audio = not self.timed and type(self).audio is Echo.audio
        self._delay_ns = delay_ms * MS
        self._barge_in = barge_in
        self._waiting: deque[tuple[int, bytes]] | None = deque() if self.timed else None

    @property
    def delay_ms(self) -> int:
        """How long a frame is kept."""
        return self._delay_ns // MS

    @property
    def barge_in(self) -> bool:
        """A key press cuts it off."""
        return self._barge_in

    def audio(self, call: Call, frame: bytes) -> None:
        """Send the frame back, or keep it until it is due."""
        if self._waiting is None:
            call.send_audio(frame)
        else:
            self._waiting.append((call.now + self._delay_ns, frame))

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """Cut off what is on its way back, where that was asked for."""
        if self._barge_in:
            call.clear()

    def due_at(self) -> int | None:
        """When the oldest kept frame goes back."""
        return self._waiting[0][0] if self._waiting else None

    def due(self, call: Call) -> None:
        """Send what is due; frames that came together go together."""
        while self._waiting and self._waiting[0][0] <= call.now:
            call.send_audio(self._waiting.popleft()[1])

    def cleared(self, call: Call) -> None:
        """What was to be echoed later is dropped with what the platform had queued."""
        if self._waiting:
            self._waiting.clear()
