"""
One simulated call as a ladder: platform, webhooks, socket and our reading beside each other, on one time axis.

Pure: events and a report in, text out; no console and no clock. What came from outside is harmless (``clean``) from the
rows on. Rule: audio is a row where it begins, never a row per frame; the number of rows is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.call import events as ev
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.clock import MS, SECOND
from vonage_sock.display import wording
from vonage_sock.display.render import plain_ascii, wrap
from vonage_sock.display.safe import clean

JsonObject = dict[str, Any]
Show = Callable[[str], str]
"""Text as the terminal can show it."""

MAX_ROWS: Final = 60
"""More than that, and the middle is left out."""

MAX_GAPS: Final = 8
MAX_WIDTH: Final = 120
"""Of sentences, which are hard to read when they are longer; the table takes all the room there is."""

KEYS_TOGETHER_NS: Final = 1_000 * MS

_TIME_WIDTH: Final = 7
_LEAST_WIDTH: Final = 9
_READING_WIDTH: Final = 17
_COLUMNS_WIDTH: Final = 64
_TITLES: Final = ("platform", "webhooks", "socket", "our reading")
_OUT: Final = "→ "
_IN: Final = "← "
_ASCII: Final = str.maketrans({"←": "<-", "│": "|"})
_LEVEL_STYLES: Final = {"error": "bold red", "warning": "yellow"}


@dataclass(frozen=True, slots=True)
class Row:
    """What happened at ``at_ns`` after the start, by column; ``keys`` and ``times`` hold what follows of the same kind."""

    at_ns: int
    platform: str = ""
    webhooks: str = ""
    socket: str = ""
    reading: str = ""
    style: str = ""
    keys: str = ""
    last_at_ns: int = 0
    times: int = 1

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """As they are shown."""
        socket = self.socket
        if self.keys:
            socket = f"{_OUT}{'key' if len(self.keys) == 1 else 'keys'} {clean(self.keys, 40)}"
        often = f" \u00d7{self.times:,}" if self.times > 1 else ""
        return self.platform, self.webhooks, socket + often if socket else socket, self.reading


def ladder_text(events: Sequence[ev.Event], report: JsonObject | None, width: int, *, ascii_only: bool = False) -> str:
    """
    The ladder, the numbers, and the findings of one call with their cures, as lines of at most ``width`` cells.

    Args:
        events: what ``VonageCall`` told, also of a call that isn't over.
        report: what it returned; that of ``CallReported`` when None, and a call without one has no numbers.
    """
    return ladder(events, report, width, ascii_only=ascii_only).plain


def ladder(
    events: Sequence[ev.Event],
    report: JsonObject | None,
    width: int,
    *,
    ascii_only: bool = False,
    numbers: bool = True,
) -> Text:
    """
    The same with colours; no line end at its end.

    Args:
        numbers: the figures below the rows too.
    """
    if report is None:
        report = next((event.report for event in reversed(events) if isinstance(event, ev.CallReported)), {})
    show = _as_ascii if ascii_only else _as_it_is
    lines = [*_table(_shortened(ladder_rows(events, report)), width, show)]
    width = min(width, MAX_WIDTH)
    if numbers and (figures := number_lines(report)):
        lines += [Text(""), *(Text(part) for figure in figures for part in wrap(show(figure), width))]
    if drills := _drill_lines(report, width, show):
        lines += [Text(""), *drills]
    if found := _findings(events, report):
        lines += [Text(""), *(line for finding in found for line in _finding_lines(finding, width, show))]
    return Text("\n", no_wrap=True, overflow="ignore").join(lines)


def ladder_rows(events: Sequence[ev.Event], report: JsonObject) -> list[Row]:
    """What happened, in the order of time, without the middle of anything that repeats itself."""
    error = [] if report.get("error") is None else [clean(report["error"], 400)]
    if not events:
        return [Row(0, reading=reading) for reading in error or ["nothing happened"]]
    start = min(event.at for event in events)
    last_leg = max((number for number, event in enumerate(events) if isinstance(event, ev.Connected)), default=None)
    rows: list[Row] = []
    for number, event in enumerate(events):
        rows += _rows(event, start)
        if isinstance(event, ev.Connected):
            end = next((later for later in events[number:] if isinstance(later, ev.Ended)), None)
            rows += _audio_rows(event.at - start, end, report if number == last_leg else {})
    last = max(event.at for event in events) - start
    rows += [Row(last, reading=reading, style=_style("error")) for reading in error]
    rows.sort(key=lambda row: row.at_ns)
    return list(_together(rows))


def number_lines(report: JsonObject) -> list[str]:
    """The figures of a report in a few lines; what it lacks isn't mentioned."""
    if "frames_sent" not in report:
        return []
    sizes = [
        f"{_counted(report, 'frames_sent', 'frame')} sent",
        f"{_number(report.get('frames_received')):,.0f} received",
        f"{_number(report.get('frames_heard')):,.0f} heard",
        f"{_number(report.get('duration_s')):.1f} s at {wording.khz(int(_number(report.get('rate_hz'))))}",
    ]
    trouble = [
        f"{_counted(report, 'underruns', 'underrun')}, {_number(report.get('underrun_ms')):.0f} ms",
        f"{_counted(report, 'overflow_frames', 'frame')} overflowed",
    ]
    late = report.get("own_lateness_ms")
    if isinstance(late, dict):
        trouble.append(f"own timer late by {_number(late.get('p99')):.1f} ms p99")
    first = report.get("first_audio_ms")
    heard = "the server sent no audio" if first is None else f"first audio after {_number(first):.0f} ms"
    lines = [wording.joined(sizes), wording.joined([heard, _echo(report)]), *_conversation(report)]
    return [*lines, wording.joined(trouble)]


