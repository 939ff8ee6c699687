"""Files in the making: they have a lock before they have a name, and a last name only when they are complete."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from vonage_sock.errors import RecordingError
from vonage_sock.media import parts
from vonage_sock.media.claims import OwnNames
from vonage_sock.media.parts import Part, is_at, lock, make_directory, make_part, put_in_place


@pytest.fixture(params=["unnamed first", "no unnamed files", "no way to name them"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the ways in which a part is made."""

    def refuse(source: object, *_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "no /proc")

    if request.param == "no unnamed files":
        monkeypatch.delattr(parts.os, "O_TMPFILE", raising=False)
    if request.param == "no way to name them":
        monkeypatch.setattr(parts.os, "link", refuse)
    return request.param


def open_files() -> int:
    """How many descriptors there are."""
    return len(list(Path("/proc/self/fd").iterdir()))


def failing(number: int) -> Any:
    """A system call that fails so."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.usefixtures("system")
def test_a_part_is_whole_locked_and_its_owners_from_the_first_moment(tmp_path: Path) -> None:
    """It has its head, nobody else can lock it, and nobody else may read it."""
    fd = make_part(tmp_path / "a.wav", b"head")
    other = os.open(tmp_path / "a.wav.part", os.O_RDWR)
    locked = lock(other)
    os.close(other)
    os.close(fd)

    assert not locked
    assert (b"head", 0o600) == (
        (tmp_path / "a.wav.part").read_bytes(),
        stat.S_IMODE((tmp_path / "a.wav.part").stat().st_mode),
    )


@pytest.mark.usefixtures("system")
def test_a_part_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Be it a file or a link to nowhere."""
    (tmp_path / "a.wav.part").write_bytes(b"precious")
    (tmp_path / "b.wav.part").symlink_to(tmp_path / "nowhere")
    descriptors = open_files()

    for name in ("a.wav", "b.wav"):
        with pytest.raises(FileExistsError):
            make_part(tmp_path / name, b"head")

    assert b"precious" == (tmp_path / "a.wav.part").read_bytes()
    assert (False, descriptors) == ((tmp_path / "nowhere").exists(), open_files())


@pytest.mark.usefixtures("system")
def test_a_part_whose_head_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, and no open descriptor."""
    monkeypatch.setattr(parts, "write_all_at", failing(errno.ENOSPC))
    descriptors = open_files()

    with pytest.raises(OSError, match="No space left"):
        make_part(tmp_path / "a.wav", b"head")

    assert ([], descriptors) == (list(tmp_path.iterdir()), open_files())


def test_a_directory_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    """Where no file can be made, the system's own words say why."""
    with pytest.raises(FileNotFoundError):
        make_part(tmp_path / "gone" / "a.wav", b"head")


def test_a_disk_without_locks_takes_recordings_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only repairing can't be told from recording there, and leaves them alone."""
    monkeypatch.setattr(parts.fcntl, "flock", failing(errno.ENOLCK))
    fd = make_part(tmp_path / "a.wav", b"head")
    os.close(fd)

    assert b"head" == (tmp_path / "a.wav.part").read_bytes()


def test_a_part_that_repair_has_found_first_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without unnamed files there is a moment in which it is empty and not locked; the next name is taken then."""
    monkeypatch.delattr(parts.os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(parts.fcntl, "flock", failing(errno.EWOULDBLOCK))

    with pytest.raises(FileExistsError):
        make_part(tmp_path / "a.wav", b"head")

    assert [] == list(tmp_path.iterdir())


def test_directories_are_made_below_the_given_one_alone(tmp_path: Path) -> None:
    """What the person named is never made, and may be a link; what is below may not."""
    (tmp_path / "real").mkdir()
    root = tmp_path / "root"
    root.symlink_to(tmp_path / "real")
    (root / "file").touch()
    (root / "link").symlink_to(tmp_path)
    make_directory(root / "a" / "b", root)

    assert (tmp_path / "real" / "a" / "b").is_dir()
    for name, words in (("file", "isn't a directory"), ("link", "is a symbolic link")):
        with pytest.raises(RecordingError, match=words):
            make_directory(root / name / "c", root)
    with pytest.raises(FileNotFoundError):
        make_directory(tmp_path / "none" / "a", tmp_path / "none")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EIO], ids=["no links", "a broken disk"])
def test_a_name_that_cannot_be_given_leaves_the_part_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """And nothing under the name that it should have had."""
    fd = make_part(tmp_path / "a.wav", b"head")
    monkeypatch.setattr(parts.os, "link", failing(number))
    monkeypatch.setattr(Path, "replace", failing(errno.EIO))

    with pytest.raises(OSError, match="Input/output error"):
        put_in_place(tmp_path / "a.wav.part", fd, tmp_path / "a.wav", overwrite=False)

    os.close(fd)
    assert ["a.wav.part"] == [path.name for path in tmp_path.iterdir()]


def test_overwriting_where_there_is_nothing_is_naming(tmp_path: Path) -> None:
    """It needs no waiting for the disk."""
    fd = make_part(tmp_path / "a.wav", b"head")
    put_in_place(tmp_path / "a.wav.part", fd, tmp_path / "a.wav", overwrite=True)
    at_place = is_at(fd, tmp_path / "a.wav")
    os.close(fd)

    assert (True, ["a.wav"]) == (at_place, [path.name for path in tmp_path.iterdir()])


def test_a_name_that_somebody_records_to_is_passed_over(tmp_path: Path) -> None:
    """Where the wanted one is taken, the next that nobody has claimed is given, and stays claimed for who asked."""
    names = OwnNames()
    (tmp_path / "a.wav").touch()
    claimed = [names.claim(tmp_path / "a.wav"), names.claim(tmp_path / "a-2.wav")]
    part = Part(tmp_path / "a.wav", make_part(tmp_path / "a.wav", b"head"), names=names)
    given = part.finish()
    os.close(part.fd)

    assert ([True, True], tmp_path / "a-3.wav") == (claimed, given)
    assert not names.claim(given)
    for path in ("a.wav", "a-2.wav", "a-3.wav"):
        names.release(tmp_path / path)


def test_where_every_name_is_taken_the_part_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to counting."""
    monkeypatch.setattr(parts, "numbered", lambda path: iter([path]))
    (tmp_path / "a.wav").touch()
    part = Part(tmp_path / "a.wav", make_part(tmp_path / "a.wav", b"head"))

    with pytest.raises(RecordingError, match="every name is taken"):
        part.finish()

    os.close(part.fd)
    assert (tmp_path / "a.wav.part").exists()
