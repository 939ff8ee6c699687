"""
The one place that makes text from outside harmless.

Digits, headers, phone numbers, close reasons and webhook bodies come from strangers. Whatever they hold, a terminal
must neither act on it nor show it out of order. Rule: every field of an event passes through ``clean`` before it is
shown, and what it returns is only ever put into ``rich.text.Text``, never into a markup string.
"""

from __future__ import annotations

import json
from typing import Final

DEFAULT_LIMIT: Final = 200
ELLIPSIS: Final = "…"


def clean(value: object, limit: int = DEFAULT_LIMIT) -> str:
    r"""
    One line of at most ``limit`` printable characters; objects and arrays as compact JSON.

    Everything that isn't a letter, mark, number, sign or plain space (control and format characters, bidirectional
    overrides, zero-width characters, line separators, lone surrogates, unassigned code points) becomes a visible escape
    such as ``\x1b`` or ``\u202e``. What is too long ends in ``…``. Nothing raises.
    """
    # Each character gives at least one, so what lies further back can't be seen; one more tells that there was more.
    text = _as_text(value)[: limit + 1]
    if not text.isprintable():
        text = "".join(ch if ch.isprintable() else _escaped(ch) for ch in text)
    return text if len(text) <= limit else text[: max(0, limit - 1)] + ELLIPSIS[:limit]


def _as_text(value: object) -> str:
    try:
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list | tuple):
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, skipkeys=False)
        return str(value)
    except Exception:  # noqa: BLE001 - showing something must not fail, whatever it is
        return f"<{type(value).__name__}>"


def _escaped(ch: str) -> str:
    code = ord(ch)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
