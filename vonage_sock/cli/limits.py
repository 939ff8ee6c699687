"""``vsock limits``."""

from __future__ import annotations

import json
import os
from typing import Any, Final

import click

from vonage_sock.cli.explain import terminal_columns, wrapped
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.limit_options import LIMITS
from vonage_sock.cli.options import JSON
from vonage_sock.cli.printing import print_lines
from vonage_sock.limits import DEFAULTS, Limits, amount, catalogue

EXAMPLES = """\b
Examples:
  vsock limits                              all limits, without options
  VSOCK_MAX_CALLS=200 vsock limits          … as they are in this environment
  vsock limits --max-body-bytes 1M --json   … with an option of vsock serve
"""
WIDE: Final = 120
NARROW: Final = 72
"""A terminal where name, value and option have no room beside each other."""

FOOT = (
    "Each is an option of vsock serve, record and play, and stands in the environment as VSOCK_ and the option's name. "
    "Sizes may have a unit: K, KiB, M, MiB and so on go by 1,024, KB, MB and so on by 1,000."
)


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@LIMITS
@JSON
def limits(*, as_json: bool, **values: Any) -> None:
    """Show what the server takes from whoever reaches it: each limit, its option, and what happens beyond it.

    It takes the options of vsock serve that are limits, and shows their values as they would be there.
    """
    chosen = Limits.of(values)
    print_lines([json.dumps(record) for record in records(chosen)] if as_json else table(chosen, _columns()))


def records(chosen: Limits) -> list[dict[str, Any]]:
    """A JSON object for each limit."""
    return [
        {
            "name": name,
            "value": getattr(chosen, name),
            "unit": about.unit,
            "default": getattr(DEFAULTS, name),
            "option": about.option,
            "variable": about.variable,
            "group": about.group,
            "help": about.help,
            "beyond": about.beyond,
        }
        for name, about in catalogue().items()
    ]


def table(chosen: Limits, width: int = WIDE) -> list[str]:
    """Name, value and option in a line, where it has room for them; under it what it bounds and what happens beyond it."""
    shown = {name: amount(getattr(chosen, name), about.unit) for name, about in catalogue().items()}
    names, values = max(map(len, shown)), max(map(len, shown.values()))
    lines: list[str] = []
    group = ""
    for name, about in catalogue().items():
        if about.group != group:
            group = about.group
            lines += ["", group] if lines else [group]
        said = f"{about.help[:-1]}; beyond it, {about.beyond}."
        if width < NARROW:
            lines += ["", name, shown[name], about.option, *wrapped(said, width)]
        else:
            lines.append(f"  {name:<{names}}  {shown[name]:>{values}}  {about.option}".rstrip())
            lines += wrapped(said, width, "      ", "      ")
    return [*lines, "", *wrapped(FOOT, width)]


def _columns() -> int:
    """How wide the terminal is; elsewhere what ``COLUMNS`` says."""
    told = os.environ.get("COLUMNS", "")
    return terminal_columns() or (int(told) if told.isdecimal() and len(told) < WIDE else 0) or WIDE
