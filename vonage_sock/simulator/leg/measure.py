"""What a simulated call measures: spreads of times, and how long an echo takes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import MS, US

MAX_REMEMBERED_FRAMES: Final = 3000
MAX_TRACK_BYTES: Final = 20 * 48_000
CORRELATION_NEEDED: Final = 0.5
NEIGHBOURS_NS: Final = 30 * MS
"""Frames that left no further apart than this were said one after the other."""

VERBATIM_SHARE: Final = 0.25


class Spread:
    """Median, tail and largest of many times, in bounded memory: exact to 2 % of the value or 10 us."""

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self._count = 0
        self._max_ns = 0

    @property
    def count(self) -> int:
        """How many times were added."""
        return self._count

    @property
    def max_ns(self) -> int:
        """The largest of them."""
        return self._max_ns

    def add(self, span_ns: int) -> None:
        """Count one time; a negative one counts as zero."""
        span_ns = max(span_ns, 0)
        key = _bin(span_ns)
        self._bins[key] = self._bins.get(key, 0) + 1
        self._count += 1
        if span_ns > self._max_ns:
            self._max_ns = span_ns

    def percentile_ms(self, percent: float) -> float:
        """The time that ``percent`` of all don't exceed."""
        wanted = self._count * percent / 100
        seen = 0
        for key in sorted(self._bins):
            seen += self._bins[key]
            if seen >= wanted:
                return round(min(_bin_top_ns(key), self._max_ns) / MS, 3)
        return 0.0

    def report(self) -> dict[str, float]:
        """p50, p95, p99 and max, in milliseconds."""
        return {
            "p50": self.percentile_ms(50),
            "p95": self.percentile_ms(95),
            "p99": self.percentile_ms(99),
            "max": round(self._max_ns / MS, 3),
        }


def _bin(span_ns: int) -> int:
    """Bins of 10 us up to 1.28 ms, then 64 to each doubling."""
    tens = span_ns // (10 * US)
    if tens < 128:
        return tens
    shift = tens.bit_length() - 7
    return shift * 64 + (tens >> shift)


def _bin_top_ns(key: int) -> int:
    if key < 128:
        return (key + 1) * 10 * US
    shift = key // 64 - 1
    return (((key - shift * 64) + 1) << shift) * 10 * US


class EchoMeter:
    """
    How long what the caller said takes to come back.

    Frames that come back byte for byte are matched one by one; a frame that is said twice within a minute, as silence is,
    can't be told apart and isn't counted. Where a server changes the audio, the delay is the one at which what was said
    and what was heard agree best, found once by cross-correlation.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._silence = bytes(AudioFormat(rate_hz).frame_bytes)
        self._waiting: OrderedDict[bytes, int | None] = OrderedDict()
        self._delays = Spread()
        self._sent_at: int | None = None
        self._sounds_received = 0
        self._said = Track()
        self._heard = Track()

    @property
    def is_verbatim(self) -> bool:
        """What comes back is what was said, byte for byte; pauses and tones, which repeat themselves, aside."""
        return self._delays.count > VERBATIM_SHARE * self._sounds_received

    @property
    def longest_ns(self) -> int:
        """The longest time that a frame took to come back."""
        return self._delays.max_ns

    @property
    def anything_said(self) -> bool:
        """Something other than digital silence was said lately."""
        return bool(self._waiting) or self._delays.count > 0

    @property
    def heard_pcm(self) -> bytearray:
        """The first seconds of what came in, frame after frame."""
        return self._heard.pcm

    def sent(self, frame: bytes, now: int) -> None:
        """A frame left."""
        self._said.add(frame, now)
        if frame == self._silence:
            return
        self._waiting[frame] = None if frame in self._waiting else now
        if len(self._waiting) > MAX_REMEMBERED_FRAMES:
            self._waiting.popitem(last=False)

    def received(self, frame: bytes, now: int) -> bool:
        """A frame came in; True when it was said right after the one that came before it."""
        self._heard.add(frame, now)
        if frame != self._silence:
            self._sounds_received += 1
        before, self._sent_at = self._sent_at, None
        if self._waiting.get(frame) is None or (sent_at := self._waiting.pop(frame)) is None:
            return False
        self._delays.add(now - sent_at)
        self._sent_at = sent_at
        return before is not None and 0 <= sent_at - before <= NEIGHBOURS_NS

    def report(self) -> dict[str, Any] | None:
        """The delay in milliseconds and how it was found; None where nothing that was heard is an echo."""
        if self._delays.count:
            return {"method": "frames", "frames": self._delays.count, "delay_ms": self._delays.report()}
        found = correlate(self._said, self._heard, rate_hz=self._rate_hz)
        if found is None:
            return None
        delay_ms, correlation = found
        return {"method": "correlation", "correlation": correlation, "delay_ms": {"p50": delay_ms}}


class Track:
    """The first seconds of one direction, and when they began."""

    def __init__(self) -> None:
        self.started_at: int | None = None
        self.pcm = bytearray()

    def add(self, frame: bytes, now: int) -> None:
        """Append a frame that passed at ``now``."""
        if self.started_at is None:
            self.started_at = now
        if len(self.pcm) < MAX_TRACK_BYTES:
            self.pcm += frame


def correlate(said: Track, heard: Track, *, rate_hz: int) -> tuple[float, float] | None:
    """
    The delay in milliseconds at which two tracks agree best, and the correlation there (0 to 1).

    Both are taken as steady streams of 16-bit PCM; None where they have less than half in common.
    """
    if said.started_at is None or heard.started_at is None:
        return None
    a, b = _samples(said.pcm), _samples(heard.pcm)
    energy = float(np.sqrt(np.dot(a, a) * np.dot(b, b)))
    if energy == 0.0:
        return None
    size = 1 << (len(a) + len(b) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    at = int(np.argmax(product))
    correlation = float(product[at]) / energy
    if correlation < CORRELATION_NEEDED:
        return None
    lag_samples = at if at < len(b) else at - size
    delay_ms = (heard.started_at - said.started_at) / MS + lag_samples * 1000 / rate_hz
    return round(delay_ms, 1), round(correlation, 3)


def _samples(pcm: bytearray) -> npt.NDArray[np.float64]:
    return np.frombuffer(bytes(pcm), "<i2", len(pcm) // 2).astype(np.float64)
