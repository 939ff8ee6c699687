"""
What is wrong with a stream of audio, judged by its bytes and its times alone.

Rule 1: no false alarms. What is legitimate in some program (sending ahead, long pauses, only silence, nothing at all) is a
note at most; what is only suspected needs at least a second of audio, and every second that speaks must say the same.

A frame costs a few integers; samples are looked at half a second at a time, and after the first half minute only now and
then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vonage_sock.audio.frames import FRAME_NS, RATES_HZ, SAMPLE_BYTES, AudioFormat
from vonage_sock.clock import MS, SECOND
from vonage_sock.protocol import jsontext

CONTENT: Final = frozenset({"VS104", "VS105", "VS107", "VS109", "VS110", "VS111"})
"""What is said about the samples themselves, which in an echo are the caller's own."""

BATCHES_PER_SECOND: Final = 2
ALL_BATCHES: Final = 60
ONE_BATCH_OF: Final = 10
AUDIBLE_RMS: Final = 100.0
SMOOTH: Final = 0.7
SMOOTHER_BY: Final = 0.35
VOTES_NEEDED: Final = 2
VOTES_NEEDED_AGAINST: Final = 6
"""In a row, where other audio of the same sender was plainly right."""

FULL_SCALE: Final = 32767
CLIPPED_RUN: Final = 4
CLIPPED_SHARE: Final = 0.005
SILENCE_NEEDED_S: Final = 2
NOTHING_AFTER_S: Final = 5

PAUSE_NS: Final = 100 * MS
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
BURST_JOIN_NS: Final = 5 * MS
BURST_FRAMES: Final = 4
BURST_PAUSE_NS: Final = 60 * MS
BURSTS_NEEDED: Final = 10
BURST_SHARE: Final = 0.8
REAL_TIME: Final = (0.85, 1.2)

MIN_BASE64: Final = 160

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{160,}={0,2}", re.ASCII)
_HEADERS: Final = {b"RIFF": "WAV", b"RF64": "WAV", b"FORM": "AIFF", b"caff": "CAF", b".snd": "AU"}
_COMPRESSED: Final = {b"fLaC": "FLAC", b"OggS": "Ogg (Opus or Vorbis)", b"\x1aE\xdf\xa3": "WebM"}
_MP3_KBPS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBPS_LOW: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """A finding's code and the numbers of its message."""

    code: str
    numbers: dict[str, Any] = field(default_factory=dict)


class AudioInspector:
    """
    Looks at all the audio that one side of a leg sends.

    Args:
        now: when the leg began, in nanoseconds.
        capacity_frames: how much the receiver buffers; None when it doesn't, and faster than real time means nothing.
    """

    def __init__(self, audio_format: AudioFormat, *, now: int, capacity_frames: int | None = None) -> None:
        self._format = audio_format
        self._started_at = now
        self._content = _Content(audio_format)
        self._pacing = _Pacing(audio_format, capacity_frames)
        self._any = False

    def audio(self, data: bytes, now: int) -> list[Found]:
        """A binary message came; what is sure by now, each thing once."""
        self._any = True
        found = self._pacing.message(len(data), now)
        if self._content.message(data, first=self._pacing.after_pause):
            found = [*found, *self._content.take()]
        return found

    def stalled(self) -> None:
        """We didn't read for a while ourselves: times around now say nothing about the sender."""
        self._pacing.restart()

    def cleared(self) -> None:
        """The receiver dropped what it had queued."""
        self._pacing.cleared()

    def finish(self, now: int) -> list[Found]:
        """The leg is over; what can only be said then."""
        if not self._any:
            seconds = (now - self._started_at) // SECOND
            return [Found("VS207", {"seconds": seconds})] if seconds >= NOTHING_AFTER_S else []
        return [*self._content.finish(), *self._pacing.finish()]


def base64_audio(text: str) -> int | None:
    """How many characters of base64 a text message carries, alone or in JSON; None where it carries none to speak of."""
    if len(text) < MIN_BASE64:
        return None
    try:
        value = jsontext.loads(text)
    except ValueError:
        value = text
    longest = max((len(item) for item in _texts(value) if _BASE64.fullmatch(item.strip())), default=0)
    return longest or None


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


