"""
Make ``vonage_sock/data/clip.flac``: five seconds of mumbled speech that nobody ever said.

Pure synthesis, so the clip is ours to give away: glottal pulses with a moving pitch through formant filters, and shaped
noise for the consonants. Three phrases with 0.7 s of digital silence between them. Every run makes the same samples.

Run ``python scripts/make_clip.py`` to write the file, ``--check`` to compare the shipped one with what the script makes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000
FRAME = RATE_HZ // 50
SEED = 20_260
EDGE_S = 0.3
PAUSE_S = 0.7
PHRASE_RMS_DBFS = -20.0
PEAK_LIMIT_DBFS = -3.5
CLIP = Path(__file__).resolve().parent.parent / "vonage_sock" / "data" / "clip.flac"

# Formants of a grown-up's vowels: centre frequencies in Hz, from the usual textbook tables, rounded.
VOWELS = {
    "a": (730, 1090, 2440, 3400),
    "e": (530, 1840, 2480, 3450),
    "i": (280, 2250, 2900, 3600),
    "o": (500, 880, 2410, 3300),
    "u": (320, 900, 2240, 3250),
    "@": (500, 1450, 2450, 3350),
    "m": (260, 1000, 2200, 3000),
    "n": (270, 1600, 2500, 3100),
}
BANDWIDTHS_HZ = (70, 95, 140, 220)
NASALS = "mn"

# Noise of the consonants: from Hz, to Hz, loudness against the vowels, length in seconds.
NOISES = {
    "s": (4200, 7400, 0.22, 0.09),
    "S": (2000, 5200, 0.26, 0.10),
    "f": (1200, 7000, 0.10, 0.08),
    "h": (600, 3000, 0.10, 0.06),
    "t": (2800, 6500, 0.30, 0.03),
    "k": (1200, 3200, 0.30, 0.035),
}


@dataclass(frozen=True)
class Phrase:
    """Its sounds, how long it lasts, and its melody: pitch in Hz at even steps from start to end."""

    sounds: str
    length_s: float
    melody_hz: tuple[float, ...]


PHRASES = (
    Phrase("h@mato", 1.02, (128, 150, 141, 118, 104)),
    Phrase("sinkae@nu", 1.30, (118, 162, 140, 150, 128, 106)),
    Phrase("fomiSake", 1.08, (140, 132, 120, 136, 158, 176)),
)


def synthesize() -> np.ndarray:
    """The clip as 16-bit samples; its length is a whole number of 20 ms frames."""
    rng = np.random.default_rng(SEED)
    parts = [silence(EDGE_S)]
    for phrase in PHRASES:
        parts += [speak(phrase, rng), silence(PAUSE_S)]
    parts[-1] = silence(EDGE_S)
    clip = np.concatenate(parts)
    assert len(clip) % FRAME == 0
    return np.round(clip * 32767).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    """So many seconds of nothing."""
    return np.zeros(round(seconds * RATE_HZ))


def speak(phrase: Phrase, rng: np.random.Generator) -> np.ndarray:
    """One phrase at its target level, faded at both ends, a whole number of frames long."""
    count = round(phrase.length_s * RATE_HZ / FRAME) * FRAME
    lengths = np.array([NOISES[sound][3] if sound in NOISES else 1.0 for sound in phrase.sounds])
    voiced = np.array([sound not in NOISES for sound in phrase.sounds])
    shares = np.array([0.6 if sound in NASALS else rng.uniform(0.85, 1.2) for sound in phrase.sounds])
    left_s = count / RATE_HZ - lengths[~voiced].sum()
    lengths[voiced] = left_s * shares[voiced] / shares[voiced].sum()
    starts = np.concatenate([[0], np.cumsum(lengths)]) * RATE_HZ

    voice = formants(glottis(phrase, count, rng), phrase, starts) * voicing(phrase, starts, count)
    voice /= np.sqrt(np.mean(voice**2))
    sound = voice + consonants(phrase, starts, count, rng)
    sound *= fade(count, round(0.03 * RATE_HZ), round(0.06 * RATE_HZ))
    return limit(sound * 10 ** (PHRASE_RMS_DBFS / 20) / np.sqrt(np.mean(sound**2)))


def glottis(phrase: Phrase, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pulses of the vocal folds with the phrase's melody, jitter, shimmer and a little breath."""
    marks = np.linspace(0, count, len(phrase.melody_hz))
    times = np.arange(count)
    pitch = smooth(np.interp(times, marks, phrase.melody_hz), 0.08)
    pitch += 1.5 * np.sin(2 * np.pi * 5.1 * times / RATE_HZ)
    pitch = np.clip(pitch, 100, 180)
    flow = np.zeros(count)
    at = 0.0
    while at < count:
        period = RATE_HZ / pitch[int(at)] * (1 + 0.008 * rng.standard_normal())
        loudness = 1 + 0.06 * rng.standard_normal()
        # A Rosenberg pulse, sampled at the exact (fractional) start of the period: opens slowly, closes fast.
        n = np.arange(int(np.ceil(at)), min(count, int(np.ceil(at + period))))
        phase = (n - at) / period
        opening = 0.5 * (1 - np.cos(np.pi * phase / 0.4))
        closing = np.cos(0.5 * np.pi * (phase - 0.4) / 0.16)
        flow[n] = loudness * np.where(phase < 0.4, opening, np.where(phase < 0.56, closing, 0.0))
        at += period
    breath = 0.004 * rng.standard_normal(count) * (0.3 + flow)
    return np.diff(flow, prepend=0.0) + breath


