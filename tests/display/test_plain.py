from __future__ import annotations

import io

import display_events as make
import pytest

from vonage_sock.call import events as ev
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.display.choose import make_display
from vonage_sock.display.model import Screen
from vonage_sock.display.plain import Plain, wall_clock


class Lines(list[str]):
    """Keeps the lines; nothing is written."""

    def put(self, item: str, /) -> None:
        self.append(item)


def noon(_at: int) -> str:
    return "12:00:00.000"


def plain(*events: ev.Event, quiet: bool = False, ascii_only: bool = False, summed_up: bool = False) -> list[str]:
    lines = Lines()
    observer = Plain(lines, Screen(), noon, quiet=quiet, ascii_only=ascii_only, summed_up=summed_up)
    for event in events:
        observer(event)
    return lines


def test_each_thing_that_happens_is_a_line() -> None:
    """Time, call, title and text, without escape codes."""
    assert ["12:00:00.000 c1     connect 16 kHz · from 127.0.0.1:50022 · uuid=63f61863"] == plain(make.connected())


def test_the_start_tells_the_addresses_and_what_to_do() -> None:
    """The addresses first, each in a line, to be found by a script or a person."""
    lines = plain(make.started())

    assert "12:00:00.000 -      answer  http://127.0.0.1:8000/webhooks/answer" == lines[0]


def test_quiet_shows_problems_and_ends_only() -> None:
    """With -q: warnings, errors and the closing line of each call."""
    failed = ev.RecordingFailed(at=0, call="c1", path="a.wav", error="disk full")
    events = (make.started(), make.connected(), make.finding(), make.finding(level="note"), failed, make.ended())

    assert ["VS102", "record", "ended"] == [line.split()[2] for line in plain(*events, quiet=True)]
    assert ["record"] == [line.split()[2] for line in plain(*events, quiet=True, summed_up=True)]


def test_a_stream_that_is_not_utf8_gets_ascii() -> None:
    """Nothing becomes a question mark."""
    assert all(line.isascii() for line in plain(*make.one_of_each("é→"), ascii_only=True))


def test_keys_come_with_time() -> None:
    """Nothing needs to follow them."""
    lines = Lines()
    observer = Plain(lines, Screen(), noon)
    observer(make.pressed("5", 0))
    observer.tick(2 * SECOND)

    assert ["12:00:00.000 c1     keys    5"] == lines


def test_figures_come_as_they_are_told() -> None:
    """With --stats each live call has a line whenever its figures are told; one that isn't kept has none."""
    lines = Lines()
    observer = Plain(lines, Screen(), noon, stats=True)
    observer(make.connected())
    lines.clear()
    for second in range(3):
        observer(make.stats("c1", second * SECOND))
        observer(make.stats("unknown", second * SECOND))

    assert [
        f"12:00:00.000 c1     stats   {n} s, 615 frames in, 610 out, peak in -9 out -96 dBFS, jitter 0.4 ms, ahead 180 ms"
        for n in (0, 1, 2)
    ] == lines


def test_times_are_local_times_of_the_events() -> None:
    """A line shown later still has the time at which it happened."""
    clock = ManualClock(now=5 * SECOND, wall_ns=1_700_000_025 * SECOND)

    assert ":42.000" == wall_clock(clock)(2 * SECOND)[5:]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({}, None), ({"stats": True}, 1000), ({"json": True}, None), ({"json": True, "stats": True}, 1000)],
    ids=str,
)
def test_figures_are_worked_out_only_for_who_shows_them(options: dict[str, bool], wanted: int | None) -> None:
    """Without a terminal and without --stats nobody has to measure levels."""
    display = make_display(stream=io.StringIO(), clock=ManualClock(), env={}, **options)
    display.close(10)

    assert wanted == display.wants_stats_ms


def test_without_a_terminal_lines_are_plain() -> None:
    """Redirected to a file there is not one escape code."""
    stream = io.StringIO()
    display = make_display(stream=stream, clock=ManualClock(), env={"TERM": "xterm-256color", "FORCE_COLOR": "1"})
    for event in make.one_of_each():
        display(event)
    display.close(10)

    assert (True, False) == ("connect" in stream.getvalue(), "\x1b" in stream.getvalue())


def test_json_comes_whatever_the_stream_is() -> None:
    """``--json`` is for scripts; they get nothing else."""
    stream = io.StringIO()
    display = make_display(json=True, stream=stream, clock=ManualClock(), env={})
    display(make.connected())
    display.tick(0)
    display.close(10)

    assert stream.getvalue().startswith('{"v":1,"event":"call.connected"')
