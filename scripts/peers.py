"""
How well findings fit the servers of tests/peers; prints, never judges.

    python scripts/peers.py                  every row of the table twice
    python scripts/peers.py --rounds 10      more of them
    python scripts/peers.py --load 2         beside two loops that never rest
    python scripts/peers.py --pipecat PYTHON   Pipecat instead, as the environment of this PYTHON has it (make peers-pipecat)

A finding is a code in one call. Precision is the share of those given that had to be given, recall the share of those that
had to be given that were; codes that a row may give, and need not, count for neither. No call is made twice here, which the
test does where the machine may be to blame.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "peers"))

from calling import FRAMEWORKS, HERE, NODE_IS_HERE, Outcome, call, call_all, running  # noqa: E402  (its folder must be on the path first)
from table import TABLE, Row  # noqa: E402

PIPECAT: Final = HERE / "pipecat" / "pipecat_peer.py"
BUSY: Final = [sys.executable, "-c", "while True: sum(range(10_000))"]


@contextmanager
def load(loops: int) -> Iterator[None]:
    """So many processes that never rest."""
    processes = [subprocess.Popen(BUSY) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def measure(rounds: int) -> dict[str, list[Outcome]]:
    """All calls, by framework; each framework's time is printed."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in FRAMEWORKS}
    for number in range(rounds):
        for name in FRAMEWORKS:
            started = time.monotonic()
            outcomes[name] += await call_all(name)
            print(f"round {number + 1}: {name:11} {time.monotonic() - started:5.1f} s", flush=True)
    return outcomes


def print_rows(outcomes: dict[str, list[Outcome]]) -> None:
    """Row by row: in how many calls what was said."""
    print(f"\n{'row':22} {'expected':28} given in how many of its calls")
    for row in TABLE:
        of_row = [item for items in outcomes.values() for item in items if item.row.name == row.name]
        given = Counter(code for item in of_row for code in item.codes)
        counts = "  ".join(f"{code} {count}/{len(of_row)}" for code, count in sorted(given.items()))
        print(f"{row.name:22} {' '.join(sorted(row.expected)) or '-':28} {counts or '-'}")


def print_differences(outcomes: dict[str, list[Outcome]]) -> None:
    """Each call that was not as expected."""
    for name, items in outcomes.items():
        for item in items:
            if not item.as_expected:
                own = item.report.figures.get("own_lateness_ms", {})
                missing, surplus = " ".join(sorted(item.missing)) or "-", " ".join(sorted(item.surplus)) or "-"
                print(
                    f"differs: {name}, {item.row.name}: missing {missing}, surplus {surplus}; "
                    f"our own timer p95 {own.get('p95', 0)} ms, max {own.get('max', 0)} ms"
                )


def print_figures(outcomes: list[Outcome]) -> None:
    """Precision and recall."""
    wanted = sum(len(item.row.expected) for item in outcomes)
    missing = sum(len(item.missing) for item in outcomes)
    surplus = sum(len(item.surplus) for item in outcomes)
    correct = [item for item in outcomes if item.row.correct]
    alarmed = sum(bool(item.surplus) for item in correct)
    right = wanted - missing
    print(f"\n{len(outcomes)} calls; {sum(item.as_expected for item in outcomes)} as expected")
    print(f"precision {right / max(1, right + surplus):.4f} ({surplus} codes too many of {right + surplus})")
    print(f"recall    {right / max(1, wanted):.4f} ({missing} codes missing of {wanted})")
    print(f"false alarms in {alarmed} of {len(correct)} calls to correct servers")


async def call_pipecat(python: str) -> None:
    """What is said of Pipecat's serializer for Vonage, with and without a packet size, leniently and as Vonage takes it."""
    async with running([python, str(PIPECAT)]) as port:
        for mode in ("default", "frames"):
            for strict in (False, True):
                row = Row(mode, seconds=4.0, strict=strict)
                report = (await call("pipecat", port, row)).report
                print(f"\n{row.name}: {report.frames_received} frames received, closed by {report.closed_by}")
                print(f"  echo: {report.echo}; {report.underruns} underruns")
                print("\n".join(f"  {found}" for found in report.findings) or "  no findings")


def main() -> None:
    """Call, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--load", type=int, default=0, help="loops that never rest beside it")
    parser.add_argument("--pipecat", metavar="PYTHON", help="the Python of an environment that has pipecat-ai")
    options = parser.parse_args()
    if options.pipecat:
        asyncio.run(call_pipecat(options.pipecat))
        return
    if not NODE_IS_HERE:
        print("the servers on Node are left out: no node, or make peers-node wasn't run")
    with load(options.load):
        outcomes = asyncio.run(measure(options.rounds))
    print_rows(outcomes)
    print_differences(outcomes)
    print_figures([item for items in outcomes.values() for item in items])


if __name__ == "__main__":
    main()
