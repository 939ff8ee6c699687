"""Plain lines, for where there is no terminal, a dumb one, or a person who wants it quiet."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from vonage_sock.call.events import Ended, Event, FindingRaised, ServerStarted, StatsUpdated
from vonage_sock.clock import SECOND, Clock
from vonage_sock.display.controls import Controls, controls_rows
from vonage_sock.display.model import URGENT, Kind, Line, Screen
from vonage_sock.display.output import TextOutput
from vonage_sock.display.render import TimeText, local_time, plain_ascii, plain_line, start_hints
from vonage_sock.display.safe import clean


def wall_clock(clock: Clock) -> TimeText:
    """Monotonic nanoseconds as local time of day."""
    return lambda at: local_time(clock.wall_ns() - (clock.now() - at))


def prompt_of(controls: Controls | None, *, ascii_only: bool = False) -> Callable[[int], list[str]]:
    """What stands under the lines for a width: what is asked, or the help; in between, nothing."""
    if controls is None or (controls.ask is None and controls.choose is None and not controls.help):
        return lambda _width: []
    kept = slice(-1) if controls.help else slice(None)
    return lambda width: [with_cursor(row) for row in controls_rows(controls, width, ascii_only=ascii_only)[kept]]


def with_cursor(row: Text) -> str:
    """A row as it is written to a terminal: what is reversed in it is the cursor, all other looks are left out."""
    text, at = "", 0
    for span in row.spans:
        if span.style == "reverse":
            text += f"{row.plain[at : span.start]}\x1b[7m{row.plain[span.start : span.end]}\x1b[27m"
            at = span.end
    return text + row.plain[at:]


class Plain:
    """
    An observer that writes one line of text for each thing that happens.

    Args:
        quiet: only warnings, errors and how calls ended.
        stats: where each live call stands, once a second.
        ascii_only: the other side can't show more.
        summed_up: what was found and how the call ended is said behind it all; the quiet ones aren't told twice.
    """

    def __init__(
        self,
        output: TextOutput,
        screen: Screen,
        time_text: TimeText,
        *,
        quiet: bool = False,
        stats: bool = False,
        ascii_only: bool = False,
        summed_up: bool = False,
    ) -> None:
        self._output = output
        self._screen = screen
        self._time_text = time_text
        self._quiet = quiet
        self._stats = stats
        self._ascii_only = ascii_only
        self._left_out = (FindingRaised, Ended) if quiet and summed_up else ()

    def __call__(self, event: Event) -> None:
        """Write its lines."""
        lines = self._screen.apply(event)
        if self._stats and isinstance(event, StatsUpdated):
            self._show_stats(event)
        if not isinstance(event, self._left_out):
            self._show(lines)
        if isinstance(event, ServerStarted) and not self._quiet:
            for hint in start_hints(event):
                text = " ".join("".join(part for part, _ in hint).split())
                self._show([Line(event.at, None, Kind.SERVER, "hint", clean(text, 600))])

    def tick(self, now: int) -> None:
        """Write the keys that nothing followed."""
        self._show(self._screen.tick(now))

    def _show_stats(self, event: StatsUpdated) -> None:
        if (view := self._screen.calls.get(event.call or "")) is None:
            return
        span_s = (event.at - view.connected_at) / SECOND
        peaks = f"peak in {_dbfs(view.peak_in_dbfs)} out {_dbfs(view.peak_out_dbfs)}"
        self._put(
            f"{self._time_text(event.at)} {view.id.ljust(6)} {'stats':7} {span_s:.0f} s, {view.frames_in:,} frames in, "
            f"{view.frames_out:,} out, {peaks} dBFS, jitter {view.jitter_ms:.1f} ms, ahead {view.depth_ms:.0f} ms"
        )

    def _show(self, lines: list[Line]) -> None:
        for line in lines:
            if not self._quiet or line.kind in URGENT:
                self._put(plain_line(line, self._time_text))

    def _put(self, text: str) -> None:
        self._output.put(plain_ascii(text) if self._ascii_only else text)


def _dbfs(level: float | None) -> str:
    return "-" if level is None else f"{level:.0f}"
