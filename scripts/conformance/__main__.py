"""
Lets Autobahn's test suite, the usual judge of WebSocket implementations, judge our servers and our callers.

    python scripts/conformance                          all of it: 247 cases for each of our ends, two minutes
    python scripts/conformance server-direct-ws         one end
    python scripts/conformance --cases '6.*'            some cases
    python scripts/conformance --loop uvloop --json     on one event loop; the figures as one line of JSON

The suite (autobahntestsuite 25.10.1) needs Python 2.7: where one is found, on the path or pyenv's, an environment with the
suite is made at the first run; where none is, this says so and exits with 2. What each end is expected to do stands in
expected.py. Exits with 1 where a verdict is another, be it better or worse.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop
from ends import ENDS, Certificate, End
from expected import ALLOWED, WHY, allowed
from suite import CASES, GROUPS, CannotRunError, Verdicts, wstest

LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
AT_ONCE: Final = 3
"""Ends that are judged at the same time: the suite mostly waits."""

Columns = dict[str, Verdicts]


async def judge_all(
    program: str, ends: Sequence[End], cases: Sequence[str], certificate: Certificate
) -> list[Verdicts]:
    """Every end, some at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def judge(end: End) -> Verdicts:
        async with places:
            with tempfile.TemporaryDirectory() as folder:
                return await end.judge(program, cases, Path(folder), certificate)

    return await asyncio.gather(*map(judge, ends))


def surprises(end: End, verdicts: Verdicts, *, whole: bool) -> list[str]:
    """What is otherwise than expected, in sentences."""
    said = [
        f"case {case}: {shown(verdict)}, and {' or '.join(map(shown, wanted))} was expected"
        for case, verdict in verdicts.items()
        if verdict not in (wanted := allowed(end.expects, case))
    ]
    if whole and len(verdicts) != CASES:
        said.append(f"{len(verdicts)} cases were run, and there are {CASES}")
    return said


def shown(verdict: tuple[str, str]) -> str:
    """Behaviour and close, as one word where they agree."""
    return " / ".join(dict.fromkeys(verdict))


def show(columns: Columns, surprising: dict[str, list[str]]) -> None:
    """A line for each end, what was expected and isn't simply OK, and what wasn't expected."""
    for name, verdicts in columns.items():
        counts = Counter(shown(verdict) for verdict in verdicts.values())
        fine = len(verdicts) - len(surprising[name])
        told = ", ".join(f"{count} {what}" for what, count in counts.most_common())
        print(f"{name:32} {fine}/{len(verdicts)} as expected: {told}")
    print("\nExpected, and not simply OK:")
    for (end, why, verdicts), cases in exceptions().items():
        print(f"  {end}: {', '.join(cases)}: {' or '.join(map(shown, verdicts))}\n    {why}")
    for name, said in surprising.items():
        for sentence in said:
            print(f"\nUNEXPECTED {name}: {sentence}", end="")
    print()


def exceptions() -> dict[tuple[str, str, tuple[tuple[str, str], ...]], list[str]]:
    """The cases of each end that are alike."""
    alike: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[str]] = {}
    for end, column in ALLOWED.items():
        for case, verdicts in column.items():
            alike.setdefault((end, WHY[case], verdicts), []).append(case)
    return alike


def main() -> int:
    """Run it and print the verdicts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1], prog="python scripts/conformance")
    parser.add_argument("ends", nargs="*", metavar="END", help=f"of {', '.join(ENDS)} (all)")
    parser.add_argument("--cases", nargs="+", default=list(GROUPS), help="the suite's numbers, '6.*' or 7.9.5")
    parser.add_argument("--loop", choices=list(LOOPS), action="append", help="event loop (both)")
    parser.add_argument("--python2", metavar="PATH", help="a Python 2.7 to set the suite up with")
    parser.add_argument(
        "--json", action="store_true", help="one line of JSON: of each end cases, as_expected, surprises"
    )
    options = parser.parse_args()
    if unknown := set(options.ends) - set(ENDS):
        parser.error(f"there is no end {', '.join(unknown)}; there are {', '.join(ENDS)}")
    ends = [ENDS[name] for name in options.ends or ENDS]
    try:
        columns, surprising = run(ends, options.cases, options.loop or list(LOOPS), options.python2)
    except CannotRunError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    if options.json:
        figures = {
            name: {
                "cases": len(verdicts),
                "as_expected": len(verdicts) - len(surprising[name]),
                "surprises": surprising[name],
            }
            for name, verdicts in columns.items()
        }
        print(json.dumps(figures))
    else:
        show(columns, surprising)
    return int(any(surprising.values()))


def run(
    ends: Sequence[End], cases: Sequence[str], loops: Sequence[str], python2: str | None
) -> tuple[Columns, dict[str, list[str]]]:
    """The verdicts of each end on each loop, and what in them wasn't expected."""
    program = wstest(python2)
    whole = list(cases) == list(GROUPS)
    columns: Columns = {}
    surprising: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        certificate = Certificate(Path(folder))
        for loop in loops:
            with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                judged = runner.run(judge_all(program, ends, cases, certificate))
            for end, verdicts in zip(ends, judged, strict=True):
                name = f"{end.name} on {loop}"
                columns[name], surprising[name] = verdicts, surprises(end, verdicts, whole=whole)
    return columns, surprising


if __name__ == "__main__":
    sys.exit(main())
