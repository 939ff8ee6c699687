"""What a run must keep to, whether it did, and the search for the most calls with which it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from vonage_sock.clock import MS, SECOND, US
from vonage_sock.errors import UsageError
from vonage_sock.simulator.load.tally import Tally, ms

DEFAULT_P99_NS: Final = 20 * MS
PRECISION: Final = 20
"""The search is over when the least number that fails is within 1/20 of the largest that passes."""

JsonObject = dict[str, Any]

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(us|ms|s)", re.ASCII)
_UNITS: Final = {"us": US, "ms": MS, "s": SECOND}
_SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def parse_span(text: str) -> int:
    """
    Read ``20ms``, ``500us`` or ``1.5s``; nanoseconds.

    Raises:
        UsageError: another form: a number without its unit says too little.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} isn't a time; give a number with its unit, such as 20ms, 500us or 1.5s")
    return round(float(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class Row:
    """
    One threshold: what was wanted, what was found (None where nothing was measured), and whether that is kept.

    That is None, too, where somebody stopped the run before there was anything to judge.
    """

    threshold: str
    wanted: float
    found: float | None
    met: bool | None

    def to_json(self) -> JsonObject:
        """For the report; times are in milliseconds."""
        return {"threshold": self.threshold, "wanted": self.wanted, "found": self.found, "met": self.met}

    def sentence(self) -> str:
        """Half a line for a person."""
        unit = " ms" if self.threshold in _SHARES else ""
        found = "nothing was measured" if self.found is None else f"{self.found:.4g}{unit}"
        return f"{self.threshold} {found} ({'at most' if self.met else 'more than'} {self.wanted:g}{unit})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """
    Upper bounds, each None where nobody asked for it.

    Args:
        p50_ns, p95_ns, p99_ns, p999_ns: of the round trip.
        lost, failed: frames that didn't come back, and calls that couldn't be opened or were dropped.
    """

    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None
    p999_ns: int | None = None
    lost: int | None = None
    failed: int | None = None

    @property
    def any(self) -> bool:
        """Somebody asked for one."""
        return self != Thresholds()

    def rows(self, tally: Tally) -> list[Row]:
        """
        Each bound beside what was found.

        As soon as anything is asked for, all calls must be made: the figures of those that were are no excuse.
        """
        spans = zip(_SHARES.items(), (self.p50_ns, self.p95_ns, self.p99_ns, self.p999_ns), strict=True)
        rows = [
            _span_row(name, wanted, tally.round_trip.quantile_ns(share))
            for (name, share), wanted in spans
            if wanted is not None
        ]
        if self.lost is not None:
            # Of a server that returns nothing no frame is lost, and no promise kept.
            found = tally.lost if tally.round_trip.counts else None
            rows.append(Row("lost", self.lost, found, met=found is not None and found <= self.lost))
        if rows or self.failed is not None:
            wanted, broken = self.failed or 0, tally.failed + tally.dropped
            rows.append(Row("failed", wanted, broken, met=broken <= wanted))
        return rows


def _span_row(name: str, wanted_ns: int, found_ns: int | None) -> Row:
    found = ms(found_ns)
    return Row(name, wanted_ns / MS, found, met=found_ns is not None and found_ns <= wanted_ns)


DEFAULTS: Final = Thresholds(p99_ns=DEFAULT_P99_NS, lost=0, failed=0)
"""What ``--find-max`` keeps to when nobody said anything."""


class Search:
    """
    The largest number of calls that passes: doubled until one fails, then halved between.

    Exact below 40 calls, else to 5 %.

    Args:
        first: the first number to try.
        most: no more than that.
    """

    def __init__(self, first: int, most: int) -> None:
        self.passed = 0
        self.failed: int | None = None
        self._most = most
        self._next = min(first, most)

    def next(self) -> int | None:
        """How many calls to try; None when the search is over."""
        if self.failed is None:
            return None if self.passed == self._most else self._next
        if self.failed - self.passed <= max(1, self.passed // PRECISION):
            return None
        return (self.failed + self.passed) // 2

    def tell(self, calls: int, *, passed: bool) -> None:
        """How that try went."""
        if passed:
            self.passed = calls
            self._next = min(2 * calls, self._most)
        else:
            self.failed = calls
