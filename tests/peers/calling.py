"""
The servers of ``servers/`` and ``node/``, each a process of its own, and the calls that are made to them.

Rule: they are called as anybody calls them, answer URL first, in real time, and told nothing of who calls.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from table import TABLE, Row, row_for

from vonage_sock.testing import CallReport, VonageCaller

HERE: Final = Path(__file__).parent
MODULES: Final = HERE / "node" / "node_modules"
START_S: Final = 20.0

PYTHON: Final = {
    name: [sys.executable, str(HERE / "servers" / f"{name}_peer.py")]
    for name in ("flask", "fastapi", "tornado", "websockets")
}
NODE: Final = {name: ["node", str(HERE / "node" / f"{name}_peer.js")] for name in ("ws", "express")}
NODE_IS_HERE: Final = shutil.which("node") is not None and (MODULES / ".package-lock.json").exists()
FRAMEWORKS: Final = PYTHON | (NODE if NODE_IS_HERE else {})

TIMING: Final = frozenset({"VS108", "VS201", "VS202", "VS203", "VS204"})
"""What is judged by times, of which a machine that stands still makes others."""

TOO_LATE_MS: Final = 10.0
TRIES: Final = 3

QUERY: Final = {"websockets": "?events=elsewhere"}
"""It answers no POST; an answer URL with a query has no event URL beside it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was said about one row."""

    row: Row
    report: CallReport

    @property
    def codes(self) -> frozenset[str]:
        """What was found."""
        return frozenset(self.report.codes)

    @property
    def missing(self) -> frozenset[str]:
        """What had to be said and wasn't."""
        return self.row.expected - self.codes

    @property
    def surplus(self) -> frozenset[str]:
        """What was said and mustn't be."""
        return self.codes - self.row.expected - self.row.allowed

    @property
    def as_expected(self) -> bool:
        """Neither too little nor too much."""
        return not self.missing and not self.surplus

    @property
    def may_be_the_machine(self) -> bool:
        """It differs in nothing but what a machine that stands still hides or makes."""
        return self.missing | self.surplus <= TIMING

    @property
    def machine_is_too_busy(self) -> bool:
        """Our own frames left so late that nothing can be said of anybody's."""
        own = self.report.figures.get("own_lateness_ms")
        return own is not None and own["p95"] > TOO_LATE_MS


@asynccontextmanager
async def running(command: list[str]) -> AsyncIterator[int]:
    """A server that prints its port as its first line; the port."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            port = int(await process.stdout.readline())
        yield port
    finally:
        process.kill()
        await process.wait()


async def call(framework: str, port: int, row: Row) -> Outcome:
    """One call, in one mode."""
    url = f"http://127.0.0.1:{port}/{row.mode}/answer{QUERY.get(framework, '')}"
    report = await VonageCaller()(url, duration_s=row.seconds, strict=row.strict)
    return Outcome(row_for(framework, row), report)


async def call_all(framework: str, rows: tuple[Row, ...] = TABLE) -> list[Outcome]:
    """Every row, turn by turn; those that block a server have one of their own meanwhile."""
    groups = [[row for row in rows if not row.apart], *([row] for row in rows if row.apart)]
    done = await asyncio.gather(*(_call_in_turns(framework, group) for group in groups if group))
    return [outcome for outcomes in done for outcome in outcomes]


async def _call_in_turns(framework: str, rows: list[Row]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with running(FRAMEWORKS[framework]) as port:
        for turn in sorted({row.turn for row in rows}):
            together = [row for row in rows if row.turn == turn]
            outcomes += await asyncio.gather(*(call(framework, port, row) for row in together))
    return outcomes


async def judge(framework: str) -> tuple[list[Outcome], list[str]]:
    """
    Every row; those that differ by what may be the machine's doing are called again, a few times.

    What the machine was too busy for each time is left out, and told in lines.
    """
    judged = {outcome.row.name: outcome for outcome in await call_all(framework)}
    for _ in range(1, TRIES):
        again = {name for name, item in judged.items() if not item.as_expected and item.may_be_the_machine}
        if not again:
            break
        rows = tuple(row for row in TABLE if row.name in again)
        judged |= {outcome.row.name: outcome for outcome in await call_all(framework, rows)}
    left_out = [
        name
        for name, item in judged.items()
        if not item.as_expected and item.may_be_the_machine and item.machine_is_too_busy
    ]
    told: list[str] = []
    for name in left_out:
        item = judged.pop(name)
        told.append(
            f"{framework}, {name}: this machine is too busy to say"
            f" (missing {' '.join(sorted(item.missing)) or '-'}, surplus {' '.join(sorted(item.surplus)) or '-'})"
        )
    return list(judged.values()), told
