"""What is counted in a call. The path of one frame pays only for a few integers; levels are worked out when asked for."""

from __future__ import annotations

from collections import deque
from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.level import level_of
from vonage_sock.call.events import StatsUpdated
from vonage_sock.clock import MS, SECOND

LEVEL_WINDOW_FRAMES: Final = 5
RATE_WINDOW_NS: Final = SECOND


class Direction:
    """One direction of a call."""

    def __init__(self) -> None:
        self.frames = 0
        self.longest_gap_ns = 0
        self._jitter_x16_ns = 0
        self._last_at: int | None = None
        self._recent: deque[bytes] = deque(maxlen=LEVEL_WINDOW_FRAMES)
        self._window_at = 0
        self._window_frames = 0

    def frame(self, frame: bytes, now: int) -> None:
        """Count one frame."""
        self.frames += 1
        self._recent.append(frame)
        last_at = self._last_at
        self._last_at = now
        if last_at is not None:
            gap_ns = now - last_at
            if gap_ns > self.longest_gap_ns:
                self.longest_gap_ns = gap_ns
            self._jitter_x16_ns += abs(gap_ns - FRAME_NS) - (self._jitter_x16_ns >> 4)

    @property
    def jitter_ns(self) -> int:
        """Smoothed deviation of arrivals from 20 ms. Source: RFC 3550, section 6.4.1."""
        return self._jitter_x16_ns >> 4

    def rate_hz(self, now: int) -> float:
        """Frames a second since this was last asked (at least a second ago, else since the time before)."""
        span_ns = now - self._window_at
        rate = (self.frames - self._window_frames) * SECOND / span_ns if span_ns > 0 else 0.0
        if span_ns >= RATE_WINDOW_NS:
            self._window_at = now
            self._window_frames = self.frames
        return rate

    def start(self, now: int) -> None:
        """The call's first moment."""
        self._window_at = now

    def recent_chunks(self, now: int) -> list[bytes]:
        """The frames of the last 100 ms; none when nothing came for longer."""
        if self._last_at is None or now - self._last_at > 2 * LEVEL_WINDOW_FRAMES * FRAME_NS:
            return []
        return list(self._recent)


class CallStats:
    """Both directions of a call that started at ``now``."""

    def __init__(self, now: int) -> None:
        self.started_at = now
        self.incoming = Direction()
        self.outgoing = Direction()
        self.incoming.start(now)
        self.outgoing.start(now)

    def snapshot(self, call: str, now: int, *, depth_frames: int) -> StatsUpdated:
        """Where the call stands."""
        level_in = level_of(self.incoming.recent_chunks(now))
        level_out = level_of(self.outgoing.recent_chunks(now))
        return StatsUpdated(
            at=now,
            call=call,
            duration_s=round((now - self.started_at) / SECOND, 3),
            frames_in=self.incoming.frames,
            frames_out=self.outgoing.frames,
            rate_in_hz=round(self.incoming.rate_hz(now), 1),
            rate_out_hz=round(self.outgoing.rate_hz(now), 1),
            level_in_dbfs=round(level_in.rms_dbfs, 1),
            peak_in_dbfs=round(level_in.peak_dbfs, 1),
            level_out_dbfs=round(level_out.rms_dbfs, 1),
            peak_out_dbfs=round(level_out.peak_dbfs, 1),
            jitter_ms=round(self.incoming.jitter_ns / MS, 2),
            longest_gap_ms=round(self.incoming.longest_gap_ns / MS, 1),
            depth_ms=depth_frames * FRAME_NS / MS,
        )
