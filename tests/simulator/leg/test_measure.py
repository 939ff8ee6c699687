"""What a simulated call measures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import MS
from vonage_sock.simulator.leg import measure
from vonage_sock.simulator.leg.measure import EchoMeter, Spread, Track, correlate


def noise(frames: int, *, seed: int = 1) -> list[bytes]:
    """Frames at 8 kHz of which no two are alike."""
    samples = np.random.default_rng(seed).integers(-8000, 8000, frames * 160).astype("<i2")
    return [samples[at * 160 : (at + 1) * 160].tobytes() for at in range(frames)]


def test_a_spread_of_nothing_is_zero() -> None:
    """No division by zero before the first time."""
    assert {"p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0} == Spread().report()


def test_percentiles_are_those_of_the_times_added() -> None:
    """A hundred times from 1 to 100 ms, exact to two per cent."""
    spread = Spread()
    for ms in range(1, 101):
        spread.add(ms * MS)
    report = spread.report()

    assert pytest.approx({"p50": 50, "p95": 95, "p99": 99, "max": 100}, rel=0.02) == report
    assert spread.count == 100


def test_a_negative_time_counts_as_zero() -> None:
    """An early timer isn't late."""
    spread = Spread()
    spread.add(-5 * MS)

    assert (1, 0.0) == (spread.count, spread.report()["max"])


