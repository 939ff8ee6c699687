"""
JSON that came from outside, read so that any text gives a value or a ``ValueError`` and nothing else.

Read strictly: what two readers might take for two different things is refused, and how deep a text is nested is counted
before anything is built of it.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from typing import Any, Final

from vonage_sock.limits import DEFAULTS

MAX_DEPTH: Final = DEFAULTS.json_depth
MAX_DIGITS: Final = 308
"""Of an integer: a longer one is beyond what a float can be, which is what most readers of JSON make of it."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN: Final = 40
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_NO_BRACKETS: Final = re.compile(r'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?|[^\[\]{}"]++', re.DOTALL)
"""A whole string, or what stands between; possessive, so that a string without an end is gone through once."""


def loads(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """
    Read JSON: UTF-8 without a byte order mark, no key twice, no NaN, infinities or numbers that would become them.

    Raises:
        ValueError: with a reason in plain words.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("it begins with a byte order mark, which JSON hasn't")
        if _deeper_than(text, max_depth):
            raise ValueError(f"nested more than {max_depth} deep")
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error


def dumps(value: object) -> str:
    """
    Compact JSON, letters beyond ASCII as they are: the form whose UTF-8 bytes Vonage's limits count.

    Lone surrogates, which JSON can say and UTF-8 can't, are escaped together with all other letters of that text.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def size_bytes(value: object) -> int:
    """How long the value is as compact JSON in UTF-8."""
    return len(dumps(value).encode("utf-8"))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 reads as infinity, which no JSON can say: it would fail later, where the value is sent on.
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:_SHOWN]} is too large a number")
    return value


def _integer(digits: str) -> int:
    # Judged by its length: to read one of a million digits takes Python minutes.
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"{digits[:_SHOWN]}… is too large a number, of {len(digits):,} digits")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:_SHOWN]!r} stands twice in one object")
    return made


def _deeper_than(text: str, max_depth: int) -> bool:
    if text.count("[") + text.count("{") <= max_depth:
        return False
    brackets = _NO_BRACKETS.sub("", text)
    return max(itertools.accumulate(map(_STEPS.__getitem__, brackets)), default=0) > max_depth
