"""
Commands whose help shows how they are used before it lists what they take.

Rule: a command's examples are its epilog, and begin with ``Examples:`` in a line of its own; every command of ours is a
``SectionedCommand`` or a ``Group`` of this module.
"""

from __future__ import annotations

import click

OPTIONS = "Options"
OTHERS = "Other options"


class SectionedCommand(click.Command):
    """A command with its examples right after its description, and its options in sections where it has any."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, description, examples, options."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_epilog(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, line by line: nothing of a command line may be wrapped."""
        if self.epilog:
            with formatter.section("Examples"):
                indent = " " * formatter.current_indent
                formatter.write("".join(f"{indent}{line}\n" for line in examples_of(self)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each section under its name."""
        for name, options in sections_of(self, ctx).items():
            records = [option.get_help_record(ctx) for option in options]
            with formatter.section(name):
                formatter.write_dl([record for record in records if record is not None])


class Group(SectionedCommand, click.Group):
    """A command that has commands."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its options, then its commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def examples_of(command: click.Command) -> list[str]:
    """The lines of a command's examples, as far to the left as they go."""
    lines = (command.epilog or "").replace("\b\n", "").strip("\n").splitlines()
    return [line.removeprefix("  ") for line in lines[1:]]


def sections_of(command: click.Command, ctx: click.Context) -> dict[str, list[click.Option]]:
    """The options that help shows, each section in the order of its first one; those without a section come last."""
    sections: dict[str, list[click.Option]] = {}
    for param in command.get_params(ctx):
        if isinstance(param, click.Option) and not param.hidden:
            sections.setdefault(getattr(param, "section", OTHERS), []).append(param)
    if list(sections) == [OTHERS]:
        return {OPTIONS: sections[OTHERS]}
    return dict(sorted(sections.items(), key=lambda item: item[0] == OTHERS))
