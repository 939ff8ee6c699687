"""
Runs the Autobahn test suite, the usual judge of WebSocket implementations, against our frame engine and aiohttp's.

    python scripts/autobahn.py                  with kosoku, a runner of the suite's cases (pip install kosoku)
    python scripts/autobahn.py --wstest PATH    with the suite's own program, which needs Python 2.7:
                                                python2.7 -m pip install autobahntestsuite==25.10.1
    python scripts/autobahn.py --cases '6.*'    some of it; --engine direct, --loop asyncio

Each message is sent back whole, on asyncio's loop and on uvloop. Compression (12 and 13) is left out: it is off in calls.
Exits with 1 where our own engine fails in a case; aiohttp's verdicts stand beside ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import uvloop

ROOT: Final = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "transport")]

from echoes import ENGINES, echo_server  # noqa: E402  (its folder must be on the path first)

MAX_MESSAGE_BYTES: Final = 64 << 20
LEFT_OUT: Final = ("12.*", "13.*")
LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
TIMEOUT_S: Final = 600
GOOD: Final = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})

Verdicts = dict[str, tuple[str, str]]
"""Of each case: how it behaved, and how it closed."""


async def run_suite(engine: str, cases: list[str], wstest: str | None, directory: Path) -> Verdicts:
    """Every case against one engine."""
    async with echo_server(engine, max_message_bytes=MAX_MESSAGE_BYTES) as port, asyncio.timeout(TIMEOUT_S):
        made = (port, cases, directory)
        command = with_kosoku(*made) if wstest is None else with_wstest(wstest, *made)
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=directory
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    index = directory / "index.json"
    if not index.exists():
        raise SystemExit(f"Error: the suite gave no verdicts:\n{said.decode(errors='replace')[-2000:]}")
    (rows,) = json.loads(index.read_text()).values()
    return {case: (row["behavior"], row["behaviorClose"]) for case, row in rows.items()}


def with_kosoku(port: int, cases: list[str], directory: Path) -> list[str]:
    """How to run the cases with kosoku."""
    program = shutil.which("kosoku", path=str(Path(sys.executable).parent)) or shutil.which("kosoku")
    if program is None:
        raise SystemExit("Error: kosoku isn't installed; run: pip install kosoku, or give --wstest PATH")
    chosen = [part for case in cases for part in ("-i", case)] + [part for case in LEFT_OUT for part in ("-x", case)]
    return [program, "-m", "fuzzingclient", f"127.0.0.1:{port}", *chosen, "-o", str(directory)]


def with_wstest(wstest: str, port: int, cases: list[str], directory: Path) -> list[str]:
    """How to run the cases with the suite's own program."""
    spec = {
        "outdir": str(directory),
        "servers": [{"agent": "vsock", "url": f"ws://127.0.0.1:{port}"}],
        "cases": cases,
        "exclude-cases": list(LEFT_OUT),
        "exclude-agent-cases": {},
    }
    path = directory / "spec.json"
    path.write_text(json.dumps(spec))
    return [wstest, "-m", "fuzzingclient", "-s", str(path)]


def failed(verdict: tuple[str, str]) -> bool:
    """Not good in its behaviour or in its close."""
    return not GOOD.issuperset(verdict)


def show(columns: dict[str, Verdicts]) -> None:
    """A line for each engine, and one for each case in which they differ or that isn't simply OK."""
    for name, verdicts in columns.items():
        counts = Counter("FAILED" if failed(verdict) else verdict[0] for verdict in verdicts.values())
        print(
            f"{name:18} {len(verdicts)} cases: " + ", ".join(f"{count} {what}" for what, count in counts.most_common())
        )
    cases = sorted(
        {case for verdicts in columns.values() for case in verdicts}, key=lambda c: [*map(int, c.split("."))]
    )
    rows = {case: [verdicts[case] for verdicts in columns.values()] for case in cases}
    odd = {case: row for case, row in rows.items() if set(row) != {("OK", "OK")}}
    if not odd:
        print("\nOK in every case")
        return
    print("\n" + " " * 8 + "".join(f"{name:24}" for name in columns))
    for case, row in odd.items():
        print(f"{case:8}" + "".join(f"{' / '.join(dict.fromkeys(verdict)):24}" for verdict in row).rstrip())


def main() -> int:
    """Run it and print the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--wstest", metavar="PATH")
    parser.add_argument("--cases", nargs="+", default=["*"])
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--loop", choices=list(LOOPS), action="append")
    options = parser.parse_args()
    columns: dict[str, Verdicts] = {}
    for engine in options.engine or ENGINES:
        for loop in options.loop or LOOPS:
            with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                suite = run_suite(engine, options.cases, options.wstest, Path(folder))
                columns[f"{engine} on {loop}"] = runner.run(suite)
    show(columns)
    ours = [verdict for name, verdicts in columns.items() if name.startswith("direct") for verdict in verdicts.values()]
    return int(any(map(failed, ours)))


if __name__ == "__main__":
    sys.exit(main())
