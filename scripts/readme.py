"""
Writes the generated parts of README.md: each command's help, the exit codes, the JSON lines, the words of scenarios.

    python scripts/readme.py            write them
    python scripts/readme.py --check    exit 1 when the README isn't what would be written

The comparison with other servers is what ``python scripts/bench publish`` has left; it isn't measured here.
A part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click
from click.testing import CliRunner

from vonage_sock.call import events, findings
from vonage_sock.call.events import Event
from vonage_sock.cli import COMMANDS, cli
from vonage_sock.cli.limits import amount
from vonage_sock.errors import ExitCode
from vonage_sock.limits import DEFAULTS, catalogue
from vonage_sock.simulator.scenario.schema import schema_text

README: Final = Path(__file__).parent.parent / "README.md"
COMPARISON: Final = Path(__file__).parent / "bench" / "results" / "table.md"
PART: Final = re.compile(r"(<!-- begin (?P<name>[a-z-]+) -->\n).*?(<!-- end (?P=name) -->)", re.DOTALL)
WIDTH: Final = 100


def help_of(*command: str) -> str:
    """The help of a command as a terminal of 100 columns shows it."""
    result = CliRunner().invoke(cli, [*command, "--help"], prog_name="vsock", terminal_width=WIDTH)
    if result.exit_code:
        raise click.ClickException(result.output)
    lines = "\n".join(line.rstrip() for line in result.output.splitlines())
    return f"```text\n{lines}\n```\n"


def exit_codes() -> str:
    """The exit codes as a table."""
    rows = "".join(f"| {code.value} | {code.meaning} |\n" for code in ExitCode)
    return f"| code | meaning |\n|---|---|\n{rows}"


def json_lines() -> str:
    """The events and their fields as a table."""
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    rows = ""
    for kind in kinds:
        if kind in (Event, events.Notice):
            continue
        names = " ".join(f"`{item.name}`" for item in fields(kind) if item.name not in ("at", "call"))
        if kind is events.CallReported:
            names = "`target`, the figures and the `findings` (see `vsock call`)"
        if kind is events.LoadReported:
            names = "`target`, `calls`, the figures, `findings`, `thresholds` and `met` (see `vsock load`)"
        rows += f"| `{kind.name}` | {names} | {first_sentence(kind)} |\n"
    return f"| event | fields | when |\n|---|---|---|\n{rows}"


def findings_table() -> str:
    """The findings as a table."""
    rows = "".join(
        f"| {rule.code} | {rule.level.value}{'' if rule.promised else ' *'} | {rule.message} | {rule.cause} |\n"
        for rule in findings.CATALOGUE.values()
    )
    return f"| code | level | what is said | cause |\n|---|---|---|---|\n{rows}"


def limits_table() -> str:
    """The limits as a table."""
    rows = "".join(
        f"| `{about.option}` | {amount(getattr(DEFAULTS, name), about.unit)} | {about.help[:-1]} | {about.beyond} |\n"
        for name, about in catalogue().items()
    )
    return f"| option | default | what it bounds | beyond it |\n|---|---|---|---|\n{rows}"


def scenario_words() -> str:
    """What a scenario may say, from the schema that editors use, as tables."""
    definitions = json.loads(schema_text())["$defs"]
    steps = definitions["step"]["else"]["properties"]
    waits = steps["wait_for"]["else"]["properties"]
    tables = {
        "step": steps,
        "`wait_for`": waits,
        "expectation": definitions["expectations"]["properties"],
    }
    return "\n".join(_table_of(title, words) for title, words in tables.items())


def _table_of(title: str, words: dict[str, Any]) -> str:
    rows = "".join(f"| `{word}` | {rule['description']} |\n" for word, rule in words.items())
    return f"| {title} | meaning |\n|---|---|\n{rows}"


def first_sentence(kind: type) -> str:
    """The first sentence of a docstring, for one cell of a table."""
    text = " ".join((kind.__doc__ or "").split())
    return text.split(". ")[0].rstrip(".").replace("``", "`").replace("|", r"\|")


def parts() -> dict[str, str]:
    """What stands in each part."""
    helps = {f"help-{name}": help_of(name) for name in COMMANDS}
    return {
        "help": help_of(),
        **helps,
        "exit-codes": exit_codes(),
        "json-lines": json_lines(),
        "findings": findings_table(),
        "limits": limits_table(),
        "scenario-words": scenario_words(),
        "comparison": COMPARISON.read_text(),
    }


def generated(readme: str) -> str:
    """
    The README with its parts written anew.

    Raises:
        click.ClickException: a part is missing or unknown.
    """
    known = parts()
    found = {match["name"] for match in PART.finditer(readme)}
    if odd := found ^ known.keys():
        raise click.ClickException(f"README.md lacks, or has one too many of, the parts {', '.join(sorted(odd))}")
    return PART.sub(lambda match: f"{match[1]}{known[match['name']]}{match[3]}", readme)


def main() -> int:
    """Write, or check; the exit code."""
    before = README.read_text()
    after = generated(before)
    if "--check" in sys.argv:
        if before != after:
            print("README.md is stale; write it anew with: make docs", file=sys.stderr)
            return 1
        return 0
    README.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
