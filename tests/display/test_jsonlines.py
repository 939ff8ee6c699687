from __future__ import annotations

import io
import json
import math

import display_events as make
import pytest

from vonage_sock.call import events as ev
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.display.jsonlines import JsonLines, JsonPainter, to_json
from vonage_sock.display.output import Target

WALL = 1_770_112_842 * SECOND


class Lines(list[str]):
    """Keeps the lines; nothing is written."""

    def put(self, item: str, /) -> None:
        self.append(item)


def json_of(event: ev.Event) -> str:
    return to_json(event, wall_ns=WALL, started_at=0)


def test_a_line_is_version_name_times_call_and_then_the_fields_in_order() -> None:
    """The contract of ``--json``, to the letter."""
    expected = (
        '{"v":1,"event":"call.dtmf","time":"2026-02-03T10:00:42.000Z","t":1.235,"call":"c1",'
        '"digit":"1","duration_ms":120}'
    )

    assert expected == json_of(ev.DtmfPressed(at=1234567890, call="c1", digit="1", duration_ms=120))


def test_an_event_without_a_call_has_no_call() -> None:
    """Absent, not null."""
    assert "call" not in json.loads(json_of(ev.ServerStopped(at=0, calls=1)))


def test_tuples_are_arrays() -> None:
    """JSON has no other."""
    assert ["echo"] == json.loads(json_of(make.started()))["behaviours"]


@pytest.mark.parametrize("event", make.one_of_each("\x1b]52;\u202e\ud800\n"), ids=lambda event: event.name)
def test_every_line_is_one_line_of_ascii(event: ev.Event) -> None:
    """Whatever came from outside, a line is printable ASCII and JSON."""
    line = json_of(event)

    assert (True, True, 1) == (line.isascii(), line.isprintable(), json.loads(line)["v"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_what_json_cannot_say_is_null(value: float) -> None:
    """``1e999`` in a webhook is an infinity to Python; strict readers get null."""
    event = ev.MessageReceived(at=0, call="c1", message={"a": [value, 1.5], 2: b"x"})

    assert {"a": [None, 1.5], "2": "b'x'"} == json.loads(json_of(event))["message"]


def test_times_are_the_events_own() -> None:
    """Written later, an event still has the time at which it happened."""
    lines = Lines()
    clock = ManualClock(now=5 * SECOND, wall_ns=WALL)
    observer = JsonLines(lines, clock)
    clock.advance_to(7 * SECOND)
    observer(ev.ServerStopped(at=6 * SECOND, calls=0))
    line = json.loads(lines[0])

    assert ("2026-02-03T10:00:43.000Z", 1.0) == (line["time"], line["t"])


def test_notices_are_for_people() -> None:
    """They go to stderr, not among the data."""
    lines = Lines()
    JsonLines(lines, ManualClock())(ev.Notice(at=0, level="info", message="x"))

    assert [] == lines


def test_what_is_wrong_is_said_to_people_beside_the_lines() -> None:
    """In plain words, harmless; what is only good to know isn't said where a program reads."""
    lines, people = Lines(), Lines()
    observer = JsonLines(lines, ManualClock(), people=people)
    observer(ev.Notice(at=0, level="info", message="x"))
    observer(ev.Notice(at=0, level="warning", message="a\x1b[31m token=abc"))
    observer(ev.Notice(at=0, call="c1", level="warning", message="dropped"))

    assert ([], ["warning: a\\x1b[31m token=***", "warning: c1: dropped"]) == (lines, people)


def test_a_line_holds_no_secret() -> None:
    """Neither in an NCCO that we serve, nor in what strangers tell."""
    endpoint = {"uri": "wss://u:pw@h/", "authorization": {"type": "custom", "value": "Bearer abc"}}
    event = ev.AnswerRequested(at=0, method="GET", params={"token": "abc"}, ncco=[{"endpoint": [endpoint]}])
    shown = json.loads(json_of(event))

    assert {"token": "***"} == shown["params"]
    assert [{"endpoint": [{"uri": "wss://***@h/", "authorization": {"type": "custom", "value": "***"}}]}] == shown[
        "ncco"
    ]


def test_half_a_surrogate_pair_is_no_text_of_anybody() -> None:
    """A strict reader takes each line, and can write what it read; whole letters and escapes stay."""
    event = ev.MessageReceived(at=0, call="c1", message={"a\ud800": "\udfff😀\\ud800"})

    assert {"a\ufffd": "\ufffd😀\\ud800"} == json.loads(json_of(event))["message"]


def test_figures_come_only_when_asked_for() -> None:
    """Without ``--stats`` there are none."""
    lines = Lines()
    JsonLines(lines, ManualClock())(make.stats())

    assert [] == lines


def test_figures_come_once_a_second_for_each_call() -> None:
    """However often they are worked out, and though a timer comes a little early."""
    lines = Lines()
    observer = JsonLines(lines, ManualClock(), stats=True)
    for at_ms in (0, 200, 800, 990, 1200, 1985):
        observer(make.stats("a", at_ms * MS))
    observer(make.stats("b", 300 * MS))

    assert [("a", 0.0), ("a", 0.99), ("a", 1.985), ("b", 0.3)] == [
        (line["call"], line["t"]) for line in map(json.loads, lines)
    ]


def test_lines_that_were_lost_are_told_in_json() -> None:
    """A reader that was too slow can know it, and still reads only JSON."""
    stream = io.StringIO()
    JsonPainter(Target(stream), ManualClock(wall_ns=WALL), started_at=0).paint(['{"v":1}'], 3)
    expected = '{"v":1}\n{"v":1,"event":"output.lost","time":"2026-02-03T10:00:42.000Z","t":0.0,"lines":3}\n'

    assert expected == stream.getvalue()
