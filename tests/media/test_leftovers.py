"""What a killed program has left behind becomes a recording; what isn't ours, or is in use, stays as it is."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
import soundfile

from vonage_sock.audio.wav import wav_header
from vonage_sock.media import leftovers, recording_files
from vonage_sock.media.leftovers import Outcome, Repair, leftovers_of, parts_in, repair
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.parts import make_part

PCM = bytes(range(200)) * 8


def part(directory: Path, name: str = "a.wav", *, told: int = 0, pcm: bytes = PCM, channels: int = 1) -> Path:
    """A part whose header tells of so many bytes."""
    path = directory / f"{name}.part"
    path.write_bytes(wav_header(8000, channels, told) + pcm)
    return path


def names(directory: Path) -> list[str]:
    """What a directory holds."""
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    ("told", "pcm", "channels", "seconds", "kept", "gained", "cut"),
    [
        (1600, PCM, 1, 0.1, 1600, 0, 0),
        (600, PCM, 1, 0.1, 1600, 1000, 0),
        (1600, PCM[:1001], 1, 0.0625, 1000, 0, 1),
        (0, PCM[:11], 2, 0.00025, 8, 8, 3),
        (0, b"", 1, 0.0, 0, 0, 0),
    ],
    ids=["whole", "header behind", "header ahead", "half a stereo sample", "nothing said"],
)
def test_a_part_becomes_a_true_wav(
    tmp_path: Path, told: int, pcm: bytes, channels: int, seconds: float, kept: int, gained: int, cut: int
) -> None:
    """The header tells what is there, to the sample; looking says the same before, and changes nothing."""
    path = part(tmp_path, told=told, pcm=pcm, channels=channels)
    before = path.read_bytes()
    looked = repair(path, dry_run=True)
    unchanged = path.read_bytes()

    done = repair(path)

    assert (before, looked, ["a.wav"]) == (unchanged, done, names(tmp_path))
    assert done == Repair(
        part=path,
        outcome=Outcome.COMPLETED,
        path=tmp_path / "a.wav",
        seconds=seconds,
        bytes=44 + kept,
        gained_bytes=gained,
        cut_bytes=cut,
    )
    assert wav_header(8000, channels, kept) + pcm[:kept] == (tmp_path / "a.wav").read_bytes()


@pytest.mark.parametrize("name", ["a.wav", "a.raw", "a.flac"])
def test_what_is_completed_can_be_read_by_its_owner_only(tmp_path: Path, name: str) -> None:
    """Whatever the part's mode was: a recording is personal data."""
    path = part(tmp_path, name)
    path.chmod(0o666)
    done = repair(path)

    assert done is not None
    assert done.path is not None
    assert 0o600 == stat.S_IMODE(done.path.stat().st_mode)


def test_bare_pcm_loses_no_more_than_half_a_sample(tmp_path: Path) -> None:
    """It has no header that could tell how long it is."""
    (tmp_path / "a.raw.part").write_bytes(PCM + b"?")

    done = repair(tmp_path / "a.raw.part")

    assert PCM == (tmp_path / "a.raw").read_bytes()
    assert (None, 1600, 1) == (done and done.seconds, done and done.bytes, done and done.cut_bytes)


def test_a_flac_is_encoded_of_its_wav(tmp_path: Path) -> None:
    """Bit by bit what was recorded, and nothing else is left."""
    path = part(tmp_path, "a.flac")
    looked = repair(path, dry_run=True)
    done = repair(path)

    assert tmp_path / "a.flac" == (looked and looked.path) == (done and done.path)
    assert PCM == soundfile.read(tmp_path / "a.flac", dtype="int16")[0].astype("<i2").tobytes()
    assert ["a.flac"] == names(tmp_path)
    assert (tmp_path / "a.flac").stat().st_size == (done and done.bytes)


def test_what_cannot_be_encoded_becomes_a_wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be heard, and the reason is told."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(recording_files, "encode", fail)
    done = repair(part(tmp_path, "a.mp3"))

    assert (tmp_path / "a.wav", "No space left on device") == (done and done.path, done and done.error)
    assert ["a.wav"] == names(tmp_path)


def test_nothing_is_replaced(tmp_path: Path) -> None:
    """Where the name is taken it gets a number."""
    (tmp_path / "a.wav").write_bytes(b"precious")
    done = repair(part(tmp_path))

    assert tmp_path / "a-2.wav" == (done and done.path)
    assert b"precious" == (tmp_path / "a.wav").read_bytes()


def test_looking_tells_the_name_that_it_gets(tmp_path: Path) -> None:
    """With the number that it has where the wanted one is taken, also by another part; nothing is changed by that."""
    (tmp_path / "a.wav").write_bytes(b"precious")
    found = [part(tmp_path, name) for name in ("a-2.wav", "a.wav")]
    looked = [repair(path, dry_run=True) for path in found]
    before = names(tmp_path)
    done = [repair(path) for path in found]

    assert [tmp_path / "a-2.wav", tmp_path / "a-3.wav"] == [told and told.path for told in looked]
    assert [told and told.path for told in looked] == [told and told.path for told in done]
    assert ["a-2.wav.part", "a.wav", "a.wav.part"] == before


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_a_part_to_encode_without_audio_is_empty(tmp_path: Path, suffix: str, dry_run: bool) -> None:
    """There is nothing to be heard in it, and an MP3 of it would have no bytes at all."""
    path = part(tmp_path, f"a.{suffix}", pcm=b"")
    done = repair(path, dry_run=dry_run)

    assert Outcome.EMPTY == (done and done.outcome)
    assert ([path.name] if dry_run else []) == names(tmp_path)


