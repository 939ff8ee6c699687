"""One call on one time axis."""

from __future__ import annotations

from typing import Any

import display_events as make
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from vonage_sock.call import events as ev
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.clock import MS
from vonage_sock.display.ladder import MAX_ROWS, ladder, ladder_rows, ladder_text, number_lines
from vonage_sock.display.render import wrap

START = 5_000_000 * MS
SOCKET = "wss://bot.example/socket"


def posted(status: str, at_ms: int, *, to: str = "442079460000", **body: str) -> ev.EventPosted:
    return ev.EventPosted(
        at=START + at_ms * MS,
        call="call",
        status=status,
        uuid=make.UUID,
        conversation_uuid=None,
        body={"to": to, **body},
    )


def connected(at_ms: int) -> ev.Connected:
    return make.connected("call", START + at_ms * MS)


def finding(at_ms: int, *, code: str = "VS201", level: str = "warning", count: int = 1) -> ev.FindingRaised:
    message = "the caller heard a gap of 100 ms 0.84 s into the call"
    return ev.FindingRaised(
        at=START + at_ms * MS, call="call", code=code, level=level, message=message, count=count, first_frame=40
    )


def message(at_ms: int, value: object) -> ev.MessageReceived:
    return ev.MessageReceived(at=START + at_ms * MS, call="call", message=value)


CALL: list[ev.Event] = [
    posted("started", 0),
    ev.AnswerRequested(
        at=START + 9 * MS, call="call", method="GET", params={}, ncco=[{"action": "talk"}, {"action": "connect"}]
    ),
    posted("answered", 11),
    ev.Notice(at=START + 12 * MS, call="call", level="info", message="the caller hears: Welcome to the bank"),
    posted("started", 13, to=SOCKET),
    connected(20),
    posted("answered", 21, to=SOCKET),
    *(make.pressed(digit, 5_000_000 + at_ms, "call") for digit, at_ms in (("1", 620), ("2", 920), ("#", 2500))),
    message(700, {"action": "clear"}),
    finding(860),
    message(1200, {"action": "notify", "payload": {"id": 7}}),
    finding(3020, count=2),
    make.ended("call", code=4000, by="server", reason="enough", at=START + 3020 * MS),
    posted("disconnected", 3030, to=SOCKET),
    posted("completed", 3040),
]
REPORT: dict[str, Any] = {
    "duration_s": 3.0,
    "rate_hz": 16000,
    "frames_sent": 150,
    "frames_received": 145,
    "frames_heard": 1,
    "first_audio_ms": 182.4,
    "echo": {"method": "frames", "frames": 98, "delay_ms": {"p50": 0.61, "p99": 2.44}},
    "underruns": 2,
    "underrun_ms": 200.4,
    "underruns_at_s": [0.84, 1.9],
    "overflow_frames": 1,
    "own_lateness_ms": {"p99": 1.3},
    "findings": [{"code": "VS201", "level": "warning", "message": finding(0).message, "count": 2}],
}

AT_80 = """\
   time │ platform     │ webhooks       │ socket             │ our reading
  0.000 │ phone leg    │ → started      │                    │
  0.009 │ phone leg    │ → GET answer   │                    │ NCCO: talk,
        │              │                │                    │ connect
  0.011 │ phone leg    │ → answered     │                    │
  0.012 │              │                │                    │ the caller hears:
        │              │                │                    │ Welcome to the
        │              │                │                    │ bank
  0.013 │ socket leg   │ → started      │                    │
  0.020 │ opens socket │                │ → connected 16 kHz │
  0.020 │ speaks       │                │ → audio 3.0 s      │
  0.021 │ socket leg   │ → answered     │                    │
  0.202 │ hears        │                │ ← 145 frames       │ after 182 ms
  0.620 │ presses      │                │ → key 1            │
  0.700 │              │                │ ← clear            │
  0.860 │ hears a gap  │                │                    │
  0.860 │              │                │                    │ VS201 warning
  0.920 │ presses      │                │ → key 2            │
  1.200 │              │                │ ← notify {"id":7}  │
  1.920 │ hears a gap  │                │                    │
  2.500 │ presses      │                │ → key #            │
  3.020 │              │                │ ← close 4000:      │ after 12.3 s
        │              │                │ enough             │
  3.030 │ socket leg   │ → disconnected │                    │
  3.040 │ phone leg    │ → completed    │                    │

150 frames sent · 145 received · 1 heard · 3.0 s at 16 kHz
first audio after 182 ms · echo after 0.6 ms p50, 2.4 ms p99
2 underruns, 200 ms · 1 frame overflowed · own timer late by 1.3 ms p99

VS201 warning  the caller heard a gap of 100 ms 0.84 s into the call (×2)"""

