"""Speech that was cut, told from speech that ended."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import resources

import numpy as np
import numpy.typing as npt
import pytest

from vonage_sock.audio.level import rms_of_each
from vonage_sock.audio.seam import REMEMBERED_FRAMES, continues
from vonage_sock.media.decode import pcm_blocks

RATES_HZ = (8000, 16000, 24000)
Samples = npt.NDArray[np.int16]


def clip(rate_hz: int) -> Samples:
    """The speech that comes with the package."""
    with resources.as_file(resources.files("vonage_sock") / "data" / "clip.flac") as path:
        return np.frombuffer(b"".join(pcm_blocks(path, rate_hz)), "<i2")


def frames(samples: Samples, rate_hz: int) -> list[bytes]:
    """Whole frames of 20 ms."""
    size = rate_hz // 50
    return [samples[at : at + size].tobytes() for at in range(0, len(samples) - size + 1, size)]


def goes_on(speech: list[bytes], after: int, resumes: int) -> bool:
    """What is said where frame ``resumes`` follows ``after``."""
    return continues(speech[max(0, after + 1 - REMEMBERED_FRAMES) : after + 1], speech[resumes])


def tone(rate_hz: int, pitches_hz: tuple[float, ...], samples: slice, fade: Callable[[float], float]) -> Samples:
    """A chord that begins at the first sample there is, seen from one on."""
    at_s = np.arange(samples.start, samples.stop) / rate_hz
    sum_of_all = sum(np.sin(2 * np.pi * pitch_hz * at_s) for pitch_hz in pitches_hz)
    envelope = np.array([fade(second) for second in at_s])
    return (9000 / len(pitches_hz) * sum_of_all * envelope).astype("<i2")


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_speech_that_is_cut_in_mid_word_goes_on(rate_hz: int) -> None:
    """Of a hundred places drawn at random where both sides are loud, most are recognised."""
    chosen = np.random.default_rng(5)
    speech = clip(rate_hz)
    told: list[bool] = []
    while len(told) < 100:
        cut = frames(speech[chosen.integers(rate_hz // 50) :], rate_hz)
        at = int(chosen.integers(REMEMBERED_FRAMES, len(cut) - 1))
        levels = rms_of_each(cut[at - REMEMBERED_FRAMES : at + 1])
        if min(levels[-2:]) > max(-45.0, max(levels) - 12):
            told.append(goes_on(cut, at - 1, at))

    assert sum(told) >= 55


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_speech_that_pauses_does_not_go_on(rate_hz: int) -> None:
    """A server that sends no silence, wherever it draws the line, and however its frames fall."""
    told: list[bool] = []
    for threshold_dbfs, offset in itertools.product((-60, -50, -45, -40, -35, -30), range(0, rate_hz // 50, 40)):
        cut = frames(clip(rate_hz)[offset:], rate_hz)
        sent = [frame for frame, level in zip(cut, rms_of_each(cut), strict=True) if level >= threshold_dbfs]
        of_sent = [at for at, level in enumerate(rms_of_each(cut)) if level >= threshold_dbfs]
        pauses = [at for at, (one, next_one) in enumerate(itertools.pairwise(of_sent)) if next_one - one > 1]
        told += [goes_on(sent, at, at + 1) for at in pauses]

    assert len(told) >= 50
    assert not any(told)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("pitches_hz", [(440.0,), (425.0,), (480.0, 620.0), (440.0, 480.0), (261.6, 329.6, 392.0)])
@pytest.mark.parametrize(
    "fade", [lambda _: 1.0, lambda second: min(1.0, 100 * second), lambda second: float(np.exp(-6 * second))]
)
def test_a_tone_that_begins_again_does_not_go_on(
    rate_hz: int, pitches_hz: tuple[float, ...], fade: Callable[[float], float]
) -> None:
    """Beeps and notes start at their zero crossing, whole periods after the last ones or not."""
    for length_frames in (5, 10, 15, 25):
        length = length_frames * rate_hz // 50
        first = frames(tone(rate_hz, pitches_hz, slice(0, length), fade), rate_hz)
        again = tone(rate_hz, pitches_hz, slice(0, rate_hz // 50), fade).tobytes()
        assert not continues(first, again)


def test_a_tone_whose_loudness_moves_goes_on() -> None:
    """As that of a voice does; at a zero crossing, where a next one might begin, it says nothing."""

    def swell(second: float) -> float:
        return 0.6 + 0.4 * float(np.sin(2 * np.pi * 4 * second))

    def told(start: int) -> bool:
        samples = tone(16000, (210.0,), slice(start, start + 16000), swell)
        cut = frames(samples, 16000)
        return goes_on(cut, 30, 31)

    # A period has 76 samples: at its quarter the tone is at its peak.
    peak = next(at for at in range(76) if abs(int(tone(16000, (210.0,), slice(0, 16000), swell)[9919 + at])) > 2500)
    crossing = next(at for at in range(76) if abs(int(tone(16000, (210.0,), slice(0, 16000), swell)[9919 + at])) < 200)

    assert (True, False) == (told(peak), told(crossing))


def test_quiet_says_nothing() -> None:
    """Where either side is quiet, what was said may have ended."""
    loud = np.random.default_rng(2).integers(-9000, 9000, 320).astype("<i2").tobytes()

    assert [False, False] == [continues([loud], bytes(640)), continues([loud, bytes(640)], loud)]


def test_noise_foretells_nothing() -> None:
    """One frame of it fits behind another as well as behind silence."""
    noise = np.random.default_rng(2).integers(-9000, 9000, 3200).astype("<i2")

    assert not any(goes_on(frames(noise, 16000), at, at + 1) for at in range(9))
