"""
A load test as a page: one file that needs nothing else, readable in light and dark, on screen and on paper.

Pure: a report and a row for each second in, HTML out. Rule: whatever came from outside passes through ``clean`` and is
escaped.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from vonage_sock.display import load_words as words
from vonage_sock.display.safe import clean

JsonObject = Mapping[str, Any]
Point = tuple[float, float | None]

WIDTH: Final = 920
HEIGHT: Final = 300
SMALL_HEIGHT: Final = 150
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 34
BARS: Final = 48
MAX_POINTS: Final = 1200

_STYLE: Final = """
:root{color-scheme:light dark;--page:#fcfcfb;--ink:#1d1d1b;--soft:#6a6a65;--line:#e4e3de;--p50:#2a78d6;--p99:#d9541e;
--max:#9a9993;--own:#1b8a5a;--good:#1b7f4d;--bad:#c62f2f}
@media (prefers-color-scheme:dark){:root{--page:#181817;--ink:#ecebe6;--soft:#a09f98;--line:#34332f;--p50:#5b9fee;
--p99:#f0804e;--max:#77766f;--own:#4fbf8b;--good:#55c48c;--bad:#ff7a70}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:960px;padding:24px 20px 48px;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:22px;margin:0 0 2px;overflow-wrap:anywhere}h2{font-size:16px;margin:32px 0 4px}
p{margin:4px 0}.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:4px 18px 4px 0;text-align:right;
border-bottom:1px solid var(--line)}th:first-child,td:first-child,td.text,th.text{text-align:left}
th{color:var(--soft);font-weight:500}
.wide{overflow-x:auto}
svg{display:block;width:100%;height:auto;overflow:visible}svg text{fill:var(--soft);font:12px system-ui,sans-serif}
.grid{stroke:var(--line)}.wanted{stroke:var(--bad);stroke-dasharray:5 4}.hover{fill:transparent}
.hover:hover{fill:var(--ink);fill-opacity:.07}
.key{display:inline-block;width:14px;height:3px;margin:0 6px 3px 0}.legend span{margin-right:18px;white-space:nowrap}
"""

_COLOURS: Final = {True: "good", False: "bad", None: "soft"}


def load_page(report: JsonObject, rows: Sequence[JsonObject], *, written: str) -> str:
    """
    The whole page.

    Args:
        rows: one for each second, as ``simulator.load.report.series`` gives them.
        written: when, to stand below the title.
    """
    parts = [
        _head(report, written),
        _times(report),
        _counts(report),
        _over_time(report, rows),
        _histogram(report),
        _calls_over_time(rows),
        _server_over_time(rows),
    ]
    body = "\n".join(part for part in parts if part)
    title = f"vsock load: {words.counted(report['calls'], 'call')}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_safe(title)}</title>\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _safe(value: object, limit: int = 300) -> str:
    return html.escape(clean(value, limit))


def _head(report: JsonObject, written: str) -> str:
    procs = "" if report["procs"] == 1 else f" from {report['procs']} processes"
    verdict = {None: "", True: ' <span class="good">all thresholds kept</span>'}.get(
        report["met"], ' <span class="bad">a threshold was missed</span>'
    )
    return (
        f"<h1>{words.counted(report['calls'], 'call')} to {_safe(report['target'])}</h1>\n"
        f'<p class="soft">{words.rate(report["target"], report["rate_hz"])}{procs}, '
        f"opened within {report['ramp_s']:g} s, then {report['duration_s']:g} s together; "
        f"written {_safe(written)}.{verdict}</p>"
    )


_TITLES: Final = {
    "round_trip_ms": "round trip of a frame",
    "own_lateness_ms": "own lateness of the generator",
    "read_late_ms": "how late what came was read",
    "jitter_ms": "jitter of what comes back, per call",
    "connect_ms": "opening a socket",
    "answer_ms": "answer URL",
}


def _times(report: JsonObject) -> str:
    heads = "".join(f"<th>{words.span_name(name)}</th>" for name in words.SPANS)
    rows = "".join(
        f"<tr><td>{title}</td>{''.join(f'<td>{words.span(report[key][name])}</td>' for name in words.SPANS)}</tr>"
        for key, title in _TITLES.items()
        if report[key] is not None
    )
    none = f"<p>No round trip: {_safe(report['not_measured'])}.</p>" if report["not_measured"] else ""
    return (
        f'<h2>Times in milliseconds</h2>\n{none}<div class="wide"><table><tr><th></th>{heads}</tr>{rows}</table></div>'
    )


def _counts(report: JsonObject) -> str:
    lines = list(words.summary({**report, "thresholds": []}))
    result = "<h2>What happened</h2>\n" + "\n".join(f"<p>{html.escape(line)}</p>" for line in lines)
    if not report["thresholds"]:
        return result
    rows = "".join(
        f"<tr><td>{_safe(row['threshold'])}</td><td>{row['wanted']:g}</td>"
        f"<td>{'-' if row['found'] is None else format(row['found'], 'g')}</td>"
        f'<td class="text {_COLOURS[row["met"]]}">{words.VERDICTS[row["met"]]}</td></tr>'
        for row in report["thresholds"]
    )
    return (
        f'{result}\n<h2>Thresholds</h2>\n<table><tr><th></th><th>at most</th><th>found</th><th class="text"></th></tr>'
        f"{rows}</table>"
    )


# Charts.


class _Axis:
    """One direction of a chart: values to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False) -> None:
        self._to = math.log10 if log else float
        self._low, span = self._to(low), self._to(high) - self._to(low)
        self._start, self._scale = start, (end - start) / (span or 1.0)

    def __call__(self, value: float) -> float:
        return self._start + (self._to(value) - self._low) * self._scale


def _over_time(report: JsonObject, rows: Sequence[JsonObject]) -> str:
    timed = [row for row in rows if row["round_trip_ms"] is not None]
    if len(timed) < 2:
        return ""
    lines: dict[str, Callable[[JsonObject], float | None]] = {
        "max": lambda row: _span_of(row, "max"),
        "own": lambda row: max(row["own_lateness_p99_ms"] or 0, row["read_late_p99_ms"] or 0),
        "p99": lambda row: _span_of(row, "p99"),
        "p50": lambda row: _span_of(row, "p50"),
    }
    series = {name: [(row["second"], value(row)) for row in _thinned(rows)] for name, value in lines.items()}
    values = [value for points in series.values() for _, value in points if value]
    wanted = next((row["wanted"] for row in report["thresholds"] if row["threshold"] == "p99"), None)
    low, high = _decades([*values, *([wanted] if wanted else [])])
    x = _Axis(0, rows[-1]["second"], LEFT, WIDTH - RIGHT)
    y = _Axis(low, high, HEIGHT - BOTTOM, TOP, log=True)
    drawn = [_log_grid(low, high, y, HEIGHT), _seconds(rows[-1]["second"], x, HEIGHT)]
    drawn += [_path(points, x, lambda value: y(max(value, low)), name) for name, points in series.items()]
    if wanted:
        drawn.append(
            f'<line class="wanted" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(wanted):.1f}" y2="{y(wanted):.1f}"/>'
        )
    drawn.append(_hovers(_thinned(rows), x, HEIGHT, _said_of_second))
    names = {
        "p50": "p50",
        "p99": "p99",
        "max": "largest",
        "own": "the generator's own lateness, leaving or reading, p99",
    }
    more = '<span><i class="key" style="background:var(--bad)"></i>p99 wanted</span>' if wanted else ""
    legend = "".join(
        f'<span><i class="key" style="background:var(--{key})"></i>{name}</span>' for key, name in names.items()
    )
    return f'<h2>Round trip over time</h2>\n<p class="legend soft">{legend}{more}</p>\n{_svg(HEIGHT, drawn)}'


def _histogram(report: JsonObject) -> str:
    pairs = [(upper, count) for upper, count in report["histogram"] if upper]
    if not pairs:
        return ""
    # At least half a decade wide, so that a steady server isn't one bar.
    low, high = min(upper for upper, _ in pairs) / 1.02, max(upper for upper, _ in pairs) * 1.02
    if high / low < 4:
        low, high = low / 2, high * 2
    step = math.log(high / low) / BARS
    bars = [0] * BARS
    for upper, count in pairs:
        bars[min(BARS - 1, int(math.log(upper / low) / step))] += count
    total = sum(bars)
    x = _Axis(low, high, LEFT, WIDTH - RIGHT, log=True)
    most = max(bars) / total * 100
    y = _Axis(0, most, HEIGHT - BOTTOM, TOP)
    drawn = [_linear_grid(most, y, HEIGHT, " %")]
    drawn += [
        f'<text x="{x(tick):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{tick:g} ms</text>'
        for tick in _log_ticks(low, high)
    ]
    for at, count in enumerate(bars):
        if not count:
            continue
        start, end = low * math.exp(at * step), low * math.exp((at + 1) * step)
        share = 100 * count / total
        top = min(y(share), HEIGHT - BOTTOM - 1)
        said = f"{words.span(start)} to {words.span(end)} ms: {words.counted(count, 'frame')}, {share:.2g} %"
        drawn.append(
            f'<rect x="{x(start) + 1:.1f}" y="{top:.1f}" width="{x(end) - x(start) - 2:.1f}" '
            f'height="{HEIGHT - BOTTOM - top:.1f}" rx="1" fill="var(--p50)"><title>{said}</title></rect>'
        )
    spans = report["round_trip_ms"]
    drawn += [
        _mark(x(min(max(spans[name], low), high)), f"{words.span_name(name)} {words.span(spans[name])} ms", row=row)
        for row, name in enumerate(("p50", "p99", "p99_9"))
    ]
    note = "Share of all frames; the scale of times is logarithmic."
    return f'<h2>How the round trips are spread</h2>\n<p class="soft">{note}</p>\n{_svg(HEIGHT, drawn)}'


def _mark(at: float, text: str, *, row: int) -> str:
    """A line through the chart and what it means, on the side where there is room."""
    side, anchor = (-4, "end") if at > WIDTH * 0.8 else (4, "start")
    return (
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="var(--p99)"/>'
        f'<text x="{at + side:.1f}" y="{TOP + 10 + 14 * row}" text-anchor="{anchor}">{text}</text>'
    )


def _calls_over_time(rows: Sequence[JsonObject]) -> str:
    return _small("Open calls", rows, lambda row: row["open_calls"], "", "p50")


def _server_over_time(rows: Sequence[JsonObject]) -> str:
    if not any(row["server_cpu_percent"] is not None for row in rows):
        return ""
    return "\n".join(
        (
            _small("Server: processor, % of a core", rows, lambda row: row["server_cpu_percent"], " %", "p99"),
            _small("Server: memory, MB", rows, lambda row: row["server_rss_mb"], " MB", "own"),
        )
    )


def _small(
    title: str, rows: Sequence[JsonObject], value: Callable[[JsonObject], float | None], unit: str, colour: str
) -> str:
    points = [(row["second"], value(row)) for row in _thinned(rows)]
    most = max((found for _, found in points if found is not None), default=0)
    if len(points) < 2 or not most:
        return ""
    x = _Axis(0, rows[-1]["second"], LEFT, WIDTH - RIGHT)
    y = _Axis(0, most, SMALL_HEIGHT - BOTTOM, TOP)
    drawn = [
        _linear_grid(most, y, SMALL_HEIGHT, unit),
        _seconds(rows[-1]["second"], x, SMALL_HEIGHT),
        _path(points, x, y, colour),
        _hovers(_thinned(rows), x, SMALL_HEIGHT, lambda row: f"second {row['second']}: {_figure(value(row))}{unit}"),
    ]
    return f"<h2>{title}</h2>\n{_svg(SMALL_HEIGHT, drawn)}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,g}"


def _span_of(row: JsonObject, name: str) -> float | None:
    spans = row["round_trip_ms"]
    return None if spans is None else spans[name]


def _said_of_second(row: JsonObject) -> str:
    return (
        f"second {row['second']}: p50 {words.span(_span_of(row, 'p50'))}, p99 {words.span(_span_of(row, 'p99'))}, "
        f"largest {words.span(_span_of(row, 'max'))} ms; {words.own(row['own_lateness_p99_ms'], row['read_late_p99_ms'])}; "
        f"{words.counted(row['open_calls'], 'call')} open, {words.number(row['late'])} late"
    )


def _thinned(rows: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """No more than a screen can show."""
    step = -(-len(rows) // MAX_POINTS) or 1
    return rows[::step]


def _decades(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    low, high = math.floor(math.log10(max(min(found), 0.001))), math.ceil(math.log10(max(*found, 0.002)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _log_ticks(low: float, high: float) -> list[float]:
    ticks = [
        factor * 10.0**decade
        for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    return [tick for tick in ticks if low <= tick <= high]


def _log_grid(low: float, high: float, y: _Axis, height: int) -> str:
    del height
    ticks = [10.0**at for at in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    return "".join(_gridline(y(tick), f"{tick:g} ms") for tick in ticks)


def _linear_grid(most: float, y: _Axis, height: int, unit: str) -> str:
    rough = most / (4 if height > SMALL_HEIGHT else 2)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough)
    ticks = [step * at for at in range(int(most / step) + 1)]
    return "".join(_gridline(y(tick), f"{tick:,g}{unit}") for tick in ticks)


def _gridline(at: float, text: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _seconds(last: int, x: _Axis, height: int) -> str:
    step = next((step for step in (1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600) if last / step <= 12), last)
    return "".join(
        f'<text x="{x(at):.1f}" y="{height - 14}" text-anchor="middle">{at} s</text>' for at in range(0, last + 1, step)
    )


def _path(points: Sequence[Point], x: _Axis, y: Callable[[float], float], colour: str) -> str:
    drawn, pen = [], "M"
    for at, value in points:
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{x(at):.1f} {y(value):.1f}")
        pen = "L"
    width = 1 if colour in ("max", "own") else 2
    return (
        f'<path d="{"".join(drawn)}" fill="none" stroke="var(--{colour})" stroke-width="{width}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _hovers(rows: Sequence[JsonObject], x: _Axis, height: int, said: Callable[[JsonObject], str]) -> str:
    width = max(2.0, x(1) - x(0)) * (rows[1]["second"] - rows[0]["second"] if len(rows) > 1 else 1)
    return "".join(
        f'<rect class="hover" x="{x(row["second"]) - width / 2:.1f}" y="{TOP}" width="{width:.1f}" '
        f'height="{height - TOP - BOTTOM}"><title>{html.escape(said(row))}</title></rect>'
        for row in rows
    )


def _svg(height: int, drawn: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(drawn)}</svg>'
