"""Bars as an SVG on a ground of its own, light or dark as the reader's system is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 760
NAMES: Final = 250
FIGURES: Final = 90
MARGIN: Final = 20
BAR: Final = 13
STYLE: Final = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px } .mine { font-weight: 600 } .small { font-size: 11px; fill: #57606a }
.ground { fill: #ffffff; stroke: #d0d7de } .bar0 { fill: #afb8c1 } .bar1 { fill: #d0d7de } .bar2 { fill: #e6eaef }
.ours0 { fill: #0969da } .ours1 { fill: #54aeff } .ours2 { fill: #b6e3ff }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .ground { fill: #0d1117; stroke: #30363d }
.bar0 { fill: #8b949e } .bar1 { fill: #6e7681 } .bar2 { fill: #484f58 }
.ours0 { fill: #58a6ff } .ours1 { fill: #388bfd } .ours2 { fill: #1f6feb } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """One name and its figures, one bar each, with what is to be doubted of them; None leaves a bar out. Ours stand out."""

    name: str
    values: Sequence[float | None]
    signs: Sequence[str]
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A title, a word for each of the bars under one name, and the names from top to bottom."""

    title: str
    legend: Sequence[str]
    rows: Sequence[Bars]


def draw(panels: Sequence[Panel], foot: str) -> str:
    """The picture: panels below each other, and a line under them."""
    parts: list[str] = []
    top = MARGIN
    for panel in panels:
        lines, height = _panel(panel, top)
        parts += lines
        top += height + MARGIN
    parts.append(_text(MARGIN, top, foot, "small"))
    height = top + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img">\n<style>{STYLE}</style>\n'
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(panel: Panel, top: int) -> tuple[list[str], int]:
    most = max((value for row in panel.rows for value in row.values if value is not None), default=0) or 1
    lines = [_text(MARGIN, top + 10, panel.title, "title")]
    at = top + 24
    for row in panel.rows:
        kind, shown = ("ours" if row.ours else "bar"), [value for value in row.values if value is not None]
        if not shown:
            continue
        lines.append(_text(MARGIN, at + (len(shown) * BAR + 10) // 2, row.name, "mine" if row.ours else ""))
        for number, value in enumerate(row.values):
            if value is None:
                continue
            width = value / most * (WIDTH - NAMES - FIGURES - 2 * MARGIN)
            lines.append(
                f'<rect class="{kind}{number}" x="{NAMES}" y="{at}" width="{max(width, 1):.1f}" height="{BAR - 2}"/>'
            )
            word = f" {panel.legend[number]}" if len(panel.legend) > 1 else ""
            lines.append(_text(NAMES + width + 6, at + BAR - 3, f"{value:,.0f}{row.signs[number]}{word}", "small"))
            at += BAR
        at += 6
    return lines, at - top


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{kind}">{escape(text)}</text>'
