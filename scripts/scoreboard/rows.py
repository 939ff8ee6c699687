"""What a check found: rows, and the tables made of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

MET: Final = "✓"
MISSED: Final = "✗"
NAME_WIDTH: Final = 28
GOAL_WIDTH: Final = 34


@dataclass(frozen=True, slots=True)
class Row:
    """One promise measured: the goal with its number, what was found, and whether that is within it."""

    name: str
    goal: str
    measured: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All that one check found, and how long it took."""

    check: str
    promise: str
    rows: Sequence[Row]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every goal was met; a check that found nothing has met none."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "check": self.check,
            "promise": self.promise,
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "rows": [asdict(row) for row in self.rows],
        }

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Result:
        """What ``as_json`` gave."""
        rows = [Row(**row) for row in value["rows"]]
        return cls(check=value["check"], promise=value["promise"], rows=rows, seconds=value["seconds"])


def sign(ok: object) -> str:
    """A goal met, or missed."""
    return MET if ok else MISSED


def head(check: str, promise: str) -> str:
    """The line above a check's rows on a terminal."""
    return f"{check}: {promise}"


def line(row: Row) -> str:
    """One row on a terminal."""
    return f"  {sign(row.ok)} {row.name:<{NAME_WIDTH}} {row.goal:<{GOAL_WIDTH}} {row.measured}"


def foot(seconds: float) -> str:
    """The line below a check's rows on a terminal."""
    return f"    ({seconds:.1f} s)"


def whole(result: Result) -> str:
    """A check that is made, on a terminal."""
    lines = [head(result.check, result.promise), *map(line, result.rows), foot(result.seconds)]
    return "\n".join(lines)


def summary(results: Sequence[Result], seconds: float) -> str:
    """How many goals of how many were met."""
    rows = [row for result in results for row in result.rows]
    met = sum(row.ok for row in rows)
    missed = [result.check for result in results if not result.ok]
    told = f"; missed: {', '.join(missed)}" if missed else ""
    return f"{met} of {len(rows)} goals met in {seconds:.0f} s{told}"


def markdown(results: Sequence[Result], foot: str) -> str:
    """The table of the README: a line for each check, its rows joined where all is well and told apart where it isn't."""
    lines = ["| | check | promise | measured |", "|---|---|---|---|"]
    for result in results:
        cells = [sign(result.ok), f"`{result.check}`", result.promise, told(result)]
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join([*lines, "", foot, ""])


def told(result: Result) -> str:
    """The rows in one cell."""
    return "; ".join(f"{'' if row.ok else MISSED + ' '}{row.name.strip()}: {row.measured}" for row in result.rows)
