"""
Events as JSON, one object a line: the contract that scripts rely on.

Fields keep their event's names and order. Rule: a field is never renamed or removed while ``v`` is 1; new ones may come.
Lines are printable ASCII and hold no secrets; half a surrogate pair, which no text has, is U+FFFD.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from vonage_sock.call.events import CallReported, Event, LoadReported, Notice, StatsUpdated
from vonage_sock.clock import MS, SECOND, Clock, iso_utc
from vonage_sock.display.output import Target, TextOutput
from vonage_sock.display.safe import clean
from vonage_sock.protocol.redaction import redact

VERSION: Final = 1
LOST: Final = "output.lost"
LIMIT: Final = 20_000
"""How many lines may wait for a reader: more than on a screen, since a script wants them all."""

_COMMON: Final = frozenset({"at", "call"})
_HALF_TICK_NS: Final = 50 * MS


def to_json(event: Event, *, wall_ns: int, started_at: int) -> str:
    """
    An event as one line of ASCII, without the line end.

    A report stands in the line itself, so that a script needs one step less to its figures.
    ``wall_ns`` is the event's time of day (Unix nanoseconds), ``started_at`` the monotonic time that ``t`` counts from.
    """
    result = _head(event.name, wall_ns, event.at - started_at)
    if event.call is not None:
        result["call"] = event.call
    if isinstance(event, CallReported | LoadReported):
        return dumps(result | event.report)
    result.update((f.name, getattr(event, f.name)) for f in fields(event) if f.name not in _COMMON)
    return dumps(result)


class JsonLines:
    """
    An observer that writes every event but notices, which are for people.

    Args:
        people: takes what notices say is wrong.
        stats: write ``call.stats`` too, once a second for each call.
        started_at: what ``t`` counts from, in monotonic nanoseconds; now, when left out.
    """

    def __init__(
        self,
        output: TextOutput,
        clock: Clock,
        *,
        stats: bool = False,
        started_at: int | None = None,
        people: TextOutput | None = None,
    ) -> None:
        self._output = output
        self._people = people
        self._clock = clock
        self._stats = stats
        self._started_at = clock.now() if started_at is None else started_at
        self._stats_at: dict[str | None, int] = {}

    def __call__(self, event: Event) -> None:
        """Write it."""
        if isinstance(event, Notice):
            self._say(event)
            return
        if isinstance(event, StatsUpdated) and not self._is_due(event):
            return
        if event.name == "call.ended":
            self._stats_at.pop(event.call, None)
        wall_ns = self._clock.wall_ns() - (self._clock.now() - event.at)
        self._output.put(to_json(event, wall_ns=wall_ns, started_at=self._started_at))

    def _say(self, notice: Notice) -> None:
        if self._people is not None and notice.level != "info":
            about = "" if notice.call is None else f"{clean(notice.call, 60)}: "
            self._people.put(f"{clean(notice.level, 12)}: {about}{clean(notice.message, 600)}")

    def _is_due(self, event: StatsUpdated) -> bool:
        last_at = self._stats_at.get(event.call)
        # Timers come a little early or late; without the half a tick every other second would be left out.
        if not self._stats or (last_at is not None and event.at - last_at < SECOND - _HALF_TICK_NS):
            return False
        self._stats_at[event.call] = event.at
        return True


class JsonPainter:
    """Writes lines; tells in JSON, too, that some were lost."""

    def __init__(self, target: Target, clock: Clock, *, started_at: int) -> None:
        self._target = target
        self._clock = clock
        self._started_at = started_at

    def paint(self, items: Sequence[str], lost: int) -> None:
        """Write the lines."""
        text = "".join(f"{item}\n" for item in items)
        if lost:
            head = _head(LOST, self._clock.wall_ns(), self._clock.now() - self._started_at)
            text += dumps({**head, "lines": lost}) + "\n"
        self._target.write(text)

    def finish(self) -> None:
        """Nothing to undo."""


def _head(name: str, wall_ns: int, span_ns: int) -> dict[str, Any]:
    return {"v": VERSION, "event": name, "time": iso_utc(wall_ns), "t": round(span_ns / SECOND, 3)}


def dumps(value: dict[str, Any]) -> str:
    """An object as printable ASCII without secrets."""
    value = redact(value)
    try:
        line = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        line = json.dumps(_plain(value), separators=(",", ":"), allow_nan=False)
    if "\\ud" in line:
        line = json.dumps(_plain(value), separators=(",", ":"), allow_nan=False)
    return line


def _plain(value: object) -> object:
    """The same with what JSON can't say replaced: NaN and infinities by null, half a letter by U+FFFD, others by text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return _whole(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {_whole(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return _whole(str(value))


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
