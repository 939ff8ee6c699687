"""A load test on a terminal and in plain lines."""

from __future__ import annotations

import io
import os
import pty
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from vonage_sock.call.events import Event, LoadProgress, LoadStarted, LoadTried
from vonage_sock.clock import SystemClock
from vonage_sock.display import load_words as words
from vonage_sock.display.load import load_block, make_load_display, times_table

SPANS = {"p50": 0.512, "p95": 1.2, "p99": 2.25, "p99_9": 12.34, "max": 123.4}

STARTED = LoadStarted(
    at=0, target="ws://127.0.0.1/\x1b[31m", calls=1500, procs=2, ramp_s=15.0, duration_s=30.0, rate_hz=16000
)


def progress(second: int = 7, **changes: Any) -> LoadProgress:
    """A second of it."""
    values: dict[str, Any] = {
        "second": second,
        "of_seconds": 45,
        "calls": 1500,
        "open_calls": 700,
        "failed": 0,
        "dropped": 0,
        "sent": 35_000,
        "returned": 35_000,
        "late": 0,
        "lost": 0,
        "p50_ms": 0.5,
        "p99_ms": 2.2,
        "max_ms": 9.0,
        "own_lateness_p99_ms": 0.31,
        "read_late_p99_ms": 0.25,
        "server_cpu_percent": 82.4,
        "server_rss_mb": 120.3,
        "so_far": {
            "sent": 200_000,
            "returned": 200_000,
            "late": 3,
            "out_of_order": 0,
            "round_trip_ms": SPANS,
            "connect_ms": SPANS,
            "own_lateness_ms": SPANS,
            "read_late_ms": None,
            "findings": {"VS201": 2},
        },
    }
    return LoadProgress(at=0, **(values | changes))


def tried(*, met: bool, late: bool = False, refusals: dict[str, int] | None = None) -> LoadTried:
    """A try of the search."""
    return LoadTried(
        at=0,
        calls=80,
        met=met,
        missed=() if met else ("p99 31 ms (more than 20 ms)",),
        p99_ms=12.0 if met else 31.0,
        lost=0,
        own_lateness_p99_ms=0.4,
        read_late_p99_ms=None,
        generator_was_late=late,
        refusals=refusals or {},
    )


def drawn(item: object, width: int = 80) -> list[str]:
    """Lines as a terminal of this width shows them."""
    console = Console(width=width, file=io.StringIO(), color_system=None, force_terminal=True)
    console.print(item)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_shows_every_figure_with_our_own_lateness_below_it(width: int) -> None:
    """In no more columns than there are, and with nothing of the target that a terminal would act on."""
    lines = drawn(load_block(STARTED, progress()), width)

    assert all(len(line) <= width for line in lines)
    assert [
        "ms                p50      p95      p99    p99.9      max  p99 now",
        "round trip       0.51     1.20     2.25     12.3      123     2.20",
        "own lateness     0.51     1.20     2.25     12.3      123     0.31",
        "connect          0.51     1.20     2.25     12.3      123",
        "calls 700 of 1,500 open, 0 failed, 0 dropped",
        "frames 35,000 in the last second, 3 late, 0 lost, 0 out of order",
        "server 82 % of a core, 120 MB",
        "findings VS201 in 2 of the calls that are watched",
    ] == lines[2:]
    assert lines[1].endswith(" 7 of 45 s")
    assert "\x1b" not in "".join(lines)


def test_before_the_first_second_there_is_no_table() -> None:
    """Only what is about to be done."""
    assert 2 == len(drawn(load_block(STARTED, None)))


def test_what_was_not_measured_is_a_dash() -> None:
    """And what doesn't exist, such as answers of a socket, has no row."""
    lines = drawn(times_table({"round_trip_ms": None, "own_lateness_ms": SPANS}))

    assert ["round trip          -        -        -        -        -"] == lines[1:2]
    assert 3 == len(lines)


def test_a_second_is_a_line() -> None:
    """With the lateness beside the figure."""
    line = words.goes_on(progress(failed=2))

    assert "p50 0.50 p99 2.20 ms (generator late by 0.31 ms p99, reading by 0.25)" in line
    assert "failed 2, dropped 0" in line
    assert "server 82 % of a core, 120 MB" in line
    assert "nothing came back" in words.goes_on(progress(p99_ms=None))


def test_a_try_is_a_line() -> None:
    """Kept or missed, with what was missed, and with a hint where it was we who were too slow."""
    assert "80 calls: kept, p99 12.0 ms (generator late by 0.40 ms p99)" == words.tried(tried(met=True))
    assert "generator late by 0.40 ms p99, reading by 12.0" == words.own(0.4, 12.0)
    assert "80 calls: missed, p99 31 ms (more than 20 ms) (generator late by 0.40 ms p99)" == words.tried(
        tried(met=False)
    )
    assert "more --procs may help" in words.tried(tried(met=False, late=True))


def test_a_try_says_that_the_server_took_no_more_calls() -> None:
    """A limit that somebody set isn't what the server can do, and is told apart from it."""
    text = words.tried(tried(met=False, late=True, refusals={"it was slow": 1, "HTTP 503: full\x1b": 20}))

    assert "; 20 not opened: HTTP 503: full" in text
    assert "\x1b" not in text


def shown(events: list[Event], *, quiet: bool = False) -> str:
    """What plain lines say of these."""
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as writer:
        display = make_load_display(json=False, quiet=quiet, stream=writer, clock=SystemClock(), env={})
        for event in events:
            display(event)
        display.close(5)
        writer.close()
        return reader.read()


def test_plain_lines_are_some_thirty_whatever_the_length() -> None:
    """An hour isn't 3,600 lines in a log."""
    events = [STARTED, *(progress(second, of_seconds=3600) for second in range(1, 3601))]

    assert 31 == len(shown(events).splitlines())


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("ws://127.0.0.1/socket", "2 calls at 8 kHz to ws://127.0.0.1/socket: "),
        ("http://127.0.0.1/answer", "2 calls at the NCCO's rate to http://127.0.0.1/answer: "),
    ],
)
def test_no_rate_is_said_that_an_ncco_decides(target: str, said: str) -> None:
    """--rate is a socket's."""
    started = replace(STARTED, target=target, calls=2, procs=1, rate_hz=8000)

    assert f"{said}15 s to open them, then 30 s" == words.begins(started)


def test_quiet_shows_tries_only() -> None:
    """The summary follows by itself."""
    assert 1 == len(shown([STARTED, progress(), tried(met=True)], quiet=True).splitlines())


def test_a_terminal_gets_a_table_that_goes_away_and_tries_that_stay() -> None:
    """The cursor is there again at the end."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        display = make_load_display(
            json=False, quiet=False, stream=terminal, clock=SystemClock(), env={"TERM": "xterm-256color"}
        )
        for event in (STARTED, progress(), tried(met=True)):
            display(event)
        closed = display.close(5)
        text = os.read(master, 65_536).decode()
    os.close(master)

    assert closed
    assert not display.broken
    assert "80 calls: kept" in text
    assert text.rfind("\x1b[?25h") >= text.rfind("\x1b[?25l")