def test_what_is_being_recorded_is_left_alone(tmp_path: Path) -> None:
    """Its writer has locked it."""
    fd = make_part(tmp_path / "a.wav", wav_header(8000, 1, 0))
    held = repair(tmp_path / "a.wav.part")
    os.close(fd)
    done = repair(tmp_path / "a.wav.part")

    assert (Outcome.HELD, Outcome.COMPLETED) == (held and held.outcome, done and done.outcome)


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_empty_part_is_removed(tmp_path: Path, dry_run: bool) -> None:
    """It was killed before there was anything in it."""
    (tmp_path / "a.wav.part").touch()
    done = repair(tmp_path / "a.wav.part", dry_run=dry_run)

    assert Outcome.EMPTY == (done and done.outcome)
    assert (["a.wav.part"] if dry_run else []) == names(tmp_path)


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_part_with_both_its_names_loses_the_first(tmp_path: Path, dry_run: bool) -> None:
    """It was killed between getting the last name and losing this one."""
    path = part(tmp_path, told=1600)
    os.link(path, tmp_path / "a.wav")
    done = repair(path, dry_run=dry_run)

    assert (tmp_path / "a.wav", 1644) == (done and done.path, done and done.bytes)
    assert (["a.wav", "a.wav.part"] if dry_run else ["a.wav"]) == names(tmp_path)


def test_a_file_of_somebody_else_under_both_names_is_told_with_its_size(tmp_path: Path) -> None:
    """Whatever it is, it has its last name."""
    (tmp_path / "a.wav").write_bytes(b"other")
    os.link(tmp_path / "a.wav", tmp_path / "a.wav.part")
    done = repair(tmp_path / "a.wav.part")

    assert (None, 5) == (done and done.seconds, done and done.bytes)


@pytest.mark.parametrize(
    "content",
    [b"RIFF", b"OggS" * 20, wav_header(44100, 1, 0), wav_header(8000, 6, 0), wav_header(8000, 1, 0)[:36] + b"LIST1234"],
    ids=["short", "another kind", "another rate", "six channels", "another chunk"],
)
def test_what_is_not_ours_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    """Other programs have files of that name too."""
    path = tmp_path / "a.mp3.part"
    path.write_bytes(content)
    done = repair(path)

    assert Outcome.FOREIGN == (done and done.outcome)
    assert content == path.read_bytes()


def test_a_pipe_is_not_ours(tmp_path: Path) -> None:
    """And nobody waits for its other end."""
    os.mkfifo(tmp_path / "a.raw.part")

    assert Repair(part=tmp_path / "a.raw.part", outcome=Outcome.FOREIGN) == repair(tmp_path / "a.raw.part")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """What it leads to stays as it is."""
    part(tmp_path, "real.wav")
    (tmp_path / "a.wav.part").symlink_to(tmp_path / "real.wav.part")
    done = repair(tmp_path / "a.wav.part")

    assert "it is a symbolic link, which isn't followed" == (done and done.error)
    assert ["a.wav.part", "real.wav.part"] == names(tmp_path)


def test_what_cannot_be_opened_or_written_is_told_in_the_systems_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And stays as it was."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = part(tmp_path)
    monkeypatch.setattr(leftovers.os, "ftruncate", fail)
    unwritten = repair(path)
    monkeypatch.setattr(leftovers.os, "open", fail)
    unopened = repair(path)

    assert ["Input/output error"] * 2 == [done and done.error for done in (unwritten, unopened)]
    assert [path] == list(tmp_path.iterdir())


def test_a_part_that_is_gone_is_nobodys_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program was quicker, also between looking and locking."""
    assert repair(tmp_path / "a.wav.part") is None

    path = part(tmp_path)
    monkeypatch.setattr(leftovers, "lock", lambda _: path.rename(tmp_path / "a.wav"))

    assert repair(path) is None
    assert ["a.wav"] == names(tmp_path)


def test_parts_are_found_below_a_directory_and_not_behind_links(tmp_path: Path) -> None:
    """Whatever their format; other programs' parts have other names."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/2.flac.part", "a/1.WAV.part", "a/b/3.raw.part", "a/4.iso.part", "5.ogg"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert ["a/1.WAV.part", "a/2.flac.part", "a/b/3.raw.part"] == [
        str(path.relative_to(tmp_path)) for path in parts_in(tmp_path)
    ]


def test_a_search_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for all of a disk."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.wav.part").touch()
    monkeypatch.setattr(leftovers, "MAX_LOOKED_AT", 1)

    assert [] == list(parts_in(tmp_path))


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("out.wav", ["out-12-001.wav", "out-2.wav", "out.wav"]),
        ("{from}.wav", ["441.wav", "out-12-001.wav", "out-2.wav", "out-x.wav", "out.wav"]),
        ("x/{call}/{n}.wav", ["x/c1/1.wav"]),
        ("{time}.flac", ["out.flac"]),
    ],
)
def test_only_what_a_template_may_have_made_is_its_own(tmp_path: Path, template: str, found: list[str]) -> None:
    """A directory may hold the recordings of others."""
    (tmp_path / "x" / "c1").mkdir(parents=True)
    for name in ("out", "out-2", "out-12-001", "out-x", "441", "x/c1/1", "x/1"):
        (tmp_path / f"{name}.wav.part").touch()
    (tmp_path / "out.flac.part").touch()
    (tmp_path / "out.wav").touch()

    own = leftovers_of(RecordingPath(str(tmp_path / template)))
    assert found == [str(path.relative_to(tmp_path).with_suffix("")) for path in own]


def test_standard_output_leaves_nothing_behind() -> None:
    """There is no place to look at."""
    assert [] == list(leftovers_of(RecordingPath("-")))
