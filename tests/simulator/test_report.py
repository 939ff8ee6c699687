"""A call's report for a person."""

from __future__ import annotations

from typing import Any

import pytest

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.report import summary_lines
from vonage_sock.testing import PcmSource

SPREAD = {"p50": 212.0, "p95": 250.4, "p99": 260.0, "max": 260.0}


def report(**changes: Any) -> dict[str, Any]:
    """That of a short call without anything special, and changes to it."""
    plain = {
        "duration_s": 2.02,
        "rate_hz": 16000,
        "frames_sent": 101,
        "frames_received": 100,
        "frames_heard": 99,
        "first_audio_ms": 1.2,
        "echo": {"method": "frames", "frames": 98, "delay_ms": {"p50": 0.61, "p99": 2.44, "max": 9.0}},
        "turns": {"count": 0, "latency_ms": None, "own_lateness_ms": None},
        "barge_in": {"count": 0, "unstopped": 0, "stop_ms": None, "own_lateness_ms": None, "each": []},
        "underruns": 1,
        "underrun_ms": 40.4,
        "overflow_frames": 3,
        "dtmf_sent": "",
        "own_lateness_ms": {"p50": 0.1, "p99": 1.3, "max": 2.0},
        "close_code": 1000,
        "close_reason": "",
        "closed_by": "platform",
        "findings": [],
    }
    return plain | changes


def test_a_call_in_five_lines() -> None:
    """Frames, audio, trouble, end, findings."""
    assert [
        "101 frames sent, 100 received, 99 heard in 2.0 s at 16 kHz",
        "first audio after 1 ms; echo after 0.6 ms p50, 2.4 ms p99, over 98 frames",
        "underruns 1 (40 ms of gaps), overflow 3 frames, own timer late by 1.3 ms p99",
        "the caller hung up, code 1000",
        "no findings",
    ] == summary_lines(report())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"dtmf_sent": "1#"}, "keys pressed: 1#"),
        ({"first_audio_ms": None, "echo": None}, "the server sent no audio"),
        (
            {"turns": {"count": 3, "latency_ms": SPREAD, "own_lateness_ms": 0.31}},
            "3 turns, answered after 212 ms p50, 250 ms p95 (own timer late by 0.3 ms at most)",
        ),
        (
            {"turns": {"count": 1, "latency_ms": SPREAD, "own_lateness_ms": 0.31}},
            "1 turn, answered after 260 ms (own timer late by 0.3 ms at most)",
        ),
        (
            {"barge_in": {"count": 3, "unstopped": 1, "stop_ms": SPREAD, "own_lateness_ms": 2}},
            "3 barge-ins, silence after 212 ms p50, 250 ms p95 (own timer late by 2.0 ms at most), 1 not stopped",
        ),
        (
            {"barge_in": {"count": 1, "unstopped": 0, "stop_ms": SPREAD, "own_lateness_ms": 0.0}},
            "1 barge-in, silence after 260 ms (own timer late by 0.0 ms at most)",
        ),
        (
            {"barge_in": {"count": 1, "unstopped": 1, "stop_ms": None, "own_lateness_ms": None}},
            "1 barge-in, 1 not stopped",
        ),
        ({"echo": None}, "first audio after 1 ms; none of it an echo"),
        (
            {"echo": {"method": "correlation", "correlation": 0.91, "delay_ms": {"p50": 120.0}}},
            "first audio after 1 ms; echo after 120 ms (changed on the way; correlation 0.91)",
        ),
        (
            {"closed_by": "server", "close_code": 4000, "close_reason": "enough"},
            "the server closed the socket, code 4000 (enough)",
        ),
        ({"closed_by": "network", "close_code": 1006}, "the connection was lost, code 1006"),
    ],
)
def test_what_is_special_has_its_line(changes: dict[str, Any], line: str) -> None:
    """And only then."""
    assert line in summary_lines(report(**changes))
    assert line not in summary_lines(report())


def test_a_call_without_a_socket() -> None:
    """Says so and no more."""
    assert ["no socket was opened"] == summary_lines({"target": "http://127.0.0.1/answer", "findings": []})


def test_a_leg_gives_every_figure_that_the_summary_needs() -> None:
    """The report of a leg that ended at once, with the call's end added."""
    leg = VonageLeg("c", LegPlan(audio_format=AudioFormat(8000)), PcmSource(b"", AudioFormat(8000)), now=0)
    leg.receive_close(1006, "", 0)
    end = {"close_code": 1006, "close_reason": "", "closed_by": "network"}

    assert [
        "0 frames sent, 0 received, 0 heard in 0.0 s at 8 kHz",
        "the server sent no audio",
        "underruns 0 (0 ms of gaps), overflow 0 frames, own timer late by 0.0 ms p99",
        "the connection was lost, code 1006",
        "findings: VS318 (\u00d71), VS308 (\u00d71)",
    ] == summary_lines(leg.report() | end)


def test_each_drill_has_a_line() -> None:
    """What was done and how it was taken, also where no socket was opened."""
    done = {"drill": "stall", "at_s": 1.0, "did": "nothing left for 2 s", "took": "it went on"}
    idle = {"drill": "refuse", "at_s": None, "did": "nothing: the NCCO opens no websocket", "took": ""}
    lines = ["drill stall: nothing left for 2 s; it went on", "drill refuse: nothing: the NCCO opens no websocket"]

    assert lines == summary_lines(report(drills=[done, idle]))[4:-1]
    assert ["no socket was opened", lines[1]] == summary_lines({"drills": [idle]})
