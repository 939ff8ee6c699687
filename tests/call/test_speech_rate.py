"""Speech at a wrong speed, told by how it sounds."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from audio_streams import noise, speech, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.call.speech_rate import Suspicion, suspect


def voice(pitch_hz: float, *, seconds: float = 7.0, rate_hz: int = 16000) -> np.ndarray:
    """Syllables of a made-up voice: harmonics of a moving pitch under formants of a vocal tract that fits it."""
    size = 16000
    times = np.arange(round(seconds * size)) / size
    pitch = pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * times))
    phase = 2 * np.pi * np.cumsum(pitch) / size
    tract = 1.0 + 0.25 * np.log2(pitch_hz / 120)
    total = np.zeros_like(times)
    for number in range(1, int(3800 / pitch_hz)):
        hz = number * pitch_hz
        gain = sum(1 / (1 + ((hz - tract * f) / w) ** 2) for f, w in ((550, 120), (1500, 180), (2500, 250))) / number
        total += gain * np.sin(number * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3.2 * times), 0.0, 1) + 0.003
    samples = (total * syllables / np.abs(total).max() * 12000).astype(np.float32)
    return soxr.resample(samples, size, rate_hz) if rate_hz != size else samples


def pcm(samples: np.ndarray) -> bytes:
    """As 16-bit PCM."""
    return np.rint(samples).astype("<i2").tobytes()


@pytest.mark.parametrize("pitch_hz", [90, 125, 160, 200, 225])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
def test_a_voice_at_its_own_rate_is_no_suspicion(pitch_hz: int, rate_hz: int) -> None:
    """Low and high voices, on legs of each rate."""
    assert suspect(pcm(voice(pitch_hz, rate_hz=rate_hz)), rate_hz) is None


@pytest.mark.parametrize(("made_hz", "leg_hz"), [(8000, 16000), (8000, 24000)])
def test_a_voice_at_twice_or_thrice_its_speed_is_suspected(made_hz: int, leg_hz: int) -> None:
    """Audio made for 8 kHz on a leg of more, in frames and at a pace that are right."""
    suspected = {16000: "8000 Hz", 24000: "16000 Hz or less"}[leg_hz]

    assert Suspicion("too fast and high", suspected) == suspect(pcm(voice(200, seconds=9, rate_hz=made_hz)), leg_hz)


@pytest.mark.parametrize(
    ("pitch_hz", "made_hz", "leg_hz", "suspected"),
    [
        (75, 16000, 8000, "16000 Hz or more"),
        (160, 24000, 8000, "16000 Hz or more"),
        (75, 32000, 16000, "24000 Hz or more"),
    ],
)
def test_a_voice_at_half_or_a_third_of_its_speed_is_suspected(
    pitch_hz: int, made_hz: int, leg_hz: int, suspected: str
) -> None:
    """Audio made for more than the leg's rate."""
    assert Suspicion("too slow and deep", suspected) == suspect(pcm(voice(pitch_hz, rate_hz=made_hz)), leg_hz)


def test_a_leg_of_8_khz_has_no_lower_rate_to_suspect() -> None:
    """Whatever sounds too fast there was made so."""
    assert suspect(pcm(voice(200, seconds=24, rate_hz=4000)), 8000) is None


def test_the_shipped_clip_is_no_suspicion() -> None:
    """At each rate a leg can have."""
    assert [None] * 3 == [suspect(speech(rate_hz), rate_hz) for rate_hz in (8000, 16000, 24000)]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
def test_what_is_no_speech_is_no_suspicion(rate_hz: int) -> None:
    """Nothing, silence, a second of speech, hiss, and whistles low and high."""
    streams = [
        b"",
        bytes(rate_hz * 12),
        speech(rate_hz, seconds=1.0),
        noise(rate_hz, 8000),
        tone(rate_hz, 60),
        tone(rate_hz, 3000),
        noise(rate_hz, 40),
    ]

    assert [None] * len(streams) == [suspect(stream, rate_hz) for stream in streams]


def test_syllables_of_hiss_are_no_voice() -> None:
    """Noise that comes and goes as speech does has no pitch."""
    hiss = np.frombuffer(noise(16000, 8000), "<i2") * np.clip(np.sin(np.arange(128_000) / 800), 0.01, 1)

    assert suspect(pcm(hiss), 16000) is None


def test_a_voice_too_soft_to_hear_is_no_suspicion() -> None:
    """Of what lies in the noise of a line nothing can be said."""
    assert suspect(pcm(voice(200, rate_hz=8000) / 200 + 2), 16000) is None


def test_one_piece_that_is_no_speech_speaks_for_all() -> None:
    """Six seconds of a voice that is too fast, then hiss: no suspicion."""
    fast = pcm(voice(200, seconds=12, rate_hz=8000))[: 6 * 32000]

    assert suspect(fast, 16000) is not None
    assert suspect(fast + noise(16000, 8000), 16000) is None


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 12_000), st.sampled_from([8000, 16000, 24000]))
def test_any_bytes_give_an_answer(some: bytes, times: int, rate_hz: int) -> None:
    """Whatever comes, and however odd its length."""
    answer = suspect(some * times, rate_hz)

    assert answer is None or isinstance(answer, Suspicion)
