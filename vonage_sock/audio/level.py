"""How loud audio is, in dBFS: 0 is a full-scale square wave, digital silence is ``FLOOR_DBFS``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

FLOOR_DBFS: Final = -96.0
AUDIBLE_DBFS: Final = -50.0
"""What is louder is heard: zeros and faint noise are nothing that is said."""

FULL_SCALE: Final = 32768.0
SAMPLE_BYTES: Final = 2
SILENT_POWER: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Level:
    """Root mean square and peak, both in dBFS."""

    rms_dbfs: float
    peak_dbfs: float


SILENCE: Final = Level(FLOOR_DBFS, FLOOR_DBFS)


def level_of(chunks: Iterable[bytes]) -> Level:
    """The level of 16-bit PCM, given in pieces; an odd last byte of a piece is left out."""
    data = b"".join([chunk if len(chunk) % SAMPLE_BYTES == 0 else chunk[:-1] for chunk in chunks])
    if not data:
        return SILENCE
    samples = np.frombuffer(data, "<i2")
    # Finding the places of the extremes costs half of what numpy takes for the extremes themselves.
    peak = max(int(samples[samples.argmax()]), -int(samples[samples.argmin()]))
    exact = samples.astype(np.float32)
    return Level(dbfs(math.sqrt(float(exact.dot(exact)) / len(samples))), dbfs(peak))


def rms_dbfs(frame: bytes) -> float:
    """The root mean square of one frame of 16-bit PCM, in dBFS."""
    samples = np.frombuffer(frame, "<i2", len(frame) // 2)
    if not len(samples):
        return FLOOR_DBFS
    samples = samples.astype(np.float32)
    return dbfs(math.sqrt(float(np.dot(samples, samples)) / len(samples)))


def rms_of_each(frames: Sequence[bytes]) -> list[float]:
    """The same of many frames of one length at once, at a fraction of the cost."""
    if not frames or len(frames[0]) < SAMPLE_BYTES:
        return [FLOOR_DBFS] * len(frames)
    samples = np.frombuffer(b"".join(frames), "<i2").reshape(len(frames), -1).astype(np.float32)
    powers = np.einsum("ij,ij->i", samples, samples) / (samples.shape[1] * FULL_SCALE**2)
    levels: list[float] = np.maximum(FLOOR_DBFS, 10 * np.log10(np.maximum(powers, SILENT_POWER))).tolist()
    return levels


def dbfs(amplitude: float) -> float:
    """An amplitude of 16-bit samples (0 to 32768) in dBFS, never below ``FLOOR_DBFS``."""
    return max(FLOOR_DBFS, 20 * math.log10(amplitude / FULL_SCALE)) if amplitude > 0 else FLOOR_DBFS
