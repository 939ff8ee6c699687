"""The page of a load test."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from vonage_sock.display import load_words
from vonage_sock.display.load_page import load_page

SPANS = {"p50": 0.5, "p95": 1.0, "p99": 2.0, "p99_9": 8.0, "max": 40.0}
EVIL = 'ws://x/<script>alert(1)</script>"\x1b'


def report(**changes: Any) -> dict[str, Any]:
    """One with something of everything."""
    values: dict[str, Any] = {
        "target": EVIL,
        "calls": 100,
        "procs": 2,
        "stopped": False,
        "ramp_s": 1.0,
        "duration_s": 10.0,
        "rate_hz": 16000,
        "calls_opened": 99,
        "calls_failed": 1,
        "refusals": {EVIL: 1},
        "calls_dropped": 1,
        "closes": {"0": 1},
        "frames_sent": 50_000,
        "frames_returned": 49_999,
        "frames_late": 4,
        "late_after_ms": 20.0,
        "frames_lost": 1,
        "frames_out_of_order": 0,
        "frames_stray": 2,
        "frames_altered": 0,
        "measured_by": "marks",
        "not_measured": None,
        "round_trip_ms": SPANS,
        "jitter_ms": SPANS,
        "connect_ms": SPANS,
        "answer_ms": None,
        "own_lateness_ms": SPANS,
        "read_late_ms": SPANS,
        "generator_was_late": True,
        "calls_watched": 4,
        "findings": [{"code": "VS305", "level": "warning", "message": EVIL, "calls": 1, "count": 2}],
        "server": {
            "pid": 1,
            "processes": 2,
            "cpu_percent": 50.0,
            "cpu_ms_per_call_minute": 80.0,
            "rss_mb": 90.0,
            "rss_kb_per_call": 12.0,
        },
        "thresholds": [
            {"threshold": "p99", "wanted": 20.0, "found": 2.0, "met": True},
            {"threshold": "lost", "wanted": 0, "found": None, "met": False},
        ],
        "met": False,
        "histogram": [[0.4, 100], [0.5, 40_000], [2.0, 9_000], [41.0, 899]],
    }
    return values | changes


def rows(seconds: int = 12, **changes: Any) -> list[dict[str, Any]]:
    """A row for each second."""
    values = {
        "open_calls": 100,
        "sent": 5000,
        "late": 1,
        "round_trip_ms": SPANS,
        "own_lateness_p99_ms": 0.3,
        "read_late_p99_ms": 0.2,
        "server_cpu_percent": 50.0,
        "server_rss_mb": 90.0,
    }
    return [{"second": second, **values, **changes} for second in range(1, seconds + 1)]


class Checker(HTMLParser):
    """Counts what there is, and sees that what is opened is closed."""

    VOID = frozenset({"meta", "br", "line", "rect", "path"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.headings = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings += f"{data}|"


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    """Latency over time, the histogram, calls and the server; no script, no address, both colour schemes."""
    page = load_page(report(), rows(), written="2026-11-22T10:00:00.000Z")
    checker = Checker(page)

    assert [] == checker.open
    assert 5 == checker.tags.count("svg")
    assert "Round trip over time|How the round trips are spread|Open calls|" in checker.headings
    assert [] == [word for word in ("<script", "src=", "href=", "@import", "url(") if word in page]
    assert "prefers-color-scheme:dark" in page


def test_what_came_from_outside_is_harmless_in_it() -> None:
    """A target, a reason, a finding."""
    page = load_page(report(), rows(), written="now")

    assert "script" not in Checker(page).tags
    assert "\x1b" not in page
    assert 3 == page.count("&lt;script&gt;")


@pytest.mark.parametrize("seconds", [0, 1, 2, 90_000])
def test_any_length_of_run_gives_a_page_of_bounded_size(seconds: int) -> None:
    """A day's seconds are thinned."""
    page = load_page(report(), rows(seconds), written="now")

    assert [] == Checker(page).open
    assert len(page) < 2_000_000


def test_without_a_round_trip_the_page_says_why() -> None:
    """And has no chart of it."""
    nothing = report(
        measured_by=None,
        not_measured="the server sent no audio",
        round_trip_ms=None,
        histogram=[],
        thresholds=[],
        met=None,
    )
    page = load_page(nothing, rows(round_trip_ms=None, server_cpu_percent=None), written="now")

    assert "No round trip: the server sent no audio." in page
    assert 1 == Checker(page).tags.count("svg")


def test_seconds_in_which_nothing_came_back_are_gaps() -> None:
    """A line isn't drawn through what wasn't measured."""
    seconds = rows(5)
    seconds[2]["round_trip_ms"] = None
    page = load_page(report(), seconds, written="now")

    assert "M" in page.split('stroke="var(--p99)"')[0].rsplit('d="', 1)[1][1:]


@pytest.mark.parametrize(("met", "cell"), [(True, "good"), (False, "bad"), (None, "soft")])
def test_a_threshold_is_kept_missed_or_open(met: bool | None, cell: str) -> None:
    """In the page as on the terminal."""
    row = {"threshold": "p99", "wanted": 20.0, "found": None, "met": met}
    said = {True: "kept", False: "missed", None: "open"}[met]
    told = report(thresholds=[row], met=met)

    assert f'<td class="text {cell}">{said}</td>' in load_page(told, rows(), written="now")
    assert f"{said:6} p99 at most 20 ms: nothing was measured" in list(load_words.summary(told))
