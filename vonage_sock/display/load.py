"""
A load test on a terminal: a table that lives, with a progress bar, and lines that stay; plain lines elsewhere.

Events become text in the caller's thread and reach the terminal in the output thread, so that a slow one holds up nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vonage_sock.call.events import Event, LoadProgress, LoadStarted, LoadTried
from vonage_sock.clock import Clock
from vonage_sock.display import load_words as words
from vonage_sock.display.choose import make_display
from vonage_sock.display.live import console_for
from vonage_sock.display.output import LinePainter, OutputThread, Target, lost_text
from vonage_sock.display.safe import clean

PLAIN_LINES: Final = 30
"""About so many lines tell of a run that isn't watched live."""

BAR_WIDTH: Final = 40

_TIMES: Final = (
    ("round trip", "round_trip_ms"),
    ("own lateness", "own_lateness_ms"),
    ("read late", "read_late_ms"),
    ("connect", "connect_ms"),
)


class LoadDisplay(Protocol):
    """What the command line knows of it."""

    @property
    def broken(self) -> bool:
        """Nobody reads any more."""
        ...

    @property
    def fault(self) -> OSError | None:
        """Why nothing could be written."""
        ...

    def __call__(self, event: Event) -> None:
        """Show an event."""
        ...

    def close(self, timeout_s: float) -> bool:
        """Show what waits; False when the terminal is stuck."""
        ...


def make_load_display(
    *, json: bool, quiet: bool, stream: TextIO, clock: Clock, env: Mapping[str, str] | None = None
) -> LoadDisplay:
    """JSON lines, nothing but the tries when quiet, plain lines, or a live terminal."""
    if json:
        return make_display(json=True, stream=stream, clock=clock)
    target = Target(stream)
    env = os.environ if env is None else env
    if quiet or not target.isatty() or env.get("TERM", "dumb") in {"dumb", "unknown", ""}:
        return PlainLoad(OutputThread(target, LinePainter(target)), quiet=quiet)
    painter = LoadPainter(target, env)
    return LiveLoad(OutputThread(target, painter), painter)


class _Shown:
    """What all have in common: lines that go to the output thread."""

    def __init__(self, output: OutputThread[str]) -> None:
        self._output = output
        self.close = output.close

    @property
    def broken(self) -> bool:
        """Nobody reads any more."""
        return self._output.broken

    @property
    def fault(self) -> OSError | None:
        """Why nothing could be written."""
        return self._output.fault


class PlainLoad(_Shown):
    """Lines: the beginning, a second now and then, each try."""

    def __init__(self, output: OutputThread[str], *, quiet: bool = False) -> None:
        super().__init__(output)
        self._quiet = quiet

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case LoadTried():
                self._output.put(words.tried(event))
            case LoadStarted() if not self._quiet:
                self._output.put(words.begins(event))
            case LoadProgress() if not self._quiet and not event.second % max(1, event.of_seconds // PLAIN_LINES):
                self._output.put(words.goes_on(event))


class LiveLoad(_Shown):
    """The table, and above it the tries."""

    def __init__(self, output: OutputThread[str], painter: LoadPainter) -> None:
        super().__init__(output)
        self._painter = painter

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case LoadTried():
                self._painter.shown = None, None
                self._output.put(words.tried(event))
            case LoadStarted():
                self._painter.shown = event, None
                self._output.wake()
            case LoadProgress():
                self._painter.shown = self._painter.shown[0], event
                self._output.wake()


class LoadPainter:
    """Draws the table; all in the output thread but ``shown``, which is set from outside."""

    def __init__(self, target: Target, env: Mapping[str, str]) -> None:
        self.shown: tuple[LoadStarted | None, LoadProgress | None] = None, None
        self._target = target
        self._console = console_for(target, env)
        self._live: Live | None = None

    def paint(self, items: Sequence[str], lost: int) -> None:
        """Print lines, then the table as it is now."""
        if (size := self._target.size()) is not None and size != self._console.size:
            self._console.size = size
        lines = [*items, *([lost_text(lost)] if lost else [])]
        if lines:
            self._console.print(Text("\n".join(lines)))
        started, progress = self.shown
        if started is None:
            self.finish()
            return
        block = load_block(started, progress, ascii_only=self._console.options.ascii_only)
        if self._live is None:
            self._live = Live(
                block,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start(refresh=True)
        else:
            self._live.update(block, refresh=True)

    def finish(self) -> None:
        """Take the table away and show the cursor again."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def load_block(started: LoadStarted, progress: LoadProgress | None, *, ascii_only: bool = False) -> RenderableType:
    """Where a run stands."""
    head = Text(words.begins(started), overflow="ellipsis", no_wrap=True)
    if progress is None:
        return Group(head, Text("the first second goes by …" if not ascii_only else "the first second goes by ..."))
    bar = Table.grid(padding=(0, 1))
    done = min(progress.second, progress.of_seconds)
    bar.add_row(
        ProgressBar(total=progress.of_seconds, completed=done, width=BAR_WIDTH), f"{done} of {progress.of_seconds} s"
    )
    lines = [_calls(progress), _frames(progress)]
    if (server := _server(progress)) is not None:
        lines.append(server)
    if progress.so_far["findings"]:
        found = ", ".join(f"{clean(code, 12)} in {calls}" for code, calls in progress.so_far["findings"].items())
        lines.append(Text(f"findings {found} of the calls that are watched", style="yellow"))
    return Group(head, bar, times_table(progress.so_far, now=progress), *lines)


def times_table(times: Mapping[str, Any], *, now: LoadProgress | None = None) -> Table:
    """Round trip, own lateness and connection, in milliseconds; beside them the p99 of the last second."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("ms", style="dim")
    for name in words.SPANS:
        table.add_column(words.span_name(name), justify="right", min_width=7)
    if now is not None:
        table.add_column("p99 now", justify="right")
    last: dict[str, float | None] = {}
    if now is not None:
        last = {
            "round_trip_ms": now.p99_ms,
            "own_lateness_ms": now.own_lateness_p99_ms,
            "read_late_ms": now.read_late_p99_ms,
        }
    rows = (*_TIMES, ("answer", "answer_ms"), ("jitter", "jitter_ms"))
    for title, key in rows:
        spans = times.get(key)
        if spans is None and (title, key) not in _TIMES[:1]:
            continue
        cells = [words.span(None if spans is None else spans[name]) for name in words.SPANS]
        extra = [words.span(last[key]) if key in last else ""] if now is not None else []
        table.add_row(title, *cells, *extra, style="bold" if key == "round_trip_ms" else None)
    return table


def _calls(progress: LoadProgress) -> Text:
    text = Text(f"calls {words.number(progress.open_calls)} of {words.number(progress.calls)} open")
    for count, word in ((progress.failed, "failed"), (progress.dropped, "dropped")):
        text.append(f", {words.number(count)} {word}", style="red" if count else "")
    return text


def _frames(progress: LoadProgress) -> Text:
    text = Text(f"frames {words.number(progress.sent)} in the last second")
    so_far = progress.so_far
    for count, word in ((so_far["late"], "late"), (progress.lost, "lost"), (so_far["out_of_order"], "out of order")):
        text.append(f", {words.number(count)} {word}", style="red" if count else "")
    return text


def _server(progress: LoadProgress) -> Text | None:
    if progress.server_cpu_percent is None:
        return None
    return Text(f"server {progress.server_cpu_percent:.0f} % of a core, {progress.server_rss_mb:,.0f} MB")
