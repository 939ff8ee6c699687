"""
Completing what a killed program has left behind: ``NAME.part`` becomes ``NAME``.

Rules: a part that somebody still writes is left alone, and so is whatever isn't a recording of ours; nothing is replaced;
no sample is lost, but for a half one. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from vonage_sock.audio.frames import SAMPLE_BYTES
from vonage_sock.audio.wav import FILE_MODE, HEADER_BYTES, MAX_DATA_BYTES, read_wav_header, wav_header, write_all_at
from vonage_sock.errors import RecordingError
from vonage_sock.media.claims import Names, OwnNames
from vonage_sock.media.naming import ENCODED, FORMATS, PART_SUFFIX, RecordingPath, numbered, part_of
from vonage_sock.media.parts import Part, is_at, lock
from vonage_sock.media.recording_files import encode_part

MAX_LOOKED_AT: Final = 100_000
"""Names in directories, until a search is given up."""

_HEADER_LENGTH_AT: Final = 40


class Outcome(Enum):
    """What became of a part."""

    COMPLETED = "completed"
    EMPTY = "empty"
    """There was nothing in it, and it is removed."""

    HELD = "held"
    """Somebody writes it."""

    FOREIGN = "foreign"
    """It isn't a recording of ours."""

    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """
    What was done with one part, or would be.

    Args:
        path: what it has become, or would.
        seconds: how long it is; None for bare PCM, which tells no rate.
        bytes: its size.
        gained_bytes: audio that its header didn't tell of.
        cut_bytes: of a sample that was cut off in the middle.
        error: why it couldn't be completed, or not as what it should have become.
    """

    part: Path
    outcome: Outcome
    path: Path | None = None
    seconds: float | None = None
    bytes: int = 0
    gained_bytes: int = 0
    cut_bytes: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Content:
    """What is in a part; ``header`` is the one that it should have."""

    header: bytes
    told_bytes: int
    data_bytes: int
    cut_bytes: int
    seconds: float | None

    @property
    def size_bytes(self) -> int:
        return len(self.header) + self.data_bytes

    @property
    def gained_bytes(self) -> int:
        return self.data_bytes - self.told_bytes


_NOTHING: Final = _Content(b"", 0, 0, 0, None)


def is_part_name(path: Path) -> bool:
    """Whether a file is named like a part of a recording."""
    return path.suffix == PART_SUFFIX and path.with_suffix("").suffix.lower() in FORMATS


def parts_in(directory: Path) -> Iterator[Path]:
    """All parts in a directory and below it, by their names; no link is followed."""
    for folder, names in _walk(directory):
        yield from (folder / name for name in sorted(names) if is_part_name(Path(name)))


def leftovers_of(path: RecordingPath) -> Iterator[Path]:
    """The parts that an earlier run may have left beside its recordings; a link isn't one."""
    if path.is_stdout:
        return
    levels = len(Path(path.template).relative_to(path.root).parts)
    for folder, names in _walk(path.root, levels):
        for part in [folder / name for name in sorted(names)]:
            if is_part_name(part) and path.is_part(part) and not part.is_symlink():
                yield part


def repair(part: Path, *, names: Names | None = None, dry_run: bool = False) -> Repair | None:
    """
    Complete one part; None where it is gone meanwhile. What goes wrong is in the result.

    Args:
        names: where the name that it gets is claimed, and stays claimed: who may overwrite files spares this one.
        dry_run: only look.
    """
    try:
        fd = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "it is a symbolic link, which isn't followed" if part.is_symlink() else error.strerror
        return Repair(part=part, outcome=Outcome.FAILED, error=why)
    try:
        return _repair_open(part, fd, names or OwnNames(), dry_run=dry_run)
    except (OSError, RecordingError) as error:
        return Repair(part=part, outcome=Outcome.FAILED, error=_words(error))
    finally:
        os.close(fd)


def is_encoded(part: Path) -> bool:
    """Whether completing a part takes as long as encoding it does."""
    return part.with_suffix("").suffix.lower() in ENCODED