# Rows.


_UNSEEN: Final = (
    ev.StatsUpdated,
    ev.CallReported,
    ev.ScenariosSummed,
    ev.ServerStarted,
    ev.ServerStopped,
    ev.ApiStarted,
)


def _rows(event: ev.Event, start: int) -> list[Row]:
    at = event.at - start
    match event:
        case ev.AnswerRequested() | ev.EventPosted():
            return [_webhook_row(at, event)]
        case ev.ApiRequested():
            return [_api_row(at, event)]
        case ev.Connected() | ev.DtmfPressed() | ev.MessageReceived() | ev.Ended():
            return [_socket_row(at, event)]
        case ev.DrillStruck():
            return [Row(at, "drill", socket=clean(event.drill, 40), style="yellow")]
        case ev.Notice():
            return [Row(at, reading=clean(event.message, 120), style=_style(event.level))]
        case ev.FindingRaised():
            if event.count > 1:
                return []  # told again with its count, which stands below
            return [Row(at, reading=f"{clean(event.code, 12)} {clean(event.level, 12)}", style=_style(event.level))]
        case ev.ScenarioStepped():
            return [_step_row(at, event)]
    return [] if isinstance(event, _UNSEEN) else [Row(at, reading=_other(event))]


def _step_row(at: int, event: ev.ScenarioStepped) -> Row:
    if event.reason:
        return Row(at, reading=f"step {event.number} fails", style=_style("error"))
    return Row(at, reading=f"step {event.number}: {clean(event.step, 60)}")


def _webhook_row(at: int, event: ev.AnswerRequested | ev.EventPosted) -> Row:
    if isinstance(event, ev.AnswerRequested):
        reading = f"NCCO: {_actions(event.ncco)}"
        return Row(at, "phone leg", f"{_OUT}{clean(event.method, 8)} answer", reading=reading)
    to = event.body.get("to")
    leg = "socket leg" if isinstance(to, str) and to.startswith(("ws:", "wss:")) else "phone leg"
    said = [clean(event.body[key], 40) for key in ("reason", "detail") if event.body.get(key)]
    return Row(at, leg, f"{_OUT}{clean(event.status, 30)}", reading=wording.joined(said))