AT_120_IN_ASCII = """\
   time | platform     | webhooks        | socket                | our reading
  0.000 | phone leg    | -> started      |                       |
  0.009 | phone leg    | -> GET answer   |                       | NCCO: talk, connect
  0.011 | phone leg    | -> answered     |                       |
  0.012 |              |                 |                       | the caller hears: Welcome to the bank
  0.013 | socket leg   | -> started      |                       |
  0.020 | opens socket |                 | -> connected 16 kHz   |
  0.020 | speaks       |                 | -> audio 3.0 s        |
  0.021 | socket leg   | -> answered     |                       |
  0.202 | hears        |                 | <- 145 frames         | after 182 ms
  0.620 | presses      |                 | -> key 1              |
  0.700 |              |                 | <- clear              |
  0.860 | hears a gap  |                 |                       |
  0.860 |              |                 |                       | VS201 warning
  0.920 | presses      |                 | -> key 2              |
  1.200 |              |                 | <- notify {"id":7}    |
  1.920 | hears a gap  |                 |                       |
  2.500 | presses      |                 | -> key #              |
  3.020 |              |                 | <- close 4000: enough | after 12.3 s
  3.030 | socket leg   | -> disconnected |                       |
  3.040 | phone leg    | -> completed    |                       |

150 frames sent - 145 received - 1 heard - 3.0 s at 16 kHz
first audio after 182 ms - echo after 0.6 ms p50, 2.4 ms p99
2 underruns, 200 ms - 1 frame overflowed - own timer late by 1.3 ms p99

VS201 warning  the caller heard a gap of 100 ms 0.84 s into the call (x2)"""

AT_40 = """\
  0.000 phone leg → started
  0.009 phone leg → GET answer NCCO:
        talk, connect"""


def cure(width: int) -> str:
    """What the catalogue says against VS201, below the finding's message."""
    return "".join(f"\n{' ' * 15}{part}" for part in wrap(CATALOGUE["VS201"].cure, width - 15))


def test_a_call_at_80_columns() -> None:
    """Time, four columns, the numbers, the findings with their cure; long cells go on under themselves."""
    assert AT_80 + cure(80) == ladder_text(CALL, REPORT, 80)


def test_a_call_at_120_columns_in_ascii() -> None:
    """The same with nothing but ASCII, each column as wide as it needs to be."""
    assert AT_120_IN_ASCII + cure(120) == ladder_text(CALL, REPORT, 120, ascii_only=True)


def test_a_wide_terminal_s_rows_are_one_line_each() -> None:
    """What a row says is wrapped only where there is no room for it."""
    said = "the caller hears, for about 4 s: " + " ".join(["words"] * 12)
    events: list[ev.Event] = [connected(0), ev.Notice(at=20 * MS, level="info", message=said)]

    assert any(line.endswith(said) for line in ladder_text(events, {}, 300).splitlines())


def test_a_narrow_terminal_loses_the_columns_and_no_text() -> None:
    """One thing that happened after the other."""
    assert ladder_text(CALL, REPORT, 40).startswith(AT_40)


def test_colours_lie_on_the_same_text_and_the_numbers_can_be_left_out() -> None:
    """For whoever has shown them before."""
    drawn = ladder(CALL, REPORT, 80, numbers=False)

    assert [part for part in (AT_80 + cure(80)).split("\n\n") if "frames sent" not in part] == drawn.plain.split("\n\n")
    assert {"dim", "bold", "yellow"} == {str(span.style) for span in drawn.spans if span.style}


@pytest.mark.parametrize("width", [20, 63, 64, 80, 120, 300])
@given(text=st.text(max_size=60))
def test_what_a_stranger_says_is_harmless_and_fits(width: int, text: str) -> None:
    """Every event and figure may hold anything; a line holds only what can be printed, and not more than it has room for."""
    events = make.one_of_each(text)
    report = {"findings": [{"code": text, "level": text, "message": text, "count": 2}], "frames_sent": 1, "echo": text}

    for given_report in (report, None):
        for line in ladder_text(events, given_report, width).split("\n"):
            assert line.isprintable()
            assert cell_len(line) <= width


