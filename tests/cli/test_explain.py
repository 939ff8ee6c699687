"""``vsock explain``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from vonage_sock.call.findings import CATALOGUE, Rule
from vonage_sock.cli import cli
from vonage_sock.errors import ExitCode


@pytest.mark.parametrize("rule", CATALOGUE.values(), ids=lambda rule: rule.code)
def test_a_finding_is_explained_in_full(rule: Rule) -> None:
    """Code, level, message, cause, cure with both snippets, and whether Vonage says so."""
    output = CliRunner().invoke(cli, ["explain", rule.code.lower()], prog_name="vsock").output
    words = " ".join(output.split())
    promised = "Vonage documents this." if rule.promised else "Vonage documents nothing about this"

    assert output.startswith(f"{rule.code}  {rule.level.value}\n")
    assert [True] * 4 == [" ".join(text.split()) in words for text in (rule.message, rule.cause, rule.cure, promised)]
    assert [True] * 2 == [" ".join(code.split()) in words for code in (rule.python, rule.node)]


def test_without_a_code_all_are_listed() -> None:
    """A line each."""
    lines = CliRunner().invoke(cli, ["explain"], prog_name="vsock").output.splitlines()

    assert list(CATALOGUE) == [line.split()[0] for line in lines]


def test_an_unknown_code_is_one_sentence() -> None:
    """And a usage error."""
    result = CliRunner().invoke(cli, ["explain", "VS999"], prog_name="vsock")

    assert ExitCode.USAGE == result.exit_code
    assert "Error: there is no finding 'VS999'; vsock explain lists all, from VS101 to VS503\n" == result.stderr