def _api_row(at: int, event: ev.ApiRequested) -> Row:
    """What the application asks for, by the part of the path behind the leg's uuid."""
    asked = "/".join(event.path.split("/")[4:]) or "call"
    reading = f"{event.status} {clean(event.detail, 120)}".rstrip()
    style = "yellow" if event.status >= 400 else ""
    return Row(at, webhooks=f"{_IN}{clean(event.method, 10)} {clean(asked, 30)}", reading=reading, style=style)


def _socket_row(at: int, event: ev.Connected | ev.DtmfPressed | ev.MessageReceived | ev.Ended) -> Row:
    match event:
        case ev.Connected():
            return Row(at, "opens socket", socket=f"{_OUT}connected {wording.khz(event.rate_hz)}")
        case ev.DtmfPressed():
            return Row(at, "presses", keys=event.digit, last_at_ns=at)
        case ev.MessageReceived():
            return Row(at, socket=_IN + _message(event.message))
    return _end_row(at, event)


def _end_row(at: int, event: ev.Ended) -> Row:
    reason = f": {clean(event.close_reason, 125)}" if event.close_reason else ""
    after = f"after {wording.span_text(event.duration_s)}"
    if event.closed_by == "network":
        return Row(at, socket=f"connection lost ({event.close_code})", reading=after, style="yellow")
    if event.closed_by == "platform":
        return Row(at, "hangs up", socket=f"{_OUT}close {event.close_code}{reason}", reading=after)
    return Row(at, socket=f"{_IN}close {event.close_code}{reason}", reading=after)


def _audio_rows(at: int, end: ev.Ended | None, report: JsonObject) -> Iterator[Row]:
    """Where audio began, either way, with all that came of it."""
    sent = round(_number(report.get("frames_sent", 0 if end is None else end.frames_out)))
    received = round(_number(report.get("frames_received", 0 if end is None else end.frames_in)))
    if sent:
        yield Row(at, "speaks", socket=f"{_OUT}audio {wording.span_text(sent * FRAME_NS / SECOND)}")
    first_ms = report.get("first_audio_ms")
    if received:
        reading = "" if first_ms is None else f"after {_number(first_ms):.0f} ms"
        heard = _IN + wording.counted(received, "frame")
        yield Row(at + round(_number(first_ms) * MS), "hears", socket=heard, reading=reading)
    for key, said in (("underruns_at_s", "hears a gap"), ("overflows_at_s", "loses audio")):
        times = report.get(key)
        for at_s in times[:MAX_GAPS] if isinstance(times, list) else ():
            yield Row(at + round(_number(at_s) * SECOND), said, style="yellow")
    yield from _barge_in_rows(at, report)


def _barge_in_rows(at: int, report: JsonObject) -> Iterator[Row]:
    """When the caller broke in, and what became of it."""
    each = _object(report, "barge_in").get("each")
    for item in each[:MAX_GAPS] if isinstance(each, list) else ():
        stopped_ms = item.get("stopped_after_ms")
        reading = "goes on" if stopped_ms is None else f"silent after {_number(stopped_ms):.0f} ms"
        yield Row(at + round(_number(item.get("at_s")) * SECOND), "breaks in", reading=reading)


def _together(rows: Iterable[Row]) -> Iterator[Row]:
    """Keys that follow each other become one row, and so does what is the same again."""
    before: Row | None = None
    for row in rows:
        if before is not None and row.keys and before.keys and row.at_ns - before.last_at_ns <= KEYS_TOGETHER_NS:
            before = replace(before, keys=before.keys + row.keys, last_at_ns=row.at_ns)
        elif before is not None and row.socket and replace(row, at_ns=0) == replace(before, at_ns=0, times=1):
            before = replace(before, times=before.times + 1)
        else:
            if before is not None:
                yield before
            before = row
    if before is not None:
        yield before