def formants(source: np.ndarray, phrase: Phrase, starts: np.ndarray) -> np.ndarray:
    """The source through four resonators in a row whose frequencies glide from sound to sound."""
    vowels = [(k, VOWELS[sound]) for k, sound in enumerate(phrase.sounds) if sound in VOWELS]
    times = np.arange(len(source))
    signal = source
    for number, bandwidth_hz in enumerate(BANDWIDTHS_HZ):
        marks, values = [], []
        for k, frequencies in vowels:
            start, end = starts[k], starts[k + 1]
            marks += [start + 0.3 * (end - start), start + 0.7 * (end - start)]
            values += [frequencies[number]] * 2
        centre_hz = smooth(np.interp(times, marks, values), 0.03)
        signal = resonate(signal, centre_hz, bandwidth_hz)
    return signal


def resonate(signal: np.ndarray, centre_hz: np.ndarray, bandwidth_hz: float) -> np.ndarray:
    """A two-pole filter with unit gain at 0 Hz whose centre moves."""
    radius = np.exp(-np.pi * bandwidth_hz / RATE_HZ)
    b = 2 * radius * np.cos(2 * np.pi * centre_hz / RATE_HZ)
    c = -radius * radius
    gain = 1 - b - c
    out = np.zeros(len(signal) + 2)
    for n, x in enumerate(signal):
        out[n + 2] = gain[n] * x + b[n] * out[n + 1] + c * out[n]
    return out[2:]


def voicing(phrase: Phrase, starts: np.ndarray, count: int) -> np.ndarray:
    """How loud the voice is: off in consonants, softer in nasals, each syllable rising and falling."""
    level = np.zeros(count)
    for k, sound in enumerate(phrase.sounds):
        begin, end = round(starts[k]), min(count, round(starts[k + 1]))
        if sound in VOWELS:
            hump = np.sin(np.pi * np.linspace(0.12, 0.9, end - begin))
            level[begin:end] = (0.45 if sound in NASALS else 1.0) * (0.55 + 0.45 * hump)
    return smooth(level, 0.02)


def consonants(phrase: Phrase, starts: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Band-limited noise where the phrase has consonants; the vowels' loudness is 1."""
    out = np.zeros(count)
    for k, sound in enumerate(phrase.sounds):
        if sound not in NOISES:
            continue
        low_hz, high_hz, loudness, _ = NOISES[sound]
        begin, end = round(starts[k]), min(count, round(starts[k + 1]))
        noise = band(rng.standard_normal(end - begin), low_hz, high_hz)
        attack = (end - begin) // (8 if sound in "tk" else 3)
        out[begin:end] += loudness * noise * fade(end - begin, attack, (end - begin) // 2)
    return out


def band(noise: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Noise of unit power with soft edges at two frequencies."""
    hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    shape = 1 / (1 + np.exp(-(hz - low_hz) / 150)) / (1 + np.exp((hz - high_hz) / 150))
    shaped = np.fft.irfft(np.fft.rfft(noise) * shape, len(noise))
    return shaped / np.sqrt(np.mean(shaped**2))


def smooth(values: np.ndarray, seconds: float) -> np.ndarray:
    """A moving average with a bell's shape; the ends are held."""
    width = round(seconds * RATE_HZ) | 1
    bell = np.hanning(width + 2)[1:-1]
    held = np.pad(values, width // 2, mode="edge")
    return np.convolve(held, bell / bell.sum(), mode="valid")


def fade(count: int, rise: int, fall: int) -> np.ndarray:
    """One in the middle, half a cosine up from and down to zero at the ends."""
    envelope = np.ones(count)
    envelope[:rise] = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    envelope[count - fall :] = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return envelope


def limit(sound: np.ndarray) -> np.ndarray:
    """Peaks bent softly under the limit."""
    top = 10 ** (PEAK_LIMIT_DBFS / 20)
    return top * np.tanh(sound / top)


def main() -> int:
    """Write the clip, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the shipped clip with what the script makes")
    parser.add_argument("--out", type=Path, default=CLIP, help="the file to write or compare")
    options = parser.parse_args()
    samples = synthesize()
    if not options.check:
        soundfile.write(options.out, samples, RATE_HZ, subtype="PCM_16", format="FLAC")
        print(f"{options.out}: {len(samples) / RATE_HZ:.2f} s, {options.out.stat().st_size} bytes")
        return 0
    shipped, rate_hz = soundfile.read(options.out, dtype="int16")
    same = rate_hz == RATE_HZ and np.array_equal(shipped, samples)
    print(f"{options.out} {'is' if same else 'is NOT'} what this script makes")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
