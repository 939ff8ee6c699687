"""
The round trip where a server changes the audio (louder, filtered, resampled), so that no mark survives.

What came back is compared with what was said, a second at a time, mainly by the phases of their spectra (GCC-PHAT):
what a gain or a filter does to a voice leaves a sharp peak at the delay. Rule 1: no figure for audio that has nothing to do
with what was said. A delay is only taken where what was heard can be made of what was said by a filter (their coherence),
and when two stretches in a row agree on it.

This is done when the calls are over, so that it makes none of them late.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from vonage_sock.audio.frames import FRAME_NS, SAMPLE_BYTES
from vonage_sock.clock import SECOND
from vonage_sock.simulator.load.marks import MarkedFrames

MAX_KEPT_S: Final = 20
WINDOW_S: Final = 1
MAX_DELAY_S: Final = 4
LEAST_REPEAT_S: Final = MAX_DELAY_S + WINDOW_S
"""What is said again sooner stands more than once where it is looked for, and nobody can tell which one came back."""

AUDIBLE_RMS: Final = 60.0
PHASE_SHARE: Final = 0.7
"""How far the loudness of a frequency is left out of account; at 1 inaudible noise would count as much as speech."""

PIECE: Final = 512
LOWEST_BIN: Final = 3
COHERENCE_NEEDED: Final = 0.4
AGREES_S: Final = 0.005

Samples = npt.NDArray[np.float32]


@dataclass(slots=True)
class Returned:
    """A message of changed audio: when it came, and how long what it holds took."""

    at: int
    span_ns: int


@dataclass(slots=True)
class Matched:
    """
    What came of a comparison: how many stretches could be heard, how many were found in what was said, and the times.

    ``repeats_s`` is set, and nothing was looked for, where what was said repeats too soon.
    """

    audible: int = 0
    matched: int = 0
    returned: list[Returned] = field(default_factory=list)
    repeats_s: float | None = None


class Follower:
    """Keeps the first seconds of what one call said and heard, and compares the two."""

    def __init__(self, frames: MarkedFrames) -> None:
        self._frames = frames
        self._rate_hz = frames.audio_format.rate_hz
        self._sent: list[tuple[int, int]] = []
        self._heard = bytearray()
        self._messages: list[tuple[int, int]] = []

    def sent(self, number: int, now: int) -> None:
        """A frame was written."""
        if len(self._sent) * FRAME_NS < MAX_KEPT_S * SECOND:
            self._sent.append((number, now))

    def received(self, data: bytes, now: int) -> None:
        """A message of audio came."""
        if len(self._heard) < MAX_KEPT_S * self._rate_hz * SAMPLE_BYTES:
            self._messages.append((len(self._heard) // SAMPLE_BYTES, now))
            self._heard += data

    def match(self) -> Matched:
        """Compare; it takes some milliseconds for each second."""
        result = Matched()
        said = self._frames.plain[[number for number, _ in self._sent]].reshape(-1).astype(np.float32)
        heard = _samples(bytes(self._heard))
        stretches = list(self._stretches(said, heard))
        result.audible = len(stretches)
        if self._frames.repeats_s < LEAST_REPEAT_S:
            result.repeats_s = round(self._frames.repeats_s, 1) if stretches else None
            return result
        agrees = round(AGREES_S * self._rate_hz)
        for at, (start, lag) in enumerate(stretches):
            near = (stretches[i][1] for i in (at - 1, at + 1) if 0 <= i < len(stretches))
            if lag is not None and any(other is not None and abs(other - lag) <= agrees for other in near):
                result.matched += 1
                result.returned += self._times(start, lag)
        return result

    def _stretches(self, said: Samples, heard: Samples) -> Iterator[tuple[int, int | None]]:
        """Where each audible second begins, and how many samples further back it was said; None where it wasn't."""
        size, back = WINDOW_S * self._rate_hz, MAX_DELAY_S * self._rate_hz
        arrivals = [at for at, _ in self._messages]
        for start in range(0, len(heard) - size + 1, size):
            window = heard[start : start + size]
            if float(np.sqrt(np.mean(window * window))) < AUDIBLE_RMS:
                continue
            came_at = self._messages[int(np.searchsorted(arrivals, start + size - 1, "right")) - 1][1]
            end = self._said_by(came_at)
            first = max(0, end - size - back)
            yield start, _find(window, said[first:end], first - start)

    def _said_by(self, now: int) -> int:
        """How many samples had been written by then."""
        frames = int(np.searchsorted([at for _, at in self._sent], now, "right"))
        return frames * self._frames.audio_format.frame_samples

    def _times(self, start: int, lag: int) -> Iterator[Returned]:
        samples = self._frames.audio_format.frame_samples
        for position, at in self._messages:
            if not start <= position < start + WINDOW_S * self._rate_hz:
                continue
            frame, rest = divmod(position + lag, samples)
            if 0 <= frame < len(self._sent):
                spoken_at = self._sent[frame][1] + rest * SECOND // self._rate_hz
                if at >= spoken_at:
                    yield Returned(at, at - spoken_at)


def _find(window: Samples, said: Samples, offset: int) -> int | None:
    """Where the window stands in what was said, as said minus heard in samples; None where it isn't in it."""
    if len(said) < len(window):
        return None
    size = 1 << (len(window) + len(said) - 1).bit_length()
    # Without the taper the ends of the window are steps, which agree with every step in what was said.
    cross = np.fft.rfft(said, size) * np.conj(np.fft.rfft(window * np.hanning(len(window)), size))
    cross /= np.maximum(np.abs(cross), 1e-9) ** PHASE_SHARE
    agreement = np.fft.irfft(cross, size)[: len(said) - len(window) + 1]
    at = int(np.argmax(np.abs(agreement)))
    if _coherence(window, said[at : at + len(window)]) < COHERENCE_NEEDED:
        return None
    return at + offset


def _coherence(heard: Samples, said: Samples) -> float:
    """How much of what was heard is made of what was said at the same time, by any filter: from 0 to 1."""
    a, b = _spectra(heard), _spectra(said)
    power = np.mean(np.abs(a) ** 2, axis=0)
    shared = np.abs(np.mean(a * np.conj(b), axis=0)) ** 2 / (power * np.mean(np.abs(b) ** 2, axis=0) + 1e-9)
    # The lowest bins hold hum and an offset, which aren't heard.
    power[:LOWEST_BIN] = 0
    return float(np.dot(shared, power) / (power.sum() + 1e-9))


def _spectra(samples: Samples) -> npt.NDArray[np.complex128]:
    """Of overlapping pieces, a row each."""
    pieces = np.lib.stride_tricks.sliding_window_view(samples, PIECE)[:: PIECE // 2]
    return np.fft.rfft(pieces * np.hanning(PIECE), axis=1)


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2", len(pcm) // SAMPLE_BYTES).astype(np.float32)