@settings(deadline=None, database=None, max_examples=200)
@given(times=st.lists(st.integers(0, 10**13), min_size=1, max_size=50), percent=st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_is_exact_to_2_per_cent_or_10_us(times: list[int], percent: int) -> None:
    """For any times from nothing to hours; never below the true one, never above the largest."""
    spread = Spread()
    for time_ns in times:
        spread.add(time_ns)
    rank = -(-len(times) * percent // 100)
    true_ms = sorted(times)[rank - 1] / MS

    found_ms = spread.percentile_ms(percent)
    assert true_ms - 0.001 <= found_ms <= min(true_ms * 1.02 + 0.011, max(times) / MS + 0.001)


def test_an_echo_is_timed_frame_by_frame() -> None:
    """From the moment at which a frame left until the same bytes came in."""
    meter = EchoMeter(8000)
    for number, frame in enumerate(noise(10)):
        meter.sent(frame, number * FRAME_NS)
        meter.received(frame, number * FRAME_NS + 7 * MS)

    assert {"method": "frames", "frames": 10, "delay_ms": {"p50": 7.0, "p95": 7.0, "p99": 7.0, "max": 7.0}} == (
        meter.report()
    )


def test_silence_that_comes_back_makes_no_echo_less_verbatim() -> None:
    """A word in a minute of zeros is as good as a word."""
    meter = EchoMeter(8000)
    for frame in [*noise(5), *[bytes(320)] * 100]:
        meter.sent(frame, 0)
        meter.received(frame, 5 * MS)

    assert meter.is_verbatim


def test_an_echo_knows_what_follows_what() -> None:
    """A frame that was said right after the one before it; not across a pause, a frame left out, or one unknown."""
    meter = EchoMeter(8000)
    frames = [bytes([number]) * 320 for number in range(1, 8)]
    for number, frame in enumerate(frames):
        meter.sent(frame, number * FRAME_NS)
    heard = [frames[0], frames[1], frames[3], frames[4], b"other", frames[5], frames[6]]

    assert [False, True, False, True, False, False, True] == [meter.received(frame, 0) for frame in heard]


def test_silence_and_repeated_frames_are_not_counted() -> None:
    """They can't be told apart."""
    meter = EchoMeter(8000)
    first, second, third = noise(3)
    for at, frame in enumerate([bytes(320), first, first, second]):
        meter.sent(frame, at * MS)
    for frame in (bytes(320), first, first, second, third):
        meter.received(frame, 10 * MS)
    report = meter.report()

    assert report is not None
    assert (1, 7.0) == (report["frames"], report["delay_ms"]["max"])


def test_a_frame_is_counted_once_however_often_it_comes_back() -> None:
    """A server that sends each frame twice isn't twice as slow."""
    meter = EchoMeter(8000)
    frame = noise(1)[0]
    meter.sent(frame, 0)
    meter.received(frame, 5 * MS)
    meter.received(frame, 500 * MS)
    report = meter.report()

    assert report is not None
    assert (1, 5.0) == (report["frames"], report["delay_ms"]["max"])


def test_only_a_minute_of_frames_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first."""
    monkeypatch.setattr(measure, "MAX_REMEMBERED_FRAMES", 2)
    meter = EchoMeter(8000)
    frames = noise(3)
    for frame in frames:
        meter.sent(frame, 0)
    for frame in frames:
        meter.received(frame, 5 * MS)
    report = meter.report()

    assert report is not None
    assert report["frames"] == 2


@pytest.mark.parametrize("delay_ms", [0, 35, 200])
def test_a_changed_echo_is_found_by_correlation(delay_ms: int) -> None:
    """A server that turns the volume down: the delay at which both agree best."""
    meter = EchoMeter(8000)
    frames = noise(60)
    for number, frame in enumerate(frames):
        meter.sent(frame, number * FRAME_NS)
    for number, frame in enumerate(frames[:40]):
        quieter = (np.frombuffer(frame, "<i2") // 2).astype("<i2").tobytes()
        meter.received(quieter, number * FRAME_NS + delay_ms * MS)
    report = meter.report()

    assert report is not None
    assert ("correlation", {"p50": float(delay_ms)}) == (report["method"], report["delay_ms"])
    assert 0.5 < report["correlation"] <= 1


def test_a_delay_within_the_stream_is_found_too() -> None:
    """The server begins at once, with silence; the echo comes in later frames."""
    said, heard = Track(), Track()
    for number, frame in enumerate(noise(50)):
        said.add(frame, number * FRAME_NS)
    for number, frame in enumerate([bytes(320)] * 5 + noise(50)):
        heard.add(frame, number * FRAME_NS)

    assert (100.0, 1.0) == correlate(said, heard, rate_hz=8000)


def test_an_echo_whose_beginning_was_lost_has_a_negative_lag() -> None:
    """What is heard first was said later than the first; the start times make up for it."""
    said, heard = Track(), Track()
    for number, frame in enumerate(noise(50)):
        said.add(frame, number * FRAME_NS)
        if number >= 10:
            heard.add(frame, number * FRAME_NS + 30 * MS)
    found = correlate(said, heard, rate_hz=8000)

    assert found is not None
    assert found[0] == 30.0


def test_other_audio_is_no_echo() -> None:
    """Less than half in common is nothing."""
    meter = EchoMeter(8000)
    for number, (said, heard) in enumerate(zip(noise(50), noise(50, seed=2), strict=True)):
        meter.sent(said, number * FRAME_NS)
        meter.received(heard, number * FRAME_NS)

    assert meter.report() is None


@pytest.mark.parametrize(("said", "heard"), [([], []), ([b"a" * 320], []), ([], [b"a" * 320]), ([bytes(320)],) * 2])
def test_silence_has_no_echo(said: list[bytes], heard: list[bytes]) -> None:
    """Nothing said, nothing heard, or only zeros."""
    meter = EchoMeter(8000)
    for frame in said:
        meter.sent(frame, 0)
    for frame in heard:
        meter.received(frame, 0)

    assert meter.report() is None


def test_a_track_keeps_the_first_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of call doesn't fill the memory."""
    monkeypatch.setattr(measure, "MAX_TRACK_BYTES", 500)
    track = Track()
    for number in range(10):
        track.add(bytes(320), 7 + number)

    assert (640, 7) == (len(track.pcm), track.started_at)


def test_an_echo_is_known_by_its_frames() -> None:
    """What comes back byte for byte is the caller's own; silence, which all say, is no sign of it."""
    meter = EchoMeter(8000)
    other = EchoMeter(8000)
    frames = [bytes([number]) * 320 for number in range(8)]
    for number, frame in enumerate(frames):
        meter.sent(frame, number)
        meter.received(frame, number)
        other.sent(bytes(320), number)
        other.received(bytes(320), number)

    assert (True, False) == (meter.is_verbatim, other.is_verbatim)
    assert (True, False) == (meter.anything_said, other.anything_said)