def _shortened(rows: list[Row]) -> list[Row]:
    if len(rows) <= MAX_ROWS:
        return rows
    half = MAX_ROWS // 2
    hidden = len(rows) - 2 * half
    return [*rows[:half], Row(rows[half].at_ns, reading=f"… {hidden:,} rows left out …", style="dim"), *rows[-half:]]


def _actions(ncco: object) -> str:
    if not isinstance(ncco, list) or not ncco:
        return "nothing"
    names = [clean(action.get("action", "?") if isinstance(action, dict) else action, 20) for action in ncco[:6]]
    return ", ".join(names) + (" …" if len(ncco) > 6 else "")


def _message(message: object) -> str:
    if not isinstance(message, dict):
        return f"text {clean(message, 60)}"
    match message.get("action"):
        case "clear" if len(message) == 1:
            return "clear"
        case "notify" if "payload" in message:
            return f"notify {clean(message['payload'], 60)}"
    return f"text {clean(message, 60)}"


def _other(event: ev.Event) -> str:
    """Whatever else is told, by the names of its kind and of its file or path."""
    about = getattr(event, "file", None) or getattr(event, "path", None) or getattr(event, "error", None) or ""
    return " ".join(filter(None, (clean(event.name, 40), clean(about, 80))))


# Figures.


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0


def _counted(report: JsonObject, key: str, word: str) -> str:
    return wording.counted(round(_number(report.get(key))), word)


def _echo(report: JsonObject) -> str:
    echo = report.get("echo")
    if not isinstance(echo, dict) or not isinstance(echo.get("delay_ms"), dict):
        return ""
    delay = echo["delay_ms"]
    text = f"echo after {_number(delay.get('p50')):.1f} ms"
    return f"{text} p50, {_number(delay['p99']):.1f} ms p99" if "p99" in delay else text


def _conversation(report: JsonObject) -> Iterator[str]:
    """How soon the server answered, and how soon it gave way."""
    turns, barge_in = _object(report, "turns"), _object(report, "barge_in")
    if turns.get("count"):
        answered = f"answered after {_spread(_object(turns, 'latency_ms'))}"
        yield wording.joined([_counted(turns, "count", "turn"), answered, _own(turns)])
    if barge_in.get("count"):
        stop_ms, unstopped = _object(barge_in, "stop_ms"), round(_number(barge_in.get("unstopped")))
        yield wording.joined(
            [
                _counted(barge_in, "count", "barge-in"),
                f"silence after {_spread(stop_ms)}" if stop_ms else "",
                f"{unstopped:,} not stopped" if unstopped else "",
                _own(barge_in) if stop_ms else "",
            ]
        )


def _object(report: JsonObject, key: str) -> JsonObject:
    found = report.get(key)
    return found if isinstance(found, dict) else {}


def _spread(spread: JsonObject) -> str:
    p50, p95, longest = (_number(spread.get(key)) for key in ("p50", "p95", "max"))
    return f"{longest:.0f} ms" if p50 == longest else f"{p50:.0f} ms p50, {p95:.0f} ms p95"


def _own(measured: JsonObject) -> str:
    return f"own timer late by {_number(measured.get('own_lateness_ms')):.1f} ms at most"


def _findings(events: Sequence[ev.Event], report: JsonObject) -> list[JsonObject]:
    """Those of the report; those that were told, with their last count, where there is none."""
    if isinstance(found := report.get("findings"), list):
        return found
    told = {event.code: event for event in events if isinstance(event, ev.FindingRaised)}
    return [
        {"code": event.code, "level": event.level, "message": event.message, "count": event.count}
        for event in told.values()
    ]


def _drill_lines(report: JsonObject, width: int, show: Show) -> list[Text]:
    """What each drill did, and how it was taken."""
    drills = report.get("drills")
    lines: list[Text] = []
    for drill in drills if isinstance(drills, list) else ():
        head = show(f"drill {clean(drill.get('drill', ''), 40)}")
        for number, (key, style) in enumerate((("did", "dim"), ("took", ""))):
            parts = wrap(show(clean(drill.get(key, ""), 400)), max(1, width - 4)) if drill.get(key) else []
            lines += [Text(head, "yellow")] * (number == 0)
            lines += [Text.assemble("    ", (part, style)) for part in parts]
    return lines


