"""
Whether audio that goes on after a pause is the same that stopped before it: speech that was cut, not speech that ended.

Rule: only what can't be anything else counts. What ends, fades out, and what begins, begins from silence; cut in mid-word
both sides are loud and the first samples are those that the last ones foretell. What is as regular as a tone foretells
itself whenever it begins again, so that it counts only where its loudness moves, as a beep's doesn't, and not at a zero
crossing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from vonage_sock.audio.level import rms_of_each

Samples = npt.NDArray[np.float64]

REMEMBERED_FRAMES: Final = 25
LOUD_DBFS: Final = -45.0
NEAR_OWN_LEVEL_DB: Final = 12.0
ORDER: Final = 10
STRADDLING_SAMPLES: Final = 6
USUAL_PERCENT: Final = 90.0
"""The error over the seam is one of those that are found within."""

FROM_SILENCE: Final = 20.0
"""So many times better than silence must the last samples foretell the first, in power."""

TONE_GAIN: Final = 1e4
"""What is foretold so well, power to power of the error, is no voice."""

TONE_MOVES_DB: Final = 6.0
ZERO_CROSSING: Final = 0.25


def continues(before: Sequence[bytes], after: bytes) -> bool:
    """
    Whether a frame goes on in mid-sound.

    Args:
        before: the frames that were played last, in their order; those of the last half second are enough.
        after: the first frame after the pause, of the same length.
    """
    *levels, level = rms_of_each([*before, after])
    quietest_dbfs = max(LOUD_DBFS, max(levels) - NEAR_OWN_LEVEL_DB)
    if min(levels[-1], level) < quietest_dbfs:
        return False
    old, new = _samples(b"".join(before[-2:])), _samples(after)
    coefficients = _predictor(old, new)
    usual = np.concatenate([_errors(old, coefficients), _errors(new, coefficients)]) ** 2
    error = _power_at_start(old[-ORDER:], new, coefficients)
    windows = np.convolve(usual, np.full(STRADDLING_SAMPLES, 1 / STRADDLING_SAMPLES), "valid")
    if error > np.percentile(windows, USUAL_PERCENT):
        return False
    if error * FROM_SILENCE > _power_at_start(np.zeros(ORDER), new, coefficients):
        return False
    power = float(np.mean(new * new))
    if power < TONE_GAIN * float(np.mean(usual)):
        return True
    loud = [item for item in levels if item >= LOUD_DBFS]
    return max(loud) - min(loud) >= TONE_MOVES_DB and abs(float(old[-1])) >= ZERO_CROSSING * power**0.5


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def _past(samples: Samples) -> Samples:
    """For each sample from the ``ORDER``-th on, those before it."""
    return np.lib.stride_tricks.sliding_window_view(samples, ORDER)[:-1]


def _predictor(*parts: Samples) -> Samples:
    """What foretells a sample from those before it, on both sides alike; the sides don't touch each other here."""
    past = np.concatenate([_past(part) for part in parts])
    coming = np.concatenate([part[ORDER:] for part in parts])
    found: Samples = np.linalg.lstsq(past, coming, rcond=1e-9)[0]
    return found


def _errors(samples: Samples, coefficients: Samples) -> Samples:
    errors: Samples = samples[ORDER:] - _past(samples) @ coefficients
    return errors


def _power_at_start(before: Samples, after: Samples, coefficients: Samples) -> float:
    """How badly the first samples are foretold by these before them."""
    errors = _errors(np.concatenate([before, after[:STRADDLING_SAMPLES]]), coefficients)
    return float(np.mean(errors * errors))
