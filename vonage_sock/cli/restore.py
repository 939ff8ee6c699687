"""``vsock restore``."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import click

from vonage_sock.account.credentials import Credentials
from vonage_sock.account.journal import Entry, Journal
from vonage_sock.account.pointing import PutBack
from vonage_sock.cli.account_words import named, put_back_lines, still_points
from vonage_sock.cli.credential_options import API_HOST, API_KEY, API_SECRET, credentials_of
from vonage_sock.cli.leftovers import journal_of_user, put_back_each
from vonage_sock.cli.options import CA, SectionedCommand, ca_of, option, option_group
from vonage_sock.cli.printing import print_lines, say
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError, VsockError

EXAMPLES = """\b
Examples:
  vsock restore               put back all that a vsock dev has left behind
  vsock restore --dry-run     only say what there is to do
  vsock restore --app 78d335fa-323d-0114-9c3d-d6f0d48968cf    that application
"""

ACCOUNT = option_group(API_KEY, API_SECRET, API_HOST, CA)


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@option("--app", metavar="ID", envvar=None, help="Only this application.  [default: all]")
@option("--dry-run", is_flag=True, help="Say what there is, and change nothing.")
@ACCOUNT
@click.pass_context
def restore(ctx: click.Context, /, **options: Any) -> None:
    """Put back the addresses of applications that vsock dev has changed.

    vsock dev does it itself when it ends; this is for when it was killed, the network was away, or --keep was given. An
    address that somebody has changed since is left as it is. What a running vsock dev uses is left alone.
    """
    journal = journal_of_user()
    applications = _chosen(journal, options["app"])
    if not applications:
        print_lines(["nothing to put back"])
        return
    if options["dry_run"]:
        ctx.exit(_show(journal, applications))
    ctx.exit(asyncio.run(_restore(journal, credentials_of({**options, "app": None}), applications, options)))


def _chosen(journal: Journal, application: str | None) -> list[str]:
    there = journal.applications()
    if application is None:
        return there
    wanted = application.strip().lower()
    if wanted not in there:
        try:
            uuid.UUID(wanted)
        except ValueError:
            raise UsageError(f"--app {application[:60]!r} isn't an application's id") from None
        return []
    return [wanted]


def _show(journal: Journal, applications: list[str]) -> ExitCode:
    code = ExitCode.OK
    for application in applications:
        try:
            print_lines([_described(journal, application)])
        except VsockError as error:
            say(clean(f"Error: {error}", 1000))
            code = error.exit_code
    return code


def _described(journal: Journal, application: str) -> str:
    entry = journal.read(application)
    if entry is None:
        return f"{application}: nothing"
    state = "in use by a vsock dev that runs" if journal.is_held(application) else "left behind"
    if entry.keep:
        state += " (--keep)"
    if entry.doubts:
        state += " (a write that was never answered may still arrive)"
    before = ", ".join(f"{name} to {_address(webhook)}" for name, webhook in entry.before.items() if name in entry.ours)
    return clean(f"{named(entry.name, application)}, {state} since {entry.began}: would put back {before}", 1000)


def _address(webhook: Any) -> str:
    address = webhook.get("address") if isinstance(webhook, dict) else None
    return clean(address, 300) if isinstance(address, str) else "(none)"


async def _restore(
    journal: Journal, credentials: Credentials, applications: list[str], options: dict[str, Any]
) -> ExitCode:
    code = ExitCode.OK
    async for entry, result in put_back_each(
        journal, credentials, applications, kept_too=True, api_host=options["api_host"], ca=ca_of(options)
    ):
        code = _told(entry, result) or code
    return code


def _told(entry: Entry | None, result: PutBack | VsockError) -> ExitCode:
    if isinstance(result, VsockError):
        say(clean(f"Error: {result if entry is None else still_points(entry, str(result))}", 1000))
        return result.exit_code
    print_lines([clean(line, 1000) for _, line in put_back_lines(result)])
    return ExitCode.CONNECT if result.in_doubt else ExitCode.OK
