"""What an NCCO's record writes."""

from __future__ import annotations

import wave
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import Event, RecordingFailed
from vonage_sock.clock import ManualClock
from vonage_sock.simulator.ncco.recording import Recordings

PHONE = AudioFormat(8000)
SAID = b"\x01\x00" * 160
HEARD = b"\x02\x00" * 160


async def record(directory: Path | None, **options: object) -> dict[str, object] | None:
    """Two steps; what the webhook tells."""
    settings: dict[str, object] = {"suffix": "wav", "both_sides": True, "stereo": False} | options
    recordings = Recordings(directory, observer=lambda _: None, clock=ManualClock())
    recording = recordings.start(PHONE, **settings)  # type: ignore[arg-type]
    recording.write(SAID, HEARD)
    recording.write(SAID, HEARD)
    return await recording.finish()


def pcm_at(fields: dict[str, object] | None) -> bytes:
    """The audio at the recording's own address."""
    assert fields is not None
    with wave.open(url2pathname(urlsplit(str(fields["recording_url"])).path)) as file:
        return file.readframes(file.getnframes())


async def test_the_webhook_tells_where_how_large_and_when(tmp_path: Path) -> None:
    """The length is that of the audio, whatever time it took."""
    fields = await record(tmp_path)

    assert fields is not None
    assert {"start_time", "recording_url", "size", "recording_uuid", "end_time"} == set(fields)
    assert (tmp_path / "recording.wav").stat().st_size == fields["size"]
    assert ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.040Z") == (fields["start_time"], fields["end_time"])


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({}, b"\x03\x00" * 160),
        ({"both_sides": False}, SAID),
        ({"stereo": True}, b"\x01\x00\x02\x00" * 160),
        ({"stereo": True, "both_sides": False}, b"\x01\x00\x00\x00" * 160),
    ],
    ids=["mixed", "the caller alone", "apart", "the caller on the left"],
)
async def test_who_is_in_it(tmp_path: Path, options: dict[str, object], step: bytes) -> None:
    """Both mixed, both apart, or the caller alone."""
    assert step * 2 == pcm_at(await record(tmp_path, **options))


async def test_recordings_of_one_call_have_names_of_their_own(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    await record(tmp_path)
    await record(tmp_path)

    assert ["recording-2.wav", "recording.wav"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "name"), [("ogg", "recording.ogg"), ("../../x", "recording.mp3")])
async def test_the_format_is_one_of_vonage_s(tmp_path: Path, suffix: str, name: str) -> None:
    """What an NCCO has as its format never becomes a path."""
    await record(tmp_path, suffix=suffix)

    assert [name] == [path.name for path in tmp_path.iterdir()]


async def test_braces_in_the_directory_stay(tmp_path: Path) -> None:
    """They are no placeholders there."""
    (tmp_path / "{x}").mkdir()

    await record(tmp_path / "{x}")

    assert (tmp_path / "{x}" / "recording.wav").exists()


async def test_without_a_directory_they_are_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory of the call's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    await record(None)

    assert ["recording.wav"] == [path.name for path in tmp_path.glob("vsock-recordings-*/*")]


async def test_a_recording_that_cannot_be_written_has_no_webhook(tmp_path: Path) -> None:
    """It is told as an event of ours."""
    told: list[Event] = []
    recordings = Recordings(tmp_path / "sub", observer=told.append, clock=ManualClock())
    (tmp_path / "sub").mkdir()
    recording = recordings.start(PHONE, suffix="wav", both_sides=True, stereo=False)
    (tmp_path / "sub" / "recording.wav").unlink(missing_ok=True)
    recording.write(SAID, HEARD)
    fields = await _without_its_file(recording, tmp_path / "sub" / "recording.wav.part")

    assert fields is None
    assert 1 == len([event for event in told if isinstance(event, RecordingFailed)])


async def _without_its_file(recording: object, path: Path) -> dict[str, object] | None:
    """The file is taken away while it is written."""
    await recording._recorder.finish(10)  # type: ignore[attr-defined]
    path.unlink(missing_ok=True)
    fields: dict[str, object] | None = await recording.finish()  # type: ignore[attr-defined]
    return fields
