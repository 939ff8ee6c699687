"""
What a load test says at its end, as JSON and in a few lines.

``load.report`` holds what was asked for (``target``, ``calls``, ``procs``, ``ramp_s``, ``duration_s``, ``rate_hz``:
that of a socket, since the NCCO of an answer URL says its own), and ``frames``: whether our own frames' path is in c
or in python, which says what we could drive; how the calls went (``calls_opened``, ``calls_failed`` with ``refusals``,
``calls_dropped`` with the codes in ``closes``); the frames (``frames_sent``, ``frames_returned``, ``frames_late``:
back after more than ``late_after_ms``, ``frames_lost``: not back when their call was over or after ``lost_after_s``,
``frames_out_of_order``: overtaken by a later one, ``frames_stray``: back twice or in another call, ``frames_altered``:
back with another content behind their mark); the times in milliseconds (``round_trip_ms``, ``jitter_ms`` of each call
after RFC 3550, ``connect_ms``, ``answer_ms``), and beside all of them ``own_lateness_ms``: how much after their time
our own frames left, and ``read_late_ms``: how long what came waited for us to read it, which is in every round trip
(null where nobody knows). ``measured_by`` is marks, correlation (of a few calls) or null, and then ``not_measured``
says why there is no figure. ``findings`` are those of ``calls_watched`` calls. ``server`` is what ``--pid`` showed,
``thresholds`` what was wanted beside what was found, and ``met`` whether all of that was kept: null where nothing was
asked for, or where the run was stopped before there was anything to judge. A search adds ``max_calls``, and in
``limited_by`` why calls were refused in the last try that was one too many, and how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vonage_sock import native
from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import ExitCode
from vonage_sock.simulator.load.correlation import LEAST_REPEAT_S
from vonage_sock.simulator.load.plan import LoadPlan
from vonage_sock.simulator.load.tally import LOST_AFTER_S, Histogram, Tally, bounds_of, bucket_of, ms
from vonage_sock.simulator.load.usage import Usage
from vonage_sock.simulator.load.verdict import Row, Thresholds

LATE_GENERATOR_NS: Final = 5 * MS
"""From there on the figures are rather ours than the server's."""

COARSER: Final = 7
MATCHES_NEEDED: Final = 2
LEAST_SAID_S: Final = LEAST_REPEAT_S + 1

JsonObject = dict[str, Any]


@dataclass(slots=True)
class LoadResult:
    """
    A run that is over.

    Args:
        seconds: the tally of each.
        usage: what the server's processes took in each; empty without ``--pid``.
    """

    plan: LoadPlan
    procs: int
    total: Tally
    seconds: list[Tally]
    usage: list[Usage] = field(default_factory=list)
    failed_recordings: int = 0
    stopped: bool = False

    @property
    def measured_by(self) -> str | None:
        """How round trips were measured; None where there was nothing to measure."""
        total = self.total
        if total.returned > total.compared:
            return "marks"
        return "correlation" if total.compared and total.matched_windows >= MATCHES_NEEDED else None

    @property
    def generator_was_late(self) -> bool:
        """What was measured says more about us than about the server."""
        late_ns = [times.quantile_ns(0.99) or 0 for times in (self.total.own_lateness, self.total.read_late)]
        return max(late_ns) > LATE_GENERATOR_NS

    def rows(self, thresholds: Thresholds) -> list[Row]:
        """Each threshold beside what was found; whoever stopped the run hears nothing against what wasn't measured."""
        rows = thresholds.rows(self.total)
        return [replace(row, met=None) if self.stopped and row.found is None else row for row in rows]


def not_measured(result: LoadResult) -> str | None:
    """Why there is no round trip; None where there is one."""
    total = result.total
    if result.measured_by is not None:
        return None
    if not total.opened:
        stopped = result.stopped and not total.failed
        return "it was stopped before a call was open" if stopped else "no call could be opened"
    if total.stray:
        return f"what came back was all of it older than {LOST_AFTER_S} s, or another call's"
    if not total.unmarked_bytes:
        return (
            "the server sent no audio, so that there is no round trip; findings, connections and its load were measured"
        )
    if total.repeating:
        said_s = min(total.repeating, key=float)
        return (
            f"the audio of {said_s} s repeats too soon to time a server that changes it; say at least {LEAST_SAID_S} s"
        )
    return "the audio that the server sent has nothing to do with what it was sent, so that there is no round trip"


