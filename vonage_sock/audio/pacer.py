"""
When each frame of a file is due on the socket.

A timer of 20 ms runs late and leaves gaps; 18.5 ms, held for ever, overflows the platform's buffer. So: a short burst,
then a frame each ``pace``, until the platform is ``lead`` ahead; from there one frame per 20 ms. The schedule is
absolute: a late wake-up sends all that is due and moves nothing that comes after.

Source: WebSockets guide, "Writing audio to the WebSocket" (18-19 ms between messages; a limited buffer).
"""

from __future__ import annotations

from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import MS

DEFAULT_PACE_NS: Final = 18_500_000
DEFAULT_LEAD_NS: Final = 2_000 * MS
DEFAULT_BURST_FRAMES: Final = 10


class Pacer:
    """
    The schedule of one playback: frame *n* is due at ``start + max((n - burst + 1) * pace, (n + 1) * 20 ms - lead)``.

    When a stall outlasted the lead, or the first frame comes late, the platform has run dry and plays on from the next
    frame; the schedule then starts anew from that moment, so that the lead never grows beyond what was asked for.

    Args:
        pace_ns: time between frames while the lead builds up.
        lead_ns: how far ahead of the platform's playing to be in the end; at least one frame.
        burst_frames: frames sent at once at the start, as far as the lead allows.
    """

    def __init__(
        self,
        *,
        pace_ns: int = DEFAULT_PACE_NS,
        lead_ns: int = DEFAULT_LEAD_NS,
        burst_frames: int = DEFAULT_BURST_FRAMES,
    ) -> None:
        self._pace_ns = pace_ns
        self._lead_ns = max(lead_ns, FRAME_NS)
        self._burst_frames = max(burst_frames, 1)
        self._start_at = 0
        self._next = 0

    @property
    def frames_sent(self) -> int:
        """Frames taken since the schedule started; a restart after a stall begins to count again."""
        return self._next

    @property
    def dry_at(self) -> int:
        """When the platform will have played all that was taken, if nothing is lost on the way."""
        return self._start_at + self._next * FRAME_NS

    def fresh(self) -> Pacer:
        """A pacer of the same kind that hasn't started: for after the platform dropped what it had."""
        return Pacer(pace_ns=self._pace_ns, lead_ns=self._lead_ns, burst_frames=self._burst_frames)

    def start(self, now: int) -> None:
        """Begin a schedule whose first frame is due now."""
        self._start_at = now
        self._next = 0

    def due_at(self) -> int:
        """When the next frame is due."""
        n = self._next
        paced_ns = (n - self._burst_frames + 1) * self._pace_ns
        led_ns = (n + 1) * FRAME_NS - self._lead_ns
        return self._start_at + max(paced_ns, led_ns, 0)

    def take(self, now: int) -> int:
        """How many frames are due now; they count as sent."""
        if now > self.dry_at:
            self.start(now)
        taken = 0
        while self.due_at() <= now:
            self._next += 1
            taken += 1
        return taken

    def give_back(self, frames: int) -> None:
        """Frames that were taken but could not be sent, because their source had none ready."""
        self._next -= frames
