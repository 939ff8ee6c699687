"""
What ``vsock dev`` does besides serving: from the options to the application that calls come from, and back.

Rule: nothing outside is changed before everything that can be checked was, and from then on every way out of the program
goes through ``Reach.leave``, or leaves a journal that says how to put it right.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vonage_sock.account.applications import JsonObject, list_applications, read_application, voice_of
from vonage_sock.account.credentials import Credentials, where
from vonage_sock.account.journal import Journal
from vonage_sock.account.pointing import changes, put_back
from vonage_sock.account.sdk import Sdk
from vonage_sock.call.events import Event, Notice
from vonage_sock.cli.account_words import change_lines, change_values, named, put_back_lines
from vonage_sock.cli.asking import can_ask
from vonage_sock.cli.credential_options import credentials_of, sdk_of
from vonage_sock.cli.leftovers import journal_of_user, put_back_at_start
from vonage_sock.cli.loop import run
from vonage_sock.cli.options import ca_of
from vonage_sock.cli.plan import Plan, ServeOptions
from vonage_sock.cli.printing import print_lines, say
from vonage_sock.cli.reach import DeclinedError, Reach, addresses_at
from vonage_sock.cli.run_server import Session
from vonage_sock.cli.stopping import STOPPED, StoppedError
from vonage_sock.clock import SystemClock
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError
from vonage_sock.media.decode import remove_spooled
from vonage_sock.protocol import jsontext
from vonage_sock.transport.tls import trusting
from vonage_sock.tunnels.agent import find_ngrok
from vonage_sock.tunnels.choose import TunnelKind

MAX_LISTED = 10
UNKNOWN_BASE = "https://the-tunnel.example"
"""Stands for an address that is known only when the tunnel is open."""


def dev_and_exit(values: dict[str, Any]) -> ExitCode:
    """
    Do what the options say until it is stopped; the exit code.

    Raises:
        VsockError: something can't be used or reached; nothing is changed then, or what was is put back.
    """
    options = ServeOptions.of(values)
    ca = ca_of(values)
    try:
        plan = Plan(options)
        credentials = credentials_of(values)
        credentials.require_account()
        credentials.wanted_region()
        dev = _Dev(plan, values, credentials, sdk_of(values, credentials), ca)
        if values["dry_run"]:
            return run(dev.show())
        dev.check_consent()
        try:
            own = credentials.application_id
            put_back_at_start(credentials, but=None if own is None else own.value)
            return run(dev.run())
        except KeyboardInterrupt:
            # Signals are taken before anything is changed.
            say(STOPPED)
            return ExitCode.OK
    finally:
        remove_spooled()


@dataclass(frozen=True, slots=True)
class _Dev:
    """One run, from the account to the last line."""

    plan: Plan
    values: dict[str, Any]
    credentials: Credentials
    sdk: Sdk
    ca: Path | None

    def check_consent(self) -> None:
        """
        Find out before anything starts that nobody can be asked.

        Raises:
            UsageError: nobody can.
        """
        if self.values["tunnel"] == TunnelKind.NONE.value and self.plan.config.url is None:
            raise UsageError("--tunnel none leaves no public address; give one with --url")
        if not self.values["yes"] and not can_ask():
            raise UsageError(
                "vsock dev asks before it changes the application, and there is no terminal to ask on; "
                "give --yes, or look first with --dry-run"
            )

    async def show(self) -> ExitCode:
        """Say what would be changed."""
        application_id = await self._application_id()
        application = await read_application(self.sdk, application_id)
        base = await self._base_without_starting()
        found = changes(application, addresses_at(base or UNKNOWN_BASE))
        if self.plan.options.as_json:
            shown = {"v": 1, "application": application_id, "name": application["name"], "url": base}
            print_lines([clean_json({**shown, "changes": change_values(found)})])
            return ExitCode.OK
        lines = [f"{named(application['name'], application_id)} would be changed so:", *change_lines(found)]
        if not found:
            lines = [f"{named(application['name'], application_id)} points here already; nothing would be changed"]
        if base is None:
            lines.append(f"({UNKNOWN_BASE} stands for the tunnel's address, which is known when it is open)")
        print_lines([clean(line, 1000) if not line.startswith(" ") else line for line in lines])
        return ExitCode.OK

    async def run(self) -> ExitCode:
        """Serve, with the application pointed at us."""
        application_id = await self._application_id()
        journal = journal_of_user()
        with journal.hold(application_id):
            application = await self._clean_application(journal, application_id)
            self._take_secret(application)
            reach = Reach(
                self.sdk,
                journal,
                application,
                application_id,
                trust=trusting(self.ca),
                ask=not self.values["yes"],
                tell=not self.plan.options.quiet,
                keep=self.values["keep"],
                check=not self.values["no_check"],
                clock=SystemClock(),
            )
            async with _left(reach):
                try:
                    code = await self._session(reach).run()
                except (DeclinedError, StoppedError) as nothing:
                    say(str(nothing))
                    return nothing.exit_code
            return code or reach.exit_code

    def _session(self, reach: Reach) -> Any:
        if self.plan.options.workers == 1:
            return Session(self.plan, reach=reach)
        from vonage_sock.cli.run_workers import WorkersSession  # noqa: PLC0415  (only several processes need it)

        return WorkersSession(self.plan, reach=reach)

    async def _application_id(self) -> str:
        """
        The application that was named; without, the only one there is, if somebody will be asked about it.

        Raises:
            UsageError: it isn't clear which.
        """
        if self.credentials.application_id is not None:
            return self.credentials.application_id.value
        if why := self.credentials.lacks.get("application_id"):
            raise UsageError(why)
        with_voice = [item for item in await list_applications(self.sdk) if voice_of(item) is not None]
        if len(with_voice) == 1 and not self.values["yes"]:
            return str(with_voice[0].get("id"))
        shown = "; ".join(
            f"{clean(item.get('id'), 40)} {clean(item.get('name'), 40)!r}" for item in with_voice[:MAX_LISTED]
        )
        there = f"the account has these with voice: {shown}" if shown else "the account has none with voice"
        raise UsageError(f"no application was named, and {there}; {where('application_id')}")

    async def _clean_application(self, journal: Journal, application_id: str) -> JsonObject:
        """The application, after what an earlier run has left in it was put back."""
        entry = journal.read(application_id)
        if entry is not None:
            for _, line in put_back_lines(await put_back(self.sdk, journal, entry, clock=SystemClock())):
                say(clean(f"Left by an earlier vsock dev: {line}", 1000))
        application = await read_application(self.sdk, application_id)
        changes(application, addresses_at(UNKNOWN_BASE))
        return application

    def _take_secret(self, application: JsonObject) -> None:
        """
        Let in only what is signed, where the application signs and we know the secret.

        Raises:
            UsageError: the secret was asked for, and the application doesn't sign.
        """
        signs = (voice_of(application) or {}).get("signed_callbacks")
        config, found = self.plan.config, self.credentials.signature_secret
        if signs is False and config.signature_secret is not None:
            raise UsageError(
                "the application doesn't sign its webhooks (signed_callbacks is false), so that with a signature secret "
                "each of them would be refused; turn signed webhooks on in the dashboard, or leave the secret away"
            )
        if config.signature_secret is None and found is not None and signs is True:
            self.plan.config = replace(config, signature_secret=found.value)

    async def _base_without_starting(self) -> str | None:
        """The public address that would be taken, if it can be known."""
        config, options = self.plan.config, self.plan.options
        if config.url is not None:
            return config.url
        if TunnelKind(self.values["tunnel"]) in {TunnelKind.NONE, TunnelKind.CLOUDFLARED}:
            return None
        return (await find_ngrok(options.port, api_url=options.ngrok_api)).url


@contextlib.asynccontextmanager
async def _left(reach: Reach) -> AsyncIterator[None]:
    """Leave nothing behind, whatever ends it."""
    try:
        yield
    finally:
        # A second Ctrl-C that cancels us must not end it halfway.
        await asyncio.shield(asyncio.ensure_future(reach.leave(_say_notice)))


def _say_notice(event: Event) -> None:
    if isinstance(event, Notice):
        text = event.message if event.level == "info" else f"{event.level.capitalize()}: {event.message}"
        say(clean(text, 1000))


def clean_json(value: dict[str, Any]) -> str:
    """A JSON line, its texts made harmless."""
    value["name"] = clean(value["name"], 60)
    return jsontext.dumps(value)
