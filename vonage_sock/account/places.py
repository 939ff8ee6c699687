"""
The places that settings stand in besides the command line: the environment, the official CLI's files, a project's own.

A file is somebody's: little of it is read, what isn't a regular file isn't opened, and what is wrong with it is kept as one
sentence for whoever comes to it. Nothing is ever written here.

Source: vonage-cli 3 writes ``api-key``, ``api-secret``, ``app-id`` and ``private-key`` as JSON (``vonage auth set``); in
its own code, and in files made by hand, the names are ``apiKey`` and so on. All are read.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vonage_sock.protocol import jsontext

MAX_FILE_BYTES: Final = 256 * 1024
FILES: Final = ("./.vonagerc", "~/.vonage/config.json", "[tool.vsock] of ./pyproject.toml")

NAMES: Final = {
    "api_key": ("api-key",),
    "api_secret": ("api-secret",),
    "application_id": ("app-id", "application-id", "app"),
    "private_key": ("private-key",),
    "signature_secret": ("signature-secret",),
    "region": ("region",),
}
"""Each setting's names in files; ``-``, ``_`` and capitals make no difference."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    Settings that stand together, by their names.

    Args:
        name: how people call the place.
        folder: what relative paths in it start from.
        sources: how single settings of it are called, where that says more.
        fault: why it can't be read.
    """

    name: str
    folder: Path
    values: Mapping[str, str] = field(repr=False, default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None

    def called(self, setting: str) -> str:
        """How people call what holds this setting."""
        return self.sources.get(setting, self.name)


def variable(name: str) -> str:
    """The environment's name for a setting."""
    return f"VONAGE_{name.upper()}"


def environment(environ: Mapping[str, str], folder: Path) -> Place:
    """What the environment says; an empty variable says nothing."""
    values = {name: value for name in NAMES if (value := environ.get(variable(name), "").strip())}
    return Place("the environment", folder, values, {name: variable(name) for name in NAMES})


def files(*, cwd: Path, home: Path) -> list[Place]:
    """The files there are, in their order."""
    local, shared, project = FILES
    return [
        *_place(local, cwd / ".vonagerc", _json),
        *_place(shared, home / ".vonage" / "config.json", _json),
        *_place(project, cwd / "pyproject.toml", _toml),
    ]


def _place(name: str, path: Path, read: Any) -> list[Place]:
    try:
        values = _settings(read(read_text(path)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        return [Place(name, path.parent, fault=f"{path} can't be read: {error.strerror or error}")]
    except ValueError as error:
        return [Place(name, path.parent, fault=f"{path} can't be used: {error}; mend it, or move it away")]
    return [Place(name, path.parent, values)]


def read_text(path: Path) -> str:
    """
    A small text file.

    Raises:
        OSError: it can't be opened.
        ValueError: it is no regular file, too long, or not UTF-8.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it is longer than {MAX_FILE_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None


def _json(text: str) -> Any:
    try:
        value = jsontext.loads(text)
    except ValueError as error:
        raise ValueError(f"it isn't JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError("it isn't a JSON object")
    return value


def _toml(text: str) -> Any:
    try:
        tool = tomllib.loads(text).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"it isn't TOML ({error})") from None
    table = tool.get("vsock", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ValueError("[tool.vsock] isn't a table")
    return table


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


_KNOWN: Final = {_plain(alias): name for name, aliases in NAMES.items() for alias in (*aliases, name)}


def _settings(members: Mapping[str, Any]) -> dict[str, str]:
    """
    The settings among a file's members.

    Raises:
        ValueError: one isn't a text.
    """
    values: dict[str, str] = {}
    for key, value in members.items():
        name = _KNOWN.get(_plain(key))
        if name is None or value is None or value == "":
            continue
        if not isinstance(value, str):
            raise ValueError(f"{key!r} isn't a text")
        values[name] = value
    return values