def make_report(result: LoadResult, thresholds: Thresholds) -> JsonObject:
    """The whole of it, in JSON's types."""
    plan, total = result.plan, result.total
    measured = result.measured_by is not None
    rows = result.rows(thresholds)
    return {
        "target": plan.target,
        "calls": plan.calls,
        "procs": result.procs,
        "ramp_s": round(plan.ramp_ns / SECOND, 3),
        "duration_s": round(plan.duration_ns / SECOND, 3),
        "rate_hz": plan.rate_hz,
        "frames": native.in_use(),
        "stopped": result.stopped,
        "calls_opened": total.opened,
        "calls_failed": total.failed,
        "refusals": total.refusals,
        "calls_dropped": total.dropped,
        "closes": total.closes,
        "frames_sent": total.sent,
        "frames_returned": total.returned if measured else None,
        "frames_late": total.late if measured else None,
        "late_after_ms": ms(plan.late_ns),
        "frames_lost": total.lost if measured else None,
        "lost_after_s": LOST_AFTER_S,
        "frames_out_of_order": total.out_of_order if measured else None,
        "frames_stray": total.stray,
        "frames_altered": total.altered,
        "measured_by": result.measured_by,
        "not_measured": not_measured(result),
        "round_trip_ms": total.round_trip.summary_ms() if measured else None,
        "jitter_ms": total.jitter.summary_ms(),
        "connect_ms": total.connect.summary_ms(),
        "answer_ms": total.answer.summary_ms(),
        "own_lateness_ms": total.own_lateness.summary_ms(),
        "read_late_ms": total.read_late.summary_ms(),
        "generator_was_late": result.generator_was_late,
        "calls_watched": total.watched,
        "findings": [
            {"code": code, "level": found.level, "message": found.message, "calls": found.calls, "count": found.count}
            for code, found in sorted(total.findings.items())
        ],
        "server": _server(result),
        "thresholds": [row.to_json() for row in rows],
        "met": _met(rows),
        "histogram": _histogram(total.round_trip) if measured else [],
    }


def _met(rows: Sequence[Row]) -> bool | None:
    verdicts = {row.met for row in rows}
    if False in verdicts:
        return False
    return None if None in verdicts or not verdicts else True


def _histogram(histogram: Histogram) -> list[list[float | int | None]]:
    """Upper ends in milliseconds and counts; coarser than what was counted, 16 steps to a doubling."""
    coarse: dict[int, int] = {}
    for _, end, count in histogram.steps():
        upper = bounds_of(bucket_of(end - 1) | COARSER)[1]
        coarse[upper] = coarse.get(upper, 0) + count
    return [[ms(upper), count] for upper, count in coarse.items()]


def _server(result: LoadResult) -> JsonObject | None:
    usage = [item for item in result.usage if item.span_ns]
    if not usage:
        return None
    cpu_ns, span_ns = sum(item.cpu_ns for item in usage), sum(item.span_ns for item in usage)
    # The first look was before the first second.
    looked = zip(result.seconds, result.usage[1:], strict=False)
    call_ns = sum(tally.open_calls * item.span_ns for tally, item in looked)
    most = max(usage, key=lambda item: item.rss_bytes)
    before = result.usage[0].rss_bytes
    calls = max((tally.open_calls for tally in result.seconds), default=0)
    return {
        "pid": most.pid,
        "processes": most.processes,
        "cpu_percent": round(100 * cpu_ns / span_ns, 1),
        "cpu_ms_per_call_minute": round(60 * SECOND * cpu_ns / call_ns / MS, 1) if call_ns else None,
        "rss_mb": round(most.rss_bytes / 1e6, 1),
        "rss_kb_per_call": round(max(0, most.rss_bytes - before) / 1000 / calls, 1) if calls else None,
    }


def exit_code(result: LoadResult, thresholds: Thresholds) -> ExitCode:
    """The most telling of what went wrong: no call at all, a threshold, a recording, the protocol, single calls."""
    total = result.total
    if not total.opened and total.failed:
        return ExitCode.CONNECT
    if _met(result.rows(thresholds)) is False:
        return ExitCode.THRESHOLD
    if result.failed_recordings:
        return ExitCode.RECORDING
    if any(found.level == "error" for found in total.findings.values()):
        return ExitCode.PROTOCOL
    return ExitCode.CONNECT if total.failed else ExitCode.OK


def worst_refusals(total: Tally, most: int) -> Sequence[tuple[str, int]]:
    """Why calls couldn't be opened, the most frequent reason first."""
    return sorted(total.refusals.items(), key=lambda item: -item[1])[:most]


def series(result: LoadResult) -> list[JsonObject]:
    """A row for each second: what was measured in it, and what the server took."""
    usage = dict(enumerate(result.usage[1:]))
    rows = []
    for second, tally in enumerate(result.seconds):
        found = usage.get(second)
        spans = tally.round_trip.summary_ms() if result.measured_by is not None else None
        rows.append(
            {
                "second": second + 1,
                "open_calls": tally.open_calls,
                "sent": tally.sent,
                "late": tally.late,
                "round_trip_ms": spans,
                "own_lateness_p99_ms": ms(tally.own_lateness.quantile_ns(0.99)),
                "read_late_p99_ms": ms(tally.read_late.quantile_ns(0.99)),
                "server_cpu_percent": None if found is None else found.cpu_percent,
                "server_rss_mb": None if found is None else round(found.rss_bytes / 1e6, 1),
            }
        )
    return rows