def _repair_open(part: Path, fd: int, names: Names, *, dry_run: bool) -> Repair | None:
    path = part.with_suffix("")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return Repair(part=part, outcome=Outcome.FOREIGN)
    if not lock(fd):
        return Repair(part=part, outcome=Outcome.HELD)
    if not is_at(fd, part):
        return None
    if is_at(fd, path):
        return _only_unlink(part, path, fd, dry_run=dry_run)
    content = _look_into(path, fd) if os.fstat(fd).st_size else _NOTHING
    if content is None:
        return Repair(part=part, outcome=Outcome.FOREIGN)
    # Of no samples the encoders make a file that no player knows.
    if content is _NOTHING or (is_encoded(part) and not content.data_bytes):
        if not dry_run:
            part.unlink()
        return Repair(part=part, outcome=Outcome.EMPTY)
    if dry_run:
        return _done(part, _free_name(path), content)
    # Of a file that is another's, who may write it decides nothing else.
    with contextlib.suppress(PermissionError):
        os.fchmod(fd, FILE_MODE)
    os.ftruncate(fd, content.size_bytes)
    write_all_at(fd, content.header, 0)
    os.fsync(fd)
    return _name(Part(path, fd, names=names), content)


def _only_unlink(part: Path, path: Path, fd: int, *, dry_run: bool) -> Repair:
    """It was killed after the last name had come, and before the first was gone."""
    if not dry_run:
        part.unlink()
    return _done(part, path, _look_into(path, fd), size_bytes=os.fstat(fd).st_size)


def _name(part: Part, content: _Content) -> Repair:
    # Claimed for good: this run's own recordings go elsewhere, also where they may overwrite what others have left.
    part.names.claim(part.path)
    path, size_bytes, error = _placed(part, content)
    return _done(part_of(part.path), path, content, size_bytes=size_bytes, error=error)


def _free_name(path: Path) -> Path:
    # A part that stands there gets its name before this one does, since it comes first in a search.
    own = part_of(path)
    free = (
        name
        for name in numbered(path)
        if not (os.path.lexists(name) or (part_of(name) != own and os.path.lexists(part_of(name))))
    )
    return next(free, path)


def _placed(part: Part, content: _Content) -> tuple[Path, int, str | None]:
    if part.path.suffix.lower() not in ENCODED:
        return part.finish(), content.size_bytes, None
    try:
        return *encode_part(part), None
    except (OSError, RecordingError) as error:
        return part.finish(part.path.with_suffix(".wav")), content.size_bytes, _words(error)


def _done(part: Path, path: Path, content: _Content | None, *, size_bytes: int = 0, error: str | None = None) -> Repair:
    return Repair(
        part=part,
        outcome=Outcome.COMPLETED,
        path=path,
        seconds=None if content is None else content.seconds,
        bytes=size_bytes or (0 if content is None else content.size_bytes),
        gained_bytes=0 if content is None else max(0, content.gained_bytes),
        cut_bytes=0 if content is None else content.cut_bytes,
        error=error,
    )


def _look_into(path: Path, fd: int) -> _Content | None:
    size_bytes = os.fstat(fd).st_size
    if path.suffix.lower() == ".raw":
        cut_bytes = size_bytes % SAMPLE_BYTES
        return _Content(b"", size_bytes - cut_bytes, size_bytes - cut_bytes, cut_bytes, None)
    header = os.pread(fd, HEADER_BYTES, 0)
    if (found := read_wav_header(header)) is None:
        return None
    rate_hz, channels = found
    block_bytes = channels * SAMPLE_BYTES
    data_bytes = min(size_bytes - HEADER_BYTES, MAX_DATA_BYTES)
    cut_bytes = data_bytes % block_bytes
    data_bytes -= cut_bytes
    return _Content(
        wav_header(rate_hz, channels, data_bytes),
        int.from_bytes(header[_HEADER_LENGTH_AT:], "little"),
        data_bytes,
        cut_bytes,
        data_bytes / block_bytes / rate_hz,
    )


def _walk(directory: Path, levels: int | None = None) -> Iterator[tuple[Path, list[str]]]:
    looked_at = 0
    for folder, folders, names in os.walk(directory):
        looked_at += len(folders) + len(names)
        folders.sort()
        path = Path(folder)
        if looked_at > MAX_LOOKED_AT or (levels is not None and len(path.relative_to(directory).parts) + 1 >= levels):
            folders.clear()
        yield path, names


def _words(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
