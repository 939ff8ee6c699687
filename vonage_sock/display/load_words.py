"""A load test in words: what its events and its report say to a person, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.call.events import LoadProgress, LoadStarted, LoadTried
from vonage_sock.display.safe import clean
from vonage_sock.display.wording import khz

JsonObject = dict[str, Any]

SPANS: Final = ("p50", "p95", "p99", "p99_9", "max")
MAX_REASONS: Final = 3
MAX_TARGET: Final = 100


def span_name(name: str) -> str:
    """As one says it: p99.9."""
    return name.replace("_", ".")


VERDICTS: Final = {True: "kept", False: "missed", None: "open"}
"""Of a threshold; open is one that nobody can judge, because the run was stopped before."""


def number(value: float) -> str:
    """With separators, so that digits needn't be counted."""
    return f"{value:,}"


def span(value: float | None) -> str:
    """Milliseconds with as many digits as matter."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rate(target: str, rate_hz: int) -> str:
    """That of the calls, as far as it is known before any is made: behind an answer URL each NCCO says its own."""
    return khz(rate_hz) if urlsplit(target).scheme in ("ws", "wss") else "the NCCO's rate"


def begins(event: LoadStarted) -> str:
    """What is about to be done."""
    processes = f" from {event.procs} processes" if event.procs > 1 else ""
    return (
        f"{counted(event.calls, 'call')} at {rate(event.target, event.rate_hz)} to {clean(event.target, MAX_TARGET)}"
        f"{processes}: "
        f"{event.ramp_s:g} s to open them, then {event.duration_s:g} s"
    )


def own(late_ms: float | None, read_late_ms: float | None) -> str:
    """What is ours in the figures beside it: how late frames left, and how late what came was read, where that is known."""
    reading = "" if read_late_ms is None else f", reading by {span(read_late_ms)}"
    return f"generator late by {span(late_ms)} ms p99{reading}"


def own_of(report: Mapping[str, Any]) -> str:
    """The same, of a whole run."""
    return own(
        *(None if (spans := report[name]) is None else spans["p99"] for name in ("own_lateness_ms", "read_late_ms"))
    )


def goes_on(event: LoadProgress) -> str:
    """One second in a line."""
    measured = "nothing came back" if event.p99_ms is None else f"p50 {span(event.p50_ms)} p99 {span(event.p99_ms)} ms"
    parts = [
        f"{event.second:>3} s",
        counted(event.open_calls, "call"),
        f"{number(event.sent)} frames",
        f"{measured} ({own(event.own_lateness_p99_ms, event.read_late_p99_ms)})",
        f"late {number(event.late)}",
        f"lost {number(event.lost)}",
    ]
    if event.failed or event.dropped:
        parts.append(f"failed {event.failed}, dropped {event.dropped}")
    if event.server_cpu_percent is not None:
        parts.append(f"server {event.server_cpu_percent:.0f} % of a core, {event.server_rss_mb:,.0f} MB")
    return "  ".join(parts)


def tried(event: LoadTried) -> str:
    """One try of the search in a line."""
    late = own(event.own_lateness_p99_ms, event.read_late_p99_ms)
    if event.met:
        return f"{counted(event.calls, 'call')}: kept, p99 {span(event.p99_ms)} ms ({late})"
    hint = "; the generator was the limit, more --procs may help" if event.generator_was_late else ""
    if event.refusals:
        hint = f"; {refused(event.refusals)}"
    return f"{counted(event.calls, 'call')}: missed, {clean(', '.join(event.missed))} ({late}{hint})"


def refused(refusals: Mapping[str, int]) -> str:
    """That calls couldn't be opened, and the most frequent reason; what came from outside is harmless in it."""
    reason, count = max(refusals.items(), key=lambda item: item[1])
    return f"{number(count)} not opened: {clean(reason, 300)}"


def summary(report: Mapping[str, Any]) -> Iterator[str]:
    """The report's lines below its table of times; what came from outside is harmless in them."""
    if report["stopped"] and report.get("max_calls") is None:
        yield "stopped before its end: this is what was measured until then"
    yield from _calls(report)
    yield from _frames(report)
    if (server := report["server"]) is not None:
        minute = server["cpu_ms_per_call_minute"]
        each = "" if minute is None else f" ({minute:g} ms per call and minute)"
        kb = server["rss_kb_per_call"]
        more = "" if kb is None else f" ({kb:g} kB more per call)"
        yield (
            f"server {server['cpu_percent']:g} % of a core{each}, {server['rss_mb']:g} MB{more}, "
            f"{counted(server['processes'], 'process', 'processes')}"
        )
    yield from _findings(report)
    if report["generator_was_late"]:
        yield f"{own_of(report)}: these figures are as much the generator's as the server's; try --procs"
    for row in report["thresholds"]:
        yield f"{VERDICTS[row['met']]:6} {_threshold(row)}"


def _calls(report: Mapping[str, Any]) -> Iterator[str]:
    opened, failed = report["calls_opened"], report["calls_failed"]
    dropped = report["calls_dropped"]
    yield f"calls {number(opened)} of {number(report['calls'])} opened, {number(failed)} failed, {number(dropped)} dropped"
    for reason, count in sorted(report["refusals"].items(), key=lambda item: -item[1])[:MAX_REASONS]:
        yield f"  {number(count)} \u00d7 {clean(reason, 300)}"
    if report["closes"]:
        codes = ", ".join(f"{_close(code)} \u00d7 {number(count)}" for code, count in report["closes"].items())
        yield f"  ended by the other side: {codes}"


def _close(code: str) -> str:
    return "read nothing any more" if code == "0" else f"code {code}"


def _frames(report: Mapping[str, Any]) -> Iterator[str]:
    sent = number(report["frames_sent"])
    if report["measured_by"] is None:
        yield f"frames {sent} sent; no round trip: {clean(report['not_measured'])}"
        return
    yield (
        f"frames {sent} sent, {number(report['frames_returned'])} timed, {number(report['frames_late'])} late "
        f"(more than {report['late_after_ms']:g} ms), {number(report['frames_lost'])} lost, "
        f"{number(report['frames_out_of_order'])} out of order"
    )
    times = report["round_trip_ms"]
    yield (
        f"round trip {span(times['p50'])} ms p50, {span(times['p99'])} ms p99, {span(times['p99_9'])} ms p99.9 "
        f"({own_of(report)})"
    )
    if report["measured_by"] == "correlation":
        yield "  the server changes the audio: what came back in a few calls was compared with what was said"
    odd = [f"{number(report[key])} {word}" for key, word in _ODD.items() if report[key]]
    if odd:
        yield f"  {', '.join(odd)}"


_ODD: Final = {
    "frames_stray": "came back twice, too late to count, or in another call",
    "frames_altered": "came back with other samples behind their mark",
}


def _findings(report: Mapping[str, Any]) -> Iterator[str]:
    watched = counted(report["calls_watched"], "call")
    if not report["findings"]:
        yield f"no findings (looked for in {watched})" if report["calls_watched"] else "no findings"
        return
    yield f"findings (looked for in {watched}; vsock explain CODE)"
    for found in report["findings"]:
        calls = counted(found["calls"], "call")
        yield f"  {found['code']} {found['level']} in {calls}: {clean(found['message'], 160)}"


def _threshold(row: Mapping[str, Any]) -> str:
    unit = " ms" if row["threshold"].startswith("p") else ""
    if row["found"] is None:
        return f"{row['threshold']} at most {row['wanted']:g}{unit}: nothing was measured"
    return f"{row['threshold']} at most {row['wanted']:g}{unit}: {row['found']:g}{unit}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number and its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"
