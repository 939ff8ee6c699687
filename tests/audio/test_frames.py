"""Formats and frames."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS, FRAMES_PER_SECOND, AudioFormat, Packetizer, parse_content_type
from vonage_sock.errors import FormatError

PROPERTY = settings(deadline=None, database=None, max_examples=100)


def test_a_frame_takes_20_ms() -> None:
    """Fifty frames a second, each of twenty million nanoseconds."""
    assert (50, 20_000_000) == (FRAMES_PER_SECOND, FRAME_NS)


@pytest.mark.parametrize(("rate_hz", "samples", "size"), [(8000, 160, 320), (16000, 320, 640), (24000, 480, 960)])
def test_a_frames_size_follows_from_the_rate(rate_hz: int, samples: int, size: int) -> None:
    """The three sizes that stand in Vonage's guide."""
    audio_format = AudioFormat(rate_hz)

    assert (samples, size, bytes(size)) == (
        audio_format.frame_samples,
        audio_format.frame_bytes,
        audio_format.silence,
    )


def test_a_second_is_as_many_bytes_as_the_rate_says() -> None:
    """Durations count 16-bit samples."""
    assert AudioFormat(8000).seconds(24_000) == 1.5


@pytest.mark.parametrize("rate_hz", [0, -8000, 8001, 11025, 44100, 48000])
def test_other_rates_are_refused(rate_hz: int) -> None:
    """Vonage knows three rates; the error names them."""
    with pytest.raises(FormatError, match="8000, 16000 or 24000"):
        AudioFormat(rate_hz)


def test_the_content_type_has_no_spaces() -> None:
    """Some of Vonage's clients compare it letter by letter."""
    assert AudioFormat(24000).content_type == "audio/l16;rate=24000"


@pytest.mark.parametrize(
    "text",
    ["audio/l16;rate=8000", "audio/l16; rate=8000", " AUDIO/L16 ;\tRate = 8000 ", "audio/l16;rate=008000"],
)
def test_a_content_type_is_read_whatever_its_case_and_spaces(text: str) -> None:
    """What the platform says is read liberally."""
    assert AudioFormat(8000) == parse_content_type(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "audio/l16",
        "audio/l16;rate=",
        "audio/l16;rate=8000;channels=2",
        "audio/l16;rate=-8000",
        "audio/l16;rate=0x1f40",
        "audio/l16;rate=8000.0",
        "audio/l16;rate=٨٠٠٠",
        "audio/pcm;rate=8000",
        "audio/l16;rate=44100",
        "audio/l16;rate=99999999999999999999",
    ],
)
def test_any_other_content_type_is_refused(text: str) -> None:
    """No other form, no other rate, no other digits."""
    with pytest.raises(FormatError):
        parse_content_type(text)


def test_a_long_content_type_is_cut_in_the_error() -> None:
    """What came from outside doesn't fill the screen."""
    with pytest.raises(FormatError) as caught:
        parse_content_type("x" * 10_000)

    assert len(str(caught.value)) < 150


def test_a_frame_of_the_right_size_passes_as_it_is() -> None:
    """The common case copies nothing: the very object comes back."""
    frame = bytes(range(4))

    assert Packetizer(4).push(frame)[0] is frame


def test_a_whole_frame_behind_a_part_of_one_is_cut_anew() -> None:
    """Bytes keep their order when a message of exactly one frame follows an incomplete one."""
    packetizer = Packetizer(4)
    packetizer.push(b"a")

    assert ([b"abcd"], 1) == (packetizer.push(b"bcde"), packetizer.pending_bytes)


def test_flush_pads_the_tail_with_silence_once() -> None:
    """The incomplete last frame is filled with zeros; after that there is none."""
    packetizer = Packetizer(4)
    packetizer.push(b"abcdef")

    assert [b"ef\0\0", None] == [packetizer.flush(), packetizer.flush()]


def test_the_tail_can_be_taken_as_it_is() -> None:
    """A recording holds what came and nothing that was added."""
    packetizer = Packetizer(4)
    packetizer.push(b"abcdef")

    assert [b"ef", b""] == [packetizer.take_tail(), packetizer.take_tail()]


@PROPERTY
@given(chunks=st.lists(st.binary(max_size=50), max_size=30), size=st.integers(1, 16))
def test_frames_concatenate_to_the_input_for_any_chunking(chunks: list[bytes], size: int) -> None:
    """All frames have the exact size; together they are the input and declared padding, whatever sizes came."""
    packetizer = Packetizer(size)
    frames: list[bytes] = []
    received = 0
    for chunk in chunks:
        frames += packetizer.push(chunk)
        received += len(chunk)
        assert received % size == packetizer.pending_bytes
    tail = packetizer.flush()
    frames += [tail] if tail is not None else []

    given_bytes = b"".join(chunks)
    assert {size} | {len(frame) for frame in frames} == {size}
    assert -(-len(given_bytes) // size) == len(frames)
    assert given_bytes + bytes(-len(given_bytes) % size) == b"".join(frames)
