"""What isn't a number, given to each option of each command that takes one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from vonage_sock.cli import cli
from vonage_sock.errors import ExitCode

NUMERIC = type(click.INT), type(click.FLOAT)
"""Click's types, with and without bounds."""


def numeric_options() -> Iterator[tuple[tuple[str, ...], click.Option]]:
    """Each of them once, with the words of the first command that has it."""
    context = click.Context(cli)
    known: set[tuple[object, ...]] = set()
    waiting: list[tuple[tuple[str, ...], click.Command]] = [((), cli)]
    while waiting:
        words, command = waiting.pop(0)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                waiting.append(((*words, name), found))
        for param in command.params:
            if isinstance(param, click.Option) and isinstance(param.type, NUMERIC):
                kind = (*param.opts, type(param.type), *sorted(vars(param.type).items()))
                if kind not in known:
                    known.add(kind)
                    yield words, param


SAID = re.compile(
    r"^Error: Invalid value for .* (is not a( valid)? (number|whole number|integer)\.|is not in the range \S+"
    r"|is not a size: give bytes, or a unit, as in 500M, 64KiB or 2GB\.|-?inf is (more|less) than .+ that it can be\.)$"
)
OPTIONS = list(numeric_options())
BAD = [(words, param, text) for words, param in OPTIONS for text in ("nan", "-inf", "inf", "1e999", "x", "")]


def test_all_commands_with_numbers_are_walked() -> None:
    """Down to the server's options and the drills of a call."""
    found = {(*words, param.opts[-1]) for words, param in OPTIONS}

    assert {("serve", "--pace"), ("call", "--reset-after"), ("load", "--duration"), ("call", "--seed")} <= found


@pytest.mark.parametrize(
    ("words", "param", "text"), BAD, ids=[f"{' '.join(words)} {param.opts[-1]} {text}" for words, param, text in BAD]
)
def test_what_is_no_number_is_refused_in_a_sentence(words: tuple[str, ...], param: click.Option, text: str) -> None:
    """Not taken for one because it is beyond no bound, and not called an invalid range."""
    option = max(param.opts, key=len)
    result = CliRunner().invoke(cli, [*words, f"{option}={text}"], prog_name="vsock")
    last = result.stderr.splitlines()[-1]

    assert ExitCode.USAGE == result.exit_code
    assert option in last
    assert SAID.search(last)
