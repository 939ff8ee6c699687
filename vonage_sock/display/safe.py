"""
The one place that makes what came from outside fit to be shown.

Digits, headers, phone numbers, close reasons and webhook bodies come from strangers, and tokens and passwords stand among
them. Whatever they hold, a terminal must neither act on it nor show it out of order, and nobody who looks on may learn a
secret. Rule: every field of an event passes through ``clean`` before it is shown, and what it returns is only ever put into
``rich.text.Text``, never into a markup string.
"""

from __future__ import annotations

import json
from typing import Final

from vonage_sock.protocol.harmless import visible
from vonage_sock.protocol.redaction import redact, redact_text

DEFAULT_LIMIT: Final = 200
ELLIPSIS: Final = "…"
LOOK_AHEAD: Final = 4096
"""A secret is known by its whole form; one that is longer than this is cut anyway."""


def clean(value: object, limit: int = DEFAULT_LIMIT) -> str:
    r"""
    One line of at most ``limit`` printable characters without secrets; objects and arrays as compact JSON.

    What isn't text (``protocol.harmless``) becomes a visible escape such as ``\x1b`` or ``\u202e``, and what is a secret
    (``protocol.redaction``) ``***``. What is too long ends in ``…``. Nothing raises.
    """
    text = redact_text(_as_text(value)[: limit + LOOK_AHEAD])
    # Each character gives at least one, so what lies further back can't be seen; one more tells that there was more.
    text = visible(text[: limit + 1])
    return text if len(text) <= limit else text[: max(0, limit - 1)] + ELLIPSIS[:limit]


def clean_lines(text: str, limit: int = DEFAULT_LIMIT, most: int = 100) -> list[str]:
    """The lines of a longer text, such as a traceback, each made harmless; of many the first and the last ones."""
    lines = [clean(line, limit) for line in redact_text(text).split("\n")]
    if len(lines) <= most:
        return lines
    return [*lines[: most // 2], f"{ELLIPSIS} {len(lines) - most:,} lines left out", *lines[-(most // 2) :]]


def _as_text(value: object) -> str:
    try:
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list | tuple):
            return json.dumps(redact(value), ensure_ascii=False, separators=(",", ":"), default=str, skipkeys=False)
        return str(value)
    except Exception:  # noqa: BLE001 - showing something must not fail, whatever it is
        return f"<{type(value).__name__}>"
