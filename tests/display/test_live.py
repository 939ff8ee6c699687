from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator, Mapping

import display_events as make
import pyte
import pytest

from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.display.choose import make_display
from vonage_sock.display.controls import Controls
from vonage_sock.display.live import LivePainter
from vonage_sock.display.model import MAX_CALLS, Screen
from vonage_sock.display.output import Target

ENV = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-7]m")


class Terminal:
    """A real pseudo-terminal and, behind it, an emulator that shows what a person would see."""

    def __init__(self, columns: int = 80, rows: int = 40) -> None:
        self._ours, self.fd = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.resize(columns, rows)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shown(self) -> list[str]:
        """The lines on the screen once everything was read, without those that are empty."""
        os.close(self.fd)
        self._reader.join(10)
        os.close(self._ours)
        self._stream.feed(self.raw)
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def _read(self) -> None:
        # Reading fails when the other end is closed.
        try:
            while data := os.read(self._ours, 65536):
                self.raw += data
        except OSError:
            pass


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    return Terminal()


def noon(_at: int) -> str:
    return "12:00:00.000"


def painter_on(terminal: Terminal, env: Mapping[str, str] = ENV) -> LivePainter:
    return LivePainter(Target(terminal.fd), noon, env)


def close(painter: LivePainter) -> None:
    painter.finish()
    painter._target.close()


def test_lines_scroll_above_the_block(terminal: Terminal) -> None:
    """The block stays at the bottom, and there is only one of it."""
    painter = painter_on(terminal)
    screen = Screen()
    for event in (make.connected(), make.stats(), make.finding()):
        items = screen.apply(event)
        painter.status = screen.status(12 * SECOND)
        painter.paint(items, 0)
    painter._target.close()

    assert [
        "12:00:00.000 c1     ● connect 16 kHz · from 127.0.0.1:50022 · uuid=63f61863",
        "12:00:00.000 c1     ▲ VS102   a message of 322 bytes",
        "── 1 call up ───────────────────────────────────────────────────────────────────",
        "c1       00:12  in ████████▍·▏·  -9   out ············   -   frames 615/610",
        "       jitter 0.4 ms  ahead 180 ms",
    ] == terminal.shown()


def test_at_the_end_the_block_is_gone_and_the_cursor_is_back(terminal: Terminal) -> None:
    """The terminal is left as it was, with the lines."""
    painter = painter_on(terminal)
    screen = Screen()
    lines = screen.apply(make.connected())
    painter.status = screen.status(0)
    painter.paint(lines, 0)
    close(painter)
    shown = terminal.shown()

    assert (1, False) == (len(shown), terminal.screen.cursor.hidden)


def test_the_block_goes_with_the_last_call(terminal: Terminal) -> None:
    """Without calls there are only lines."""
    painter = painter_on(terminal)
    screen = Screen()
    for event in (make.connected(), make.ended()):
        items = screen.apply(event)
        painter.status = screen.status(0)
        painter.paint(items, 0)
    painter._target.close()

    assert ["connect", "ended"] == [line.split()[3] for line in terminal.shown() if line.startswith("12:")]


def test_no_colour_where_none_is_wanted(terminal: Terminal) -> None:
    """``NO_COLOR`` is respected; signs and words tell all that colours do."""
    painter = painter_on(terminal, {**ENV, "NO_COLOR": "1"})
    screen = Screen()
    for event in make.one_of_each():
        painter.paint(screen.apply(event), 0)
        painter.status = screen.status(0)
    close(painter)
    terminal.shown()

    assert not COLOUR.search(terminal.raw)


def test_colours_elsewhere(terminal: Terminal) -> None:
    """A terminal that can, does."""
    painter = painter_on(terminal)
    painter.paint(Screen().apply(make.connected()), 0)
    close(painter)
    terminal.shown()

    assert COLOUR.search(terminal.raw)


def test_the_terminals_new_width_is_used(terminal: Terminal) -> None:
    """The next picture fits a window that was made narrower."""
    painter = painter_on(terminal)
    terminal.resize(60, 40)
    painter.paint(Screen().apply(make.finding(count=1200)), 0)
    close(painter)

    assert max(map(len, terminal.shown())) <= 60


@pytest.mark.parametrize("columns", [2, 20])
def test_a_tiny_terminal_breaks_nothing(columns: int) -> None:
    """Whatever the size, drawing doesn't raise."""
    terminal = Terminal(columns, 3)
    painter = painter_on(terminal)
    screen = Screen()
    for event in make.one_of_each("some text"):
        painter.paint(screen.apply(event), 7)
        painter.status = screen.status(0)
    close(painter)

    assert terminal.shown()


def test_a_whole_call_through_the_thread(terminal: Terminal) -> None:
    """Panel, lines and closing line stand on the screen; the block came and went."""
    display = make_display(stream=terminal.fd, clock=ManualClock(), env=ENV)
    for event in (make.started(), make.connected(), make.stats()):
        display(event)
    display.tick(100 * MS)
    display(make.ended())
    closed = display.close(10)
    shown = "\n".join(terminal.shown())

    assert (True, True, True, False) == (closed, "ngrok http 8000" in shown, "hung up" in shown, "call up" in shown)


