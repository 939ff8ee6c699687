"""
Files in the making: ``NAME.part``, which becomes ``NAME`` when it is complete.

A part is locked by its writer from before it has a name until it has its last one, so that who finds one knows whether
somebody is still at it. Rules: what has a name is a valid file at every moment; no file is replaced unless that was asked
for, and then only by a complete one; nothing is written through a symbolic link, nor into a directory that is one.

Everything here blocks.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vonage_sock.audio.wav import FILE_MODE, create_file, write_all_at
from vonage_sock.errors import RecordingError
from vonage_sock.media.claims import Names, OwnNames
from vonage_sock.media.naming import numbered, part_of

DIRECTORY_MODE: Final = 0o700


def make_directory(directory: Path, root: Path) -> None:
    """
    Make what is missing of a directory below ``root``, for its owner alone.

    Raises:
        RecordingError: something in the way is a symbolic link, or no directory.
        OSError: it can't be made.
    """
    for name in reversed([directory, *directory.parents]):
        if name == root or not name.is_relative_to(root):
            continue
        with contextlib.suppress(FileExistsError):
            name.mkdir(mode=DIRECTORY_MODE)
        if not stat.S_ISDIR(mode := name.lstat().st_mode):
            what = "is a symbolic link, which a recording never follows" if stat.S_ISLNK(mode) else "isn't a directory"
            raise RecordingError(f"{name} {what}")


def make_part(path: Path, head: bytes) -> int:
    """
    Make the part of a file, locked and with ``head`` in it; its descriptor.

    It gets its name last, where the system can do that: a kill leaves a valid file or none.

    Raises:
        FileExistsError: there is one.
        OSError: it can't be made.
    """
    part = part_of(path)
    fd = _make_unnamed(part, head)
    return _make_named(part, head) if fd is None else fd


def lock(fd: int) -> bool:
    """
    Take a part for this process, until the descriptor is closed; False where another one has it.

    Raises:
        OSError: the file system knows no locks.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(fd: int, path: Path) -> bool:
    """
    Whether an open file has this name.

    Raises:
        OSError: the name can't be looked at.
    """
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


@dataclass(slots=True)
class Part:
    """
    The part of ``path``, open and locked.

    Args:
        names: where a name is claimed that is taken instead of ``path``.
    """

    path: Path
    fd: int
    overwrite: bool = False
    names: Names = field(default_factory=OwnNames)

    def check(self) -> None:
        """
        Is it still there?

        Raises:
            OSError: it isn't, or can't be looked at.
            RecordingError: something else has its name.
        """
        part = part_of(self.path)
        if not is_at(self.fd, part):
            if os.path.lexists(part):
                raise RecordingError(f"{part} was replaced by another file")
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(part))

    def finish(self, path: Path | None = None) -> Path:
        """
        Give it its last name; the one that it got, which has a number where the wanted one was taken meanwhile.

        It stays claimed: with no moment in between, who asked decides for how long others are to spare it.

        Args:
            path: that name, where it isn't ``self.path``; nothing is replaced then.

        Raises:
            OSError, RecordingError: it can't be given, and what there was stays as it is.
        """
        self.check()
        return self.place(part_of(self.path), self.fd, path)

    def place(self, made: Path, fd: int, path: Path | None = None) -> Path:
        """The same for a complete file that was made of the part."""
        wanted = path or self.path
        overwrite = self.overwrite and path is None
        for name in self._claimed(wanted):
            try:
                put_in_place(made, fd, name, overwrite=overwrite and name == wanted)
            except BaseException as error:
                if name != self.path:
                    self.names.release(name)
                if not isinstance(error, FileExistsError):
                    raise
            else:
                return name
        raise RecordingError("every name is taken")

    def _claimed(self, wanted: Path) -> Iterator[Path]:
        # Its own is claimed by who made the part.
        return (name for name in numbered(wanted) if name == self.path or self.names.claim(name))


def put_in_place(made: Path, fd: int, path: Path, *, overwrite: bool) -> None:
    """
    Rename a complete file, which is open as ``fd``.

    Raises:
        FileExistsError: the name is taken, and by more than a file that may be replaced.
        OSError: it can't be renamed.
    """
    if overwrite and _is_file(path):
        # Not before it is on the disk: with the power gone there would be neither of the two.
        os.fsync(fd)
        made.replace(path)
        return
    try:
        # A link fails where the name is taken; a rename would replace what is there.
        os.link(made, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _KNOWS_NO_LINKS:
            raise
        _reserve(made, path)
    else:
        with contextlib.suppress(OSError):
            made.unlink()


_KNOWS_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})


def _reserve(made: Path, path: Path) -> None:
    """Without links: an empty file of ours takes the name, and is what the rename replaces."""
    os.close(create_file(path))
    try:
        made.replace(path)
    except OSError:
        path.unlink()
        raise


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def open_unnamed(directory: Path) -> int | None:
    """A file without a name, for its owner alone; None where the system has none there."""
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is None:
        return None
    try:
        return os.open(directory, unnamed | os.O_RDWR, FILE_MODE)
    except OSError:
        return None


def name_unnamed(fd: int, path: Path) -> None:
    """
    Give a file without a name one.

    Raises:
        FileExistsError: it is taken.
        OSError: it can't be given; without ``/proc`` that is a FileNotFoundError.
    """
    # With a descriptor for the directory, which an absolute path leaves unused, this is linkat(), which follows.
    os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)


def _make_unnamed(part: Path, head: bytes) -> int | None:
    if (fd := open_unnamed(part.parent)) is None:
        return None
    try:
        _lock_where_possible(fd)
        write_all_at(fd, head, 0)
        name_unnamed(fd, part)
    except FileNotFoundError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _make_named(part: Path, head: bytes) -> int:
    fd = create_file(part)
    try:
        if not _lock_where_possible(fd):
            # Somebody who repairs has found it already, and removes it, since there is nothing in it.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(part))  # noqa: TRY301  (it is closed here)
        write_all_at(fd, head, 0)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        os.close(fd)
        raise
    return fd


def _lock_where_possible(fd: int) -> bool:
    try:
        return lock(fd)
    except OSError:
        return True
