"""What is counted in a call. The path of one frame pays for noting its time; all else is worked out when asked for."""

from __future__ import annotations

from operator import sub
from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.level import level_of
from vonage_sock.call.events import StatsUpdated
from vonage_sock.clock import MS, SECOND

LEVEL_WINDOW_FRAMES: Final = 5
RATE_WINDOW_NS: Final = SECOND
TIMES_AT_ONCE: Final = 25
LONG_AGO: Final = -(1 << 62)


class Direction:
    """
    One direction of a call.

    Who is in a hurry doesn't call ``frame``: the *n*-th frame since ``take`` was called goes to ``latest[n % 5]``, its time
    is appended to ``times``, and ``take`` is called when these are about ``TIMES_AT_ONCE``.
    """

    __slots__ = ("_counted", "_last_at", "_window_at", "_window_frames", "latest", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        """When the frames passed that weren't taken yet."""
        self.latest = [b""] * LEVEL_WINDOW_FRAMES
        """The last frames; in order after ``take``."""
        self._counted = 0
        self._last_at = LONG_AGO
        self._window_at = 0
        self._window_frames = 0

    @property
    def frames(self) -> int:
        """How many there were."""
        return self._counted + len(self.times)

    def frame(self, frame: bytes, now: int) -> None:
        """Count one frame."""
        noted = len(self.times)
        self.latest[noted % LEVEL_WINDOW_FRAMES] = frame
        self.times.append(now)
        if noted >= TIMES_AT_ONCE - 1:
            self.take()

    def note(self, times: list[int], latest: list[bytes]) -> None:
        """Frames that passed unseen, at these times; the *n*-th is at ``n % LEVEL_WINDOW_FRAMES`` of ``latest``."""
        noted, count = len(self.times), len(times)
        for number in range(max(0, count - LEVEL_WINDOW_FRAMES), count):
            self.latest[(noted + number) % LEVEL_WINDOW_FRAMES] = latest[number % LEVEL_WINDOW_FRAMES]
        self.times += times

    def take(self) -> list[int]:
        """The times that were noted since this was last called; they are counted now."""
        times = self.times[:]
        if times:
            self.times.clear()
            self._last_at = times[-1]
            self._counted += len(times)
            if oldest := len(times) % LEVEL_WINDOW_FRAMES:
                self.latest[:] = self.latest[oldest:] + self.latest[:oldest]
        return times

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
        self.take()
        if now - self._last_at > 2 * LEVEL_WINDOW_FRAMES * FRAME_NS:
            return []
        return [frame for frame in self.latest if frame]


class Incoming(Direction):
    """The direction whose times are the sender's: how even they are is measured too."""

    __slots__ = ("_jitter_x16_ns", "_longest_gap_ns")

    def __init__(self) -> None:
        super().__init__()
        self._longest_gap_ns = 0
        self._jitter_x16_ns = 0

    @property
    def longest_gap_ns(self) -> int:
        """The longest time between two frames."""
        self.take()
        return self._longest_gap_ns

    @property
    def jitter_ns(self) -> int:
        """Smoothed deviation of arrivals from 20 ms. Source: RFC 3550, section 6.4.1."""
        self.take()
        return self._jitter_x16_ns >> 4

    def take(self) -> list[int]:
        """The times that were noted since this was last called; they are counted now, and the gaps between them measured."""
        return self.take_with_gaps()[0]

    def take_with_gaps(self) -> tuple[list[int], list[int]]:
        """The same, and the gap before each; that before the call's first frame is a long one."""
        if not self.times:
            return [], []
        before_at, is_first = self._last_at, not self._counted
        times = super().take()
        gaps_ns = list(map(sub, times, [before_at, *times]))
        self._measure(gaps_ns[1:] if is_first else gaps_ns)
        return times, gaps_ns

    def _measure(self, gaps_ns: list[int]) -> None:
        self._longest_gap_ns = max(self._longest_gap_ns, max(gaps_ns, default=0))
        jitter_x16_ns = self._jitter_x16_ns
        for gap_ns in gaps_ns:
            jitter_x16_ns += (gap_ns - FRAME_NS if gap_ns > FRAME_NS else FRAME_NS - gap_ns) - (jitter_x16_ns >> 4)
        self._jitter_x16_ns = jitter_x16_ns


class CallStats:
    """Both directions of a call that started at ``now``."""

    __slots__ = ("incoming", "outgoing", "started_at")

    def __init__(self, now: int) -> None:
        self.started_at = now
        self.incoming = Incoming()
        self.outgoing = Direction()
        self.incoming.start(now)
        self.outgoing.start(now)

    def snapshot(self, call: str, now: int, *, depth_frames: int) -> StatsUpdated:
        """Where the call stands."""
        incoming, outgoing = self.incoming, self.outgoing
        level_in = level_of(incoming.recent_chunks(now))
        level_out = level_of(outgoing.recent_chunks(now))
        return StatsUpdated(
            at=now,
            call=call,
            duration_s=round((now - self.started_at) / SECOND, 3),
            frames_in=incoming.frames,
            frames_out=outgoing.frames,
            rate_in_hz=round(incoming.rate_hz(now), 1),
            rate_out_hz=round(outgoing.rate_hz(now), 1),
            level_in_dbfs=round(level_in.rms_dbfs, 1),
            peak_in_dbfs=round(level_in.peak_dbfs, 1),
            level_out_dbfs=round(level_out.rms_dbfs, 1),
            peak_out_dbfs=round(level_out.peak_dbfs, 1),
            jitter_ms=round(incoming.jitter_ns / MS, 2),
            longest_gap_ms=round(incoming.longest_gap_ns / MS, 1),
            depth_ms=depth_frames * FRAME_NS / MS,
        )
