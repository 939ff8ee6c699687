"""
What can be wrong with a call, each with a code that never changes its meaning.

VS1xx audio, VS2xx pacing, VS3xx protocol, VS4xx webhooks and NCCO, VS5xx reachability.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from vonage_sock.call.events import FindingRaised


class Level(Enum):
    """An error breaks the protocol; a warning is heard or soon will be; a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong; ``message`` is a format string for the numbers of the call at hand."""

    code: str
    level: Level
    message: str


CATALOGUE: Final = {
    rule.code: rule
    for rule in (
        Rule("VS101", Level.ERROR, "a binary message of {size} bytes where a frame has {expected}: the leg is dropped"),
        Rule("VS102", Level.WARNING, "a binary message of {size} bytes where a frame has {expected}: re-framed"),
        Rule(
            "VS103", Level.WARNING, "a binary message of {size} bytes, an odd number: every later sample may be shifted"
        ),
        Rule("VS201", Level.WARNING, "the caller heard a gap of {gap_ms} ms {at_s} s into the call"),
        Rule(
            "VS202", Level.WARNING, "more than {capacity} frames wait to be played: the platform loses what comes next"
        ),
        Rule("VS301", Level.WARNING, "a text message isn't JSON: {reason}"),
        Rule("VS302", Level.WARNING, "no websocket:connected message within {waited_ms} ms: {rate_hz} Hz is assumed"),
        Rule("VS303", Level.WARNING, "a second websocket:connected message; its format is ignored"),
        Rule("VS304", Level.ERROR, "the content type {reason} {rate_hz} Hz is assumed"),
        Rule("VS305", Level.WARNING, "a command that the platform doesn't know is ignored: {reason}"),
        Rule("VS306", Level.ERROR, "a command can't be carried out: {reason}"),
        Rule("VS307", Level.ERROR, "a behaviour failed and the call was closed: {reason}"),
        Rule("VS308", Level.WARNING, "the connection was lost without a close frame (1006)"),
        Rule("VS401", Level.ERROR, "the answer URL gave HTTP {status} instead of 200"),
        Rule("VS402", Level.ERROR, "the NCCO {reason}"),
        Rule("VS403", Level.WARNING, "the answer has content type {content_type!r}; application/json is expected"),
        Rule("VS404", Level.WARNING, "connect: {reason}"),
        Rule("VS405", Level.WARNING, "the event URL gave HTTP {status} to {event}; 200 to 205 is expected"),
        Rule("VS406", Level.WARNING, "action {number} of the NCCO, {action!r}, is unknown and skipped"),
        Rule("VS407", Level.WARNING, "the answer URL took {took_ms} ms; the platform gives up after {limit_ms} ms"),
        Rule("VS408", Level.WARNING, "the event URL can't be reached for {event}: {reason}"),
        Rule("VS409", Level.NOTE, "the NCCO has no connect to a websocket"),
        Rule("VS410", Level.WARNING, "a webhook can't be read: {reason}"),
    )
}


class Findings:
    """Counts what is wrong in one call and says when an observer should be told."""

    def __init__(self, call: str | None) -> None:
        self._call = call
        self._seen: dict[str, FindingRaised] = {}
        self._told: dict[str, int] = {}

    def add(self, code: str, *, at: int, frame: int, **numbers: object) -> FindingRaised | None:
        """Note it; the event to tell when this is the first of its code, else None."""
        before = self._seen.get(code)
        if before is not None:
            self._seen[code] = _recounted(before, before.count + 1, at)
            return None
        rule = CATALOGUE[code]
        event = FindingRaised(
            at=at,
            call=self._call,
            code=code,
            level=rule.level.value,
            message=rule.message.format(**numbers),
            count=1,
            first_frame=frame,
        )
        self._seen[code] = event
        self._told[code] = 1
        return event

    def totals(self, *, at: int) -> list[FindingRaised]:
        """The findings whose count has grown since they were told."""
        return [_recounted(e, e.count, at) for code, e in self._seen.items() if e.count > self._told[code]]

    def all(self) -> list[FindingRaised]:
        """Each code once, with its count so far, in the order of first sight."""
        return list(self._seen.values())


def _recounted(event: FindingRaised, count: int, at: int) -> FindingRaised:
    return FindingRaised(
        at=at,
        call=event.call,
        code=event.code,
        level=event.level,
        message=event.message,
        count=count,
        first_frame=event.first_frame,
    )