def test_the_conversation_has_its_figures() -> None:
    """How soon the server answered and gave way, each beside our own lateness; nothing where it did neither."""
    spread = {"p50": 212.0, "p95": 250.4, "p99": 260.0, "max": 260.0}
    turns = {"count": 3, "latency_ms": spread, "own_lateness_ms": 0.31}
    barge_in = {"count": 2, "unstopped": 1, "stop_ms": dict.fromkeys(spread, 80.0), "own_lateness_ms": 0.0, "each": []}
    lines = number_lines(REPORT | {"turns": turns, "barge_in": barge_in})
    unstopped = barge_in | {"count": 1, "stop_ms": None}

    assert [
        "3 turns · answered after 212 ms p50, 250 ms p95 · own timer late by 0.3 ms at most",
        "2 barge-ins · silence after 80 ms · 1 not stopped · own timer late by 0.0 ms at most",
    ] == lines[2:4]
    assert "1 barge-in · 1 not stopped" in number_lines(REPORT | {"turns": {"count": 0}, "barge_in": unstopped})
    assert len(number_lines(REPORT | {"turns": "x", "barge_in": {"count": 0, "stop_ms": None}})) == 3


def test_a_call_under_way_has_no_numbers_yet() -> None:
    """Its audio is unknown, its findings are those that were told."""
    text = ladder_text([*CALL[:6], finding(860)], None, 80)

    assert " sent · " not in text
    assert text.endswith("VS201 warning  the caller heard a gap of 100 ms 0.84 s into the call" + cure(80))


def test_a_finding_that_is_not_in_the_catalogue_has_no_cure() -> None:
    """Its message is all."""
    report = {"findings": [{"code": "XX1", "level": "note", "message": "odd", "count": 1}]}

    assert ladder_text(CALL[:1], report, 80).endswith("\n\nXX1 note     odd")


def test_the_report_that_was_told_serves_when_none_is_given() -> None:
    """Events are enough."""
    told = ev.CallReported(at=START + 3050 * MS, call="call", report=REPORT)

    assert AT_80 + cure(80) == ladder_text([*CALL, told], None, 80)


def test_without_a_report_audio_comes_from_the_call_s_end() -> None:
    """When it began the other way isn't known then."""
    text = ladder_text([connected(0), make.ended("call", at=START + 12_300 * MS)], None, 80)

    assert "│ → audio 12.2 s     │" in text
    assert "│ ← 615 frames       │" in text
    assert "│ hangs up     │           │ → close 1000       │ after 12.3 s" in text


def test_two_legs_have_their_own_audio() -> None:
    """The report's figures are those of the last."""
    legs = [connected(0), make.ended("call", by="network", code=1006, at=START + 12_300 * MS), connected(13_000)]
    text = ladder_text([*legs, make.ended("call", at=START + 16_000 * MS)], REPORT, 80)

    assert ["12.2 s", "3.0 s"] == [line.split("audio ")[1][:6].strip() for line in text.split("\n") if "audio" in line][
        :2
    ]
    assert "connection lost" in text


def test_keys_that_follow_each_other_share_a_row_and_so_does_what_repeats_itself() -> None:
    """A number is a number; a thousand commands are one line."""
    keys = [make.pressed(digit, 5_000_000 + 300 * n, "call") for n, digit in enumerate("0123#")]
    clears = [message(5_000 + n, {"action": "clear"}) for n in range(1000)]
    lines = ladder_text([*keys, *clears], {}, 80).split("\n")

    assert ["time", "→ keys 0123#", "← clear ×1,000"] == [
        (line.split("│")[3].strip() if n else line.split("│")[0].strip()) for n, line in enumerate(lines)
    ]