def test_figures_are_wanted_of_the_calls_that_are_shown(terminal: Terminal) -> None:
    """The first six; as they end others come into view, even such that weren't kept."""
    display = make_display(stream=terminal.fd, clock=ManualClock(), env=ENV)
    for number in range(MAX_CALLS + 1):
        display(make.connected(f"c{number}"))
    first = display.shown_calls
    for number in range(MAX_CALLS - 2):
        display(make.ended(f"c{number}"))
    last = display.shown_calls
    display.close(10)
    terminal.shown()

    assert ("c0", "c1", "c2", "c3", "c4", "c5") == first
    assert (f"c{MAX_CALLS - 2}", f"c{MAX_CALLS - 1}", f"c{MAX_CALLS}") == last


def test_a_terminal_wants_figures_several_times_a_second(terminal: Terminal) -> None:
    """The meters move."""
    display = make_display(stream=terminal.fd, clock=ManualClock(), env=ENV)
    display.close(10)
    terminal.shown()

    assert 200 == display.wants_stats_ms


@pytest.mark.parametrize(
    ("env", "options"),
    [({"TERM": "dumb"}, {}), ({}, {}), (ENV, {"quiet": True})],
    ids=["dumb", "unknown", "quiet"],
)
def test_who_wants_it_plain_gets_it_plain(terminal: Terminal, env: dict[str, str], options: dict[str, bool]) -> None:
    """On a dumb terminal, or with -q, no escape code is written."""
    display = make_display(stream=terminal.fd, clock=ManualClock(), env=env, **options)
    for event in make.one_of_each():
        display(event)
        display.tick(event.at)
    display.close(10)
    terminal.shown()

    assert (False, True) == (b"\x1b" in terminal.raw, b"ended" in terminal.raw)


def test_the_keys_stand_under_the_calls_and_outlive_them(terminal: Terminal) -> None:
    """The row is there before the first call and after the last, and what is asked is drawn as it is typed."""
    painter = painter_on(terminal)
    screen = Screen()
    painter.controls = Controls(calls=((1, "c1"),), current="c1")
    painter.paint(screen.apply(make.connected()), 0)
    painter.status = screen.status(0)
    painter.paint([], 0)
    painter.controls = Controls(ask="play to c1:", asked_for="c1", text="wel", at=3)
    painter.paint([], 0)
    painter.status = Screen().status(0)
    painter.paint(screen.apply(make.ended()), 0)
    painter._target.close()
    shown = terminal.shown()

    assert ["connect", "ended"] == [line.split()[3] for line in shown if line.startswith("12:")]
    assert ["play to c1: wel"] == [line for line in shown if not line.startswith(("12:", "  "))]


def test_where_there_is_no_room_the_last_row_is_what_is_typed() -> None:
    """The help, and then the calls, give way."""
    terminal = Terminal(40, 6)
    painter = painter_on(terminal)
    screen = Screen()
    screen.apply(make.connected())
    painter.status = screen.status(0)
    painter.controls = Controls(help=True, ask="say to c1:", asked_for="c1", text="hi", at=2)
    painter.paint([], 0)
    painter._target.close()
    shown = terminal.shown()

    assert (5, "say to c1: hi") == (len(shown), shown[-1])


def test_a_pause_leaves_the_terminal_as_it_was_and_alone(terminal: Terminal) -> None:
    """Ctrl-Z: lines are kept for later, and the block is drawn anew when the program goes on."""
    display = make_display(stream=terminal.fd, clock=ManualClock(), env=ENV)
    display.show_controls(Controls())
    display(make.connected())
    paused = display.pause(5)
    display(make.ended())
    display.tick(0)
    os.write(terminal.fd, b"$ fg\r\n")
    display.resume()
    closed = display.close(5)
    stream = pyte.ByteStream(before := pyte.Screen(80, 40))
    shown = terminal.shown()
    stream.feed(terminal.raw.partition(b"$ fg")[0])

    assert (True, True) == (paused, closed)
    assert ["connect"] == [line.split()[3] for line in before.display if line.strip()]
    assert not before.cursor.hidden
    assert ["connect", "$", "ended"] == [line.split()[0 if "fg" in line else 3] for line in shown if line[0] != " "]


@pytest.mark.parametrize("columns", [20, 80, 120])
def test_plain_lines_leave_room_for_what_is_asked(columns: int) -> None:
    """With -q: a question stands under the lines, and is gone when it is answered."""
    terminal = Terminal(columns, 12)
    display = make_display(stream=terminal.fd, clock=ManualClock(), env=ENV, quiet=True)
    display.show_controls(Controls(ask="play to c1 (Enter: a.wav):", asked_for="c1", text="b.wav", at=5))
    display.pause(5)
    display.resume()
    display(make.ended())
    display.pause(5)
    display.resume()
    display.show_controls(Controls())
    display.close(5)
    shown = terminal.shown()

    assert b"b.wav\x1b[7m \x1b[27m" in terminal.raw
    assert not [line for line in shown if "b.wav" in line]
    assert "ended" in "".join(shown)