def _finding_lines(finding: JsonObject, width: int, show: Show) -> list[Text]:
    code, level = clean(finding.get("code", ""), 12), clean(finding.get("level", ""), 12)
    count = finding.get("count", 1)
    often = f" (\u00d7{count:,})" if isinstance(count, int) and count > 1 else ""
    head = show(f"{code} {level.ljust(7)}  ")
    said = show(f"{clean(finding.get('message', ''), 400)}{often}")
    rule = CATALOGUE.get(code)
    cure = show(rule.cure) if rule is not None else ""
    if width < _COLUMNS_WIDTH:
        return [Text(part) for text in (head + said, cure) if text for part in wrap(text, width)]
    room = width - cell_len(head)
    parts = [(part, "") for part in wrap(said, room)]
    parts += [(part, "dim") for part in wrap(cure, room) if cure]
    indent = " " * cell_len(head)
    return [
        Text.assemble((indent if number else head, _style(level)), (part, style))
        for number, (part, style) in enumerate(parts)
    ]


def _style(level: str) -> str:
    return _LEVEL_STYLES.get(level, "")


# Drawing.


@dataclass(frozen=True, slots=True)
class _Line:
    """A row whose text is what the terminal can show."""

    time: str
    cells: tuple[str, ...]
    style: str


def _table(rows: Sequence[Row], width: int, show: Show) -> Iterator[Text]:
    lines = [_Line(_time(row), tuple(map(show, row.cells)), row.style) for row in rows]
    if width < _COLUMNS_WIDTH:
        yield from _narrow(lines, width)
        return
    lines.insert(0, _Line("time".rjust(_TIME_WIDTH), _TITLES, "bold"))
    widths = _widths(lines, width)
    for line in lines:
        yield from _drawn(line, widths, show(" │ "))


def _narrow(lines: Sequence[_Line], width: int) -> Iterator[Text]:
    """Terminals that have no room for columns lose them, not the text."""
    for line in lines:
        said = " ".join(filter(None, line.cells))
        for number, part in enumerate(wrap(said, max(1, width - _TIME_WIDTH - 1))):
            head = " " * _TIME_WIDTH if number else line.time
            yield Text.assemble((head, "dim"), " ", (part, line.style))


def _drawn(line: _Line, widths: Sequence[int], rail: str) -> Iterator[Text]:
    """One row of the table, as many lines high as its highest cell."""
    cells = [wrap(cell, size) for cell, size in zip(line.cells, widths, strict=True)]
    for number in range(max(map(len, cells))):
        drawn = Text.assemble((" " * _TIME_WIDTH if number else line.time, line.style or "dim"))
        for cell, size in zip(cells, widths, strict=True):
            part = cell[number] if number < len(cell) else ""
            drawn.append(rail, "dim")
            drawn.append(part + " " * (size - cell_len(part)), line.style)
        drawn.rstrip()
        yield drawn


def _widths(lines: Sequence[_Line], width: int) -> list[int]:
    """As wide as the columns want to be, as far as there is room; our own words give way first, then the widest."""
    widths = [max(_LEAST_WIDTH, *(cell_len(line.cells[column]) for line in lines)) for column in range(len(_TITLES))]
    room = width - _TIME_WIDTH - 3 * len(_TITLES)
    widths[-1] = max(min(widths[-1], _READING_WIDTH), room - sum(widths[:-1]))
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    return widths


def _time(row: Row) -> str:
    seconds = row.at_ns / SECOND
    return f"{seconds:{_TIME_WIDTH}.{3 if seconds < 999.9995 else 1}f}"


def _as_ascii(text: str) -> str:
    return plain_ascii(text.translate(_ASCII))


def _as_it_is(text: str) -> str:
    return text
