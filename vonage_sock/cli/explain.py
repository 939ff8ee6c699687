"""``vsock explain``."""

from __future__ import annotations

import os
import sys
import textwrap

import click

from vonage_sock.call.findings import CATALOGUE, Rule
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.printing import print_lines
from vonage_sock.errors import UsageError

EXAMPLES = """\b
Examples:
  vsock explain            all findings, a line each where there is room
  vsock explain VS203      one, with its cause and its cure
"""
WIDTH = 88


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what a finding means: CODE with its cause and its cure, or all in a list.

    Words in {braces} are the numbers of the call at hand.
    """
    if code is None:
        print_lines(listing(terminal_columns()))
        return
    found = CATALOGUE.get(code.strip().upper())
    if found is None:
        raise UsageError(f"there is no finding {code!r}; vsock explain lists all, from VS101 to {max(CATALOGUE)}")
    print_lines(explanation(found, min(WIDTH, terminal_columns() or WIDTH)))


def terminal_columns() -> int | None:
    """How wide the terminal is; None where lines go elsewhere."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def listing(width: int | None) -> list[str]:
    """A line for each rule, and for some a few more under it on a terminal of ``width`` columns."""
    lines = []
    for rule in CATALOGUE.values():
        head = f"{rule.code}  {rule.level.value:<7}  "
        lines += wrapped(rule.message, width or sys.maxsize, head, " " * len(head))
    return lines


def explanation(rule: Rule, width: int = WIDTH) -> list[str]:
    """All that the catalogue says of one rule, in lines; those of its snippets are as long as they are."""
    promised = "Vonage documents this." if rule.promised else "Vonage documents nothing about this: it is our reading."
    return [
        f"{rule.code}  {rule.level.value}",
        *wrapped(rule.message, width),
        "",
        *_paragraph("Cause", rule.cause, width),
        *_paragraph("Cure", rule.cure, width),
        *_paragraph("Source", promised, width),
        "",
        *_snippet("Python", rule.python),
        "",
        *_snippet("Node", rule.node),
    ]


def _paragraph(title: str, text: str, width: int) -> list[str]:
    return wrapped(text, width, f"{title + ':':<8}", " " * 8)


def wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    """A paragraph in lines, never so narrow that a line holds no words."""
    columns = max(width, len(first) + 20)
    # An option is no word to be divided.
    return textwrap.wrap(text, columns, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _snippet(title: str, code: str) -> list[str]:
    return [f"{title}:", *textwrap.indent(code, "    ").splitlines()]
