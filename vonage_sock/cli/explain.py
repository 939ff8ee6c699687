"""``vsock explain``."""

from __future__ import annotations

import textwrap

import click

from vonage_sock.call.findings import CATALOGUE, Rule
from vonage_sock.errors import UsageError

EXAMPLES = """\b
Examples:
  vsock explain            all findings, a line each
  vsock explain VS203      one, with its cause and its cure
"""
WIDTH = 88


@click.command(epilog=EXAMPLES)
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what a finding means: CODE with its cause and its cure, or all in a list.

    Words in {braces} are the numbers of the call at hand.
    """
    if code is None:
        for rule in CATALOGUE.values():
            click.echo(f"{rule.code}  {rule.level.value:<7}  {rule.message}")
        return
    found = CATALOGUE.get(code.strip().upper())
    if found is None:
        raise UsageError(f"there is no finding {code!r}; vsock explain lists all, from VS101 to {max(CATALOGUE)}")
    click.echo("\n".join(explanation(found)))


def explanation(rule: Rule) -> list[str]:
    """All that the catalogue says of one rule, in lines."""
    promised = "Vonage documents this." if rule.promised else "Vonage documents nothing about this: it is our reading."
    return [
        f"{rule.code}  {rule.level.value}",
        *textwrap.wrap(rule.message, WIDTH),
        "",
        *_paragraph("Cause", rule.cause),
        *_paragraph("Cure", rule.cure),
        *_paragraph("Source", promised),
        "",
        *_snippet("Python", rule.python),
        "",
        *_snippet("Node", rule.node),
    ]


def _paragraph(title: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{title + ':':<8}", subsequent_indent=" " * 8)


def _snippet(title: str, code: str) -> list[str]:
    return [f"{title}:", *textwrap.indent(code, "    ").splitlines()]
