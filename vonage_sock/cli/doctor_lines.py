"""
What ``vsock doctor`` shows: a line for each check with its cure right below, or one JSON object a line.

Rule: a check is shown as soon as it is known; all text passes through ``clean``.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections import Counter
from typing import Final

import click

from vonage_sock.call.events import DoctorChecked, DoctorSummed
from vonage_sock.cli.printing import print_lines
from vonage_sock.clock import SECOND, Clock
from vonage_sock.display.jsonlines import to_json
from vonage_sock.display.safe import clean
from vonage_sock.doctor.checks import Check, Result
from vonage_sock.errors import ExitCode

MAX_TEXT: Final = 600
MAX_ABOUT: Final = 300
NAME_WIDTH: Final = 16
LEAST_WIDTH: Final = 50
MOST_WIDTH: Final = 140
MARKS: Final = {Result.OK: ("✓", "green"), Result.FAULT: ("✗", "red"), Result.SKIPPED: ("\u2013", "bright_black")}


class Tally:
    """What was found so far."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._results: Counter[Result] = Counter()
        self._advised = 0

    def add(self, check: Check) -> Check:
        """Count it; the check as it is to be shown."""
        self._advised += check.advises
        if self._strict and check.advises:
            check = Check(check.name, Result.FAULT, check.message, check.cures)
        self._results[check.result] += 1
        return check

    @property
    def exit_code(self) -> ExitCode:
        """3 where something is at fault."""
        return ExitCode.PROTOCOL if self._results[Result.FAULT] else ExitCode.OK

    def event(self, *, at: int, duration_s: float) -> DoctorSummed:
        """All of it."""
        return DoctorSummed(
            at=at,
            ok=self._results[Result.OK],
            faults=self._results[Result.FAULT],
            skipped=self._results[Result.SKIPPED],
            advised=self._advised,
            exit_code=self.exit_code,
            duration_s=duration_s,
        )


class DoctorJson:
    """One object a line."""

    def __init__(self, clock: Clock, *, strict: bool) -> None:
        self._clock = clock
        self._tally = Tally(strict=strict)
        self._started_at = clock.now()

    def doing(self, what: str) -> None:
        """Nothing: what is tried is no result."""

    def clear(self) -> None:
        """Nothing to undo."""

    def tell(self, about: str, check: Check) -> None:
        """Write it."""
        check = self._tally.add(check)
        self._put(
            DoctorChecked(
                at=self._clock.now(),
                about=about[:MAX_ABOUT],
                check=check.name,
                result=check.result.value,
                message=check.message[:MAX_TEXT],
                cures=tuple(cure[:MAX_TEXT] for cure in check.cures),
            )
        )

    def finish(self) -> ExitCode:
        """The sum; the exit code."""
        now = self._clock.now()
        self._put(self._tally.event(at=now, duration_s=round((now - self._started_at) / SECOND, 3)))
        return self._tally.exit_code

    def _put(self, event: DoctorChecked | DoctorSummed) -> None:
        print_lines([to_json(event, wall_ns=self._clock.wall_ns(), started_at=self._started_at)])


class DoctorLines:
    """Lines for people; on a terminal also what is tried now, in colours, and folded to its width."""

    def __init__(self, clock: Clock, *, strict: bool) -> None:
        self._clock = clock
        self._tally = Tally(strict=strict)
        self._started_at = clock.now()
        self._about: str | None = None
        self._terminal = _is_terminal()
        self._colours = self._terminal and not os.environ.get("NO_COLOR")
        self._is_doing = False

    def doing(self, what: str) -> None:
        """Show it until the next line."""
        if self._terminal:
            self.clear()
            self._is_doing = True
            _write(clean(f"  … {what}", self._width() - 2))

    def clear(self) -> None:
        """Take away what is being tried."""
        if self._is_doing:
            self._is_doing = False
            _write("\r\x1b[K")

    def tell(self, about: str, check: Check) -> None:
        """Write its lines, under what they are about."""
        check = self._tally.add(check)
        self.clear()
        lines = []
        if about != self._about:
            lines = [*([""] if self._about is not None else []), clean(about, MAX_ABOUT)]
            self._about = about
        print_lines([*lines, *self._coloured(check, check_lines(check, self._width() if self._terminal else None))])

    def finish(self) -> ExitCode:
        """The sum; the exit code."""
        self.clear()
        span_s = (self._clock.now() - self._started_at) / SECOND
        print_lines(["", sum_line(self._tally.event(at=0, duration_s=span_s))])
        return self._tally.exit_code

    def _width(self) -> int:
        return min(MOST_WIDTH, max(LEAST_WIDTH, shutil.get_terminal_size().columns))

    def _coloured(self, check: Check, lines: list[str]) -> list[str]:
        if not self._colours:
            return lines
        mark, colour = MARKS[check.result]
        return [lines[0].replace(mark, click.style(mark, fg=colour), 1), *lines[1:]]


def check_lines(check: Check, width: int | None) -> list[str]:
    """
    A check's lines: how it was found, and below it what to do.

    Args:
        width: fold to it; None for a line each.
    """
    head = f"  {MARKS[check.result][0]} {clean(check.name, NAME_WIDTH):<{NAME_WIDTH}} "
    lines = _folded(head, clean(check.message, MAX_TEXT), width)
    for cure in check.cures:
        lines += _folded(f"{'':{len(head) - 2}}→ ", clean(cure, MAX_TEXT), width)
    return lines


def sum_line(summed: DoctorSummed) -> str:
    """How it all was, in one line."""
    looked = summed.ok + summed.faults
    said = [
        "nothing is wrong" if not summed.faults else f"{summed.faults} fault{'' if summed.faults == 1 else 's'}",
        f"{looked} looked at",
    ]
    if summed.skipped:
        said.append(f"{summed.skipped} not tried")
    if summed.advised:
        said.append(f"{summed.advised} could be better")
    return f"{', '.join(said)}, in {summed.duration_s:.1f} s"


def _folded(head: str, text: str, width: int | None) -> list[str]:
    if width is None:
        return [f"{head}{text}"]
    indent = " " * len(head)
    return textwrap.wrap(text, width - 1, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False) or [
        head
    ]


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown", ""}
    except (AttributeError, ValueError):
        return False


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError):
        pass  # the next line says so
