"""Record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.record import HeardTrack, Record, interleave
from vonage_sock.call.behaviour import Call
from vonage_sock.call.session import CallSession

CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}'
QUIET = bytes(320)
LOUD = np.tile(np.array([8000, -8000], "<i2"), 80).tobytes()
OTHER = bytes(range(160)) * 2


class MemorySink:
    """A recording that stays in memory."""

    def __init__(self, channels: int, phrase: int | None) -> None:
        self.channels = channels
        self.phrase = phrase
        self.pcm = b""
        self.closed = 0

    def write(self, pcm: bytes) -> None:
        """Add it."""
        assert not self.closed
        self.pcm += pcm

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class Shelf:
    """Keeps all sinks that were opened."""

    def __init__(self) -> None:
        self.sinks: list[MemorySink] = []

    def open(self, call: Call, channels: int, phrase: int | None) -> MemorySink:
        """A new sink."""
        self.sinks.append(MemorySink(channels, phrase))
        return self.sinks[-1]


def session(record: Record, *, connected: bool = True) -> CallSession:
    """A call at 8 kHz."""
    call = CallSession("c1", [record], assumed_format=AudioFormat(8000), now=0)
    if connected:
        call.receive_text(CONNECTED, 0)
    return call


def test_a_calls_file_is_made_when_it_connects() -> None:
    """It exists even when nobody speaks, and is completed once."""
    shelf = Shelf()
    call = session(Record(shelf.open))
    call.receive_close(1000, "", 1)
    call.receive_close(1000, "", 2)

    assert [(1, None, b"", 1)] == [(s.channels, s.phrase, s.pcm, s.closed) for s in shelf.sinks]


def test_a_call_that_never_connected_leaves_no_file() -> None:
    """Nothing to record, nothing to complete."""
    shelf = Shelf()
    session(Record(shelf.open), connected=False).receive_close(1000, "", 1)

    assert [] == shelf.sinks


def test_every_frame_is_written_as_it_came() -> None:
    """An incomplete last one too."""
    shelf = Shelf()
    call = session(Record(shelf.open))
    call.receive_bytes(LOUD + OTHER + LOUD[:7], 0)
    call.receive_close(1000, "", 1)

    assert LOUD + OTHER + LOUD[:7] == shelf.sinks[0].pcm


def test_audio_without_a_file_is_dropped() -> None:
    """Where the sink could not be opened, the call's fault has been told and nothing more fails."""

    def fail(call: Call, channels: int, phrase: int | None) -> MemorySink:
        raise OSError("no space")

    call = session(Record(fail))
    call.receive_bytes(LOUD, 0)

    assert [("VS307", 1)] == [(finding.code, finding.count) for finding in call.findings.all()]


def test_stereo_has_the_caller_left_and_what_was_heard_right() -> None:
    """A frame sent in answer to the first is heard in the step of the second."""
    shelf = Shelf()
    call = session(Record(shelf.open, stereo=True))
    call.receive_bytes(LOUD, 0)
    call.send_audio(OTHER)
    call.receive_bytes(LOUD, 1)
    call.receive_bytes(LOUD, 2)

    assert 2 == shelf.sinks[0].channels
    assert interleave(LOUD, QUIET) + interleave(LOUD, OTHER) + interleave(LOUD, QUIET) == shelf.sinks[0].pcm


def test_stereo_forgets_what_was_cleared() -> None:
    """The caller doesn't hear it, so it isn't on the right."""
    shelf = Shelf()
    call = session(Record(shelf.open, stereo=True))
    call.receive_bytes(LOUD, 0)
    call.send_audio(OTHER * 5)
    call.receive_bytes(LOUD, 1)
    call.clear()
    call.receive_bytes(LOUD, 2)

    assert interleave(LOUD, QUIET) + interleave(LOUD, OTHER) + interleave(LOUD, QUIET) == shelf.sinks[0].pcm


def test_mono_ignores_what_is_sent_and_cleared() -> None:
    """The caller alone; a session doesn't even tell it, and nothing comes of it where somebody does."""
    shelf = Shelf()
    record = Record(shelf.open)
    call = session(record)
    call.send_audio(OTHER)
    record.sent(call, OTHER)
    call.clear()
    call.receive_bytes(LOUD, 0)

    assert LOUD == shelf.sinks[0].pcm


@pytest.mark.parametrize("stereo", [False, True])
def test_split_makes_a_file_per_phrase(*, stereo: bool) -> None:
    """Numbered from 1, each with the quiet before and after it; in stereo, the caller's level decides."""
    shelf = Shelf()
    call = session(Record(shelf.open, split=True, stereo=stereo, hangover_ms=100))
    for frame in [QUIET] * 20 + [LOUD] * 10 + [QUIET] * 20 + [LOUD] * 5:
        call.receive_bytes(frame, 0)
    before_end = [sink.closed for sink in shelf.sinks]
    call.receive_close(1000, "", 1)
    channels = 2 if stereo else 1

    assert [1, 0] == before_end
    assert [(1, channels, 1), (2, channels, 1)] == [(s.phrase, s.channels, s.closed) for s in shelf.sinks]
    assert [10 + 10 + 5, 10 + 5] == [len(s.pcm) // (320 * channels) for s in shelf.sinks]


def test_split_of_a_silent_call_makes_no_file() -> None:
    """Nobody spoke."""
    shelf = Shelf()
    call = session(Record(shelf.open, split=True))
    for _ in range(100):
        call.receive_bytes(QUIET, 0)
    call.receive_close(1000, "", 1)

    assert [] == shelf.sinks


def test_what_was_heard_is_one_frame_per_step() -> None:
    """Frames sent together are heard one after the other; then nothing."""
    track = HeardTrack()
    track.push(b"a")
    track.push(b"b")

    assert [b"a", b"b", b"", b""] == [track.step() for _ in range(4)]


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (b"aabb", b"AABB", b"aaAAbbBB"),
        (b"aabb", b"AA", b"aaAAbb\0\0"),
        (b"", b"AA", b"\0\0AA"),
        (b"aab", b"", b"aa\0\0b\0\0\0"),
        (b"", b"", b""),
    ],
)
def test_two_channels_become_one_stream(left: bytes, right: bytes, both: bytes) -> None:
    """Sample by sample; the shorter is filled with silence, half a sample too."""
    assert both == interleave(left, right)


@settings(deadline=None, database=None, max_examples=100)
@given(left=st.binary(max_size=99), right=st.binary(max_size=99))
def test_both_channels_can_be_taken_apart_again(left: bytes, right: bytes) -> None:
    """Nothing of either is lost."""
    samples = np.frombuffer(interleave(left, right), "<i2").reshape(-1, 2)

    assert left == samples[:, 0].tobytes()[: len(left)]
    assert right == samples[:, 1].tobytes()[: len(right)]
