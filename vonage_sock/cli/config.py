"""``vsock config``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from vonage_sock.account.credentials import SECRETS, TITLES, Credentials, Setting, masked
from vonage_sock.account.journal import state_folder
from vonage_sock.account.places import FILES, NAMES, files
from vonage_sock.account.sdk import API_HOST as VONAGE
from vonage_sock.cli.credential_options import CREDENTIALS, called, credentials_of
from vonage_sock.cli.options import SectionedCommand, option, signature_secret
from vonage_sock.cli.printing import print_lines, say
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode

EXAMPLES = """\b
Examples:
  vsock config                    what is used, and where it comes from
  vsock config --json             the same for programs; secrets stay masked
  vsock config --app 78d335fa-323d-0114-9c3d-d6f0d48968cf    … with this option
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@CREDENTIALS
@signature_secret(help="The account's secret that webhooks are signed with.", section="Account")
@option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def config(ctx: click.Context, /, **options: Any) -> None:
    """Show which credentials are used, and where each of them was found; secrets are masked.

    They are looked for in this order: options, environment (VONAGE_API_KEY, VONAGE_API_SECRET, VONAGE_APPLICATION_ID,
    VONAGE_PRIVATE_KEY, VONAGE_SIGNATURE_SECRET, VONAGE_REGION), ./.vonagerc, ~/.vonage/config.json (the files of the
    official CLI), and the table [tool.vsock] of ./pyproject.toml.
    """
    found = credentials_of(options)
    faults = _faults(found)
    if options["as_json"]:
        print_lines([json.dumps(_values(found, options, faults), ensure_ascii=False)])
    else:
        print_lines(_table(found, options))
        for fault in faults:
            say(clean(f"Error: {fault}", 1000))
    ctx.exit(ExitCode.USAGE if faults else ExitCode.OK)


def _faults(found: Credentials) -> list[str]:
    """What is wrong, each once: in a file that can't be read, and in settings that can't be used."""
    places = files(cwd=Path.cwd(), home=Path.home())
    return list(dict.fromkeys([*(place.fault for place in places if place.fault), *found.lacks.values()]))


def _settings(found: Credentials) -> dict[str, Setting | None]:
    return {name: getattr(found, name) for name in NAMES}


def _table(found: Credentials, options: dict[str, Any]) -> list[str]:
    rows = [
        (TITLES[name], _shown(name, setting), "" if setting is None else setting.source)
        for name, setting in _settings(found).items()
    ]
    host = options["api_host"]
    rows.append(("API", host or VONAGE, called("api_host") if host else "Vonage's own"))
    left, middle = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [clean(f"{title:<{left}}  {value:<{middle}}  {source}", 300).rstrip() for title, value, source in rows]
    return [*lines, "", f"looked in: options, environment, {', '.join(FILES)}", f"journal of vsock dev: {_state()}"]


def _shown(name: str, setting: Setting | None) -> str:
    if setting is None:
        return "-"
    return clean(masked(name, setting.value), 100)


def _state() -> str:
    return clean(str(state_folder(os.environ, Path.home())), 200)


def _values(found: Credentials, options: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    settings = {
        name: None
        if setting is None
        else {"value": _shown(name, setting), "source": setting.source, "secret": name in SECRETS}
        for name, setting in _settings(found).items()
    }
    return {
        "v": 1,
        "settings": settings,
        "api_host": options["api_host"] or VONAGE,
        "journal": _state(),
        "faults": [clean(fault, 1000) for fault in faults],
    }
