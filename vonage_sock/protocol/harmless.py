r"""
Text from strangers as letters and signs that do nothing but be seen.

Rule: what comes out is printable, is drawn where it stands, and stays as it is when it goes through here again.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_MARKS: Final = 4
"""Marks on one letter. No orthography needs more, and a hundred of them cover the lines above and below."""

# Printable by Unicode's categories, and yet nothing that is seen: fillers, joiners, and selectors of a glyph's variants.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    r"""
    The same with all that isn't a letter, a mark on one, a number, a sign or a plain space as an escape such as ``\x1b``.

    That is control and format characters, bidirectional overrides, zero-width and line separators, lone surrogates,
    private and unassigned code points, fillers, and marks without a letter or beyond four on one.
    """
    if text.isascii():
        return text if text.isprintable() else "".join(ch if ch.isprintable() else _escaped(ch) for ch in text)
    result: list[str] = []
    marks = MAX_MARKS
    for ch in text:
        if unicodedata.category(ch) in {"Mn", "Me"} and not _UNSEEN.match(ch):
            marks += 1
            result.append(ch if marks <= MAX_MARKS else _escaped(ch))
            continue
        marks = 0
        result.append(_escaped(ch) if not ch.isprintable() or _UNSEEN.match(ch) else ch)
    return "".join(result)


def _escaped(ch: str) -> str:
    code = ord(ch)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
