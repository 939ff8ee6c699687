r"""
Seventeen kinds of text that do something to whoever shows it, and what a terminal may be sent instead.

Pure, and no part of vsock is imported: the judge knows Unicode and nothing of the sanitiser. Each payload holds ``MARK``,
so that it can be seen that it was shown at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

MARK: Final = "zqx"
"""Stands in each payload and nowhere else."""

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "ANSI colours and cursor": (f"\x1b[31m{MARK}\x1b[2J\x1b[H", f"\x1b[1A\x1b[2K{MARK}\x1b[6n"),
    "OSC 52 clipboard": (f"\x1b]52;c;cm0gLXJmIC8=\x07{MARK}",),
    "OSC 8 link and title": (f"\x1b]8;;http://evil.example\x1b\\{MARK}\x1b]8;;\x1b\\", f"\x1b]0;{MARK}\x07"),
    "C1 controls": (f"\x9b31m{MARK}", f"\x9d52;c;cm0=\x9c{MARK}\x90q\x9c"),
    "DCS, APC, PM, SOS": (f"\x1bP+q544e\x1b\\{MARK}", f"\x1b_Ga=d\x1b\\{MARK}\x1b^x\x1b\\\x1bXx\x1b\\"),
    "terminal reset": (f"\x1bc{MARK}", f"\x1b#8\x1b(0\x0e{MARK}"),
    "bidi overrides and isolates": (f"\u202e{MARK}\u202c", f"\u2066{MARK}\u2069\u200e\u200f\u061c\u2067"),
    "line ends": (f"{MARK}\nError: forged", f"{MARK}\r12:00 forged", f"{MARK}\x85\u2028\u2029\x0b\x0cforged"),
    "rich markup": (f"[bold red]{MARK}[/]", f"[link=http://evil.example]{MARK}[/link]", f"[/]{MARK}\\[x]"),
    "emoji codes": (f":smile:{MARK}:warning:",),
    "lone surrogates": (f"\ud800{MARK}", f"{MARK}\udcff\udfff"),
    "NUL, backspace, DEL, tab": (f"\0{MARK}\x08\x08\x08\x7f", f"{MARK}\t\a\x05"),
    "zero width and fillers": (
        f"{MARK[0]}\u200b\u200d\u2060\ufeff{MARK}",
        f"\u3164\u115f\u2800\u034f{MARK}\ufe0f\u00ad",
    ),
    "stacked marks": (MARK + "\u0301\u0316\u0334" * 60, "\u20dd\u0488" * 10 + MARK),
    "private and unassigned": (f"\ue000{MARK}\U000f0000", f"\U000e0041\u0378{MARK}\ufdd0\U0010ffff"),
    "very long": (MARK + "A" * 9_000,),
    "wide at the edge": (MARK + "\uff37\u4e16" * 300,),
}

SHORT: Final = 20
MIXED: Final = tuple("".join(texts[0][:SHORT] for texts in list(KINDS.values())[first::3]) for first in range(3))
"""Six kinds in one text, where a process has to be started for each text."""

COLOURS: Final = re.compile(rb"\x1b\[[0-9;]*m")
PICTURE: Final = re.compile(rb"\x1b\[(?:\?25[lh]|2K|1A|[0-9]*[AG]|J|0?J)|\r")
"""What a live screen draws itself with: cursor off and on, lines up, lines cleared, back to the margin."""

MARKS_ON_ONE: Final = 4
_UNSEEN: Final = set(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)


def offending(data: bytes, *, encoding: str = "utf-8", live: bool = False) -> list[str]:
    """
    Everything that isn't text, a colour or a newline, as Python writes it.

    Args:
        data: what was sent to a terminal, a pipe or a file.
        live: a screen that redraws itself may move its cursor.
    """
    data = COLOURS.sub(b"", data.replace(b"\r\n", b"\n"))
    if live:
        data = PICTURE.sub(b"", data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        return [f"not {encoding}: {data[error.start : error.start + 4]!r}"]
    return list(_found(text))


def _found(text: str) -> Iterator[str]:
    marks = MARKS_ON_ONE
    for ch in text:
        kind = unicodedata.category(ch)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if ch != "\n" and (kind[0] in "CZ" and ch != " "):
            yield ascii(ch)
        elif ch in _UNSEEN or marks > MARKS_ON_ONE:
            yield f"{ch!a} ({kind})"
        if ch == "\n":
            marks = MARKS_ON_ONE


def carried_out(text: str) -> list[str]:
    """What markup and emoji codes make, where it stands in a text."""
    return [ascii(sign) for sign in ("\U0001f604", "\u26a0") if sign in text]
