"""``vsock limits``."""

from __future__ import annotations

import json
from typing import Any

import click

from vonage_sock.cli.explain import terminal_columns, wrapped
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.limit_options import BYTES, LIMITS, SIZES
from vonage_sock.cli.options import JSON
from vonage_sock.cli.printing import print_lines
from vonage_sock.limits import DEFAULTS, Limits, catalogue

EXAMPLES = """\b
Examples:
  vsock limits                                all limits, as they are without options
  VSOCK_MAX_CALLS=200 vsock limits            … as they are in this environment
  vsock limits --max-body-bytes 1M --json     … with an option that vsock serve would be given
"""
FOOT = (
    "Each is an option of vsock serve, record and play, and stands in the environment as VSOCK_ and the option's name."
)


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@LIMITS
@JSON
def limits(*, as_json: bool, **values: Any) -> None:
    """Show what the server takes from whoever reaches it: each limit, its option, and what happens beyond it.

    It takes the options of vsock serve that are limits, and shows their values as they would be there.
    """
    chosen = Limits.of(values)
    print_lines([json.dumps(record) for record in records(chosen)] if as_json else table(chosen, terminal_columns()))


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


def table(chosen: Limits, width: int | None) -> list[str]:
    """Name, value, unit and option in a line, and under it what it bounds and what happens beyond it."""
    shown = {name: amount(getattr(chosen, name), about.unit) for name, about in catalogue().items()}
    names, values = max(map(len, shown)), max(map(len, shown.values()))
    lines: list[str] = []
    group = ""
    for name, about in catalogue().items():
        if about.group != group:
            group = about.group
            lines += ["", group] if lines else [group]
        lines.append(f"  {name:<{names}}  {shown[name]:>{values}}  {about.option}".rstrip())
        lines += wrapped(f"{about.help[:-1]}; beyond it, {about.beyond}.", width or 120, "      ", "      ")
    return [*lines, "", *wrapped(FOOT, width or 120)]


def amount(value: float, unit: str) -> str:
    """A number and its unit, a size as the option takes it."""
    if unit != BYTES:
        return f"{value:,.10g} {unit}"
    for suffix, size in reversed(SIZES.items()):
        if value and value % size == 0:
            return f"{int(value) // size:,} {suffix}iB"
    return f"{value:,} {unit}"
