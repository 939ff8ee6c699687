"""
The row under everything that says what keys there are, what is being asked, and for which call. Pure, like ``render``.

Its text is what is typed here and ids that we gave, so that nothing in it comes from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from vonage_sock.display.render import plain_ascii
from vonage_sock.display.safe import clean

KEYS: Final = (
    ("h", "hang up", "end the call"),
    ("p", "play", "play a file, behind what is playing"),
    ("c", "clear", "cut off what is playing"),
    ("s", "say", "have Vonage say a text (with credentials)"),
    ("r", "record", "begin a recording, or complete it"),
    ("q", "quit", "close the calls and end, as Ctrl-C does"),
)
CHOICE: Final = (("1-9", "call", "choose a call, where there are several"), ("Tab", "next", "the next call"))
_SHORT: Final = ((0, 1, 2, 3, 4, 5), (0, 1, 4, 5), (0, 5), (5,), ())


@dataclass(frozen=True, slots=True)
class Controls:
    """
    What the keys stand at.

    Args:
        calls: the live ones that have a number, with it.
        current: the one that the keys are for; None where there is none, or it must be asked.
        ask: what is being asked, and ``asked_for`` which call; its answer is typed at ``at`` of ``text``.
        choose: what the number of a call is waited for.
        help: everything is explained.
    """

    calls: tuple[tuple[int, str], ...] = ()
    current: str | None = None
    ask: str | None = None
    asked_for: str = ""
    text: str = ""
    at: int = 0
    choose: str | None = None
    help: bool = False


def controls_rows(controls: Controls, width: int, *, ascii_only: bool = False) -> list[Text]:
    """The row, and above it the help where it is asked for; each at most ``width`` cells wide."""
    rows = help_rows(controls) if controls.help else []
    if controls.ask is not None:
        rows.append(prompt_row(controls, width))
    elif controls.choose is not None:
        rows.append(Text.assemble((f"{controls.choose} ", "bold"), *_calls(controls), (" Esc for none", "dim")))
    else:
        rows.append(_keys_row(controls, width))
    if ascii_only:
        rows = [Text(plain_ascii(row.plain), spans=row.spans) if not row.plain.isascii() else row for row in rows]
    for row in rows:
        row.no_wrap = True
        row.truncate(max(1, width))
    return rows


def help_rows(controls: Controls) -> list[Text]:
    """A line for each key."""
    many = CHOICE if len(controls.calls) > 1 else ()
    return [
        Text.assemble("  ", (key.ljust(4), "bold cyan"), (meaning, "dim"))
        for key, _, meaning in (*KEYS, *many, ("?", "", "this help; any key puts it away"))
    ]


def prompt_row(controls: Controls, width: int) -> Text:
    """The question and as much of the answer as there is room for, around the cursor."""
    at, head = controls.at, f"{clean(controls.ask, 120)} "
    text = "".join(char if char.isprintable() else "?" for char in controls.text)
    if cell_len(head) > width * 2 // 3:
        head = f"{clean(controls.asked_for, 12)}> "
    room = max(1, width - cell_len(head) - 1)
    begin = 0
    while begin < at and cell_len(text[begin:at]) > room - 1:
        begin += 1
    shown, end = text[begin:at], at
    while end < len(text) and cell_len(shown + text[end]) <= room:
        shown += text[end]
        end += 1
    cursor = at - begin
    under = shown[cursor] if cursor < len(shown) else " "
    return Text.assemble((head, "bold"), shown[:cursor], (under, "reverse"), shown[cursor + 1 :])


def _keys_row(controls: Controls, width: int) -> Text:
    lead = _lead(controls)
    for kept in _SHORT:
        row = lead.copy()
        for number in kept:
            key, name, _ = KEYS[number]
            row.append(key, "bold cyan").append(f" {name}  ", "dim")
        row.append("?", "bold cyan").append(" help", "dim")
        if cell_len(row.plain) <= width:
            return row
    return Text.assemble(("?", "bold cyan"), (" help", "dim"))


def _lead(controls: Controls) -> Text:
    if len(controls.calls) > 1:
        return Text.assemble(*_calls(controls), " ")
    return Text.assemble((controls.current, "bold"), "  ") if controls.current else Text()


def _calls(controls: Controls) -> list[tuple[str, str]]:
    parts: list[tuple[str, str]] = []
    for number, call in controls.calls:
        current = call == controls.current
        parts += [(f"{'>' if current else ' '}{number} {clean(call, 12)}", "bold green" if current else ""), (" ", "")]
    return parts
