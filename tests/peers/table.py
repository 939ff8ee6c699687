"""
What each server of ``servers/`` and ``node/`` does in each of its modes, and what has to be said about it.

A mode is a part of the path: ``/echo/answer``, ``/echo/event``, ``/echo/socket``. The table holds for every framework; what
one of them does differently stands in ``DIFFERENT``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """
    One mode.

    Args:
        expected: the codes that it must give, and no others.
        allowed: codes that it may give besides, with the reason in a comment beside it.
        seconds: how long the caller stays.
        turn: rows of one turn are called at the same time, after those of the turn before: who floods whoever calls mustn't
            disturb calls in which times matter.
        apart: it blocks its server, so that it has one of its own.
        strict: the call is made as Vonage makes it, which drops a leg on a wrong frame.
    """

    mode: str
    expected: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    seconds: float = 2.0
    turn: int = 1
    apart: bool = False
    strict: bool = False

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{self.mode} (strict)" if self.strict else self.mode

    @property
    def correct(self) -> bool:
        """Nothing is wrong with it."""
        return not self.expected


def _row(mode: str, expected: str = "", allowed: str = "", **more: float) -> Row:
    return Row(mode, frozenset(expected.split()), frozenset(allowed.split()), **more)  # type: ignore[arg-type]


TABLE: Final = (
    _row("echo", seconds=3.0),
    _row("echo", strict=True),
    _row("play", seconds=3.5),
    _row("no-pacing", "VS202 VS205", seconds=2.4, turn=2),
    # Beside the flood, these are a second ahead.
    _row("big-endian", "VS107", turn=2),
    _row("shifted", "VS111", turn=2),
    _row("too-loud", "VS109", turn=2),
    _row("muted", "VS110", seconds=2.4, turn=2),
    _row("odd-bytes", "VS102 VS103", turn=2),
    _row("not-json", "VS301", turn=2),
    _row("unknown-command", "VS305", turn=2),
    _row("bad-notify", "VS306", turn=2),
    _row("one-message", "VS102", turn=2),
    _row("one-message", "VS101", turn=2, strict=True),
    # 22 ms a frame, so that even a machine without a millisecond of delay of its own makes it slow.
    _row("waits-and-sleeps", "VS201 VS203 VS204", seconds=4.0),
    # The bare sleep(0.02): how slow it is, and so when and how often the caller hears a gap, is the event loop's doing.
    _row("sleeps", "VS201", "VS203 VS204", seconds=6.5),
    _row("wav-header", "VS104"),
    _row("half-rate", "VS102 VS108 VS201 VS203", seconds=4.2),
    _row("short-tail", "VS102"),
    _row("json-base64", "VS106"),
    _row("closes", "VS318", turn=2),
    # The echo comes late by as much as it was once blocked, so that one pause is heard and the next ones need not be.
    _row("blocks", "VS201", "VS203", seconds=3.0, apart=True),
    # 400 ms while it plays, 100 ms ahead: the caller hears nothing for longer than a pause between sentences takes.
    _row("stalls", "VS201", seconds=3.5, apart=True),
    _row("slow-answer", "VS407"),
    _row("object", "VS402", turn=2),
)

BESIDES: Final = {
    # Its socket ends without a close frame where a handler returns that hasn't closed it.
    ("fastapi", "closes"): frozenset({"VS308"}),
    # Their close() sends no code unless it is given one.
    ("tornado", "closes"): frozenset({"VS309"}),
    ("ws", "closes"): frozenset({"VS309"}),
    ("express", "closes"): frozenset({"VS309"}),
}
"""What a framework gives besides the table, by its name and the mode."""


SELDOM: Final = {
    # Threads and uvloop sleep 20.1 ms: the caller hears a first gap after four seconds, and our own timer may excuse it.
    ("flask", "sleeps"): frozenset({"VS201"}),
    ("fastapi", "sleeps"): frozenset({"VS201"}),
}
"""What a framework may give, and need not."""


def row_for(framework: str, row: Row) -> Row:
    """What is expected of this framework."""
    seldom = SELDOM.get((framework, row.mode), frozenset())
    besides = BESIDES.get((framework, row.mode), frozenset())
    return replace(row, expected=(row.expected | besides) - seldom, allowed=row.allowed | seldom)
