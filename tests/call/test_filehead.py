"""What the beginning of a file looks like among samples."""

from __future__ import annotations

import audio_streams as streams
import pytest

from vonage_sock.call import filehead


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", None), ("AU", "PCM_16"), ("AIFF", "PCM_16"), ("CAF", "PCM_16"), ("FLAC", None), ("OGG", "VORBIS")],
)
def test_a_file_of_each_kind_is_seen_by_its_first_two_bytes(kind: str, subtype: str | None) -> None:
    """As libsndfile writes them; whoever looks at two bytes first misses none."""
    head = streams.encoded(streams.tone(8000, 440), 8000, kind, subtype)[:4]

    assert head[:2] in filehead.BEGINNINGS
    assert head[0] in filehead.FIRST_BYTES
    assert head in filehead.HEADERS | filehead.COMPRESSED


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 44100])
def test_an_mp3_is_three_frames_in_a_row(rate_hz: int) -> None:
    """Each says where the next begins, whatever the version."""
    mp3 = streams.encoded(streams.tone(rate_hz, 440), rate_hz, "MP3", "MPEG_LAYER_III")

    assert filehead.is_mp3(mp3)
    assert mp3[:2] in filehead.BEGINNINGS
    assert not filehead.is_mp3(mp3[1:])
    assert not filehead.is_mp3(mp3[:8])


def test_silence_and_speech_begin_like_no_file() -> None:
    """Hardly any frame of audio has to be looked at twice."""
    frames = streams.frames(streams.speech(8000), 320)
    suspected = [frame for frame in frames if frame[:2] in filehead.BEGINNINGS]

    assert bytes(2) not in filehead.BEGINNINGS
    assert len(suspected) < len(frames) / 100
