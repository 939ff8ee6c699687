"""
What the command line is, as data: for shell completion, manual pages and the reference of the documentation.

Rule: all of it is read from the commands themselves, so that none of the three can say anything else than ``--help``. It
imports every command, which takes its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import click

from vonage_sock.call.findings import CATALOGUE
from vonage_sock.cli import COMMANDS, SECTIONS, cli
from vonage_sock.cli.help import examples_of, sections_of

Kind = Literal["flag", "text", "words", "file", "directory", "pair"]

WIDTH: Final = 10_000
_DIRECTORIES: Final = frozenset({"DIR", "DIRECTORY", "FOLDER"})
_FILES: Final = frozenset({"FILE", "FILES", "PATH", "PATHS", "WHAT"})
_WORDS: Final = {"explain CODE": tuple(CATALOGUE)}
"""Arguments that take certain words only, and say so when they are read."""

_HEADINGS: Final = {name: title for title, commands in SECTIONS.items() for name in commands}


@dataclass(frozen=True, slots=True)
class Values:
    """
    What an option or an argument takes.

    A ``pair`` is a word, ``=`` and a file; ``words`` are all that there is to choose from.
    """

    kind: Kind
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """
    An option, or an argument (without names), as its command's help shows it.

    Args:
        metavar: what stands for its value; empty for a flag.
        help: with what stands in brackets behind it.
        short_help: without that.
        variables: where else its value may stand, in the environment.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    short_help: str
    values: Values
    repeatable: bool
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """
    One command.

    Args:
        path: the words that call it, without ``vsock``.
        usage: what follows these words.
        summary: the line in which its group tells of it.
        heading: over that line; empty where the group has no sections.
        paragraphs: of its description.
        examples: lines, each as it stands in the help.
        sections: its options by their titles.
        commands: the names of those below it.
    """

    path: tuple[str, ...]
    usage: tuple[str, ...]
    summary: str
    heading: str
    paragraphs: tuple[str, ...]
    examples: tuple[str, ...]
    sections: dict[str, tuple[Parameter, ...]]
    arguments: tuple[Parameter, ...]
    commands: tuple[str, ...]

    @property
    def name(self) -> str:
        """As one types it."""
        return " ".join(("vsock", *self.path))

    def below(self, commands: list[Described]) -> list[Described]:
        """Those of ``commands`` that it holds."""
        return [other for other in commands if other.path and other.path[:-1] == self.path]

    @property
    def options(self) -> tuple[Parameter, ...]:
        """Of all sections."""
        return tuple(option for options in self.sections.values() for option in options)


def describe() -> list[Described]:
    """Every command there is, each group before what it holds."""
    context = click.Context(cli, info_name="vsock", terminal_width=WIDTH, **cli.context_settings)
    return list(_below(cli, context, (), _first_sentence(cli)))


def _below(command: click.Command, ctx: click.Context, path: tuple[str, ...], summary: str) -> Iterator[Described]:
    names = tuple(command.list_commands(ctx)) if isinstance(command, click.Group) else ()
    yield Described(
        path=path,
        usage=tuple(command.collect_usage_pieces(ctx)),
        summary=summary,
        heading=_HEADINGS[path[0]] if len(path) == 1 else "",
        paragraphs=tuple(_paragraphs(command.help or "")),
        examples=tuple(examples_of(command)),
        sections={
            title: tuple(_option(option, ctx) for option in options)
            for title, options in sections_of(command, ctx).items()
        },
        arguments=tuple(_argument(item, ctx, path) for item in command.params if isinstance(item, click.Argument)),
        commands=names,
    )
    for name in names:
        inner = command.get_command(ctx, name) if isinstance(command, click.Group) else None
        if inner is not None:
            told = COMMANDS[name][1] if not path else inner.short_help or _first_sentence(inner)
            yield from _below(inner, click.Context(inner, parent=ctx, info_name=name), (*path, name), told)


def _option(option: click.Option, ctx: click.Context) -> Parameter:
    _, told = option.get_help_record(ctx) or ("", "")
    variables = option.envvar if option.envvar is not None else ()
    return Parameter(
        names=(*option.opts, *option.secondary_opts),
        metavar="" if option.is_flag else option.make_metavar(ctx),
        help=told,
        short_help=option.help or "",
        values=Values("flag") if option.is_flag or option.count else _values(option, ctx, ""),
        repeatable=option.multiple,
        variables=(variables,) if isinstance(variables, str) else tuple(variables),
    )


def _argument(argument: click.Argument, ctx: click.Context, path: tuple[str, ...]) -> Parameter:
    return Parameter(
        names=(),
        metavar=argument.make_metavar(ctx),
        help="",
        short_help="",
        values=_values(argument, ctx, " ".join((*path, (argument.name or "").upper()))),
        repeatable=argument.nargs != 1,
        variables=(),
    )


def _values(param: click.Parameter, ctx: click.Context, place: str) -> Values:
    if place in _WORDS:
        return Values("words", _WORDS[place])
    if isinstance(param.type, click.Choice):
        return Values("words", tuple(map(str, param.type.choices)))
    metavar = param.make_metavar(ctx)
    words = set(re.split(r"[^A-Z]+", metavar))
    if words & _DIRECTORIES or (isinstance(param.type, click.Path) and not param.type.file_okay):
        return Values("directory")
    if words & _FILES or isinstance(param.type, click.Path):
        return Values("pair" if "=" in metavar else "file")
    return Values("text")


def _paragraphs(text: str) -> Iterator[str]:
    for part in text.strip().split("\n\n"):
        if part.startswith("\b\n"):
            # What click leaves as it stands is a list of words, each with what it means behind two spaces.
            yield from (re.sub(r" {2,}", " \u2013 ", line.strip()) for line in part.splitlines()[1:])
        else:
            yield " ".join(part.split())


def _first_sentence(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n", maxsplit=1)[0].split())
