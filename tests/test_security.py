"""SECURITY.md and THREAT_MODEL.md name what shows each promise, and that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from vonage_sock.cli import COMMANDS, cli

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("SECURITY.md", "THREAT_MODEL.md")
TEST = re.compile(r"`(tests/[\w/.]+\.py)::(\w+)`")
CHECK = re.compile(r"`scoreboard: (\w+)`")
OPTION = re.compile(r"`(--[a-z-]+)")


def checks() -> set[str]:
    """The names of the scoreboard's checks, which are not run for that."""
    sources = [path.read_text() for path in (ROOT / "scripts" / "scoreboard" / "checks").glob("*.py")]
    return {found[1] for source in sources if (found := re.search(r'^NAME: Final = "(\w+)"$', source, re.MULTILINE))}


def tables(document: str) -> list[list[dict[str, str]]]:
    """Each table as its rows, by the heads of their columns."""
    found: list[list[dict[str, str]]] = []
    for block in re.findall(r"(?:^\|.*\n)+", (ROOT / document).read_text(), re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_test_that_is_named_exists(document: str) -> None:
    """A name that was changed doesn't stay behind in the documents."""
    named = TEST.findall((ROOT / document).read_text())
    missing = []
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text()) if (ROOT / path).exists() else ast.Module([], [])
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        missing += [] if name in names else [f"{path}::{name}"]

    assert [] == missing
    assert named or document == "SECURITY.md"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_check_that_is_named_exists_and_each_that_exists_is_named(document: str) -> None:
    """What is measured is promised, and what is promised is measured."""
    assert checks() == set(CHECK.findall((ROOT / document).read_text()))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_promise_and_each_threat_has_something_that_shows_it(document: str) -> None:
    """No row is a mere assertion."""
    rows = [row for table in tables(document) for row in table if "shown by" in row]

    assert rows
    assert [] == [row for row in rows if not TEST.search(row["shown by"]) and not CHECK.search(row["shown by"])]
    assert [] == [row for row in rows if "what holds" in row and not row["what holds"]]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_option_that_is_named_exists(document: str) -> None:
    """Nobody is told to use what isn't there."""
    known = set()
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known |= {option for parameter in command.params for option in parameter.opts}

    assert [] == [option for option in OPTION.findall((ROOT / document).read_text()) if option not in known]
