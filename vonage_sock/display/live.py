"""
The terminal: lines that scroll, and under them where each live call stands.

``LiveDisplay`` lives in the caller's thread and only keeps the view model; ``LivePainter`` lives in the output thread and
owns rich. Between them go lines, through the queue, and one ``Status``, always the latest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Final, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from vonage_sock.call.events import Event, ServerStarted
from vonage_sock.clock import MS
from vonage_sock.display.controls import Controls, controls_rows
from vonage_sock.display.model import Line, Screen, Status
from vonage_sock.display.output import OutputThread, Target, lost_text
from vonage_sock.display.render import TimeText, line_text, start_panel
from vonage_sock.display.status import SHOWN_CALLS, status_block

REFRESH_NS: Final = 95 * MS
"""The least time between two pictures: ten a second, and a timer that comes a little early isn't sent away."""

Item = Line | ServerStarted


class LivePainter:
    """
    Prints items above the block and redraws the block; all in the output thread.

    Args:
        target: the terminal; its size is asked for before each picture.
        env: decides on colours (``NO_COLOR``, ``TERM``, ``COLORTERM``).
    """

    def __init__(self, target: Target, time_text: TimeText, env: Mapping[str, str]) -> None:
        self.status = Status(0)
        self.controls: Controls | None = None
        self._target = target
        self._time_text = time_text
        self._console = console_for(target, env)
        self._ascii_only = self._console.options.ascii_only
        self._live: Live | None = None
        self._drawn = Text()

    def paint(self, items: Sequence[Item], lost: int) -> None:
        """Print the items, then show the latest status."""
        if (size := self._target.size()) is not None and size != self._console.size:
            self._console.size = size
        width, height = self._console.size
        block = self._block(width, height)
        if not block and self._live is not None:
            self._live.stop()
            self._live = None
        elif block and self._live is not None:
            self._live.update(block)
        # Written in one go.
        with self._console:
            if items or lost:
                # All lines at once, so that the block is drawn again once and not for every line.
                self._console.print(Group(*self._renderables(items, lost, width)), soft_wrap=False)
            if self._live is not None and (block != self._drawn or not (items or lost)):
                # What is drawn under lines is the block as it was.
                self._live.refresh()
        self._drawn = block
        if block and self._live is None:
            self._start(block)

    def finish(self) -> None:
        """Take the block away and show the cursor again."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _block(self, width: int, height: int) -> Text:
        controls = self.controls
        rows = [] if controls is None else controls_rows(controls, width, ascii_only=self._ascii_only)
        # The last of them is what is being typed, and stays to the last.
        rows = rows[-max(1, height - 1) :]
        calls = status_block(self.status, width, max_rows=height - 2 - len(rows), ascii_only=self._ascii_only)
        if calls and len(rows) + calls.plain.count("\n") + 1 < height:
            rows = [calls, *rows]
        return Text("\n", no_wrap=True, overflow="crop").join(rows)

    def _start(self, block: Text) -> None:
        # Redirecting would put rich between other threads and their stdout.
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

    def _renderables(self, items: Sequence[Item], lost: int, width: int) -> list[RenderableType]:
        result = [
            line_text(item, self._time_text, width, ascii_only=self._ascii_only)
            if isinstance(item, Line)
            else start_panel(item, width, ascii_only=self._ascii_only)
            for item in items
        ]
        return [*result, Text(lost_text(lost), style="dim")] if lost else list(result)


def console_for(target: Target, env: Mapping[str, str]) -> Console:
    """A console that takes text as it is: no markup, no emoji codes, no guessing at what to colour."""
    return Console(
        file=cast("IO[str]", target),
        force_terminal=True,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ=env,
    )


class LiveDisplay:
    """An observer for a terminal; call ``tick`` ten times a second."""

    def __init__(self, output: OutputThread[Item], painter: LivePainter, screen: Screen) -> None:
        self._output = output
        self._painter = painter
        self._screen = screen
        self._shown_at: int | None = None
        self._empty = True

    def __call__(self, event: Event) -> None:
        """Show its lines; the block follows with the next tick, or at once where a call ends."""
        lines = self._screen.apply(event)
        if isinstance(event, ServerStarted):
            self._output.put(event)
            return
        if not self._screen.calls and not self._empty:
            self._set_status(event.at)
        for line in lines:
            self._output.put(line)

    def shown_calls(self) -> tuple[str, ...]:
        """The calls that have a row, or will have one as soon as something is known of them."""
        return self._screen.first_calls(SHOWN_CALLS)

    def tick(self, now: int) -> None:
        """Show the keys that nothing followed, and where the calls stand."""
        for line in self._screen.tick(now):
            self._output.put(line)
        if self._empty and not self._screen.calls:
            return
        if self._shown_at is None or now - self._shown_at >= REFRESH_NS:
            self._shown_at = now
            self._set_status(now)

    def show_controls(self, controls: Controls | None) -> None:
        """What the keys stand at, under the calls."""
        self._painter.controls = controls
        self._output.wake()

    def _set_status(self, now: int) -> None:
        self._painter.status = self._screen.status(now)
        self._empty = not self._screen.calls
        self._output.wake()
