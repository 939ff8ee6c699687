"""The catalogue of findings."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import vonage_sock
from vonage_sock.call.findings import CATALOGUE, Level, Rule

PACKAGE = Path(vonage_sock.__file__).parent


@pytest.mark.parametrize("rule", CATALOGUE.values(), ids=lambda rule: rule.code)
def test_every_rule_can_be_told(rule: Rule) -> None:
    """Code, level and a message whose numbers all have names."""
    names = [name for _, name, _, _ in string.Formatter().parse(rule.message) if name is not None]

    assert "" not in names
    assert rule.level in Level
    assert re.fullmatch(r"VS[1-5]\d\d", rule.code)


@pytest.mark.parametrize("rule", CATALOGUE.values(), ids=lambda rule: rule.code)
def test_every_rule_has_a_cause_and_a_cure_in_both_languages(rule: Rule) -> None:
    """Sentences, and snippets short enough to read."""
    snippets = [rule.python.splitlines(), rule.node.splitlines()]

    assert [True, True] == [text.endswith(".") and len(text) < 250 for text in (rule.cause, rule.cure)]
    assert [True, True] == [0 < len(lines) <= 8 and lines[0] == lines[0].strip() for lines in snippets]


@pytest.mark.parametrize("rule", CATALOGUE.values(), ids=lambda rule: rule.code)
def test_every_snippet_in_python_is_python(rule: Rule) -> None:
    """As the body of a coroutine."""
    body = "\n".join(f"    {line}" for line in rule.python.splitlines())

    assert ast.parse(f"async def snippet():\n{body}\n")


def test_every_rule_is_used() -> None:
    """What nothing can find has no code."""
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "catalogue.py")

    assert [] == [code for code in CATALOGUE if f'"{code}"' not in source]


def test_codes_stand_in_order() -> None:
    """So that a reader finds them."""
    assert sorted(CATALOGUE) == list(CATALOGUE)
