"""
What a ``vsock dev`` that was killed has left behind in the account, put back by the next program that serves.

Rule: this hinders nothing. Without an entry it costs one look into a directory; what can't be put back is said, stays in
the journal, and the server starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vonage_sock.account.journal import Entry, InUseError, Journal, state_folder
from vonage_sock.clock import SystemClock
from vonage_sock.errors import UsageError, VsockError

if TYPE_CHECKING:
    from vonage_sock.account.credentials import Credentials
    from vonage_sock.account.pointing import PutBack

AT_START_S: Final = 10.0


def journal_of_user() -> Journal:
    """The journal of whoever runs us."""
    return Journal(state_folder(os.environ, Path.home()))


def abandoned(journal: Journal) -> list[str]:
    """The applications that nobody alive points at himself any more."""
    return [application for application in journal.applications() if not journal.is_held(application)]


def tell() -> None:
    """One line on standard error for each application that a killed ``vsock dev`` has left changed; nothing raises."""
    from vonage_sock.cli.printing import say  # noqa: PLC0415
    from vonage_sock.display.safe import clean  # noqa: PLC0415

    journal = journal_of_user()
    for application in abandoned(journal):
        with contextlib.suppress(VsockError):
            entry = journal.read(application)
            if entry is not None and not entry.keep:
                left = "may have left" if entry.doubts else "that was killed has left"
                say(
                    f"Note: a vsock dev {left} application {clean(entry.name, 60)!r} changed; "
                    "put it back with: vsock restore"
                )


def put_back_at_start(credentials: Credentials | None = None, *, but: str | None = None) -> None:
    """
    Put back what was left behind, before a server starts; one line on standard error for each, and nothing raises.

    Args:
        credentials: those of the environment and the files, where they are left out.
        but: an application that the caller puts back himself.
    """
    journal = journal_of_user()
    applications = [application for application in abandoned(journal) if application != but]
    if not applications:
        return
    from vonage_sock.account.credentials import find_credentials  # noqa: PLC0415  (there is nearly never anything)

    credentials = credentials or find_credentials({}, environ=os.environ, cwd=Path.cwd(), home=Path.home())
    asyncio.run(_put_back_quickly(journal, credentials, applications))


async def _put_back_quickly(journal: Journal, credentials: Credentials, applications: Sequence[str]) -> None:
    from vonage_sock.cli.account_words import put_back_lines, still_points  # noqa: PLC0415
    from vonage_sock.cli.printing import say  # noqa: PLC0415
    from vonage_sock.display.safe import clean  # noqa: PLC0415

    try:
        async with asyncio.timeout(AT_START_S):
            async for entry, result in put_back_each(journal, credentials, applications, kept_too=False):
                if isinstance(result, InUseError):
                    continue
                if isinstance(result, VsockError):
                    say(clean(f"Warning: {result if entry is None else still_points(entry, str(result))}", 1000))
                    continue
                for _, line in put_back_lines(result):
                    say(clean(f"After a crash: {line}", 1000))
    except TimeoutError:
        say("Warning: Vonage's API takes too long to put back what was left behind; do it with: vsock restore")


async def put_back_each(
    journal: Journal,
    credentials: Credentials,
    applications: Sequence[str],
    *,
    kept_too: bool,
    api_host: str | None = None,
    ca: Path | None = None,
) -> AsyncIterator[tuple[Entry | None, PutBack | VsockError]]:
    """
    Put back each of these, and tell what became of it; an entry that can't be read comes as None.

    Args:
        kept_too: also what ``--keep`` has kept.
        api_host, ca: in place of those that the entries name.
    """
    for application in applications:
        entry = None
        try:
            with journal.hold(application):
                entry = journal.read(application)
                if entry is None or (entry.keep and not kept_too):
                    continue
                yield entry, await _put_back(journal, credentials, entry, api_host=api_host, ca=ca)
        except InUseError:
            yield (
                entry,
                InUseError(f"a vsock dev that still runs uses application {application}; stop it first (Ctrl-C)"),
            )
        except VsockError as error:
            yield entry, error


async def _put_back(
    journal: Journal, credentials: Credentials, entry: Entry, *, api_host: str | None, ca: Path | None
) -> PutBack:
    from vonage_sock.account.pointing import is_account_of, put_back  # noqa: PLC0415
    from vonage_sock.account.sdk import Sdk  # noqa: PLC0415

    key, _ = credentials.require_account()
    sdk = Sdk(credentials, api_host=api_host or entry.api_host, ca=ca or _there(entry.ca))
    if not is_account_of(sdk, entry):
        raise UsageError(
            f"it belongs to another account than the API key of {key.source}; name that with --api-key and --api-secret"
        )
    return await put_back(sdk, journal, entry, clock=SystemClock())


def _there(name: str | None) -> Path | None:
    """The file, if it is still there."""
    return Path(name) if name is not None and Path(name).exists() else None
