"""
How fast the platform's clock goes, as its own audio tells.

Each incoming frame is 20 ms of the platform's time, counted by a crystal that isn't ours. Two that are 200 ppm apart are
0.7 s apart after an hour; who sends by the wrong one runs the platform dry, or fills its buffer. Frames come late, by the
network or by a stall of ours, but never early: the earliest of a window is compared with where it was expected, and the
difference steers. What jumps by more than clocks can drift is a pause, a lost frame or a jam, and steers nothing: neither
when it comes nor when it is over. Without audio that comes in, the platform's clock is taken to be ours.
"""

from __future__ import annotations

from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import MS

LOOK_FRAMES: Final = 13
"""How often an arrival is looked at: a prime, so that of a platform that sends in bursts each place of a burst is seen."""

LOOKS: Final = 39
WINDOW_FRAMES: Final = LOOKS * LOOK_FRAMES
MAX_DRIFT_PPM: Final = 500
MAX_STEER_NS: Final = WINDOW_FRAMES * FRAME_NS * MAX_DRIFT_PPM // 1_000_000
JUMP_NS: Final = 10 * MS
"""Half a frame: more than the fastest drift is ever behind, less than one frame that was left out."""

JAM_WINDOWS: Final = 3
"""Half a minute: what comes late for longer was a pause, or a frame that was left out, and won't be made up for."""


class PlatformClock:
    """
    A phase-locked loop: it follows a drift of 200 ppm to within 6 ms from the first minute on, for any length of call.

    ``frame_ns`` is what 20 ms of the platform's time are on our clock, never more than 500 ppm off.
    """

    def __init__(self) -> None:
        self.frame_ns = FRAME_NS
        self._should_be_at = 0
        self._looks_left = LOOKS
        self._earliest: int | None = None
        self._in_step: int | None = None
        self._late_windows = 0
        self._drift_ns = 0

    def heard(self, now: int) -> bool:
        """Another ``LOOK_FRAMES`` have come in, the last of them now; True when ``frame_ns`` may have changed."""
        self._should_be_at += LOOK_FRAMES * self.frame_ns
        late_ns = now - self._should_be_at
        if self._earliest is None or late_ns < self._earliest:
            self._earliest = late_ns
        self._looks_left -= 1
        if self._looks_left:
            return False
        self._looks_left = LOOKS
        self._steer(self._earliest)
        self._earliest = None
        return True

    def _steer(self, late_ns: int) -> None:
        if self._in_step is None:
            self._in_step = late_ns
        error_ns = late_ns - self._in_step
        if abs(error_ns) <= JUMP_NS:
            self._late_windows = 0
        elif error_ns > 0 and self._late_windows < JAM_WINDOWS:
            self._late_windows += 1
            error_ns = 0
        else:
            self._in_step = late_ns
            error_ns = 0
        # Damped so that a new drift is followed within ten windows and overshot by little; jitter moves a frame by micros.
        self._drift_ns = _bounded(self._drift_ns + error_ns * 2 // 25)
        self.frame_ns = FRAME_NS + _bounded(self._drift_ns + error_ns * 2 // 5) // WINDOW_FRAMES


def _bounded(drift_ns: int) -> int:
    return max(-MAX_STEER_NS, min(drift_ns, MAX_STEER_NS))
