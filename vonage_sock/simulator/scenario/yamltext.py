"""
YAML as plain values, each with the place where it stands in the file.

PyYAML parses; what a scalar means is decided here, since PyYAML takes ``no`` for false, ``012`` for ten and ``1:30`` for
ninety. Whatever the file holds, there is a value or one sentence: size, depth and number of values are bounded, aliases
included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml

from vonage_sock.errors import UsageError

MAX_BYTES: Final = 64 * 1024
MAX_VALUES: Final = 10_000
MAX_DEPTH: Final = 30

Path = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, from 1 on."""

_TAGS: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset({"str", "int", "float", "bool", "null", "timestamp", "merge", "value"})
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,14})\.\d{1,15}", re.ASCII)
_CONSTANTS: Final = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(slots=True)
class Document:
    """
    A file's value.

    Args:
        texts: scalars as they are written.
        places: where each value begins.
        keys: where the key of each value of a mapping stands.
    """

    name: str
    value: Any = None
    texts: dict[Path, str] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def refuse(self, path: Path, message: str, *, key: bool = False) -> NoReturn:
        """
        Say what is wrong with the value (or with its key) at ``path``.

        Raises:
            UsageError: always.
        """
        place = self.keys.get(path) if key else None
        raise UsageError(f"{self.where(path, place)}: {message}")

    def where(self, path: Path, place: Place | None = None) -> str:
        """The file, line and column of a value; of what holds it, where it has no place of its own."""
        while place is None and path and path not in self.places:
            path = path[:-1]
        line, column = place or self.places.get(path, (1, 1))
        return f"{self.name}, line {line}, column {column}"

    def line(self, path: Path) -> int:
        """The line of a value."""
        return self.places.get(path, (1, 1))[0]


def read_yaml(raw: bytes, name: str) -> Document:
    """
    A file's only document.

    Args:
        name: what to call the file in errors.

    Raises:
        UsageError: it isn't YAML, or holds something that a scenario has no use for.
    """
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{name}: a scenario of more than {MAX_BYTES >> 10} KiB isn't read; is this the right file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: this isn't UTF-8 text; is this the right file?") from error
    document = Document(name)
    node = _compose(text, name)
    if node is None:
        raise UsageError(f"{name}: the file is empty; vsock scenario init writes an example")
    document.value = _Walk(document).value(node, (), 0)
    return document


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = name if mark is None else f"{name}, line {mark.line + 1}, column {mark.column + 1}"
        raise UsageError(f"{where}: this isn't YAML: {_in_words(error, _line_of(text, mark))}") from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        character = f"\\x{error.character:02x}" if isinstance(error.character, int) else "?"
        raise UsageError(
            f"{name}, line {line}, column {column}: the character {character} can't stand in YAML; remove it"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{name}: this isn't YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError:
        raise UsageError(f"{name}: the values are nested too deeply for a scenario") from None
    return node


def _line_of(text: str, mark: yaml.Mark | None) -> str:
    lines = text.split("\n")
    return lines[mark.line].strip() if mark is not None and mark.line < len(lines) else ""


def _in_words(error: yaml.MarkedYAMLError, line: str) -> str:
    problem = error.problem or ""
    if "'\\t'" in problem:
        return "there is a tab where only spaces may be; indent with spaces"
    if "mapping values are not allowed" in problem:
        return "a ':' is out of place; put a text that holds ': ' in quotes, and check the indentation"
    if "while scanning an alias" in (error.context or ""):
        return "a value that begins with * has to be in quotes"
    if "found undefined alias" in problem:
        return f"{problem.removeprefix('found ')}; a value that begins with * has to be in quotes"
    if "expected a single document" in (error.context or ""):
        return "a file holds one scenario, and here a second document begins"
    if "quoted scalar" in (error.context or ""):
        return "a quotation mark isn't closed"
    if "expected ',' or" in problem:
        return f"{problem}; a bracket isn't closed, or a text with commas or brackets needs quotes"
    if "block end" in problem or "block" in (error.context or ""):
        hint = "items of a list begin with '- ' in the same column"
        return f"the indentation doesn't fit what stands above; {hint}{_quoted(line)}"
    return " ".join(filter(None, (error.context, problem)))[:200]


def _quoted(line: str) -> str:
    return f" ({line[:60]!r})" if line else ""


class _Walk:
    """From PyYAML's nodes to values."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        mark = node.start_mark
        self._document.places[path] = mark.line + 1, mark.column + 1
        self._values += 1
        if self._values > MAX_VALUES:
            self._document.refuse(path, f"more than {MAX_VALUES:,} values, with what aliases repeat, aren't read")
        if depth > MAX_DEPTH:
            self._document.refuse(path, "the values are nested too deeply for a scenario")
        tag = node.tag.removeprefix(_TAGS)
        if isinstance(node, yaml.ScalarNode) and tag in _PLAIN_TAGS:
            self._document.texts[path] = node.value
            return _scalar(node.value) if node.style is None and tag != "str" else node.value
        if isinstance(node, yaml.SequenceNode) and tag == "seq":
            return [self.value(item, (*path, number), depth + 1) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return self._mapping(node, path, depth)
        return self._document.refuse(path, f"the tag {node.tag[:60]!r} isn't understood; leave it out")

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in node.value:
            place = key.start_mark.line + 1, key.start_mark.column + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"{self._document.where(path, place)}: a key has to be a plain word")
            inner = (*path, key.value)
            if key.value in values:
                line = self._document.keys[inner][0]
                raise UsageError(
                    f"{self._document.where(path, place)}: {key.value[:60]!r} stands here twice, first in line {line}; "
                    "leave one out"
                )
            self._document.keys[inner] = place
            values[key.value] = self.value(item, inner, depth + 1)
        return values


def _scalar(text: str) -> Any:
    """What an unquoted text means, by the rules of YAML 1.2's core, without its rarer numbers."""
    if text.lower() in _CONSTANTS and text in {text.lower(), text.title(), text.upper()}:
        return _CONSTANTS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
