"""
Lines and panels, drawn with rich. Pure: no console, no clock; what was made harmless is only ever put into ``Text``.

A line stands in columns: time, call, sign, title, text; long text goes on under itself. Narrow terminals lose columns, not
text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from rich import box
from rich.cells import cell_len, chop_cells
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vonage_sock.call.events import ServerStarted
from vonage_sock.clock import MS, SECOND
from vonage_sock.display.model import Kind, Line, Screen
from vonage_sock.display.safe import clean

TimeText = Callable[[int], str]
"""Monotonic nanoseconds as ``HH:MM:SS.mmm``."""

CALL_WIDTH: Final = 6
TITLE_WIDTH: Final = 7
_BREAK: Final = re.compile(r" (?!·)")
"""A space, but not the one before a dot: lines end with it and don't begin with it."""

_FULL_WIDTH: Final = 56
_BARE_WIDTH: Final = 32

_SIGNS: Final = {
    Kind.SERVER: ("◆", "*", "bold"),
    Kind.WEBHOOK: ("»", ">", "blue"),
    Kind.CALL: ("●", "+", "green"),
    Kind.KEY: ("#", "#", "magenta"),
    Kind.AUDIO: ("♪", "~", "cyan"),
    Kind.RECORDING: ("◉", "o", "cyan"),
    Kind.WARNING: ("▲", "!", "yellow"),
    Kind.ERROR: ("✗", "x", "bold red"),
    Kind.END: ("■", "=", "green"),
    Kind.NOTE: ("·", "-", "dim"),
}

_ASCII: Final = str.maketrans({"→": "->", "·": "-", "…": "...", "\u00d7": "x", "↻": "@", "♪": "~", "◉": "o"})


def local_time(wall_ns: int) -> str:
    """Unix nanoseconds as the wall clock here shows them: ``14:03:05.123``."""
    moment = datetime.fromtimestamp(wall_ns // SECOND).astimezone()
    return f"{moment:%H:%M:%S}.{wall_ns // MS % 1000:03d}"


def plain_ascii(text: str) -> str:
    """The same in ASCII; letters that have no likeness there become escapes."""
    return text if text.isascii() else text.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def line_text(line: Line, time_text: TimeText, width: int, *, ascii_only: bool = False) -> Text:
    """A line in its columns, wrapped to ``width`` cells; no trailing line end."""
    sign, ascii_sign, style = _SIGNS[line.kind]
    said = plain_ascii(line.text) if ascii_only else line.text
    head = _head(line, time_text(line.at), ascii_sign if ascii_only else sign, style, width)
    indent = cell_len(head.plain)
    result = head
    for number, part in enumerate(wrap(said, max(1, width - indent))):
        if number:
            result.append("\n" + " " * indent)
        result.append(part, style if line.kind in {Kind.ERROR, Kind.NOTE} else "")
    result.no_wrap = True
    result.overflow = "ignore"
    return result


def _head(line: Line, time: str, sign: str, style: str, width: int) -> Text:
    call = line.call or ""
    if width >= _FULL_WIDTH:
        short = call if cell_len(call) <= CALL_WIDTH else call[: CALL_WIDTH - 1] + "~"
        title = line.title.ljust(TITLE_WIDTH)
        return Text.assemble(
            (time, "dim"), " ", (short.ljust(CALL_WIDTH), "bold"), " ", (sign, style), " ", (title, style), " "
        )
    if width >= _BARE_WIDTH:
        return Text.assemble(
            (time[:8], "dim"), " ", (f"{call[:CALL_WIDTH]} " if call else "", "bold"), (sign, style), " "
        )
    return Text.assemble((sign, style), " ")


def plain_line(line: Line, time_text: TimeText) -> str:
    """A line without colour, sign or wrapping, for files and dumb terminals."""
    call = (line.call or "-").ljust(CALL_WIDTH)
    level = {Kind.WARNING: "warning: ", Kind.ERROR: "error: "}.get(line.kind, "")
    return f"{time_text(line.at)} {call} {line.title.ljust(TITLE_WIDTH)} {level}{line.text}"


def wrap(text: str, width: int) -> list[str]:
    """Break at spaces into parts of at most ``width`` cells; a word that is longer is cut."""
    parts: list[str] = []
    current = ""
    for word in _BREAK.split(text):
        candidate = f"{current} {word}" if current else word
        if cell_len(candidate) <= width:
            current = candidate
            continue
        if current:
            parts.append(current)
        *whole, current = chop_cells(word, width) if cell_len(word) > width else [word]
        parts.extend(whole)
    return [*parts, current]


def start_panel(event: ServerStarted, width: int, *, ascii_only: bool = False) -> RenderableType:
    """The addresses and what to do with them."""
    addresses = [
        ("Answer URL", clean(event.answer_url, 400)),
        ("Event URL", clean(event.event_url, 400)),
        ("Socket URL", clean(event.socket_url, 400)),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, url in addresses:
        grid.add_row(Text(name), Text(url, style="bold cyan"))
    hints = [_hint(part, ascii_only=ascii_only) for part in start_hints(event)]
    content = Group(grid, *(Group(Text(""), hint) for hint in hints))
    behaviours = " + ".join(clean(behaviour, 40) for behaviour in event.behaviours) or "listen only"
    title = Text.assemble(
        ("vsock", "bold"), ("  ", ""), (plain_ascii(behaviours) if ascii_only else behaviours, "green")
    )
    # Addresses are there to be copied: where a frame would break them there is none.
    if width < max(cell_len(url) for _, url in addresses) + 18:
        return Group(title, Text(""), content, Text(""))
    return Panel(
        content,
        title=title,
        title_align="left",
        border_style="dim",
        padding=(0, 2),
        box=box.ASCII if ascii_only else box.ROUNDED,
        width=min(width, 100),
    )


def _hint(parts: tuple[tuple[str, str], ...], *, ascii_only: bool) -> Text:
    return Text.assemble(*((plain_ascii(part) if ascii_only else part, style) for part, style in parts))


def start_hints(event: ServerStarted) -> list[tuple[tuple[str, str], ...]]:
    """What to do next, as runs of text with a style."""
    try_it = (("Try it now, without an account:\n", ""), (f"  vsock call {clean(event.answer_url, 400)}", "bold"))
    paste = (
        ("Take a real call: in the Vonage dashboard, under\n", ""),
        ("  Applications → your application → Capabilities → Voice", "bold"),
        ("\nenter the Answer URL and the Event URL, and link a number to it.", ""),
    )
    if is_public(event.url):
        return [paste, try_it]
    public = (
        ("A real call needs a public https address. In another terminal:\n", ""),
        (f"  ngrok http {_upstream(event)}", "bold"),
        ("\nthen start vsock again: it finds ngrok's address by itself.", ""),
    )
    return [try_it, public, paste]


def _upstream(event: ServerStarted) -> str:
    """What a tunnel's program is given: our port, and that it speaks TLS where it does."""
    speaks_tls = event.url.startswith("https:") and event.url.endswith(f":{event.port}")
    return f"https://localhost:{event.port}" if speaks_tls else str(event.port)


def is_public(url: str) -> bool:
    """Whether the platform can reach it: https, and not an address of this machine or network."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if (
        parts.scheme not in {"https", "wss"}
        or not host
        or host == "localhost"
        or host.endswith((".local", ".localhost"))
    ):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host


def summary(screen: Screen) -> Text:
    """What there was since the start, for the end."""
    return Text(screen.summary(), style="bold")
