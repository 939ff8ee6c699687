"""Autobahn's test suite, by ``scripts/conformance``, which says what is expected of each of our ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rows import Row
from running import Bench, CannotRunError

NAME: Final = "conformance"
PROMISE: Final = "Autobahn's suite: 247 of 247 as expected, of servers and callers, over ws and wss"
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 240.0
"""With a minute for setting the suite up, the first time, beside others."""

PROGRAM: Final = Path(__file__).parents[2] / "conformance"
CASES: Final = 247


def run(bench: Bench) -> Iterator[Row]:
    """Each end on one event loop."""
    made = subprocess.run(
        [bench.python, str(PROGRAM), "--loop", "uvloop", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    if not made.stdout.strip():
        raise CannotRunError((made.stderr.strip().splitlines() or ["the suite said nothing"])[-1])
    for name, figures in json.loads(made.stdout).items():
        told = f"{figures['as_expected']} of {figures['cases']}"
        surprises = "; ".join(figures["surprises"][:3])
        yield Row(
            name.removesuffix(" on uvloop"),
            f"{CASES} of {CASES} as expected",
            f"{told}: {surprises}" if surprises else told,
            ok=figures["as_expected"] == figures["cases"] == CASES,
        )
