"""
A project's files: which there are, and how they get into a directory, all or none.

Rule: nothing that is there is replaced, and what was begun is taken back. A new directory appears whole, by one rename; in
one that is there, files are made elsewhere in it first, and linked to their names.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from vonage_sock.errors import UsageError, VsockError

PACKAGE: Final = "vonage-sock"
LOCAL_FILE: Final = PurePosixPath("local.mk")
ROOT: Final = PurePosixPath()
DOT: Final = "dot-"
NAME_WORD: Final = "PROJECT_NAME"
VERSION_WORD: Final = "VSOCK_VERSION"
WORDS: Final = (NAME_WORD, VERSION_WORD)
"""What is replaced in a template: the project's name, and this package's version."""

MAX_NAME: Final = 60
MAX_LISTED: Final = 12
TAKEN_NAMES: Final = frozenset({PACKAGE, "pytest", "pytest-asyncio", "aiohttp", "numpy"})
"""A project that is called as what it needs can't be installed."""

_HARMLESS: Final = re.compile(r"[A-Za-z0-9._~:/%@+-]+", re.ASCII)
"""What means nothing to make or a shell."""

Files = Mapping[PurePosixPath, bytes]


def project_name(directory: Path, *, kind: str) -> str:
    """A name that packaging tools take, from a directory's: small letters, digits and single dashes."""
    try:
        own = Path(os.path.abspath(directory)).name  # noqa: PTH100  (what a link leads to has another name)
    except OSError:
        own = ""  # where we are isn't there any more
    plain = unicodedata.normalize("NFKD", own).encode("ascii", "ignore").decode()
    name = re.sub("[^a-z0-9]+", "-", plain.lower()).strip("-")[:MAX_NAME].strip("-") or kind
    return f"{name}-{kind}" if name in TAKEN_NAMES else name


def project_files(kind: str, *, name: str, version: str) -> Files:
    """The files of a project of this kind, by their paths within it."""
    templates = resources.files("vonage_sock.templates")
    found = {path: file for part in ("common", kind) for path, file in _files_in(templates / part)}
    values = {NAME_WORD: name, VERSION_WORD: version}
    return {path: _filled(file.read_bytes(), values) for path, file in sorted(found.items())}


def _files_in(folder: Traversable, below: PurePosixPath = ROOT) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            if not item.name.startswith(("__", ".")):  # what Python and tools leave there
                yield from _files_in(item, below / item.name)
        elif not item.name.startswith("."):
            yield below / re.sub(f"^{DOT}", ".", item.name), item


def _filled(content: bytes, values: Mapping[str, str]) -> bytes:
    for word, value in values.items():
        content = content.replace(word.encode(), value.encode())
    return content


def local_file() -> bytes:
    """
    What ``make`` needs to know of this machine and nobody else: which Python, and where this package came from.

    A package that came from an index needs no word. Anything that would mean something to make or a shell is left out.
    """
    lines = ["# This machine's, as vsock init found it; git ignores it. Without it, python3 and the package index do."]
    if _HARMLESS.fullmatch(python := getattr(sys, "_base_executable", None) or sys.executable):
        lines.append(f"PYTHON ?= {python}")
    if (source := _source()) is not None:
        lines.append(f"VSOCK ?= {source}")
    return "".join(f"{line}\n" for line in lines).encode()


def _source() -> str | None:
    """Where pip got this package from, if not from an index, in pip's own words; noted by it as PEP 610 says."""
    try:
        text = metadata.distribution(PACKAGE).read_text("direct_url.json")
        noted: dict[str, Any] = json.loads(text or "{}")
        url = str(noted["url"])
        if vcs := noted.get("vcs_info"):
            url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
        editable = bool(noted.get("dir_info", {}).get("editable"))
    except (metadata.PackageNotFoundError, LookupError, TypeError, ValueError, AttributeError, OSError):
        return None
    parts = urlsplit(url)
    gone = parts.scheme == "file" and not Path(unquote(parts.path)).exists()
    return None if gone or not _HARMLESS.fullmatch(url) else f"-e {url}" if editable else url


def write_project(files: Files, directory: Path) -> None:
    """
    Make a project's files in a directory, which is made where it isn't there.

    Raises:
        UsageError: a file is there already, or the directory can't be one.
        VsockError: the disk doesn't take it; nothing is left then.
    """
    if taken := sorted(str(path) for path in files if _is_taken(directory, path)):
        listed = ", ".join(taken[:MAX_LISTED]) + (f" and {len(taken) - MAX_LISTED} more" if taken[MAX_LISTED:] else "")
        raise UsageError(
            f"nothing is written, as nothing is replaced: {_called(directory)} has {listed} already; name another directory"
        )
    try:
        if directory.is_dir():
            _fill(files, directory)
        else:
            _make(files, directory)
    except FileExistsError as error:
        taken_now = error.filename2 or error.filename
        raise UsageError(f"nothing is written: {taken_now} is there already; name another directory") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VsockError(f"nothing is written: {directory}: {reason}; name another directory") from error


def _called(directory: Path) -> str:
    return "this directory" if directory == Path() else str(directory)


def _is_taken(directory: Path, path: PurePosixPath) -> bool:
    """Whether there is something of this name, or no directory where one is needed for it."""
    try:
        if os.path.lexists(directory / path):
            return True
        below = [directory / parent for parent in path.parents if parent.name]
        return any(os.path.lexists(parent) and not parent.is_dir() for parent in below)
    except (OSError, ValueError):
        return False  # it is told when it is made


def _make(files: Files, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _workshop(directory.parent) as workshop:
        _write(files, workshop)
        if os.path.lexists(directory):
            raise FileExistsError(None, None, str(directory))
        workshop.rename(directory)


def _fill(files: Files, directory: Path) -> None:
    made: list[Path] = []
    with _workshop(directory) as workshop:
        _write(files, workshop)
        try:
            for path in files:
                _make_parents(directory, path, made)
                (directory / path).hardlink_to(workshop / path)
                made.append(directory / path)
        except BaseException:
            for item in reversed(made):
                with contextlib.suppress(OSError):
                    item.rmdir() if item.is_dir() else item.unlink()
            raise


def _make_parents(directory: Path, path: PurePosixPath, made: list[Path]) -> None:
    for parent in reversed(path.parents[:-1]):
        if not (directory / parent).is_dir():
            (directory / parent).mkdir()
            made.append(directory / parent)


def _write(files: Files, directory: Path) -> None:
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        with (directory / path).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def _workshop(parent: Path) -> Iterator[Path]:
    """A new directory, removed in the end unless it was renamed."""
    directory = parent / f".vsock-init-{secrets.token_hex(6)}"
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
