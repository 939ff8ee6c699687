"""
Calls to servers as other people write them: what is wrong with each is said, and nothing is said of a correct one.

``table.py`` is what is expected; ``scripts/peers.py`` prints how well it is met, over many calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from calling import FRAMEWORKS, Outcome, judge
from table import TABLE

from vonage_sock.call.findings import CATALOGUE


def expected(outcome: Outcome) -> list[str]:
    """The codes that a row must give."""
    return sorted(outcome.row.expected)


def found(outcome: Outcome) -> list[str]:
    """The codes that it gave, without those that it may give."""
    return sorted(outcome.codes - (outcome.row.allowed - outcome.row.expected))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_each_mistake_is_named_and_a_correct_server_is_left_alone(
    framework: str, record_property: Callable[[str, object], None]
) -> None:
    """Exactly the codes of the table; and the correct ones were really heard. What wasn't judged stands below the report."""
    outcomes, not_judged = await judge(framework)
    for line in not_judged:
        record_property("not judged", line)

    assert {o.row.name: expected(o) for o in outcomes} == {o.row.name: found(o) for o in outcomes}
    for outcome in outcomes:
        if outcome.row.correct:
            assert outcome.report.frames_received >= 0.9 * 50 * min(outcome.row.seconds, 3.0), outcome.row.name


def test_the_table_names_every_mistake_of_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mode that is nobody's row would go untried, and a code that is no finding's could never come."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "servers"))
    import mistakes

    modes = {row.mode for row in TABLE}
    node = (Path(__file__).parent / "node" / "mistakes.js").read_text()

    assert set() == (set(mistakes.SCRIPTS) | mistakes.HANGS_UP) - modes
    assert [] == [mode for mode in mistakes.SCRIPTS if mode not in node]
    assert set() == {code for row in TABLE for code in row.expected | row.allowed} - set(CATALOGUE)
    del sys.modules["mistakes"]
