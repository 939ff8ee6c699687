"""JSON that came from outside, read so that any text gives a value or a ``ValueError`` and nothing else."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

MAX_DEPTH: Final = 32

_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(text: str | bytes) -> Any:
    """
    Read JSON strictly: UTF-8, no NaN or infinities, nested at most 32 deep.

    Raises:
        ValueError: with a reason in plain words.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from error
    if _deeper_than(value, MAX_DEPTH):
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    return value


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
        raise ValueError(f"{digits[:40]} is too large a number")
    return value


def _deeper_than(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return False
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    return True
