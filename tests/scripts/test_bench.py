"""What the benchmarks make of their runs: the search, the medians, the table and the picture. Nothing is measured here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"
MODULES = ("figures", "chart", "peers", "report")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The pure modules of the folder, gone from the interpreter afterwards."""
    monkeypatch.syspath_prepend(str(BENCH))
    modules: dict[str, ModuleType] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in MODULES:
            patch.delitem(sys.modules, name, raising=False)
        for name in MODULES:
            modules[name] = importlib.import_module(name)
        yield SimpleNamespace(**modules)
        for name in MODULES:
            patch.delitem(sys.modules, name)


def run(cpu: float, *, late: float = 0.02, busy: float = 0.4, others: float = 0.0, lost: int = 0) -> dict[str, Any]:
    """What the generator prints, as far as a summary needs it."""
    return {
        "cpu_ms_per_call_minute": cpu,
        "kb_per_call": 12.0,
        "lost": lost,
        "lost_sockets": 0,
        "round_trip_ms": {"p50": cpu / 1000, "p99": cpu / 100},
        "own_lateness_ms": {"p99": late},
        "own_busy_share": busy,
        "others_cpu_share": others,
    }


def results(bench: SimpleNamespace) -> dict[str, Any]:
    """Two servers, measured; one with frames lost."""
    echo = {
        "ws": {"300": bench.figures.summary([run(100.0)]), "900": bench.figures.summary([run(60.0)])},
        "vsock": {"300": bench.figures.summary([run(80.0)]), "900": bench.figures.summary([run(45.0, lost=3)])},
        "flask": {},
    }
    calls = {"ws": {"calls": 1000, "limited": False}, "vsock": {"calls": 1300, "limited": True}}
    return {
        "date": "2030-01-02",
        "machine": "A <fast> one",
        "versions": {"ws": "8"},
        "parts": {"echo": echo, "calls": calls},
    }


@pytest.mark.parametrize("carries", [10, 37, 250, 999, 1000, 1600, 4000])
@pytest.mark.parametrize("guess", [50, 1000, 3000])
def test_the_most_calls_are_found_to_five_percent_in_few_runs(bench: SimpleNamespace, carries: int, guess: int) -> None:
    """Whatever the guess was; and nothing that failed is told as carried."""
    tried: list[int] = []

    def passes(calls: int) -> bool:
        tried.append(calls)
        return calls <= carries

    found = bench.figures.most_calls(passes, guess=guess)

    assert carries / 1.05 <= found <= carries
    assert len(set(tried)) == len(tried) <= 15


def test_a_good_guess_takes_few_runs_and_a_dead_server_none_for_ever(bench: SimpleNamespace) -> None:
    """Within a tenth of the truth four runs do; a server that carries nothing is told as 0."""
    tried: list[int] = []

    assert 950 <= bench.figures.most_calls(lambda calls: tried.append(calls) or calls <= 1000, guess=960) <= 1000
    assert 4 >= len(tried)
    assert 0 == bench.figures.most_calls(lambda _calls: False, guess=500)


def test_a_summary_is_the_median_and_says_what_is_to_be_doubted(bench: SimpleNamespace) -> None:
    """One bad run of three changes no figure; two make it doubtful; one lost frame is told."""
    clean, late, busy = run(100.0), run(300.0, late=2.0), run(110.0, busy=0.95)
    one, two = bench.figures.summary([clean, late, run(104.0)]), bench.figures.summary([clean, late, busy])

    assert (104.0, "") == (one["cpu"], bench.figures.flags(one))
    assert (110.0, "†") == (two["cpu"], bench.figures.flags(two))
    assert "‡§" == bench.figures.flags(bench.figures.summary([run(1.0, others=0.5, lost=1)]))
    assert pytest.approx(200 / 104) == one["spread"]


def test_the_table_ranks_by_calls_and_tells_ratio_and_doubts(bench: SimpleNamespace) -> None:
    """Who carries most is first; what wasn't measured is a dash; each sign is explained, and no ratio made of doubts."""
    text = bench.report.markdown(results(bench))
    rows = [line for line in text.splitlines() if line.startswith("|")]

    assert "| **vsock** | 1,300† | 80 / 45§ | 0.08 / 0.80 ms | - |" == rows[2]
    assert rows[3].startswith("| Node ws | 1,000 | 100 / 60 | ")
    assert {row.count("|") for row in rows} == {rows[0].count("|")}
    assert "Node ws's: 0.80 at 300 calls." in text
    assert text.endswith("† the generator was the limit. § frames were lost.\n")


def test_the_picture_is_an_svg_with_a_bar_for_each_figure(bench: SimpleNamespace) -> None:
    """Two of calls, four of CPU, each as long as its figure; text from outside can't break it."""
    root = ET.fromstring(bench.report.picture(results(bench)))
    bars = [item for item in root.findall(".//{*}rect") if item.get("class") != "ground"]
    texts = ["".join(item.itertext()) for item in root.findall(".//{*}text")]

    assert ["ours0", "bar0", "ours0", "ours1", "bar0", "bar1"] == [item.get("class") for item in bars]
    widths = [float(item.get("width") or 0) for item in bars]
    assert pytest.approx(1000 / 1300, abs=0.01) == widths[1] / widths[0]
    assert any("A <fast> one" in text for text in texts)
    assert {"1,300†", "45§ at 900"} <= set(texts)
    assert max(float(item.get("x") or 0) + float(item.get("width") or 0) for item in bars) < bench.chart.WIDTH


def test_each_peer_s_server_is_there_and_says_what_it_needs(bench: SimpleNamespace) -> None:
    """The files that commands name exist, and requirements.txt names each Python package."""
    needs = (BENCH / "requirements.txt").read_text()
    for peer in bench.peers.PEERS.values():
        files = [word for words in (peer.command, peer.record, peer.play) for word in words if "{servers}" in word]

        assert all(Path(word.format(servers=BENCH / "servers")).exists() for word in files)
        assert peer.package in ("", "vonage-sock", "npm:ws") or f"\n{peer.package}>=" in needs
