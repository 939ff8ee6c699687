"""Levels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vonage_sock.audio.level import FLOOR_DBFS, SILENCE, dbfs, level_of, rms_dbfs, rms_of_each


def pcm(*samples: int) -> bytes:
    """16-bit samples as the bytes of a frame."""
    return np.array(samples, "<i2").tobytes()


def sine(amplitude: float) -> bytes:
    """20 ms of 1 kHz at 16 kHz."""
    return (amplitude * np.sin(np.arange(320) * 2 * math.pi / 16)).round().astype("<i2").tobytes()


def test_a_full_scale_square_wave_is_0_dbfs() -> None:
    """The loudest there is."""
    level = level_of([pcm(-32768, -32768), pcm(-32768)])

    assert (0.0, 0.0) == (level.rms_dbfs, level.peak_dbfs)


def test_half_the_amplitude_is_6_db_less() -> None:
    """Decibels of amplitudes, not of powers."""
    assert pytest.approx(-6.02, abs=0.01) == rms_dbfs(pcm(16384, -16384))


def test_a_sine_peaks_3_db_above_its_rms() -> None:
    """Peak and root mean square are different figures."""
    level = level_of([sine(16384)])

    assert pytest.approx((-9.03, -6.02), abs=0.02) == (level.rms_dbfs, level.peak_dbfs)


def test_both_ways_of_measuring_agree() -> None:
    """One frame on the hot path is as loud as the same frame on the screen."""
    frame = sine(1234)

    assert pytest.approx(level_of([frame]).rms_dbfs, abs=0.001) == rms_dbfs(frame)


def test_many_frames_at_once_have_the_level_that_each_has_by_itself() -> None:
    """In their order; the loudest and the most silent too."""
    frames = [sine(1234), bytes(640), sine(20000), pcm(*[-32768] * 320), pcm(*[1] * 320)]

    assert pytest.approx([rms_dbfs(frame) for frame in frames], abs=0.001) == rms_of_each(frames)


@pytest.mark.parametrize("frames", [[], [b""], [b"", b""]], ids=["none", "empty", "two empty"])
def test_frames_of_nothing_are_at_the_floor(frames: list[bytes]) -> None:
    """As many levels as there are frames."""
    assert [FLOOR_DBFS] * len(frames) == rms_of_each(frames)


def test_loud_frames_do_not_overflow() -> None:
    """The most negative sample has no positive counterpart in 16 bits."""
    assert rms_dbfs(pcm(*[-32768] * 480)) == 0.0


@pytest.mark.parametrize("chunks", [[], [b""], [b"\x01"], [bytes(640)]], ids=["none", "empty", "half", "zeros"])
def test_silence_and_nothing_are_at_the_floor(chunks: list[bytes]) -> None:
    """No minus infinity, no division by zero."""
    assert level_of(chunks) == SILENCE


@pytest.mark.parametrize("frame", [b"", b"\x01", bytes(640)], ids=["empty", "half", "zeros"])
def test_a_silent_frame_is_at_the_floor(frame: bytes) -> None:
    """The same for a single frame."""
    assert FLOOR_DBFS == rms_dbfs(frame)


def test_an_odd_last_byte_is_left_out() -> None:
    """Half a sample says nothing about the level, in any of the pieces."""
    assert level_of([pcm(16384) + b"\x7f", pcm(16384)]) == level_of([pcm(16384, 16384)])


@pytest.mark.parametrize(
    ("amplitude", "level"), [(32768, 0.0), (3276.8, -20.0), (0.0001, FLOOR_DBFS), (0, FLOOR_DBFS), (-1, FLOOR_DBFS)]
)
def test_amplitudes_in_dbfs_never_fall_below_the_floor(amplitude: float, level: float) -> None:
    """Twenty decibels per factor of ten, down to -96."""
    assert pytest.approx(level) == dbfs(amplitude)
