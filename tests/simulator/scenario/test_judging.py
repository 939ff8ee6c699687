"""What was expected against what came of a call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.scenario.writing import scenario
from vonage_sock.call.events import EventPosted
from vonage_sock.simulator.scenario.judging import Evidence, judge

REPORT: dict[str, Any] = {
    "duration_s": 5.0,
    "frames_heard": 100,
    "first_audio_ms": 812.4,
    "echo": {"delay_ms": {"p50": 40.0, "p99": 1204.5}},
    "turns": {"count": 2, "latency_ms": {"max": 900.0}},
    "barge_in": {
        "count": 2,
        "unstopped": 0,
        "stop_ms": {"max": 560.0},
        "each": [
            {"at_s": 1.0, "by": "speech", "stopped_after_ms": 200.0},
            {"at_s": 3.1, "by": "key", "stopped_after_ms": 560.0},
        ],
    },
    "clear_stops": [{"at_s": 3.5, "stopped_after_ms": 60.0}],
    "underruns": 2,
    "underrun_ms": 130.0,
    "overflow_frames": 3,
    "findings": [{"code": "VS201", "level": "warning", "message": "a gap", "count": 2}],
    "close_code": 1000,
    "closed_by": "server",
}
NCCO = [
    {"action": "talk", "text": "hello"},
    {"action": "connect", "endpoint": [{"type": "websocket", "uri": "ws://x", "headers": {"a": 1}}]},
]


def posted(status: str, reply: int) -> EventPosted:
    """An event and what it was answered with."""
    return EventPosted(at=0, status=status, uuid=None, conversation_uuid=None, body={}, reply_status=reply)


EVIDENCE = Evidence(
    report=REPORT,
    nccos=[NCCO],
    posted=[posted("started", 204), posted("answered", 204), posted("answered", 500)],
    messages=[{"action": "clear"}, {"action": "notify", "payload": {"a": 1}}],
    first_heard_ms=812.4,
    heard_s=2.0,
)


@pytest.mark.parametrize(
    ("holds", "fails", "found"),
    [
        ("first_audio_within: 813ms", "first_audio_within: 812ms", "the first after 812.4 ms"),
        ("heard_at_least: 2s", "heard_at_least: 2001ms", "2.00 s"),
        ("heard_at_most: 2s", "heard_at_most: 1999ms", "2.00 s"),
        ("lasts_at_least: 5s", "lasts_at_least: 6s", "5.00 s"),
        ("lasts_at_most: 5s", "lasts_at_most: 4s", "5.00 s"),
        ("stops_within: 560ms", "stops_within: 559ms", "audio for 560 ms after the barge-in (key) at 3.10 s"),
        (
            "stops_within: 1s",
            "stops_within: 50ms",
            "audio for 200 ms after the barge-in (speech) at 1.00 s, and 2 more of 3",
        ),
        ("answers_within: 900ms", "answers_within: 899ms", "up to 900.0 ms"),
        ("echo_delay_p50: 40ms", "echo_delay_p50: 39ms", "40.0 ms"),
        ("echo_delay_p99: 2s", "echo_delay_p99: 1.2s", "1,204.5 ms"),
        ("underruns_at_most: 2", "underruns_at_most: 1", "2 underruns of 130 ms in all"),
        ("underruns_at_most: 2", "no_underruns", "2 underruns of 130 ms in all"),
        ("no_finding: VS202", "no_overflow", "3 frames lost"),
        ("finding: VS201", "no_findings", "VS201"),
        ("finding: VS201", "finding: VS202", "VS201"),
        ("no_finding: VS202", "no_finding: VS201", "VS201"),
        ("close_code: 1000", "close_code: 1001", "1000"),
        ("closed_by: server", "closed_by: platform", "the server"),
        (
            "ncco_has: {action: connect, endpoint: [{type: websocket, headers: {a: 1}}]}",
            "ncco_has: {action: connect, endpoint: [{type: phone}]}",
            '{"action":"connect","endpoint":[{"type":"websocket"}]}',
        ),
        ("ncco_has: {text: hello}", "ncco_has: {action: talk, text: bye}", '{"action":"talk","text":"hello"}'),
        ("ncco_has: {action: talk}", "ncco_has: {action: talk, endpoint: [{a: 1}, {b: 2}]}", '{"action":"talk"}'),
        ("event_posted: answered", "event_posted: busy", "started, answered, answered"),
        ("event_reply: {event: started, status: 204}", "event_reply: {event: answered, status: 204}", "HTTP 204, 500"),
        (
            "event_posted: started",
            "event_reply: {event: busy, status: 204}",
            "no busy was posted and answered, only started, answered, answered",
        ),
        ("message: clear", "message: bye", "clear, notify"),
        ("message: {payload: {a: 1}}", "message: {payload: {a: 2}}", "clear, notify"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_expectation_holds_or_says_what_it_found(holds: str, fails: str, found: str) -> None:
    """The wanted and the found value stand in the sentence."""
    good, bad = judge(scenario(f"expect:\n - {holds}\n - {fails}").expectations, EVIDENCE)

    assert (True, False) == (good.passed, bad.passed)
    assert found == bad.found
    assert f"{bad.expect}: wanted {bad.wanted}; found {found}" == bad.failure
    assert {"expect", "passed", "wanted", "found"} == set(bad.report())


EVERY = (
    "first_audio_within: 9s, heard_at_least: 1s, lasts_at_least: 1s, lasts_at_most: 9s, stops_within: 5s, "
    "answers_within: 9s, echo_delay_p50: 9s, echo_delay_p99: 9s, no_underruns: true, underruns_at_most: 9, "
    "no_overflow: true, finding: VS201, ncco_has: {action: connect}, event_posted: answered, "
    "event_reply: {event: answered, status: 204}, message: clear, close_code: 1000, closed_by: server"
)


def test_what_a_call_without_a_socket_doesn_t_have_never_holds() -> None:
    """No figure isn't a good figure."""
    judged = judge(scenario(f"expect: {{{EVERY}}}").expectations, Evidence(report={"target": "x", "findings": []}))

    assert {False} == {item.passed for item in judged}
    assert {"no socket was opened", "no audio came", "0.00 s"} <= {item.found for item in judged}
    assert "neither a barge-in nor a clear" in {item.found for item in judged}


