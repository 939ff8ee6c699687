"""What a simulated caller said and heard, as files."""

from __future__ import annotations

import wave
from pathlib import Path

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import Connected, Ended, Event, RecordingFailed, RecordingSaved
from vonage_sock.clock import ManualClock
from vonage_sock.media.naming import RecordingPath
from vonage_sock.simulator.heard import HeardRecording

CONNECTED = Connected(
    at=0, call="leg", content_type="audio/l16;rate=8000", rate_hz=8000, headers={"from": "44 1"}, remote=""
)
ENDED = Ended(
    at=0,
    call="leg",
    duration_s=1.0,
    frames_in=0,
    frames_out=0,
    dtmf="",
    close_code=1000,
    close_reason="",
    closed_by="us",
)
SAID = b"\x01\x00" * 160
HEARD = b"\x02\x00" * 160
PATIENCE_S = 10.0


def read_wav(path: Path) -> tuple[int, int, bytes]:
    """Rate, channels and samples, as Python's strict reader sees them."""
    with wave.open(str(path), "rb") as reader:
        return reader.getframerate(), reader.getnchannels(), reader.readframes(reader.getnframes())


async def save(mono: Path | None, stereo: Path | None) -> list[Event]:
    """One leg, recorded from its beginning to its end; what was told."""
    told: list[Event] = []
    paths = [None if path is None else RecordingPath(str(path)) for path in (mono, stereo)]
    heard = HeardRecording(*paths, observer=told.append, clock=ManualClock())
    heard.start()
    heard.write(SAID, HEARD)
    heard.observe(CONNECTED)
    for _ in range(3):
        heard.write(SAID, HEARD)
    heard.observe(ENDED)
    heard.write(SAID, HEARD)
    await heard.stop(PATIENCE_S)
    assert heard.failures == sum(isinstance(event, RecordingFailed) for event in told)
    return told


async def test_one_file_holds_what_was_heard(tmp_path: Path) -> None:
    """From the moment the leg is connected to its end, at the leg's rate."""
    await save(tmp_path / "a.wav", None)

    assert (8000, 1, HEARD * 3) == read_wav(tmp_path / "a.wav")


async def test_the_other_has_what_was_said_on_the_left(tmp_path: Path) -> None:
    """And what was heard on the right, step by step."""
    await save(None, tmp_path / "b.wav")

    assert (8000, 2, b"\x01\x00\x02\x00" * 480) == read_wav(tmp_path / "b.wav")


async def test_both_with_one_name_are_two_files(tmp_path: Path) -> None:
    """Neither is written into the other."""
    told = await save(tmp_path / "a.wav", tmp_path / "a.wav")

    saved = sorted(Path(event.path).name for event in told if isinstance(event, RecordingSaved))
    assert ["a-2.wav", "a.wav"] == saved
    assert [1, 2] == sorted(read_wav(tmp_path / name)[1] for name in saved)


async def test_placeholders_stand_for_the_legs_own_headers(tmp_path: Path) -> None:
    """``{from}`` is what the other end was told."""
    await save(tmp_path / "{call}-{from}.wav", None)

    assert HEARD * 3 == read_wav(tmp_path / "leg-44-1.wav")[2]


async def test_a_file_that_cannot_be_written_counts_as_a_failure(tmp_path: Path) -> None:
    """The other file is complete all the same."""
    (tmp_path / "leg").touch()

    told = await save(tmp_path / "{call}" / "a.wav", tmp_path / "b.wav")

    assert 1 == sum(isinstance(event, RecordingFailed) for event in told)
    assert 480 * 4 == len(read_wav(tmp_path / "b.wav")[2])


async def test_a_leg_that_never_came_about_leaves_no_file(tmp_path: Path) -> None:
    """Who was refused has heard nothing."""
    heard = HeardRecording(RecordingPath(str(tmp_path / "a.wav")), None, observer=print, clock=ManualClock())
    heard.start()
    await heard.stop(PATIENCE_S)

    assert not (tmp_path / "a.wav").exists()


async def test_a_call_of_many_legs_is_one_file(tmp_path: Path) -> None:
    """From the call's beginning to its end, whatever legs come and go."""
    heard = HeardRecording(
        RecordingPath(str(tmp_path / "a-{from}.wav")), None, observer=lambda _: None, clock=ManualClock()
    )
    heard.start()
    heard.begin(AudioFormat(8000), {"from": "44"})
    heard.write(SAID, HEARD)
    for _ in range(2):
        heard.observe(CONNECTED)
        heard.write(SAID, HEARD)
        heard.observe(ENDED)
    heard.end()
    await heard.stop(PATIENCE_S)

    assert heard.wanted
    assert (8000, 1, HEARD * 3) == read_wav(tmp_path / "a-44.wav")
