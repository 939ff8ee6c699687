"""
What a recording is called.

A path is a template; what is filled into it came from outside and becomes a slug first, so that it can name a file but
never a place. Nothing is overwritten unless that was asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Final

from vonage_sock.errors import UsageError

FORMATS: Final = (".wav", ".flac", ".ogg", ".mp3", ".raw")
PLACEHOLDERS: Final = ("call", "from", "to", "time", "n")
ENCODED: Final = (".flac", ".ogg", ".mp3")
"""Those that are recorded as WAV first."""

WORK_SUFFIX: Final = ".part.wav"
STDOUT: Final = "-"
MAX_SLUG: Final = 48
MAX_SAME_NAME: Final = 100_000

_UNSAFE = re.compile(r"[^A-Za-z0-9+_-]+")


def slug(value: object) -> str:
    """A short name of letters, digits, ``+``, ``_`` and ``-`` from any text; ``unknown`` when nothing is left."""
    text = _UNSAFE.sub("-", str(value)[: 4 * MAX_SLUG]).strip("-")[:MAX_SLUG]
    return text or "unknown"


def path_while_recording(path: Path) -> Path:
    """Where the audio of a recording is until that is complete."""
    return path.with_name(path.name + WORK_SUFFIX) if path.suffix.lower() in ENCODED else path


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
        self._check_directory(path.parent)

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
        first = 1 if self.has_placeholders else number
        for at in range(first, first + MAX_SAME_NAME):
            stem = filled.stem if at == 1 else f"{filled.stem}-{at}"
            yield filled.with_name(f"{stem}-{phrase:03d}{filled.suffix}" if phrase else f"{stem}{filled.suffix}")

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
        while "{" in str(directory):
            directory = directory.parent
        if not directory.is_dir():
            what = "isn't a directory" if directory.exists() else "does not exist"
            raise UsageError(f"{self.template}: the directory {directory} {what}; create it or choose another")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise UsageError(f"{self.template}: you may not write to {directory}; choose another directory")