class _Content:
    """Judges samples."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._rate_hz = audio_format.rate_hz
        self._batch_bytes = audio_format.rate_hz * SAMPLE_BYTES // BATCHES_PER_SECOND
        self._parts: list[bytes] = []
        self._bytes = 0
        self._batches = 0
        self._total_bytes = 0
        self._sound = False
        self._votes = {"plain": 0, "VS107": 0, "VS111": 0}
        self._smoother = 0.0
        self._clipped = 0
        self._samples = 0
        self._told: set[str] = set()
        self._found: list[Found] = []
        self._foreign = False
        self._head = b""

    def message(self, data: bytes, *, first: bool) -> bool:
        """Take a message; True when there is something to tell."""
        self._parts.append(data)
        self._bytes += len(data)
        if data[:4] in _SIGNATURES or data[:3] == b"ID3":
            self._header(data)
        elif first:
            self._head = b"\0"
        if self._head:
            self._look_for_mp3(data)
        if self._bytes >= self._batch_bytes:
            self._look()
        return bool(self._found)

    def take(self) -> list[Found]:
        """What is sure by now."""
        found, self._found = self._found, []
        return found

    def finish(self) -> list[Found]:
        """What the whole of it says."""
        self._look()
        seconds = self._total_bytes / SAMPLE_BYTES / self._rate_hz
        if not self._sound and not self._foreign and seconds >= SILENCE_NEEDED_S:
            self._tell("VS110", seconds=round(seconds, 1))
        return self.take()

    def _tell(self, code: str, **numbers: object) -> None:
        if code not in self._told:
            self._told.add(code)
            self._found.append(Found(code, numbers))

    def _header(self, data: bytes) -> None:
        kind = data[:4]
        if kind in _COMPRESSED or data[:3] == b"ID3":
            self._foreign = True
            self._tell("VS105", kind=_COMPRESSED.get(kind, "MP3"))
        else:
            self._tell("VS104", kind=_HEADERS[kind])

    def _look_for_mp3(self, data: bytes) -> None:
        # Two bytes of a sync word are a common sample; three frames where each says where the next begins are none.
        self._head += data
        if len(self._head) > 4 * 1441:
            if _is_mp3(self._head[1:]):
                self._foreign = True
                self._tell("VS105", kind="MP3")
            self._head = b""

    def _look(self) -> None:
        pcm, self._parts = b"".join(self._parts), []
        self._total_bytes += self._bytes
        self._bytes = 0
        self._batches += 1
        if self._foreign or (self._batches > ALL_BATCHES and self._batches % ONE_BATCH_OF):
            return
        samples = np.frombuffer(pcm, "<i2", len(pcm) // SAMPLE_BYTES)
        if not samples.any():
            return
        self._sound = True
        self._count_clipped(samples)
        self._vote(pcm)

    def _count_clipped(self, samples: npt.NDArray[np.int16]) -> None:
        self._samples += len(samples)
        for full in (samples >= FULL_SCALE, samples <= -FULL_SCALE):
            if np.count_nonzero(full) >= CLIPPED_RUN:
                run = full[: 1 - CLIPPED_RUN].copy()
                for shift in range(1, CLIPPED_RUN):
                    run &= full[shift : len(full) - CLIPPED_RUN + 1 + shift]
                self._clipped += int(np.count_nonzero(run))
        share = self._clipped / self._samples
        if (
            share >= CLIPPED_SHARE
            and self._samples >= self._rate_hz
            and not self._votes["VS107"] + self._votes["VS111"]
        ):
            self._tell("VS109", percent=round(100 * share, 1))

    def _vote(self, pcm: bytes) -> None:
        plain, swapped, shifted = (_samples(pcm, kind, skip) for kind, skip in (("<i2", 0), (">i2", 0), ("<i2", 1)))
        plainly = _smoothness(plain)
        if plainly is None or plainly > SMOOTH:
            if plainly is not None:
                self._votes = {"plain": 1, "VS107": 0, "VS111": 0}
            return
        others = {"VS107": _smoothness(swapped), "VS111": _smoothness(shifted)}
        wanted = max(SMOOTH, plainly + SMOOTHER_BY)
        if all(value is None or value < wanted for value in others.values()):
            return
        # Either reading of either fault is smooth; the right one is the smoother, by the noise of a wrong low byte.
        bends = {"VS107": _bend(swapped), "VS111": _bend(shifted)}
        code = min(bends, key=lambda name: bends[name])
        self._votes[code] += 1
        self._smoother = max(self._smoother, _bend(plain) / max(bends[code], 1e-3))
        if self._votes[code] >= (VOTES_NEEDED_AGAINST if self._votes["plain"] else VOTES_NEEDED):
            self._tell(code, times=round(self._smoother))


@dataclass(slots=True)
class _Gaps:
    """How many gaps between messages there were, and how many longer than the audio before them."""

    all: int = 0
    slow: int = 0


class _Pacing:
    """
    Judges times.

    A window is most of a second of sending without a pause; of each only the most punctual message counts, so that what is
    late once, on any machine of the two, and is made up for, says nothing.
    """

    def __init__(self, audio_format: AudioFormat, capacity_frames: int | None) -> None:
        self._format = audio_format
        self._frame_bytes = audio_format.frame_bytes
        self._bytes_per_second = audio_format.rate_hz * SAMPLE_BYTES
        self._capacity_ns = None if capacity_frames is None else capacity_frames * FRAME_NS
        self._last_at: int | None = None
        self.after_pause = True
        self._ahead_ns = 0
        self._told: set[str] = set()
        self._window_at = 0
        self._window_gaps = _Gaps()
        self._gaps: list[_Gaps] = []
        self._sent_ns = 0
        self._length_ns = 0
        self._begun_at = 0
        self._best: tuple[int, int] | None = None
        self._best_before: tuple[int, int] | None = None
        self._ratios: list[float] = []
        self._sizes: set[int] = set()
        self._burst_bytes = 0
        self._burst_at = 0
        self._bursts = 0
        self._bursts_bytes = 0
        self._bursts_since: int | None = None
        self._all_bytes = 0

    def restart(self) -> None:
        """Forget the bursts: they may be our own."""
        self._bursts = self._bursts_bytes = self._burst_bytes = self._all_bytes = 0
        self._bursts_since = None

    def cleared(self) -> None:
        """Nothing waits any more."""
        self._ahead_ns = 0

    def message(self, size: int, now: int) -> list[Found]:
        """A message of so many bytes came."""
        last_at, self._last_at = self._last_at, now
        found: list[Found] = []
        gap_ns = PAUSE_NS + 1 if last_at is None else now - last_at
        self.after_pause = gap_ns > PAUSE_NS
        self._ahead_ns = max(0, self._ahead_ns - gap_ns) + size * SECOND // self._bytes_per_second
        capacity_ns = self._capacity_ns
        if capacity_ns is not None and self._ahead_ns * 2 > capacity_ns and "VS205" not in self._told:
            self._told.add("VS205")
            found.append(
                Found("VS205", {"ahead_s": round(self._ahead_ns / SECOND), "capacity_s": round(capacity_ns / SECOND)})
            )
        if gap_ns > BURST_JOIN_NS:
            self._end_burst(gap_ns, now, size)
        self._burst_bytes += size
        self._all_bytes += size
        if last_at is None or gap_ns > LONG_PAUSE_NS:
            self._begin(now, size)
            return found
        self._window_gaps.all += 1
        self._window_gaps.slow += gap_ns > SLOW_GAP * self._length_ns
        self._length_ns = size * SECOND // self._bytes_per_second
        late_ns = now - self._begun_at - self._sent_ns
        self._sent_ns += self._length_ns
        if self._best is None or late_ns < self._best[0]:
            self._best = late_ns, now
        self._sizes.add(size)
        if now - self._window_at >= WINDOW_NS:
            self._end_window(now)
            if len(self._ratios) >= WINDOWS_NEEDED and not self._told & {"VS204", "VS108"}:
                found += self._judge()
        return found

    def finish(self) -> list[Found]:
        """What the whole of it says."""
        since = self._bursts_since
        if self._bursts < BURSTS_NEEDED or since is None or self._bursts_bytes < BURST_SHARE * self._all_bytes:
            return []
        span_ns = self._burst_at - since
        length_ns = self._bursts_bytes * SECOND // self._bytes_per_second
        if not REAL_TIME[0] <= length_ns / span_ns <= REAL_TIME[1]:
            return []
        return [
            Found(
                "VS206",
                {"burst_ms": round(length_ns / self._bursts / MS), "period_ms": round(span_ns / self._bursts / MS)},
            )
        ]

    def _end_burst(self, gap_ns: int, now: int, size: int) -> None:
        large = self._burst_bytes >= BURST_FRAMES * self._frame_bytes
        if large and BURST_PAUSE_NS <= gap_ns <= SECOND:
            if self._bursts_since is None:
                self._bursts_since = self._burst_at
            self._bursts += 1
            self._bursts_bytes += self._burst_bytes
        self._burst_bytes = 0
        self._burst_at = now

    def _begin(self, now: int, size: int) -> None:
        self._begun_at = now
        self._sent_ns = self._length_ns = size * SECOND // self._bytes_per_second
        self._best_before = None
        self._ratios, self._gaps = [], []
        self._sizes = {size}
        self._begin_window(now)

    def _end_window(self, now: int) -> None:
        best, before, self._best_before = self._best, self._best_before, self._best
        if best is not None and before is not None:
            span_ns = max(best[1] - before[1], WINDOW_NS // 2)
            self._ratios.append(1 - (best[0] - before[0]) / span_ns)
            self._gaps.append(self._window_gaps)
            del self._ratios[:-WINDOWS_NEEDED], self._gaps[:-WINDOWS_NEEDED]
        self._begin_window(now)

    def _begin_window(self, now: int) -> None:
        self._window_at = now
        self._window_gaps = _Gaps()
        self._best = None

    def _judge(self) -> list[Found]:
        mean = sum(self._ratios) / len(self._ratios)
        steadily = sum(gaps.slow for gaps in self._gaps) >= STEADY * sum(gaps.all for gaps in self._gaps)
        rate_hz = self._format.rate_hz
        for suspected_hz in RATES_HZ:
            ratio = suspected_hz / rate_hz
            if suspected_hz == rate_hz or abs(mean / ratio - 1) > RATE_TOLERANCE:
                continue
            if any(abs(item / ratio - 1) > WINDOW_TOLERANCE for item in self._ratios):
                continue
            # Sending ahead is allowed, so that more than real time needs the other rate's frame size as a witness.
            if (ratio < 1 and steadily) or self._sizes == {AudioFormat(suspected_hz).frame_bytes}:
                self._told.add("VS108")
                return [
                    Found("VS108", {"suspected_hz": suspected_hz, "rate_hz": rate_hz, "percent": round(100 * mean)})
                ]
        if steadily and mean < SLOW and max(self._ratios) < SLOW_WINDOW:
            self._told.add("VS204")
            return [Found("VS204", {"percent": round(100 * mean, 1)})]
        return []


_SIGNATURES: Final = frozenset(_HEADERS) | frozenset(_COMPRESSED)


def _samples(pcm: bytes, kind: str, skip: int) -> Samples:
    count = (len(pcm) - skip) // SAMPLE_BYTES
    return np.frombuffer(pcm, kind, count, skip).astype(np.float32)


def _smoothness(samples: Samples) -> float | None:
    """How much neighbouring samples agree, 1 at most; None when it is too quiet to say."""
    samples = samples - samples.mean()
    energy = float(np.dot(samples, samples))
    if energy < AUDIBLE_RMS * AUDIBLE_RMS * len(samples):
        return None
    return float(np.dot(samples[1:], samples[:-1])) / energy


def _bend(samples: Samples) -> float:
    return float(np.abs(np.diff(samples, 2)).mean()) if len(samples) > 2 else 0.0


def _is_mp3(data: bytes) -> bool:
    at = 0
    for _ in range(3):
        size = _mp3_frame_bytes(data[at : at + 4])
        if size is None:
            return False
        at += size
    return True


def _mp3_frame_bytes(head: bytes) -> int | None:
    """The length of the MPEG layer III frame that these four bytes begin; None when they begin none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, kbps_at, hz_at = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbps_at in (0, 15) or hz_at == 3:
        return None
    kbps = (_MP3_KBPS if version == 3 else _MP3_KBPS_LOW)[kbps_at]
    return (144 if version == 3 else 72) * kbps * 1000 // _MP3_HZ[version][hz_at] + (head[2] >> 1 & 1)
