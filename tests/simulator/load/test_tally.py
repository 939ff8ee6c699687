"""Counting and adding up."""

from __future__ import annotations

import json
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.clock import MS
from vonage_sock.simulator.load.tally import MAX_REFUSALS, Histogram, Tally, bounds_of, bucket_of

TIMES = st.integers(0, 10**13)


def histogram_of(times: list[int]) -> Histogram:
    """These, counted."""
    histogram = Histogram()
    for time_ns in times:
        histogram.add(time_ns)
    return histogram


@settings(max_examples=300)
@given(time_ns=TIMES)
def test_a_time_lies_in_its_bucket_and_no_bucket_is_wide(time_ns: int) -> None:
    """At most 1/128 of the time, or a nanosecond."""
    first, end = bounds_of(bucket_of(time_ns))

    assert first <= time_ns < end
    assert end - first <= max(1, time_ns / 128)


@settings(max_examples=200)
@given(times=st.lists(TIMES, min_size=1, max_size=60), share=st.sampled_from([0.5, 0.95, 0.99, 0.999, 1.0]))
def test_a_quantile_is_exact_to_one_per_cent(times: list[int], share: float) -> None:
    """For any times from nothing to hours; never above the largest."""
    rank = max(1, -(-len(times) * round(share * 1000) // 1000))
    true_ns = sorted(times)[rank - 1]
    found_ns = histogram_of(times).quantile_ns(share)

    assert found_ns is not None
    assert abs(found_ns - true_ns) <= max(1, true_ns / 100)
    assert found_ns <= max(times)


@settings(max_examples=100)
@given(parts=st.lists(st.lists(TIMES, max_size=30), min_size=1, max_size=5))
def test_histograms_add_up_exactly(parts: list[list[int]]) -> None:
    """Those of several processes, through JSON, are the one of all their times."""
    total = Histogram()
    for part in parts:
        total.merge(Histogram.from_json(json.loads(json.dumps(histogram_of(part).to_json()))))

    assert histogram_of([time_ns for part in parts for time_ns in part]) == total


def test_nothing_counted_has_no_quantile() -> None:
    """No figure is better than a zero."""
    assert (None, None, 0) == (Histogram().quantile_ns(0.5), Histogram().summary_ms(), Histogram().count)


def test_a_summary_is_in_milliseconds() -> None:
    """A thousand times from 1 to 1000 ms."""
    summary = histogram_of([ms * MS for ms in range(1, 1001)]).summary_ms()

    assert pytest.approx({"p50": 500, "p95": 950, "p99": 990, "p99_9": 999, "max": 1000}, rel=0.01) == summary


def test_a_negative_time_counts_as_zero() -> None:
    """A timer that came early isn't late."""
    assert 0 == histogram_of([-5]).max_ns


def tally(seed: int) -> Tally:
    """One with something of everything."""
    made = Tally(sent=seed, late=2, lost=seed, opened=1, open_calls=seed)
    made.round_trip.add(seed * MS)
    made.find("VS201", "warning", f"a gap of {seed} ms", count=seed)
    made.refuse(f"no {seed % 2}")
    made.drop(1006)
    return made


def test_tallies_add_up_through_json() -> None:
    """Whole numbers, histograms, findings, reasons and codes; the first message of a finding stays."""
    parts = [Tally.from_json(json.loads(json.dumps(tally(seed).to_json()))) for seed in (1, 2, 3)]
    total = reduce(lambda whole, part: (whole.merge(part), whole)[1], parts, Tally())

    assert (6, 6, 6, 3, 3) == (total.sent, total.lost, total.open_calls, total.failed, total.dropped)
    assert 3 == total.returned
    assert {"no 0": 1, "no 1": 2} == total.refusals
    assert {"1006": 3} == total.closes
    assert ("a gap of 1 ms", 3, 6) == (
        total.findings["VS201"].message,
        total.findings["VS201"].calls,
        total.findings["VS201"].count,
    )


def test_an_empty_tally_takes_no_room() -> None:
    """What is zero isn't told."""
    assert {} == Tally().to_json()


def test_reasons_are_bounded() -> None:
    """A server that gives each call a reason of its own doesn't fill our memory; all are counted."""
    made = Tally()
    for number in range(1000):
        made.refuse(f"reason {number}")

    assert (1000, MAX_REFUSALS) == (made.failed, len(made.refusals))


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(1, 5))))
def test_a_time_added_several_times_counts_as_one_by_one(spans: list[tuple[int, int]]) -> None:
    """In the same buckets, and with the same maximum."""
    at_once, singly = Histogram(), Histogram()
    for span_ns, times in spans:
        at_once.add(span_ns, times)
        for _ in range(times):
            singly.add(span_ns)

    assert singly == at_once
