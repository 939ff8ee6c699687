"""``vsock explain``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Vsock
from vonage_sock.call.findings import CATALOGUE, Rule
from vonage_sock.cli import cli
from vonage_sock.cli.explain import explanation, listing
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


@pytest.mark.parametrize("width", [40, 80, 500])
def test_a_listing_fits_the_terminal(width: int) -> None:
    """Long messages go on under themselves; where there is room each has one line."""
    lines = listing(width)
    heads = [line for line in lines if not line.startswith(" ")]

    assert max(map(len, lines)) <= width
    assert list(CATALOGUE) == [line.split()[0] for line in heads]
    assert {" " * 16} >= {line[:16] for line in lines if line not in heads}
    assert (width == 500) == (len(lines) == len(CATALOGUE))


@pytest.mark.parametrize("rule", CATALOGUE.values(), ids=lambda rule: rule.code)
def test_an_explanation_fits_80_columns(rule: Rule) -> None:
    """But for the lines of its snippets, which are code."""
    text = "\n".join(explanation(rule, 80)).split("\nPython:")[0]

    assert max(map(len, text.split("\n"))) <= 80


async def test_a_reader_who_has_seen_enough_is_no_fault(vsock: Vsock) -> None:
    """As ``head -1`` is: no noise, and the exit code of success."""
    program = await vsock("explain")
    assert program.process.stdout is not None
    program.process.stdout._transport.close()  # type: ignore[attr-defined]
    await program.process.wait()
    assert program.process.stderr is not None

    assert (0, b"") == (program.process.returncode, await program.process.stderr.read())


async def test_a_full_disk_is_one_sentence(full_disk: int, vsock: Vsock) -> None:
    """And no success."""
    program = await vsock("explain", stdout=full_disk)
    code, _, stderr = await program.end()

    assert (1, "Error: standard output can't be written: No space left on device\n") == (code, stderr)


def test_an_unknown_code_is_one_sentence() -> None:
    """And a usage error."""
    result = CliRunner().invoke(cli, ["explain", "VS999"], prog_name="vsock")

    assert ExitCode.USAGE == result.exit_code
    assert "Error: there is no finding 'VS999'; vsock explain lists all, from VS101 to VS502\n" == result.stderr
