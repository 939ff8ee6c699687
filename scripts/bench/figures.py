"""What is made of runs: medians, spreads, and the search for the most calls. Pure; knows no process and no clock."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

OWN_LATENESS_MS: Final = 1.0
OWN_BUSY: Final = 0.9
OTHERS: Final = 0.1
"""Bounds of a run that counts: the generator's own lateness (p99) and share of its core, and the cores that others used."""

DOUBTS: Final = {
    "limited": ("†", "the generator was the limit"),
    "disturbed": ("‡", "others used the machine meanwhile"),
    "lost": ("§", "frames were lost"),
}
"""The sign behind a figure, and what it says."""

FIRST_STEP: Final = 1.12
PRECISION: Final = 0.05


def quantile(values: Sequence[float], percent: int) -> float:
    """A percentile."""
    return statistics.quantiles(values, n=100)[percent - 1]


def limited(run: dict[str, Any]) -> bool:
    """Whether the generator, and not the server, was the limit of this run."""
    late = run["own_lateness_ms"]
    return bool(run["own_busy_share"] > OWN_BUSY or (late is not None and late["p99"] > OWN_LATENESS_MS))


def disturbed(run: dict[str, Any]) -> bool:
    """Whether others used this machine meanwhile."""
    return float(run.get("others_cpu_share", 0.0)) > OTHERS


def spread(values: Sequence[float]) -> float:
    """How far apart runs of the same lie, as a share of their median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the runs of one server at one load, and what is to be doubted of them."""
    trips = [run["round_trip_ms"] for run in runs if run["round_trip_ms"] is not None]
    cpu = [run["cpu_ms_per_call_minute"] for run in runs]
    made: dict[str, Any] = {
        "cpu": statistics.median(cpu),
        "spread": spread(cpu),
        "kb": statistics.median(run["kb_per_call"] for run in runs),
        "lost": sum(run.get("lost", 0) + run["lost_sockets"] for run in runs),
        "limited": sum(map(limited, runs)) * 2 > len(runs),
        "disturbed": sum(map(disturbed, runs)) * 2 > len(runs),
        "runs": [round(value, 2) for value in cpu],
    }
    for name in ("p50", "p99") if trips else ():
        made[name] = statistics.median(trip[name] for trip in trips)
    return made


def flags(made: Mapping[str, Any]) -> str:
    """The signs behind a figure, one for each doubt."""
    return "".join(sign for name, (sign, _) in DOUBTS.items() if made.get(name))


def most_calls(passes: Callable[[int], bool], *, guess: int, least: int = 10, most: int = 4000) -> int:
    """
    The largest number of calls that passes, to 5 %: outwards from the guess in growing steps, then by halving.

    Returns 0 where not even ``least`` passes.
    """
    good, bad, step, calls = 0, most + 1, FIRST_STEP, min(max(guess, least), most)
    while calls not in (good, bad) and (not good or bad - good > PRECISION * good):
        if passes(calls):
            good = calls
        else:
            bad = calls
        if bad > most:
            calls = min(round(calls * step), most)
        elif not good:
            calls = max(round(calls / step), least)
        else:
            calls = (good + bad) // 2
        step **= 1.6
    return good
