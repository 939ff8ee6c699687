"""Marks inside the audio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import RATES_HZ, AudioFormat
from vonage_sock.protocol.rfc6455 import FrameReader, unmask
from vonage_sock.simulator.load.framed import SILENCE, FramedFrames
from vonage_sock.simulator.load.marks import MARK_BYTES, POOL_FRAMES, MarkedFrames, MarkReader

FORMAT = AudioFormat(8000)
FRAMES = MarkedFrames(FORMAT, (8000 * np.sin(np.arange(40_000) / 7)).astype("<i2").tobytes())


def stream(*numbers: int) -> bytes:
    """These frames, one after the other."""
    return b"".join(FRAMES.frames[number] for number in numbers)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_each_frame_has_the_size_of_its_format_and_a_mark_of_its_own(rate_hz: int) -> None:
    """Whatever is said, and however short it is."""
    frames = MarkedFrames(AudioFormat(rate_hz), b"\x01\x02" * 100)

    assert {AudioFormat(rate_hz).frame_bytes} == {len(frame) for frame in frames.frames}
    assert POOL_FRAMES == len(frames.numbers) == len(frames.frames)
    assert all(frames.numbers[frame[:MARK_BYTES]] == number for number, frame in enumerate(frames.frames))


def test_a_mark_is_faint() -> None:
    """No sample of it is louder than -30 dBFS, so that it is no click and clips nowhere."""
    marks = np.frombuffer(b"".join(FRAMES.numbers), "<i2").astype(int)

    assert 1036 > np.abs(marks).max()


def test_nothing_to_say_is_refused() -> None:
    """A frame without samples can't be marked."""
    with pytest.raises(ValueError, match="nothing to say"):
        MarkedFrames(FORMAT, b"")


@settings(max_examples=150)
@given(
    numbers=st.lists(st.integers(0, POOL_FRAMES - 1), max_size=12),
    cuts=st.lists(st.integers(1, 700), max_size=40),
    before=st.binary(max_size=50),
)
def test_all_frames_are_found_in_any_chunking(numbers: list[int], cuts: list[int], before: bytes) -> None:
    """A byte-for-byte echo gives every frame, once and in order, however its messages are cut, and after any bytes."""
    data = before + stream(*numbers)
    reader = MarkReader(FRAMES)
    found: list[int] = []
    altered = unmarked = at = 0
    for size in [*cuts, len(data)]:
        read = reader.read(data[at : at + size])
        at += size
        found += read.numbers
        altered += read.altered
        unmarked += read.unmarked_bytes

    assert (numbers, 0) == (found, altered)
    assert unmarked == len(before) or not numbers


@settings(max_examples=150)
@given(data=st.binary(max_size=3000), cut=st.integers(1, 999))
def test_no_bytes_that_were_never_said_are_taken_for_a_frame(data: bytes, cut: int) -> None:
    """Nothing raises, nothing is found, and next to nothing is kept."""
    reader = MarkReader(FRAMES)
    reads = [reader.read(data[at : at + cut]) for at in range(0, len(data), cut)]

    assert [] == [number for read in reads for number in read.numbers]
    assert len(data) - 8 < sum(read.unmarked_bytes for read in reads) + 1


def test_a_frame_that_lacks_a_piece_is_not_one_that_came_back() -> None:
    """The next one is found all the same."""
    reader = MarkReader(FRAMES)
    read = reader.read(stream(1)[:200] + stream(2, 3))

    assert ([2, 3], 0, 200) == (read.numbers, read.altered, read.unmarked_bytes)


def test_other_samples_behind_a_mark_are_told() -> None:
    """The frame came back, and not as it was."""
    reader = MarkReader(FRAMES)
    read = reader.read(stream(4)[:-2] + b"\x00\x01" + stream(5))

    assert ([4, 5], 1) == (read.numbers, read.altered)


def test_a_reader_is_idle_between_frames_only() -> None:
    """Half a frame waits for its other half."""
    reader = MarkReader(FRAMES)
    states = [reader.idle]
    for piece in (stream(1)[:100], stream(1)[100:], bytes(320)):
        reader.read(piece)
        states.append(reader.idle)

    assert [True, False, True, True] == states


def test_what_is_framed_once_is_a_clients_message() -> None:
    """A server reads it as the frame that it is, and silence is one of them."""
    framed = FramedFrames(FRAMES)
    reader = FrameReader(masked=True, max_message_bytes=1000, unmask=unmask)
    received = list(reader.feed(framed.framed[7] + framed.framed[SILENCE]))

    assert [FRAMES.frames[7], FORMAT.silence] == [getattr(item, "data", None) for item in received]