def test_the_middle_of_a_call_that_is_too_long_is_left_out() -> None:
    """How it began and how it ended are what matters."""
    many = [message(n, f"text {n}") for n in range(1000)]
    lines = ladder_text(many, {}, 80).split("\n")

    assert 1 + MAX_ROWS + 1 == len(lines)
    assert "… 940 rows" in lines[1 + MAX_ROWS // 2]
    assert "← text text 999" in lines[-1]


def test_long_calls_keep_their_columns() -> None:
    """An hour has one decimal."""
    lines = ladder_text([posted("started", 0), posted("completed", 7_200_000)], {}, 80).split("\n")

    assert " 7200.0 │ phone leg │" in lines[2]


def test_why_a_call_failed_is_its_last_row() -> None:
    """Also where nothing else happened."""
    report = {"error": "can't reach \x1b it"}

    assert "can't reach" in ladder_text(CALL[:2], report, 120).split("\n")[-1]
    assert "can't reach" in ladder_text([], report, 120)


def test_a_call_in_which_nothing_happened() -> None:
    """Says so."""
    assert "nothing happened" in ladder_text([], None, 80)


def test_the_steps_of_a_scenario_stand_beside_what_they_do() -> None:
    """Each where it begins, and the one that failed where it failed; the sum of several runs isn't a row."""
    told = [
        ev.ScenarioStepped(at=START, call="call", number=1, step="press 1", state="begun"),
        ev.ScenarioStepped(
            at=START + 1000 * MS, call="call", number=1, step="press 1", state="failed", reason="no socket"
        ),
        ev.ScenariosSummed(at=START, runs=1, passed=0, failed=1, exit_code=8, duration_s=1.0),
    ]

    assert ["step 1: press 1", "step 1 fails"] == [row.reading for row in ladder_rows(told, {})]


DRILL = {
    "drill": "drop-after",
    "at_s": 1.0,
    "did": "TCP was closed without a close frame",
    "took": "it closed its end after 3 ms; it takes a new call, within 103 ms",
}


@pytest.mark.parametrize("width", [40, 80])
def test_a_drill_has_a_row_and_says_how_it_was_taken(width: int) -> None:
    """On the platform's side, and below the numbers."""
    struck = ev.DrillStruck(at=START + 1000 * MS, call="call", drill="drop-after", did=DRILL["did"])
    drawn = ladder_text([*CALL, struck], {**REPORT, "drills": [DRILL]}, width)

    assert 1 == len([row for row in drawn.split("\n\n")[0].split("\n") if "drill" in row and "drop-after" in row])
    assert f"drill drop-after {DRILL['did']} {DRILL['took']}" in " ".join(drawn.split())


@given(text=st.text(max_size=60))
@settings(deadline=None)
def test_a_drill_s_words_are_harmless(text: str) -> None:
    """A close reason stands in them as it came."""
    drawn = ladder_text([], {"drills": [dict.fromkeys(DRILL, text)], "findings": []}, 80)

    assert all(line.isprintable() and cell_len(line) <= 80 for line in drawn.split("\n"))


def test_what_the_rest_api_is_asked_is_a_row() -> None:
    """What was asked stands among the webhooks, towards us, and what came of it in our reading."""
    path = "/v1/calls/63f61863-4a51-4f6b-86e1-46edebcf9356"
    events = [
        ev.ApiRequested(at=at, call="call", method=method, path=asked, status=status, detail="x")
        for at, (method, asked, status) in enumerate(
            [("POST", "/v1/calls", 201), ("PUT", path, 204), ("DELETE", f"{path}/input/dtmf", 404)]
        )
    ]
    rows = ladder_rows(events, {})

    assert [
        ("\u2190 POST call", "201 x"),
        ("\u2190 PUT call", "204 x"),
        ("\u2190 DELETE input/dtmf", "404 x"),
    ] == [(row.webhooks, row.reading) for row in rows]


def test_the_conversation_stands_on_the_time_axis() -> None:
    """When the caller broke in and what became of it, and when audio was lost; not every one of many."""
    each = [
        {"at_s": 1.0, "by": "key", "stopped_after_ms": 360.0},
        {"at_s": 2.5, "by": "speech", "stopped_after_ms": None},
        *[{"at_s": 9.0 + at, "by": "key", "stopped_after_ms": 20.0} for at in range(30)],
    ]
    report = {"barge_in": {"each": each}, "overflows_at_s": [2.0]}
    rows = [(row.at_ns // MS, row.platform, row.reading) for row in ladder_rows([connected(0)], report)]

    assert [
        (1000, "breaks in", "silent after 360 ms"),
        (2000, "loses audio", ""),
        (2500, "breaks in", "goes on"),
    ] == [row for row in rows if 0 < row[0] < 9000]
    assert 8 == sum(platform == "breaks in" for _, platform, _ in rows)
