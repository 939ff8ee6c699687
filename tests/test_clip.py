"""Tests of the speech-like clip that the package ships, made by scripts/make_clip.py."""

from __future__ import annotations

import io
import runpy
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from vonage_sock.audio.level import level_of, rms_dbfs
from vonage_sock.audio.phrases import Cut, PhraseDetector

Samples = npt.NDArray[np.int16]

CLIP = files("vonage_sock") / "data" / "clip.flac"
SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "make_clip.py"
RATE_HZ = 16_000
SPEECH_DBFS = -50.0


@pytest.fixture(scope="module")
def clip() -> Samples:
    """The clip's samples at its own rate."""
    samples, _ = soundfile.read(io.BytesIO(CLIP.read_bytes()), dtype="int16")
    return samples


def frames(samples: Samples, *, rate_hz: int = RATE_HZ) -> list[bytes]:
    """The whole 20 ms frames of a signal."""
    size = rate_hz // 50
    return [samples[at : at + size].astype("<i2").tobytes() for at in range(0, len(samples) - size + 1, size)]


def phrase_starts(samples: Samples, *, rate_hz: int = RATE_HZ) -> list[int]:
    """The frame at which each phrase is found to begin, by the detector as it is when nobody sets anything."""
    detector = PhraseDetector[int]()
    decisions = [detector.push(rms_dbfs(frame), n) for n, frame in enumerate(frames(samples, rate_hz=rate_hz))]
    return [decision.items[0] for decision in decisions if decision.cut is Cut.BEGIN]


def noisy(samples: Samples, noise_dbfs: float) -> Samples:
    """The signal with white noise of that level added; the same noise each time."""
    noise = np.random.default_rng(1).standard_normal(len(samples)) * 32768 * 10 ** (noise_dbfs / 20)
    return np.clip(np.round(samples + noise), -32768, 32767).astype(np.int16)


def test_the_clip_is_16_khz_mono_16_bit_in_whole_frames(clip: Samples) -> None:
    """The clip needs no conversion on a 16 kHz leg, and its last frame is full."""
    info = soundfile.info(io.BytesIO(CLIP.read_bytes()))

    expected = ("FLAC", "PCM_16", 16_000, 1, 0)
    assert expected == (info.format, info.subtype, info.samplerate, info.channels, len(clip) % 320)


def test_the_clip_is_short_and_small(clip: Samples) -> None:
    """The clip lasts about five seconds and adds less than 120 KB to the package."""
    assert 4.5 <= len(clip) / RATE_HZ <= 5.5
    assert len(CLIP.read_bytes()) < 120_000


def test_the_clip_is_as_loud_as_a_talker(clip: Samples) -> None:
    """Speech lies at about -20 dBFS, and no peak comes near clipping."""
    speech = [frame for frame in frames(clip) if rms_dbfs(frame) > SPEECH_DBFS]

    level = level_of(speech)

    assert -21.0 <= level.rms_dbfs <= -19.0
    assert level.peak_dbfs < -3.0


def test_the_clip_begins_and_ends_in_silence(clip: Samples) -> None:
    """The first and the last 0.3 s are digital silence."""
    edge = RATE_HZ * 3 // 10

    assert not clip[:edge].any()
    assert not clip[-edge:].any()


def test_phrases_begin_and_end_without_a_click(clip: Samples) -> None:
    """Next to silence the samples are small: a phrase fades in and out."""
    sounding = np.flatnonzero(clip)
    gaps = np.flatnonzero(np.diff(sounding) > RATE_HZ // 5)
    edges = [sounding[0], *sounding[gaps], *sounding[gaps + 1], sounding[-1]]

    loudest = max(int(np.abs(clip[edge - 16 : edge + 17].astype(int)).max()) for edge in edges)

    assert len(edges) == 6
    assert loudest < 100


def test_frames_of_speech_differ_from_each_other(clip: Samples) -> None:
    """No frame with sound occurs twice, so that a lost, doubled or swapped frame can be told."""
    speech = [frame for frame in frames(clip) if any(frame)]

    assert len(speech) > 150
    assert len(speech) == len(set(speech))


def test_the_clip_has_three_phrases(clip: Samples) -> None:
    """A recording that is split by phrases gets three of them."""
    assert len(phrase_starts(clip)) == 3


@pytest.mark.parametrize("offset", [1, 7, 160, 319])
def test_the_phrases_are_found_wherever_frames_are_cut(clip: Samples, offset: int) -> None:
    """A call that cuts its frames elsewhere hears the same three phrases."""
    assert len(phrase_starts(clip[offset:])) == 3


@pytest.mark.parametrize("noise_dbfs", [-75.0, -65.0, -60.0, -56.0])
def test_the_phrases_are_found_in_noise(clip: Samples, noise_dbfs: float) -> None:
    """The noise of a telephone line hides no phrase and makes none."""
    quiet, disturbed = phrase_starts(clip), phrase_starts(noisy(clip, noise_dbfs))

    assert len(disturbed) == 3
    assert all(abs(here - there) <= 2 for here, there in zip(quiet, disturbed, strict=True))


@pytest.mark.parametrize("rate_hz", [8000, 24_000])
def test_the_phrases_are_found_at_other_rates(clip: Samples, rate_hz: int) -> None:
    """Played into a leg of another rate the clip has the same three phrases."""
    assert len(phrase_starts(soxr.resample(clip, RATE_HZ, rate_hz, "HQ"), rate_hz=rate_hz)) == 3


def test_pitch_moves_as_a_voice_does(clip: Samples) -> None:
    """Where the clip is voiced its pitch lies between 100 and 180 Hz, moves by half an octave, and never jumps."""
    pitches_hz: list[float] = []
    for at in range(RATE_HZ * 3 // 10, len(clip) - 640, 320):
        window = clip[at : at + 640].astype(float)
        likeness = np.correlate(window, window, "full")[639:]
        lag = 80 + int(np.argmax(likeness[80:180]))
        if rms_dbfs(clip[at : at + 640].tobytes()) > -30 and likeness[lag] > 0.5 * likeness[0]:
            pitches_hz.append(RATE_HZ / lag)

    assert len(pitches_hz) > 100
    assert 100 <= min(pitches_hz) < 120
    assert 160 < max(pitches_hz) <= 180
    assert np.median([abs(here - there) for here, there in pairwise(pitches_hz)]) < 5


def test_the_shipped_clip_is_what_the_script_makes(clip: Samples) -> None:
    """Nobody's recording is inside: the script makes each sample of the clip."""
    made = runpy.run_path(str(SCRIPT))["synthesize"]()

    assert np.array_equal(made, clip)
