"""
Does speech sound as if it was made for another sample rate? Judged by its spectrum and its syllables alone.

Pitch, vocal tract and syllables move together when speech is played at a wrong speed, and hardly ever by themselves: so
their logarithms, in a weighted sum, place every voice within an octave. Half and twice the speed lie outside of it for
most voices; half as much again (24 kHz on a leg of 16 kHz) is what a deep or a high voice may be, and isn't told.

Weights and limits were fitted to 345 pieces of speech, recorded prompts of five people in five languages among them, and
tried on music. Rule: no false alarms, so that every piece must say the same, and be as loud and as quiet as speech is.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from vonage_sock.audio.frames import SAMPLE_BYTES, AudioFormat

PIECE_S: Final = 6.0
LEAST_S: Final = 2.5
MOST_PIECES: Final = 2

FAST_FROM: Final = 4.2
SLOW_FROM: Final = 3.27
"""Where no voice of the corpus is any more: 3.29 to 4.20."""

LOUD_SHARE: Final = (0.3, 0.93)
VOICED_NEEDED: Final = 15
CLARITY_NEEDED: Final = 0.55
NEAR_BEST: Final = 0.88
PITCH_HZ: Final = (45, 600)
VOICE_HZ: Final = (60, 3900)
SYLLABLES_HZ: Final = (1, 20)
AUDIBLE_POWER: Final = 1e4

Floats = npt.NDArray[np.floating[Any]]


class Suspicion(NamedTuple):
    """How the speech sounds, and for which rate it may have been made instead."""

    sounds: str
    suspected: str


_FAST: Final = {16000: "8000 Hz", 24000: "16000 Hz or less"}
_SLOW: Final = {8000: "16000 Hz or more", 16000: "24000 Hz or more", 24000: "more than 24000 Hz"}


def suspect(pcm: bytes | bytearray, rate_hz: int) -> Suspicion | None:
    """
    What 16-bit PCM sounds like that is played at ``rate_hz``; None where it may be anybody's speech, or is none.

    Args:
        pcm: at least 2.5 s without digital silence; the first 12 s of it are looked at.
    """
    frame_bytes = AudioFormat(rate_hz).frame_bytes
    frames = np.frombuffer(pcm, "<i2", len(pcm) // frame_bytes * frame_bytes // SAMPLE_BYTES).reshape(
        -1, frame_bytes // 2
    )
    samples = frames[frames.any(axis=1)].reshape(-1).astype(np.float32)
    size = int(PIECE_S * rate_hz)
    pieces = [samples[at : at + size] for at in range(0, min(len(samples), MOST_PIECES * size), size)]
    scores = [_score(piece, rate_hz) for piece in pieces if len(piece) >= LEAST_S * rate_hz]
    known = [score for score in scores if score is not None]
    if not known or len(known) < len(scores):
        return None
    if min(known) > FAST_FROM and rate_hz in _FAST:
        return Suspicion("too fast and high", _FAST[rate_hz])
    if max(known) < SLOW_FROM:
        return Suspicion("too slow and deep", _SLOW[rate_hz])
    return None


def _score(samples: Floats, rate_hz: int) -> float | None:
    """Where the voice stands, in weighted octaves; None where it isn't speech."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, rate_hz // 25)[:: rate_hz // 50]
    power = np.square(frames).mean(axis=1)
    if not LOUD_SHARE[0] <= float((power > power.max() / 100).mean()) <= LOUD_SHARE[1]:
        return None
    audible = frames[power > max(power.max() / 1000, AUDIBLE_POWER)]
    if not len(audible):
        return None
    window = np.hanning(audible.shape[1]).astype(np.float32)
    size = 1 << (2 * audible.shape[1] - 1).bit_length()
    spectra = np.square(np.abs(np.fft.rfft((audible - audible.mean(axis=1, keepdims=True)) * window, size)))
    pitches_hz = _pitches(spectra, window, rate_hz)
    voiced = pitches_hz > 0
    if np.count_nonzero(voiced) < VOICED_NEEDED:
        return None
    pitch_hz = float(np.median(pitches_hz[voiced]))
    tract_hz = _centre(spectra[voiced], rate_hz / size)
    whole_hz = _centre(spectra, rate_hz / size)
    return float(np.dot((0.2, 0.45, -0.2, 0.12), np.log2((pitch_hz, tract_hz, whole_hz, _syllables(samples, rate_hz)))))


def _pitches(spectra: Floats, window: Floats, rate_hz: int) -> Floats:
    """The pitch of each frame in hertz by its autocorrelation; 0 where it has none."""
    size = 2 * (spectra.shape[1] - 1)
    own = np.fft.irfft(np.square(np.abs(np.fft.rfft(window, size))))
    likeness = np.fft.irfft(spectra)
    likeness /= (likeness[:, :1] + 1e-9) * (own / own[0] + 1e-3)
    shortest, longest = rate_hz // PITCH_HZ[1], min(rate_hz // PITCH_HZ[0], len(window) - 2)
    likeness = likeness[:, shortest:longest]
    best = likeness.max(axis=1, keepdims=True)
    middle = likeness[:, 1:-1]
    peaks = (middle > likeness[:, :-2]) & (middle >= likeness[:, 2:]) & (middle > NEAR_BEST * best)
    # The first peak that is nearly the best one: later ones are its multiples.
    lags = shortest + 1 + peaks.argmax(axis=1)
    pitched = peaks.any(axis=1) & (best[:, 0] >= CLARITY_NEEDED)
    return np.where(pitched, rate_hz / lags, 0.0)


def _centre(spectra: Floats, bin_hz: float) -> float:
    """The centre of the mean spectrum, in octaves, of the voice's band; each frame counts alike."""
    mean = (spectra / spectra.sum(axis=1, keepdims=True)).mean(axis=0)
    hz = bin_hz * np.arange(len(mean))
    band = (hz > VOICE_HZ[0]) & (hz < VOICE_HZ[1])
    return _octave_centre(mean[band], hz[band])


def _syllables(samples: Floats, rate_hz: int) -> float:
    """How often the loudness comes and goes, in hertz."""
    step = rate_hz // 100
    level = np.sqrt(np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(axis=1))
    level = np.log(level + level.max() / 100)
    size = 4096
    power = np.square(np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)), size)))
    hz = 100 / size * np.arange(len(power))
    band = (hz > SYLLABLES_HZ[0]) & (hz < SYLLABLES_HZ[1])
    return _octave_centre(power[band], hz[band])


def _octave_centre(power: Floats, hz: Floats) -> float:
    return float(np.exp2(np.dot(power, np.log2(hz)) / power.sum()))
