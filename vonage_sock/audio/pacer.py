"""
When each frame of a file is due on the socket.

A timer of 20 ms runs late and leaves gaps; 18.5 ms, held for ever, overflows the platform's buffer. So: a short burst,
then a frame each ``pace``, until the platform is ``lead`` ahead; from there one frame per 20 ms of the platform's clock.
The schedule is absolute: a late wake-up sends all that is due and moves nothing that comes after.

Source: WebSockets guide, "Writing audio to the WebSocket" (18-19 ms between messages; a limited buffer).
"""

from __future__ import annotations

from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import MS

DEFAULT_PACE_NS: Final = 18_500_000
DEFAULT_LEAD_NS: Final = 2_000 * MS
DEFAULT_BURST_FRAMES: Final = 20
"""0.4 s: a stall of the event loop in a call's first second mustn't be heard either."""


class Pacer:
    """
    The schedule of one playback: frame *n* is due at ``start + max((n - burst + 1) * pace, (n + 1) * 20 ms - lead)``.

    The 20 ms are the platform's: ``follow`` says how long they are on our clock, and holds for the frames that come after.

    When a stall outlasted the lead, or the first frame comes late, the platform has run dry and plays on from the next
    frame; the schedule then starts anew from that moment, so that the lead never grows beyond what was asked for.

    Args:
        pace_ns: time between frames while the lead builds up.
        lead_ns: how far ahead of the platform's playing to be in the end; at least one frame.
        burst_frames: frames sent at once at the start, as far as the lead allows.
    """

    __slots__ = (
        "_ahead_ns",
        "_burst_frames",
        "_dry_at",
        "_frame_ns",
        "_lead_ns",
        "_next",
        "_pace_ns",
        "_paced_at",
        "_start_at",
        "due_at",
    )

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
        self._frame_ns = FRAME_NS
        self._ahead_ns = FRAME_NS - self._lead_ns
        self.due_at = 0
        """When the next frame is due."""

        self.start(0)

    @property
    def frames_sent(self) -> int:
        """Frames taken since the schedule started; a restart after a stall begins to count again."""
        return self._next

    @property
    def dry_at(self) -> int:
        """When the platform will have played all that was taken, if nothing is lost on the way."""
        return self._dry_at

    def fresh(self) -> Pacer:
        """A pacer of the same kind that hasn't started: for after the platform dropped what it had."""
        pacer = Pacer(pace_ns=self._pace_ns, lead_ns=self._lead_ns, burst_frames=self._burst_frames)
        pacer.follow(self._frame_ns)
        return pacer

    def start(self, now: int) -> None:
        """Begin a schedule whose first frame is due now."""
        self._start_at = self._dry_at = now
        self._next = 0
        self._paced_at = now + (1 - self._burst_frames) * self._pace_ns
        self.due_at = now

    def follow(self, frame_ns: int) -> None:
        """The platform plays a frame in so much of our time, from what is taken next on."""
        self._frame_ns = frame_ns
        self._ahead_ns = frame_ns - self._lead_ns
        self._count(0)

    def take(self, now: int) -> int:
        """How many frames are due now; they count as sent."""
        if now > self._dry_at:
            self.start(now)
        frames = 0
        while self.due_at <= now:
            self._count(1)
            frames += 1
        return frames

    def even_steps(self, most: int) -> tuple[int, int]:
        """
        How many of the next frames, up to ``most``, and the one behind them, are due one step after the other; and the step.

        Whoever asks for each of them within a step is given it alone, and nothing starts anew. 0 where that isn't so.
        """
        lead_at, paced_at = self._dry_at + self._ahead_ns, self._paced_at
        if paced_at > lead_at:
            step_ns, other_ns = self._pace_ns, self._frame_ns
        else:
            step_ns, other_ns = self._frame_ns, self._pace_ns
        if step_ns <= 0 or max(paced_at, lead_at) < self._start_at:
            return 0, 0
        if other_ns > step_ns:
            most = min(most, abs(paced_at - lead_at) // (other_ns - step_ns))
        slack_ns = self._dry_at - self.due_at - step_ns
        if slack_ns < 0:
            return 0, 0
        if step_ns > self._frame_ns:
            most = min(most, slack_ns // (step_ns - self._frame_ns) + 1)
        return max(most, 0), step_ns

    def advance(self, frames: int) -> None:
        """So many of those with even steps were sent, each in its time."""
        self._count(frames)

    def give_back(self, frames: int) -> None:
        """Frames that were taken but could not be sent, because their source had none ready."""
        self._count(-frames)

    def _count(self, frames: int) -> None:
        self._next += frames
        paced_at = self._paced_at = self._paced_at + frames * self._pace_ns
        dry_at = self._dry_at = self._dry_at + frames * self._frame_ns
        due_at = dry_at + self._ahead_ns
        if due_at < paced_at:
            due_at = paced_at
        if due_at < self._start_at:
            due_at = self._start_at
        self.due_at = due_at
