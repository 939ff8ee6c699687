"""Thresholds, and the search for the most calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.clock import MS, SECOND, US
from vonage_sock.errors import UsageError
from vonage_sock.simulator.load.plan import LoadPlan, check_place, default_ramp_ns
from vonage_sock.simulator.load.tally import Tally
from vonage_sock.simulator.load.verdict import DEFAULTS, PRECISION, Search, Thresholds, parse_span


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20ms", 20 * MS), ("500us", 500 * US), ("1.5s", 1500 * MS), (" 2s ", 2 * SECOND), ("0.25ms", 250 * US)],
)
def test_a_time_is_read_with_its_unit(text: str, expected: int) -> None:
    """Microseconds, milliseconds and seconds."""
    assert expected == parse_span(text)


@pytest.mark.parametrize("text", ["20", "", "ms", "-1ms", "1e3ms", "20 ms", "20min", "٢ms", "9" * 40 + "s"])
def test_a_time_without_a_known_unit_is_refused(text: str) -> None:
    """The sentence shows how it is written."""
    with pytest.raises(UsageError, match="such as 20ms"):
        parse_span(text)


def tally(*, lost: int = 0, failed: int = 0, dropped: int = 0) -> Tally:
    """A hundred round trips of 1 to 100 ms."""
    made = Tally(lost=lost, failed=failed, dropped=dropped)
    for ms in range(1, 101):
        made.round_trip.add(ms * MS)
    return made


def verdicts(thresholds: Thresholds, found: Tally) -> dict[str, bool]:
    """What was kept."""
    return {row.threshold: row.met for row in thresholds.rows(found)}


def test_each_threshold_is_judged_by_itself() -> None:
    """And the calls that failed with them."""
    thresholds = Thresholds(p50_ns=60 * MS, p95_ns=60 * MS, p99_ns=110 * MS, p999_ns=90 * MS, lost=1)

    assert {"p50": True, "p95": False, "p99": True, "p99.9": False, "lost": True, "failed": True} == verdicts(
        thresholds, tally(lost=1)
    )


def test_calls_that_were_not_made_miss_any_threshold() -> None:
    """Good figures of the calls that were are no excuse, unless so many may fail."""
    assert {"p99": True, "failed": False} == verdicts(Thresholds(p99_ns=SECOND), tally(failed=1, dropped=1))
    assert {"p99": True, "failed": True} == verdicts(Thresholds(p99_ns=SECOND, failed=2), tally(failed=1, dropped=1))


def test_what_was_not_measured_keeps_no_promise() -> None:
    """A server that returns nothing misses a p99 and a bound of lost frames, and the sentence says why."""
    rows = DEFAULTS.rows(Tally())

    assert {"p99": False, "lost": False, "failed": True} == {row.threshold: row.met for row in rows}
    assert "p99 nothing was measured (more than 20 ms)" == rows[0].sentence()


def test_without_thresholds_nothing_is_judged() -> None:
    """Neither kept nor missed."""
    assert [] == Thresholds().rows(tally(failed=5))


def tries(limit: int, *, first: int = 10, most: int = 5000) -> tuple[int, list[int]]:
    """The result and the tries, where up to ``limit`` calls pass."""
    search, tried = Search(first, most), []
    while (calls := search.next()) is not None:
        tried.append(calls)
        search.tell(calls, passed=calls <= limit)
    return search.passed, tried


def test_the_search_doubles_and_then_halves() -> None:
    """Exact for few calls."""
    assert (37, [10, 20, 40, 30, 35, 37, 38]) == tries(37)


def test_the_search_goes_below_its_first_try() -> None:
    """Down to none at all."""
    assert (3, [10, 5, 2, 3, 4]) == tries(3)
    assert 0 == tries(0)[0]


def test_the_search_stops_at_its_limit() -> None:
    """What passes there is the result."""
    assert (100, [10, 20, 40, 80, 100]) == tries(10_000, most=100)


@given(limit=st.integers(1, 6000))
def test_the_search_is_exact_to_5_per_cent_and_short(limit: int) -> None:
    """Never more than what passes."""
    found, tried = tries(limit, most=5000)

    assert min(limit, 5000) * (1 - 1 / PRECISION) - 1 <= found <= limit
    assert len(tried) < 20


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:1/x", "ws://localhost/x", "ws://[::1]:80/", "ws://a.localhost/", "http://127.9.9.9/"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    """Without a word."""
    check_place(url, 10_000, may_leave=False)

    assert default_ramp_ns(200) == 2 * SECOND


@pytest.mark.parametrize(
    "url", ["ws://example.com/", "wss://10.0.0.1/", "http://localhost.example.com/", "ws://0.0.0.0/"]
)
def test_another_machine_is_only_loaded_when_somebody_says_so(url: str) -> None:
    """A few calls are no load."""
    check_place(url, 20, may_leave=False)
    check_place(url, 5000, may_leave=True)

    with pytest.raises(UsageError, match="--i-may-load-this"):
        check_place(url, 21, may_leave=False)


def test_a_plan_survives_json_and_follows_its_calls() -> None:
    """The ramp goes with the calls unless it was given."""
    plan = LoadPlan(target="ws://127.0.0.1/x", calls=10, ramp_ns=1, duration_ns=2, headers={"a": 1})

    assert plan == LoadPlan(**plan.to_json())
    assert [(500, 5 * SECOND), (500, 7)] == [
        (made.calls, made.ramp_ns) for made in (plan.with_calls(500, None), plan.with_calls(500, 7))
    ]
