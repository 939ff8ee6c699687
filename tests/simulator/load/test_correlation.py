"""The round trip where a server changes the audio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from vonage_sock.audio.frames import FRAME_NS, SAMPLE_BYTES, AudioFormat
from vonage_sock.clock import MS
from vonage_sock.media.decode import AudioFile
from vonage_sock.simulator.load.correlation import Follower, Matched
from vonage_sock.simulator.load.framed import frames_of
from vonage_sock.simulator.load.marks import MarkedFrames

RATE_HZ = 16000
SECONDS = 5

Samples = npt.NDArray[np.float64]
Change = Callable[[Samples], Samples]


@pytest.fixture(scope="module")
def frames() -> MarkedFrames:
    """What callers say: the shipped clip."""
    return asyncio.run(frames_of(AudioFile.shipped_clip(), AudioFormat(RATE_HZ))).marked


def heard_through(frames: MarkedFrames, change: Change, *, delay_ms: float = 35, size: int = 640) -> Matched:
    """Five seconds of a call whose server returns all ``delay_ms`` later, changed, in messages of ``size``."""
    follower = Follower(frames)
    said = np.frombuffer(b"".join(frames.frames[: 50 * SECONDS]), "<i2").astype(float)
    heard = np.clip(change(said), -32768, 32767).astype("<i2").tobytes()
    events: list[tuple[int, int, int]] = [(at * FRAME_NS, 0, at) for at in range(50 * SECONDS)]
    for at in range(0, len(heard), size):
        last_frame = (at + size - 1) // (320 * SAMPLE_BYTES)
        events.append((last_frame * FRAME_NS + round(delay_ms * MS), 1, at))
    for now, way, at in sorted(events):
        if way == 0:
            follower.sent(at, now)
        else:
            follower.received(heard[at : at + size], now)
    return follower.match()


def low_pass(samples: Samples) -> Samples:
    """What a telephone leaves, without a delay of its own."""
    return np.asarray(soxr.resample(soxr.resample(samples, RATE_HZ, 7000), 7000, RATE_HZ))[: len(samples)]


def noisy(samples: Samples) -> Samples:
    """Noise on top."""
    return samples + np.random.default_rng(1).normal(0, 800, len(samples))


CHANGES: dict[str, Change] = {
    "quieter": lambda samples: samples * 0.3,
    "louder and clipped": lambda samples: samples * 6,
    "inverted": lambda samples: -samples,
    "filtered and resampled": low_pass,
    "noisy": noisy,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_delay_of_changed_audio_is_found(frames: MarkedFrames, change: Change) -> None:
    """In most of its seconds, to a millisecond."""
    matched = heard_through(frames, change)
    spans = [item.span_ns / MS for item in matched.returned]

    assert 4 <= matched.matched <= matched.audible == SECONDS
    assert spans
    assert pytest.approx(35, abs=1) == np.median(spans)


def test_each_message_is_timed_by_itself(frames: MarkedFrames) -> None:
    """Messages of two frames: the first of the two waited 20 ms longer."""
    spans = [item.span_ns / MS for item in heard_through(frames, CHANGES["quieter"], size=1280).returned]

    assert pytest.approx(55, abs=1) == np.median(spans)


UNRELATED: dict[str, Change] = {
    "noise": lambda samples: np.random.default_rng(2).normal(0, 3000, len(samples)),
    "a tone": lambda samples: 8000 * np.sin(np.arange(len(samples)) * 2 * np.pi * 440 / RATE_HZ),
    "an offset": lambda samples: np.full(len(samples), 8000.0),
    "a hum": lambda samples: 8000 * np.sign(np.sin(np.arange(len(samples)) * 2 * np.pi * 50 / RATE_HZ)),
    "speech backwards": lambda samples: samples[::-1].copy(),
    "speech too fast": lambda samples: np.resize(samples[::2], len(samples)),
}


@pytest.mark.parametrize("change", UNRELATED.values(), ids=UNRELATED)
def test_other_audio_gives_no_figure(frames: MarkedFrames, change: Change) -> None:
    """It is heard, and nothing of it is taken for an echo."""
    matched = heard_through(frames, change)

    assert (SECONDS, 0, []) == (matched.audible, matched.matched, matched.returned)


@pytest.mark.parametrize(("said_s", "repeats_s"), [(0.3, 0.3), (4.9, 4.9), (5, None)])
def test_what_is_said_again_too_soon_gives_no_figure(said_s: float, repeats_s: float | None) -> None:
    """It stands more than once where it is looked for, and any of these may be what came back."""
    noise = np.random.default_rng(3).integers(-4000, 4000, round(said_s * RATE_HZ)).astype("<i2")
    matched = heard_through(MarkedFrames(AudioFormat(RATE_HZ), noise.tobytes()), CHANGES["quieter"])

    assert (repeats_s, repeats_s is None) == (matched.repeats_s, matched.matched > 0)


def test_silence_is_not_looked_at(frames: MarkedFrames) -> None:
    """There is nothing to compare."""
    assert 0 == heard_through(frames, lambda samples: samples * 0).audible


def test_a_call_that_heard_nothing_gives_nothing(frames: MarkedFrames) -> None:
    """No window, no division by zero."""
    assert Matched() == Follower(frames).match()
