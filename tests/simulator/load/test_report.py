"""What a load test says at its end."""

from __future__ import annotations

import json

import pytest

from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import ExitCode
from vonage_sock.simulator.load.plan import LoadPlan
from vonage_sock.simulator.load.report import LoadResult, exit_code, make_report, series
from vonage_sock.simulator.load.tally import Tally
from vonage_sock.simulator.load.usage import Usage
from vonage_sock.simulator.load.verdict import Thresholds

PLAN = LoadPlan(target="ws://127.0.0.1/x", calls=10, ramp_ns=0, duration_ns=2 * SECOND)


def result_of(**counts: int) -> LoadResult:
    """Two seconds of ten calls, each frame back after 3 ms, and a server that took a tenth of a core."""
    seconds = []
    for _ in range(2):
        tally = Tally(sent=500, open_calls=10)
        for _ in range(500):
            tally.round_trip.add(3 * MS)
        tally.own_lateness.add(MS)
        tally.read_late.add(2 * MS)
        seconds.append(tally)
    total = Tally(**counts)
    for tally in seconds:
        total.merge(tally)
    usage = [Usage(7, 1, 0, 0, 50_000_000)] + [Usage(7, 2, SECOND, 100 * MS, 50_200_000)] * 2
    return LoadResult(PLAN, 1, total, seconds, usage)


def test_a_report_is_json_and_has_its_own_lateness_beside_every_time() -> None:
    """Histograms in milliseconds, counts as they are."""
    report = json.loads(json.dumps(make_report(result_of(opened=10), Thresholds(p99_ns=20 * MS, lost=0))))

    assert (1000, 1000, 0, "marks") == (
        report["frames_sent"],
        report["frames_returned"],
        report["frames_lost"],
        report["measured_by"],
    )
    assert pytest.approx(3, rel=0.01) == report["round_trip_ms"]["p99_9"]
    assert pytest.approx(1, rel=0.01) == report["own_lateness_ms"]["p99"]
    assert pytest.approx(2, rel=0.01) == report["read_late_ms"]["p99"]
    assert (True, False) == (report["met"], report["generator_was_late"])
    assert [[pytest.approx(3, rel=0.1), 1000]] == report["histogram"]


def test_the_server_is_reported_per_call() -> None:
    """A tenth of a core for ten calls is 600 ms per call and minute; memory is what came on top."""
    server = make_report(result_of(opened=10), Thresholds())["server"]

    assert {
        "pid": 7,
        "processes": 2,
        "cpu_percent": 10.0,
        "cpu_ms_per_call_minute": 600.0,
        "rss_mb": 50.2,
        "rss_kb_per_call": 20.0,
    } == server


def test_each_second_has_its_row() -> None:
    """With what the server took in it."""
    rows = series(result_of(opened=10))

    assert [(1, 10, 10.0, 50.2), (2, 10, 10.0, 50.2)] == [
        (row["second"], row["open_calls"], row["server_cpu_percent"], row["server_rss_mb"]) for row in rows
    ]


def broken(**counts: int) -> LoadResult:
    """One with a finding of level error."""
    result = result_of(**counts)
    result.total.find("VS105", "error", "the audio is MP3")
    return result


def unsaved() -> LoadResult:
    """One with a recording that failed."""
    result = broken(opened=10)
    result.failed_recordings = 1
    return result


@pytest.mark.parametrize(
    ("result", "thresholds", "expected"),
    [
        (result_of(opened=10), Thresholds(), ExitCode.OK),
        (result_of(opened=10), Thresholds(p99_ns=5 * MS, lost=0), ExitCode.OK),
        (result_of(opened=10), Thresholds(p99_ns=MS), ExitCode.THRESHOLD),
        (result_of(opened=9, failed=1), Thresholds(p99_ns=5 * MS), ExitCode.THRESHOLD),
        (result_of(opened=9, failed=1), Thresholds(), ExitCode.CONNECT),
        (LoadResult(PLAN, 1, Tally(failed=10), []), Thresholds(p99_ns=MS), ExitCode.CONNECT),
        (broken(opened=10), Thresholds(), ExitCode.PROTOCOL),
        (broken(opened=10), Thresholds(p50_ns=MS), ExitCode.THRESHOLD),
        (unsaved(), Thresholds(), ExitCode.RECORDING),
    ],
)
def test_the_exit_code_is_that_of_the_worst(result: LoadResult, thresholds: Thresholds, expected: ExitCode) -> None:
    """No call at all, a threshold, a recording, the protocol, single calls."""
    assert expected is exit_code(result, thresholds)


@pytest.mark.parametrize(
    ("total", "stopped", "part", "met"),
    [
        (Tally(), True, "stopped before a call was open", None),
        (Tally(failed=3), False, "no call could be opened", False),
        (Tally(failed=3), True, "no call could be opened", False),
        (Tally(opened=3, unmarked_bytes=9, repeating={"0.3": 3}), False, "audio of 0.3 s repeats too soon", False),
    ],
)
def test_why_there_is_no_round_trip_is_said(total: Tally, stopped: bool, part: str, met: bool | None) -> None:
    """As it was, and a threshold isn't kept; who stopped the run before a call was open leaves it undecided."""
    report = make_report(LoadResult(PLAN, 1, total, [], stopped=stopped), Thresholds(p99_ns=SECOND, lost=0))

    assert part in report["not_measured"]
    assert report["met"] is met


def test_a_stopped_run_that_measured_nothing_missed_no_threshold() -> None:
    """It ends as any other that is stopped; what was measured until then still counts."""
    wanted = Thresholds(p99_ns=MS, lost=0)
    nothing, slow = LoadResult(PLAN, 1, Tally(), [], stopped=True), result_of(opened=1)
    slow.stopped = True

    assert ExitCode.OK is exit_code(nothing, wanted)
    assert [None, None, True] == [row["met"] for row in make_report(nothing, wanted)["thresholds"]]
    assert ExitCode.THRESHOLD is exit_code(slow, wanted)


@pytest.mark.parametrize("what", ["own_lateness", "read_late"])
def test_a_late_generator_is_admitted(what: str) -> None:
    """From 5 ms p99 on, whether it left late or read late."""
    result = result_of(opened=10)
    for _ in range(10):
        getattr(result.total, what).add(30 * MS)
    report = make_report(result, Thresholds())

    assert report["generator_was_late"] is True
    assert pytest.approx(30, rel=0.01) == report[f"{what}_ms"]["p99"]
