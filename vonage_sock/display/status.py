"""The block under the lines: one row a live call, two where the terminal is narrow. Pure, like ``render``."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.text import Text

from vonage_sock.clock import SECOND
from vonage_sock.display.model import CallView, Status
from vonage_sock.display.render import CALL_WIDTH, plain_ascii
from vonage_sock.display.wording import counted

METER_FLOOR_DBFS: Final = -60.0
METER_CELLS: Final = 12
SHOWN_CALLS: Final = 6
_ONE_ROW_WIDTH: Final = 140
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def status_block(status: Status, width: int, *, max_rows: int = 99, ascii_only: bool = False) -> Text:
    """
    The live calls, at most ``width`` cells wide and ``max_rows`` high; empty without calls.

    The meters go from -60 to 0 dBFS: the bar is the root mean square of the last 100 ms, the mark and the figure its peak.
    """
    if not status.calls:
        return Text()
    rows_each = 1 if width >= _ONE_ROW_WIDTH else 2
    shown = status.calls[: max(1, min(SHOWN_CALLS, (max_rows - 2) // rows_each))]
    rows = [_rule(f"{counted(len(status.calls) + status.hidden, 'call')} up", width, ascii_only=ascii_only)]
    for view in shown:
        rows.extend(_rows(view, status.now, width, ascii_only=ascii_only))
    left = len(status.calls) + status.hidden - len(shown)
    if left:
        rows.append(Text(f"{'...' if ascii_only else '…'} and {left:,} more", style="dim"))
    for row in rows:
        row.truncate(max(1, width))
    return Text("\n", no_wrap=True, overflow="crop").join(rows)


def _rule(title: str, width: int, *, ascii_only: bool) -> Text:
    stroke = "-" if ascii_only else "─"
    return Text(f"{stroke * 2} {title} {stroke * max(0, width - len(title) - 4)}", style="dim")


def _rows(view: CallView, now: int, width: int, *, ascii_only: bool) -> list[Text]:
    first = Text.assemble(
        (_fitted(view.id, CALL_WIDTH), "bold"),
        f" {duration_text(now - view.connected_at):>7}  ",
        ("in ", "dim"),
        meter(view.level_in_dbfs, view.peak_in_dbfs, ascii_only=ascii_only),
        ("   out ", "dim"),
        meter(view.level_out_dbfs, view.peak_out_dbfs, ascii_only=ascii_only),
    )
    frames = Text(f"   {view.frames_in}/{view.frames_out}")
    if cell_len(first.plain) + cell_len(frames.plain) + 7 <= width:
        frames = Text.assemble(("   frames ", "dim"), frames.plain.strip())
    first.append_text(frames)
    numbers = _pairs(("jitter", f"{view.jitter_ms:.1f} ms"), ("ahead", f"{view.depth_ms:.0f} ms"))
    doing = _doing(view)
    if ascii_only:
        doing = Text(plain_ascii(doing.plain))
    if width >= _ONE_ROW_WIDTH:
        return [Text("   ").join([first, numbers, doing])]
    return [first, Text(" " * (CALL_WIDTH + 1)).append_text(numbers).append("   ").append_text(doing)]


def _pairs(*pairs: tuple[str, str]) -> Text:
    return Text("  ").join(Text.assemble((f"{name} ", "dim"), value) for name, value in pairs)


def _doing(view: CallView) -> Text:
    parts = []
    if view.keys:
        parts.append(Text.assemble(("# ", "magenta"), view.keys[-12:]))
    if view.playing:
        parts.append(Text.assemble(("♪ ", "cyan"), _file_name(view.playing)))
    if view.recording:
        parts.append(Text.assemble(("◉ ", "red"), _file_name(view.recording)))
    return Text("  ").join(parts)


def meter(level_dbfs: float | None, peak_dbfs: float | None, *, ascii_only: bool = False) -> Text:
    """A bar, its peak mark, and the peak in dBFS: 12 + 4 cells. Silence, and what isn't known yet, is an empty bar."""
    bar = _ascii_cells(_filled(level_dbfs)) if ascii_only else _block_cells(_filled(level_dbfs))
    peak_at = min(METER_CELLS - 1, int(_filled(peak_dbfs)))
    if _filled(peak_dbfs) > 0 and bar[peak_at] in " .·":
        bar[peak_at] = "|" if ascii_only else "▏"
    result = Text()
    for number, cell in enumerate(bar):
        result.append(cell, "dim" if cell in ".·" else _cell_style(number))
    if peak_dbfs is None or peak_dbfs <= METER_FLOOR_DBFS:
        return result.append("   -", "dim")
    return result.append(f"{peak_dbfs:4.0f}", "bold red" if peak_dbfs > -1 else "")


def _filled(level_dbfs: float | None) -> float:
    """How many cells of a meter a level fills."""
    if level_dbfs is None:
        return 0.0
    share = (min(0.0, level_dbfs) - METER_FLOOR_DBFS) / -METER_FLOOR_DBFS
    return max(0.0, share) * METER_CELLS


def _block_cells(filled: float) -> list[str]:
    eighths = round(filled * 8)
    cells = ["█"] * (eighths // 8)
    if eighths % 8:
        cells.append(_EIGHTHS[eighths % 8])
    return cells + ["·"] * (METER_CELLS - len(cells))


def _ascii_cells(filled: float) -> list[str]:
    whole = round(filled)
    return ["="] * whole + ["."] * (METER_CELLS - whole)


def _cell_style(number: int) -> str:
    dbfs = METER_FLOOR_DBFS - METER_FLOOR_DBFS * number / METER_CELLS
    if dbfs >= -6:
        return "red"
    return "yellow" if dbfs >= -20 else "green"


def duration_text(span_ns: int) -> str:
    """``00:12``, ``1:02:03``."""
    seconds = max(0, span_ns) // SECOND
    if seconds < 3600:
        return f"{seconds // 60:02d}:{seconds % 60:02d}"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def _file_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _fitted(text: str, width: int) -> str:
    return text.ljust(width) if cell_len(text) <= width else text[: width - 1] + "~"
