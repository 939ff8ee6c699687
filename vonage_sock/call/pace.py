"""
What is wrong with the times of audio messages: their rate, how far they run ahead, whether they come in bursts.

Each judge is given the times of several messages of one size at once, in order, with the gap before each of them, and says
each thing once. How the same messages are cut into batches changes nothing of what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vonage_sock.audio.frames import FRAME_NS, RATES_HZ, SAMPLE_BYTES, AudioFormat
from vonage_sock.call.found import Found
from vonage_sock.clock import MS, SECOND

LONG_PAUSE_NS: Final = 200 * MS
WINDOW_NS: Final = 800 * MS
WINDOWS_NEEDED: Final = 3
SLOW: Final = 0.97
SLOW_WINDOW: Final = 0.985
SLOW_GAP: Final = 1.015
STEADY: Final = 0.6
"""In slow sending most gaps are longer than the audio before them; words and the pauses between them are no pace."""

RATE_TOLERANCE: Final = 0.03
WINDOW_TOLERANCE: Final = 0.1
PLAIN_WINDOW: Final = (SLOW_WINDOW, 1.3)
"""A window with such a rate is neither slow nor one of another sample rate."""

PLAIN_WINDOWS_NEEDED: Final = 4
BURST_JOIN_NS: Final = 5 * MS
BURST_FRAMES: Final = 4
BURST_PAUSE_NS: Final = 60 * MS
BURSTS_NEEDED: Final = 10
BURST_SHARE: Final = 0.8
REAL_TIME: Final = (0.85, 1.2)

NO_BEST_NS: Final = 1 << 62
MIXED: Final = 0
"""The messages' size, where they don't have one."""

Window = tuple[float, int, int]
"""The rate within it, how many gaps there were between messages, and how many longer than the audio before them."""


class RateJudge:
    """
    Whether the audio comes at its own rate (VS108, VS204).

    A window is most of a second of sending without a pause; of each only the most punctual message counts, so that what is
    late once, on any machine of the two, and is made up for, says nothing.

    Args:
        settles: a pace that was plain for four windows is so until the next long pause, and not looked at till then.
    """

    __slots__ = (
        "_best_at",
        "_best_before",
        "_best_ns",
        "_format",
        "_gaps",
        "_late_ns",
        "_length_ns",
        "_plain_windows",
        "_settles",
        "_size",
        "_slow_gaps",
        "_told",
        "_window_ends_at",
        "_windows",
    )

    def __init__(self, audio_format: AudioFormat, *, settles: bool = False) -> None:
        self._format = audio_format
        self._told = False
        self._settles = settles
        self._plain_windows = 0
        self._late_ns = 0
        self._length_ns = 0
        self._size = MIXED
        self._window_ends_at = 0
        self._gaps = 0
        self._slow_gaps = 0
        self._best_ns = NO_BEST_NS
        self._best_at = 0
        self._best_before: tuple[int, int] | None = None
        self._windows: tuple[Window, ...] = ()

    def messages(self, times: Sequence[int], gaps_ns: Sequence[int], size: int) -> list[Found]:
        """Messages of so many bytes came; the first gap of all is a long one."""
        if self._told or (self._is_settled and max(gaps_ns) <= LONG_PAUSE_NS):
            return []
        if size != self._size:
            self._size = MIXED
        before_ns, length_ns = self._length_ns, audio_ns(size, self._format)
        slow_gap_ns, next_slow_gap_ns = int(SLOW_GAP * before_ns), int(SLOW_GAP * length_ns)
        late_ns, best_ns, window_ends_at = self._late_ns, self._best_ns, self._window_ends_at
        gaps, slow_gaps = self._gaps, self._slow_gaps
        found: list[Found] = []
        for now, gap_ns in zip(times, gaps_ns, strict=True):
            if gap_ns > LONG_PAUSE_NS:
                self._size, self._best_before, self._windows, self._plain_windows = size, None, (), 0
                late_ns = gaps = slow_gaps = 0
                best_ns, window_ends_at = NO_BEST_NS, now + WINDOW_NS
            else:
                gaps += 1
                if gap_ns > slow_gap_ns:
                    slow_gaps += 1
                late_ns += gap_ns - before_ns
                if late_ns < best_ns:
                    best_ns = late_ns
                    self._best_at = now
                if now >= window_ends_at:
                    self._end_window(best_ns, gaps, slow_gaps)
                    gaps = slow_gaps = 0
                    best_ns, window_ends_at = NO_BEST_NS, now + WINDOW_NS
                    if found := self._judge():
                        break
            before_ns, slow_gap_ns = length_ns, next_slow_gap_ns
        self._late_ns, self._length_ns, self._best_ns, self._window_ends_at = (
            late_ns,
            length_ns,
            best_ns,
            window_ends_at,
        )
        self._gaps, self._slow_gaps = gaps, slow_gaps
        return found

    @property
    def _is_settled(self) -> bool:
        return self._settles and self._plain_windows >= PLAIN_WINDOWS_NEEDED

    def _end_window(self, best_ns: int, gaps: int, slow_gaps: int) -> None:
        best_at = self._best_at
        before, self._best_before = self._best_before, (best_ns, best_at)
        if before is not None:
            span_ns = max(best_at - before[1], WINDOW_NS // 2)
            window = (1 - (best_ns - before[0]) / span_ns, gaps, slow_gaps)
            self._windows = (*self._windows, window)[-WINDOWS_NEEDED:]

    def _judge(self) -> list[Found]:
        if not self._windows:
            return []
        if PLAIN_WINDOW[0] <= self._windows[-1][0] <= PLAIN_WINDOW[1]:
            self._plain_windows += 1
            return []
        self._plain_windows = 0
        if len(self._windows) < WINDOWS_NEEDED:
            return []
        rates = [rate for rate, _, _ in self._windows]
        mean = sum(rates) / len(rates)
        steadily = sum(slow for _, _, slow in self._windows) >= STEADY * sum(gaps for _, gaps, _ in self._windows)
        rate_hz = self._format.rate_hz
        for suspected_hz in RATES_HZ:
            ratio = suspected_hz / rate_hz
            if suspected_hz == rate_hz or abs(mean / ratio - 1) > RATE_TOLERANCE:
                continue
            if any(abs(rate / ratio - 1) > WINDOW_TOLERANCE for rate in rates):
                continue
            # Sending ahead is allowed, so that more than real time needs the other rate's frame size as a witness.
            if (ratio < 1 and steadily) or self._size == AudioFormat(suspected_hz).frame_bytes:
                self._told = True
                return [
                    Found("VS108", {"suspected_hz": suspected_hz, "rate_hz": rate_hz, "percent": round(100 * mean)})
                ]
        if steadily and mean < SLOW and max(rates) < SLOW_WINDOW:
            self._told = True
            return [Found("VS204", {"percent": round(100 * mean, 1)})]
        return []


class AheadJudge:
    """
    Whether more is sent ahead of real time than half of what the receiver can hold (VS205).

    Args:
        capacity_frames: how much the receiver buffers.
    """

    __slots__ = ("_capacity_ns", "_dry_at", "_format", "_told")

    def __init__(self, audio_format: AudioFormat, capacity_frames: int) -> None:
        self._format = audio_format
        self._capacity_ns = capacity_frames * FRAME_NS
        self._dry_at = 0
        self._told = False

    def cleared(self) -> None:
        """Nothing waits any more."""
        self._dry_at = 0

    def messages(self, times: Sequence[int], size: int) -> list[Found]:
        """Messages of so many bytes came."""
        if self._told:
            return []
        length_ns = audio_ns(size, self._format)
        dry_at, most_ns = self._dry_at, self._capacity_ns // 2
        for now in times:
            dry_at = length_ns + max(now, dry_at)
            if dry_at - now > most_ns:
                self._told = True
                numbers = {"ahead_s": round((dry_at - now) / SECOND), "capacity_s": round(self._capacity_ns / SECOND)}
                return [Found("VS205", numbers)]
        self._dry_at = dry_at
        return []


class BurstJudge:
    """Whether audio that comes in real time on the average comes in bursts (VS206)."""

    __slots__ = ("_all_bytes", "_at", "_burst_bytes", "_bursts", "_bursts_bytes", "_format", "_since")

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._at = 0
        self.restart()

    def restart(self) -> None:
        """Forget the bursts: they may be our own."""
        self._bursts = self._bursts_bytes = self._burst_bytes = self._all_bytes = 0
        self._since: int | None = None

    def messages(self, times: Sequence[int], gaps_ns: Sequence[int], size: int) -> None:
        """Messages of so many bytes came."""
        large = BURST_FRAMES * self._format.frame_bytes
        burst_bytes = self._burst_bytes
        for now, gap_ns in zip(times, gaps_ns, strict=True):
            if gap_ns > BURST_JOIN_NS:
                if burst_bytes >= large and BURST_PAUSE_NS <= gap_ns <= SECOND:
                    self._end_burst(burst_bytes)
                burst_bytes = 0
                self._at = now
            burst_bytes += size
        self._burst_bytes = burst_bytes
        self._all_bytes += len(times) * size

    def finish(self) -> list[Found]:
        """What the whole of it says."""
        since = self._since
        if self._bursts < BURSTS_NEEDED or since is None or self._bursts_bytes < BURST_SHARE * self._all_bytes:
            return []
        span_ns = self._at - since
        length_ns = audio_ns(self._bursts_bytes, self._format)
        if not REAL_TIME[0] <= length_ns / span_ns <= REAL_TIME[1]:
            return []
        return [
            Found(
                "VS206",
                {"burst_ms": round(length_ns / self._bursts / MS), "period_ms": round(span_ns / self._bursts / MS)},
            )
        ]

    def _end_burst(self, burst_bytes: int) -> None:
        if self._since is None:
            self._since = self._at
        self._bursts += 1
        self._bursts_bytes += burst_bytes


def audio_ns(size: int, audio_format: AudioFormat) -> int:
    """How long so many bytes of audio are."""
    return size * SECOND // (audio_format.rate_hz * SAMPLE_BYTES)