def test_an_echo_that_was_changed_has_no_p99() -> None:
    """It is told which figure there is."""
    evidence = Evidence(report={"echo": {"method": "correlation", "delay_ms": {"p50": 230.0}}})
    half, most = judge(scenario("expect: [echo_delay_p50: 1s, echo_delay_p99: 1s]").expectations, evidence)

    assert (True, False) == (half.passed, most.passed)
    assert "only the p50 is known: 230.0 ms" in most.found


def test_a_server_that_never_stops_fails_also_among_many() -> None:
    """Only the first fifty barge-ins are listed one by one; the rest stands in the sum."""
    fine = [{"at_s": 1.0, "by": "key", "stopped_after_ms": 20.0}] * 50
    barge_in = {"count": 60, "unstopped": 1, "stop_ms": {"max": 20.0}, "each": fine}
    slow = {"count": 60, "unstopped": 0, "stop_ms": {"max": 900.0}, "each": fine}
    expected = scenario("expect: [stops_within: 400ms]").expectations
    verdicts = [judge(expected, Evidence(report={"barge_in": case}))[0] for case in (barge_in, slow)]

    assert [False, False] == [verdict.passed for verdict in verdicts]
    assert "60 barge-ins, 1 unstopped" in verdicts[0].found
    assert "up to 900.0 ms" in verdicts[1].found


def test_a_call_that_stops_in_time_says_how_soon() -> None:
    """The longest of all."""
    held = judge(scenario("expect: [stops_within: 600ms]").expectations, EVIDENCE)[0]

    assert "560 ms at most, of 3" == held.found


def test_an_ncco_without_actions_has_nothing() -> None:
    """It was fetched, but there is nothing in it."""
    judged = judge(scenario("expect: [ncco_has: {action: talk}]").expectations, Evidence(report={}, nccos=[[]]))

    assert (False, "an NCCO without actions") == (judged[0].passed, judged[0].found)


def test_a_long_value_is_shortened() -> None:
    """The sentence stays one."""
    ncco = [{"action": "talk", "text": "x" * 5000}]
    judged = judge(
        scenario("expect: [ncco_has: {action: talk, text: y}]").expectations, Evidence(report={}, nccos=[ncco])
    )

    assert 200 == len(judged[0].found)


def test_what_can_t_be_heard_isn_t_heard() -> None:
    """However many frames of it were played."""
    expected = scenario("expect: [first_audio_within: 1s, heard_at_least: 100ms, heard_at_most: 0s]").expectations
    judged = judge(expected, Evidence(report={"first_audio_ms": 20.0, "frames_heard": 100}))

    assert [False, False, True] == [item.passed for item in judged]
    assert ["none that can be heard", "0.00 s that can be heard"] == [item.found for item in judged[:2]]


def test_it_is_said_for_how_long_a_server_was_heard_on() -> None:
    """No more than was measured, and no more than there was of the call."""
    expected = scenario("expect: [stops_within: 400ms]").expectations
    each = [{"at_s": 2.0, "by": "key", "stopped_after_ms": None}]
    found = [
        judge(expected, Evidence(report={"duration_s": lasted_s, "barge_in": {"unstopped": 1, "each": each}}))[0].found
        for lasted_s in (4.0, 60.0)
    ]
    too_soon = judge(expected, Evidence(report={"barge_in": {"cut_short": 1}}))[0]

    assert "audio for 2.0 s, to the call's end, after the barge-in (key) at 2.00 s" == found[0]
    assert "audio for more than 5 s after the barge-in (key) at 2.00 s" == found[1]
    assert (False, "the call ended too soon to tell") == (too_soon.passed, too_soon.found)


def test_a_lost_connection_is_nobody_s_closing() -> None:
    """The server isn't blamed for it."""
    judged = judge(scenario("expect: [closed_by: server]").expectations, Evidence(report={"closed_by": "network"}))

    assert "nobody: the connection was lost" == judged[0].found
