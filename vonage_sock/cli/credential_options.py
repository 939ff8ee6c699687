"""The options that say who we are to Vonage, and where its API is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from vonage_sock.account.credentials import OPTIONS, REGIONS, Credentials, find_credentials
from vonage_sock.account.places import NAMES, variable
from vonage_sock.account.sdk import Sdk
from vonage_sock.cli.options import ca_of, option, option_group

ACCOUNT: Final = "Account"
_PARAMETERS: Final = {"application_id": "app"}

API_KEY = option(
    "--api-key",
    metavar="KEY",
    section=ACCOUNT,
    help="The account's key. Also VONAGE_API_KEY, ./.vonagerc, ~/.vonage/config.json or [tool.vsock] in pyproject.toml.",
)
API_SECRET = option(
    "--api-secret", metavar="SECRET", section=ACCOUNT, help="Its secret. Also VONAGE_API_SECRET, or in those files."
)
APP = option(
    "--app", metavar="ID", section=ACCOUNT, help="The application's id. Also VONAGE_APPLICATION_ID, or in those files."
)
PRIVATE_KEY = option(
    "--private-key",
    metavar="PATH_OR_TEXT",
    section=ACCOUNT,
    help="The application's private key (PEM). Also VONAGE_PRIVATE_KEY, or in those files.",
)
REGION = option(
    "--region",
    type=click.Choice(REGIONS, case_sensitive=False),
    metavar="REGION",
    section=ACCOUNT,
    help=f"The region that calls are made in: {', '.join(REGIONS)}. Also VONAGE_REGION, or in those files.",
)
API_HOST = option(
    "--api-host",
    metavar="HOST[:PORT]",
    section=ACCOUNT,
    help="Where Vonage's API is, such as a simulated one's; always https.  [default: Vonage's own]",
)
CREDENTIALS = option_group(API_KEY, API_SECRET, APP, PRIVATE_KEY, REGION, API_HOST)


def credentials_of(options: dict[str, Any]) -> Credentials:
    """What the options, the environment and the files say, each with where it was found."""
    given = {name: options.get(_PARAMETERS.get(name, name)) for name in NAMES}
    return find_credentials(
        given,
        environ=os.environ,
        cwd=Path.cwd(),
        home=Path.home(),
        sources={name: called(name) for name, value in given.items() if value},
    )


def sdk_of(options: dict[str, Any], credentials: Credentials) -> Sdk:
    """
    The client that the options ask for.

    Raises:
        UsageError: ``--api-host`` or ``--ca`` can't be used.
    """
    return Sdk(credentials, api_host=options["api_host"], ca=ca_of(options) if "ca" in options else None)


def called(name: str) -> str:
    """The option that a setting was given with, or the variable that it was read from."""
    context = click.get_current_context(silent=True)
    parameter = _PARAMETERS.get(name, name)
    if context is not None and context.get_parameter_source(parameter) is ParameterSource.ENVIRONMENT:
        ours = f"VSOCK_{parameter.upper()}"
        return ours if os.environ.get(ours) else variable(name)
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")
