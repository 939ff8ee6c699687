"""
What a recording is called.

A path is a template; what is filled into it came from outside and becomes a slug first, so that it can name a file but
never a place. Nothing is overwritten unless that was asked for, and a symbolic link is never taken for a file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Final, Self

from vonage_sock.errors import UsageError

FORMATS: Final = (".wav", ".flac", ".ogg", ".mp3", ".raw")
PLACEHOLDERS: Final = ("call", "from", "to", "time", "n")
ENCODED: Final = (".flac", ".ogg", ".mp3")
"""Those that are recorded as WAV first."""

PART_SUFFIX: Final = ".part"
STDOUT: Final = "-"
MAX_SLUG: Final = 48
MAX_NAME_BYTES: Final = 200
"""Of a name before it is numbered; the system allows 255, and what is made beside it has a longer one."""

MAX_SAME_NAME: Final = 100_000

NUMBERS: Final = r"(-\d+)?(-\d{3,})?"
"""A call's and a phrase's."""

_UNSAFE = re.compile(r"[^A-Za-z0-9+_-]+")


def slug(value: object) -> str:
    """A short name of letters, digits, ``+``, ``_`` and ``-`` from any text; ``unknown`` when nothing is left."""
    try:
        text = str(value)
    except (ValueError, RecursionError):  # a number or a list that is too large to be written out
        text = ""
    return _UNSAFE.sub("-", text[: 4 * MAX_SLUG]).strip("-")[:MAX_SLUG] or "unknown"


def part_of(path: Path) -> Path:
    """Where a recording is until it is complete; whatever its suffix, and as WAV unless it is ``.raw``."""
    return path.with_name(path.name + PART_SUFFIX)


def numbered(path: Path, first: int = 1) -> Iterator[Path]:
    """A name and those that follow where it is taken: ``a.wav``, ``a-2.wav``, ``a-3.wav`` …, or from another on."""
    for at in range(first, first + MAX_SAME_NAME):
        yield path if at == 1 else path.with_name(f"{path.stem}-{at}{path.suffix}")


@dataclass(frozen=True, slots=True)
class RecordingPath:
    """
    Where recordings go; checked when made.

    Raises:
        UsageError: an unknown suffix or placeholder, or a directory that doesn't exist or can't be written to.
    """

    template: str
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.template == STDOUT:
            return
        path = Path(self.template)
        if path.suffix.lower() not in FORMATS:
            raise UsageError(
                f"{self.template}: recordings are made as {', '.join(FORMATS)}; "
                f"{f'not as {path.suffix}' if path.suffix else 'the name has no suffix'}"
            )
        self._check_placeholders()
        self._check_directory(self.root)

    @property
    def is_stdout(self) -> bool:
        """The recording goes to standard output."""
        return self.template == STDOUT

    @property
    def suffix(self) -> str:
        """The format, as its suffix in small letters; WAV on standard output."""
        return ".wav" if self.is_stdout else Path(self.template).suffix.lower()

    @property
    def has_placeholders(self) -> bool:
        """Each call gets a name of its own."""
        return any(field for _, field, _, _ in Formatter().parse(self.template) if field is not None)

    @property
    def root(self) -> Path:
        """The directory that the person named; what is below it, calls may have a part in."""
        directory = Path(self.template).parent
        while "{" in str(directory) or "}" in str(directory):
            directory = directory.parent
        return directory

    def candidates(self, values: Mapping[str, object], *, number: int, phrase: int | None) -> Iterator[Path]:
        """
        Names for recording ``number`` (from 1 on), the wanted one first.

        Args:
            values: what the placeholders stand for, as it came from outside.
            phrase: the phrase's number, which ends the name; None for a whole call.
        """
        # Our own number keeps its type, so that {n:03d} works; whatever else a header holds becomes text.
        named = {key: value if key == "n" else slug(value) for key, value in values.items()}
        filled = Path(self.template.format(**named))
        if self.has_placeholders:
            filled = Path(*(_short(name) for name in filled.parts))
        first = 1 if self.has_placeholders else number
        for name in numbered(filled, first):
            yield name.with_name(f"{name.stem}-{phrase:03d}{name.suffix}") if phrase else name

    def check_first(self) -> Self:
        """
        The same path, if its first name may be used; while calls go on, others are taken for those that may not.

        Raises:
            UsageError: it is too long, a symbolic link, or no regular file where one would be replaced.
        """
        if self.is_stdout or self.has_placeholders:
            return self
        path = Path(self.template.format())
        if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
            raise UsageError(f"{self.template}: the name is longer than {MAX_NAME_BYTES} bytes; choose a shorter one")
        if why := obstacle(path, overwrite=self.overwrite):
            raise UsageError(f"{self.template} {why}; remove it or choose another name")
        return self

    def is_part(self, path: Path) -> bool:
        """Whether an earlier run with this template may have left that behind; told by its name."""
        names, own = path.relative_to(self.root).parts, Path(self.template).relative_to(self.root).parts
        return len(names) == len(own) and all(map(re.fullmatch, self._patterns, names))

    @property
    def _patterns(self) -> list[str]:
        own = Path(self.template).relative_to(self.root)
        stem = _pattern_of(own.stem) + NUMBERS + re.escape(own.suffix + PART_SUFFIX)
        return [*map(_pattern_of, own.parent.parts), stem]

    def _check_placeholders(self) -> None:
        try:
            fields = {field for _, field, _, _ in Formatter().parse(self.template) if field is not None}
        except ValueError as error:
            raise UsageError(f"{self.template}: {error}; write {{{{ or }}}} for a brace in the name") from error
        unknown = sorted(fields - set(PLACEHOLDERS))
        if unknown:
            known = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise UsageError(f"{self.template}: {{{unknown[0]}}} isn't known; a name may hold {known}")
        try:
            self.template.format(**{**dict.fromkeys(PLACEHOLDERS, ""), "n": 1})
        except (ValueError, LookupError, AttributeError) as error:
            raise UsageError(f"{self.template}: {error}; {{n:03d}} is the kind of format that works") from error

    def _check_directory(self, directory: Path) -> None:
        if not directory.is_dir():
            what = "isn't a directory" if directory.exists() else "does not exist"
            raise UsageError(f"{self.template}: the directory {directory} {what}; create it or choose another")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise UsageError(f"{self.template}: you may not write to {directory}; choose another directory")


def obstacle(path: Path, *, overwrite: bool) -> str | None:
    """
    What makes a name that is taken one to be told of, as ``is a symbolic link …``; None for a free one, or just a file.

    Raises:
        OSError: it can't be looked at.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        return "is a symbolic link, which a recording never follows"
    if overwrite and not stat.S_ISREG(mode):
        return "is no regular file, and isn't replaced"
    return None


def _short(name: str) -> str:
    """A name that leaves room for what is put behind it; its suffix stays."""
    if len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return name
    suffix = next((known for known in FORMATS if name.lower().endswith(known)), "")
    return os.fsencode(name)[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + name[len(name) - len(suffix) :]


def _pattern_of(name: str) -> str:
    return "".join(
        re.escape(literal) + ("" if field is None else ".+") for literal, field, _, _ in Formatter().parse(name)
    )
