"""
Points an application's voice webhooks at us, and puts back what they were.

Rule: the journal knows of a change before the API does, and forgets it after the API has shown that it is undone. A write
that wasn't answered may be carried out later, after it was put back: the journal keeps it for as long as that can be. Only
addresses are touched, and only those that are still ours are put back: what somebody has changed meanwhile is theirs.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vonage_sock.account.applications import (
    ADDRESSES,
    JsonObject,
    read_application,
    voice_addresses,
    voice_of,
    voice_webhooks,
    with_webhooks,
    write_application,
)
from vonage_sock.account.journal import Doubt, Entry, Journal, JournalError, fingerprint
from vonage_sock.account.sdk import API_HOST, ApiError, Sdk, may_have_arrived
from vonage_sock.clock import SECOND, Clock, iso_utc
from vonage_sock.errors import UsageError, VsockError

METHOD: Final = "POST"
"""How a webhook is asked that there wasn't before."""

IN_DOUBT_S: Final = 600
"""How long a write that wasn't answered may yet arrive: no proxy and no queue between us and the API holds one so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An address of the application, as it is and as it shall be; None for none."""

    name: str
    now: str | None
    then: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """
    What became of an entry.

    Args:
        back: the addresses that are again what they were, by their names.
        left: those that somebody has changed meanwhile, as they stand.
        gone: the application isn't there any more.
        in_doubt: a write of ours may still arrive, so the entry stays, and it is to be looked at again.
    """

    entry: Entry
    back: Mapping[str, str | None] = field(default_factory=dict)
    left: Mapping[str, str | None] = field(default_factory=dict)
    gone: bool = False
    in_doubt: bool = False


def changes(application: Mapping[str, Any], addresses: Mapping[str, str]) -> list[Change]:
    """
    What pointing the application at these addresses would change.

    Raises:
        UsageError: the application has no voice.
    """
    if voice_of(application) is None:
        raise UsageError(
            "the application has no voice; turn it on in the dashboard (Capabilities), or choose another with --app"
        )
    now = voice_addresses(application)
    return [
        Change(name=name, now=now[name], then=addresses[name]) for name in ADDRESSES if now[name] != addresses[name]
    ]


async def point(
    sdk: Sdk,
    journal: Journal,
    application_id: str,
    addresses: Mapping[str, str],
    *,
    clock: Clock,
    keep: bool = False,
    application: JsonObject | None = None,
) -> Entry | None:
    """
    Give the application these addresses; the journal's entry, None where it had them all. Hold the application for it.

    An entry that there is stays as it is but for the further addresses, so what it puts back is what was before it.

    Args:
        application: as it was read just before; None where it wasn't.

    Raises:
        VsockError: it couldn't be done. Where there is an entry then, nobody knows whether it was.
    """
    application = application or await read_application(sdk, application_id)
    entry = journal.read(application_id)
    if not changes(application, addresses):
        return entry
    if entry is None:
        entry = _new_entry(sdk, application, application_id, clock=clock, keep=keep)
    entry = entry.with_ours(addresses)
    changed = with_webhooks(application, _pointed(voice_webhooks(application), addresses))
    with _in_doubt(journal, entry, Doubt(addresses=dict(addresses), since_wall_ns=clock.wall_ns())):
        answer = await write_application(sdk, application_id, changed)
    if changes_left := [change.name for change in changes(answer or changed, addresses)]:
        raise VsockError(f"the API took the application and didn't change its {', '.join(changes_left)}")
    return entry


@contextlib.contextmanager
def _in_doubt(journal: Journal, entry: Entry, doubt: Doubt) -> Iterator[None]:
    """Have the journal say of a write that nobody knows what becomes of it, until the API has said so."""
    if any(earlier.addresses in ({}, doubt.addresses) for earlier in entry.doubts):
        # Whoever sees these addresses can't tell which of the writes has arrived.
        unseen = tuple(
            replace(earlier, addresses={}) if earlier.addresses == doubt.addresses else earlier
            for earlier in entry.doubts
        )
        entry, doubt = replace(entry, doubts=unseen), replace(doubt, addresses={})
    journal.write(replace(entry, doubts=(*entry.doubts, doubt)))
    try:
        yield
    except BaseException as error:
        if not may_have_arrived(error):
            _no_longer(journal, entry)
        raise
    _no_longer(journal, entry)


