"""
What a load test counts: plain numbers and histograms of times, which can be added to each other without loss.

Each generating process gives one tally a second; the sum of all of them is the result, whoever counted it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from vonage_sock.clock import MS

SUB_BITS: Final = 7
FINE_BITS: Final = SUB_BITS + 1
_FINE: Final = 1 << FINE_BITS

JsonObject = dict[str, Any]


def bucket_of(span_ns: int) -> int:
    """
    The number of a time's bucket: 128 of the same width in each doubling, so that none is wider than 1/128 of its value.

    Who counts 50 times a second in each of a thousand calls has this expression in the loop instead of the call.
    """
    shift = span_ns.bit_length() - FINE_BITS
    return span_ns if shift <= 0 else (shift << SUB_BITS) + (span_ns >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """The times in a bucket: from the first, up to but without the second, in nanoseconds."""
    if bucket < _FINE:
        return bucket, bucket + 1
    shift = (bucket >> SUB_BITS) - 1
    first = (bucket - (shift << SUB_BITS)) << shift
    return first, first + (1 << shift)


class Histogram:
    """Times in nanoseconds, counted; a quantile is exact to 1 % of its value, the largest time to the nanosecond."""

    __slots__ = ("counts", "max_ns")

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] = defaultdict(int)
        self.max_ns = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and (self.counts, self.max_ns) == (other.counts, other.max_ns)

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def count(self) -> int:
        """How many times were added."""
        return sum(self.counts.values())

    def add(self, span_ns: int, times: int = 1) -> None:
        """Count one time, or the same one several times; a negative one counts as zero."""
        span_ns = max(span_ns, 0)
        self.counts[bucket_of(span_ns)] += times
        if span_ns > self.max_ns:
            self.max_ns = span_ns

    def merge(self, other: Histogram) -> None:
        """Count all that the other has counted."""
        counts = self.counts
        for bucket, count in other.counts.items():
            counts[bucket] += count
        self.max_ns = max(self.max_ns, other.max_ns)

    def quantile_ns(self, share: float) -> int | None:
        """The time that this share of all (0 to 1) doesn't exceed; None where nothing was counted."""
        return self.quantiles_ns((share,))[0] if self.counts else None

    def quantiles_ns(self, shares: Sequence[float]) -> list[int]:
        """Those of several shares, from the smallest on; of nothing, none."""
        count = self.count
        wanted = [max(1, math.ceil(count * share - 1e-9)) for share in shares]
        found: list[int] = []
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            while seen >= wanted[len(found)]:
                first, end = bounds_of(bucket)
                found.append(min((first + end) // 2, self.max_ns))
                if len(found) == len(wanted):
                    return found
        return found

    def steps(self) -> Iterator[tuple[int, int, int]]:
        """Each bucket that isn't empty: its first time, its end, and its count."""
        for bucket in sorted(self.counts):
            yield (*bounds_of(bucket), self.counts[bucket])

    def summary_ms(self) -> JsonObject | None:
        """p50, p95, p99, p99.9 and max in milliseconds; None where nothing was counted."""
        if not self.counts:
            return None
        named = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
        spans = dict(zip(named, self.quantiles_ns(tuple(named.values())), strict=True)) | {"max": self.max_ns}
        return {name: ms(span_ns) for name, span_ns in spans.items()}

    def to_json(self) -> JsonObject:
        """For another process."""
        # Two lists are written in a fraction of the time that a list of pairs takes, in which no frame leaves.
        return {"buckets": list(self.counts), "counts": list(self.counts.values()), "max_ns": self.max_ns}

    @classmethod
    def from_json(cls, value: JsonObject) -> Histogram:
        """What ``to_json`` gave."""
        histogram = cls()
        histogram.counts.update(zip(value["buckets"], value["counts"], strict=True))
        histogram.max_ns = value["max_ns"]
        return histogram


def ms(span_ns: int | None) -> float | None:
    """Milliseconds, to the microsecond."""
    return None if span_ns is None else round(span_ns / MS, 3)


@dataclass(slots=True)
class Found:
    """A finding: what was said of it first, in how many calls it was, and how often in all."""

    level: str
    message: str
    calls: int = 0
    count: int = 0


@dataclass(slots=True)
class Tally:
    """
    Everything that is counted, in one second or in all.

    Args:
        sent: frames with a mark that were written.
        late: frames that came back and took longer than the bound for that.
        lost: frames that didn't come back in their call, or not within ``LOST_AFTER_S``.
        out_of_order: frames that came back after one that was sent later.
        stray: frames that had come back already, or were said in another call.
        altered: frames that came back with their mark and with other samples.
        unmarked_bytes: audio that came and holds no mark.
        failed: calls that could not be opened; ``refusals`` says why, and how often.
        dropped: calls that the server or the network ended; ``closes`` has their codes.
        open_calls: at the end of the second.
        watched: calls in which findings were looked for.
        compared: frames of changed audio that were timed by comparing it with what was said.
        audible_windows, matched_windows: stretches of changed audio that were compared with what was said, and those that
            are the same.
        repeating: calls whose changed audio couldn't be compared, by the seconds after which what they say begins anew.
        round_trip: from the writing of a frame to its return.
        own_lateness: from when a frame was due to its writing.
        read_late: from when a frame came to its being read: this much is ours in every round trip.
        connect, answer: opening a socket, and fetching an answer.
        jitter: of each call, as RFC 3550 estimates it: how unevenly frames come back.
    """

    sent: int = 0
    late: int = 0
    lost: int = 0
    out_of_order: int = 0
    stray: int = 0
    altered: int = 0
    unmarked_bytes: int = 0
    opened: int = 0
    failed: int = 0
    dropped: int = 0
    open_calls: int = 0
    watched: int = 0
    compared: int = 0
    audible_windows: int = 0
    matched_windows: int = 0
    round_trip: Histogram = field(default_factory=Histogram)
    own_lateness: Histogram = field(default_factory=Histogram)
    read_late: Histogram = field(default_factory=Histogram)
    connect: Histogram = field(default_factory=Histogram)
    answer: Histogram = field(default_factory=Histogram)
    jitter: Histogram = field(default_factory=Histogram)
    closes: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    repeating: dict[str, int] = field(default_factory=dict)
    findings: dict[str, Found] = field(default_factory=dict)

    @property
    def returned(self) -> int:
        """Frames that came back, each once."""
        return self.round_trip.count

    def find(self, code: str, level: str, message: str, *, count: int = 1) -> None:
        """Note a finding of one call."""
        found = self.findings.setdefault(code, Found(level, message))
        found.calls += 1
        found.count += count

    def refuse(self, why: str) -> None:
        """A call could not be opened."""
        self.failed += 1
        if why in self.refusals or len(self.refusals) < MAX_REFUSALS:
            self.refusals[why] = self.refusals.get(why, 0) + 1

    def drop(self, code: int) -> None:
        """A call was ended by the other side."""
        self.dropped += 1
        self.closes[str(code)] = self.closes.get(str(code), 0) + 1

    def merge(self, other: Tally) -> None:
        """Count all that the other has counted; ``open_calls`` are those of the same moment."""
        for item in fields(self):
            own, more = getattr(self, item.name), getattr(other, item.name)
            match own:
                case int():
                    setattr(self, item.name, own + more)
                case Histogram():
                    own.merge(more)
                case _ if item.name == "findings":
                    self._merge_findings(more)
                case _:
                    for key, count in more.items():
                        own[key] = own.get(key, 0) + count

    def _merge_findings(self, more: Mapping[str, Found]) -> None:
        for code, found in more.items():
            own = self.findings.setdefault(code, Found(found.level, found.message))
            own.calls += found.calls
            own.count += found.count

    def to_json(self) -> JsonObject:
        """For another process; what is zero or empty is left out."""
        result: JsonObject = {}
        for item in fields(self):
            value = getattr(self, item.name)
            match value:
                case Histogram():
                    if value.counts:
                        result[item.name] = value.to_json()
                case _ if item.name == "findings":
                    if value:
                        result[item.name] = {c: [f.level, f.message, f.calls, f.count] for c, f in value.items()}
                case _ if value:
                    result[item.name] = value
        return result

    @classmethod
    def from_json(cls, value: JsonObject) -> Tally:
        """What ``to_json`` gave."""
        tally = cls()
        for item in fields(cls):
            if item.name not in value:
                continue
            raw = value[item.name]
            if isinstance(getattr(tally, item.name), Histogram):
                raw = Histogram.from_json(raw)
            elif item.name == "findings":
                raw = {code: Found(*parts) for code, parts in raw.items()}
            setattr(tally, item.name, raw)
        return tally


MAX_REFUSALS: Final = 20
LOST_AFTER_S: Final = 10
"""A frame that isn't back by then counts as lost, and as stray when it comes all the same."""


class Book:
    """Where the calls of a process count: a new tally each second."""

    __slots__ = ("late_ns", "tally")

    def __init__(self, late_ns: int) -> None:
        self.late_ns = late_ns
        self.tally = Tally()

    def turn(self) -> Tally:
        """What was counted since the last time."""
        tally, self.tally = self.tally, Tally()
        return tally