def _no_longer(journal: Journal, entry: Entry) -> None:
    # A doubt too many is looked into in vain, and no more than that.
    with contextlib.suppress(JournalError):
        journal.write(entry)


async def put_back(sdk: Sdk, journal: Journal, entry: Entry, *, clock: Clock) -> PutBack:
    """
    Give the application's webhooks the addresses that they had, where they still have ours. Hold the application for it.

    The entry goes away, but where a write of ours may still arrive: what the webhooks are now is to be put back then.

    Raises:
        VsockError: it couldn't be done; the entry stays.
    """
    asked_wall_ns = clock.wall_ns()
    try:
        application = await read_application(sdk, entry.application)
    except ApiError as error:
        if error.status != 404 or not is_account_of(sdk, entry):
            raise
        journal.remove(entry.application)
        return PutBack(entry=entry, gone=True)
    result, after = await _put_back(sdk, entry, application)
    doubts = tuple(doubt for doubt in entry.doubts if _is_open(doubt, application, asked_wall_ns))
    if not doubts:
        journal.remove(entry.application)
        return result
    journal.write(replace(entry, before=voice_webhooks(after), doubts=doubts))
    return replace(result, in_doubt=True)


def _is_open(doubt: Doubt, application: JsonObject, wall_ns: int) -> bool:
    """Whether it may arrive after the application was read."""
    now = voice_addresses(application)
    seen = doubt.addresses.items()
    arrived = bool(seen) and all(now.get(name) == address for name, address in seen)
    return not arrived and abs(wall_ns - doubt.since_wall_ns) < IN_DOUBT_S * SECOND


async def _put_back(sdk: Sdk, entry: Entry, application: JsonObject) -> tuple[PutBack, JsonObject]:
    """What became of it, and the application as it is then."""
    webhooks = voice_webhooks(application)
    now = voice_addresses(application)
    wanted = {name: None if (old := entry.before.get(name)) is None else old.get("address") for name in ADDRESSES}
    ours = [name for name in ADDRESSES if now[name] is not None and now[name] in entry.ours.get(name, ())]
    left = {name: now[name] for name in entry.ours if name not in ours and now.get(name) != wanted.get(name)}
    if not ours:
        return PutBack(entry=entry, left=left), application
    undone = with_webhooks(application, {name: _undone(webhooks[name], entry.before.get(name)) for name in ours})
    answer = await write_application(sdk, entry.application, undone)
    after = voice_addresses(answer or undone)
    if still := [name for name in ours if after[name] != wanted[name]]:
        raise VsockError(f"the API took the application and didn't change its {', '.join(still)}")
    return PutBack(entry=entry, back={name: wanted[name] for name in ours}, left=left), answer or undone


def is_account_of(sdk: Sdk, entry: Entry) -> bool:
    """Whether the credentials are those of the account that the entry is about."""
    key = sdk.credentials.api_key
    return key is not None and fingerprint(key.value) == entry.account


def _new_entry(sdk: Sdk, application: JsonObject, application_id: str, *, clock: Clock, keep: bool) -> Entry:
    key, _ = sdk.credentials.require_account()
    return Entry(
        application=application_id,
        name=application["name"],
        account=fingerprint(key.value),
        api_host=None if sdk.api_host == API_HOST else sdk.api_host,
        ca=None if sdk.ca is None else str(sdk.ca.absolute()),
        before=voice_webhooks(application),
        ours={},
        keep=keep,
        pid=os.getpid(),
        began=iso_utc(clock.wall_ns()),
    )


def _pointed(webhooks: Mapping[str, JsonObject | None], addresses: Mapping[str, str]) -> dict[str, JsonObject]:
    """The webhooks with other addresses, and how they are asked as it was."""
    return {
        name: {**(webhooks.get(name) or {"http_method": METHOD}), "address": address}
        for name, address in addresses.items()
    }


def _undone(webhook: JsonObject | None, before: Mapping[str, Any] | None) -> JsonObject | None:
    """The webhook with the address that it had, and with what else was changed in it meanwhile."""
    if before is None or webhook is None:
        return None
    undone = copy.deepcopy(webhook)
    if "address" in before:
        undone["address"] = before["address"]
    else:
        undone.pop("address", None)
    return undone
