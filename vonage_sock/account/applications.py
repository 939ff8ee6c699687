"""
The account's applications, read, merged and written whole, since the API replaces all of what it is given.

Rule: an application is plain JSON here, and whoever writes one has read it just before. The client's own models would drop
each capability and member that they don't know (``network_apis``, ``video``); so its HTTP client is used, and not those.

Source: Vonage Application API v2, ``GET`` and ``PUT /v2/applications/{id}``.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from typing import Any, Final

from vonage_sock.account.sdk import Sdk
from vonage_sock.errors import UsageError, VsockError

JsonObject = dict[str, Any]

APPLICATIONS: Final = "/v2/applications"
ADDRESSES: Final = ("answer_url", "event_url", "fallback_answer_url")
"""The three webhooks of voice, as the API calls them."""

PAGE: Final = 100
MAX_PAGES: Final = 50
_ONLY_READ: Final = frozenset({"_links", "link", "links", "id"})
"""What the API answers with, and what isn't part of what it takes."""


async def read_application(sdk: Sdk, application_id: str) -> JsonObject:
    """
    The application, whole.

    Raises:
        VsockError: it couldn't be read.
    """
    path, host = _path(application_id), sdk.api_host
    answer = await sdk.call(
        lambda client: client.http_client.get(host, path, None, "basic"), doing=f"reading application {application_id}"
    )
    if not isinstance(answer, dict) or not isinstance(answer.get("name"), str):
        raise VsockError(f"{host} answered with something that isn't an application; look at --api-host")
    return answer


async def write_application(sdk: Sdk, application_id: str, value: Mapping[str, Any]) -> JsonObject:
    """
    Replace the application by this, which was read before and holds all that shall stay; what the API made of it.

    A new pair of keys is made by the API where none is sent, so the public key that was read goes back.

    Raises:
        VsockError: it couldn't be written.
    """
    path, host = _path(application_id), sdk.api_host
    body = {name: copy.deepcopy(item) for name, item in value.items() if name not in _ONLY_READ}
    answer = await sdk.call(
        lambda client: client.http_client.put(host, path, body, "basic"), doing=f"writing application {application_id}"
    )
    return answer if isinstance(answer, dict) else {}


async def list_applications(sdk: Sdk) -> list[JsonObject]:
    """
    All of the account's applications, each whole.

    Raises:
        VsockError: they couldn't be read.
    """
    found: list[JsonObject] = []
    for page in range(1, MAX_PAGES + 1):
        answer = await _page(sdk, page)
        embedded = answer.get("_embedded")
        items = embedded.get("applications") if isinstance(embedded, dict) else None
        found += [item for item in items or () if isinstance(item, dict)] if isinstance(items, list) else []
        pages = answer.get("total_pages")
        if not isinstance(pages, int) or page >= pages:
            break
    return found


async def _page(sdk: Sdk, page: int) -> JsonObject:
    host, wanted = sdk.api_host, {"page_size": PAGE, "page": page}
    answer = await sdk.call(
        lambda client: client.http_client.get(host, APPLICATIONS, wanted, "basic"),
        doing="listing the account's applications",
    )
    if not isinstance(answer, dict):
        raise VsockError(f"{host} answered with something that isn't a list of applications; look at --api-host")
    return answer


def voice_of(value: Mapping[str, Any]) -> JsonObject | None:
    """The application's voice capability; None where it has none."""
    capabilities = value.get("capabilities")
    voice = capabilities.get("voice") if isinstance(capabilities, dict) else None
    return voice if isinstance(voice, dict) else None


def voice_webhooks(value: Mapping[str, Any]) -> dict[str, JsonObject | None]:
    """The three webhooks as they stand: ``{"answer_url": {"address": …, "http_method": …}, …}``, None where one lacks."""
    webhooks = (voice_of(value) or {}).get("webhooks")
    found = webhooks if isinstance(webhooks, dict) else {}
    return {name: copy.deepcopy(item) if isinstance(item := found.get(name), dict) else None for name in ADDRESSES}


def voice_addresses(value: Mapping[str, Any]) -> dict[str, str | None]:
    """The addresses of the three webhooks, by the API's names; None where one lacks."""
    return {name: _address(webhook) for name, webhook in voice_webhooks(value).items()}


def with_webhooks(value: Mapping[str, Any], webhooks: Mapping[str, Mapping[str, Any] | None]) -> JsonObject:
    """
    A copy of the application with these webhooks of voice, and everything else as it was.

    One that is None is taken out.

    Raises:
        UsageError: the application has no voice.
    """
    changed = copy.deepcopy(dict(value))
    voice = voice_of(changed)
    if voice is None:
        raise UsageError("the application has no voice; turn it on in the dashboard, or choose another with --app")
    if not isinstance(voice.get("webhooks"), dict):
        voice["webhooks"] = {}
    for name, webhook in webhooks.items():
        if webhook is None:
            voice["webhooks"].pop(name, None)
        else:
            voice["webhooks"][name] = copy.deepcopy(dict(webhook))
    return changed


def _address(webhook: JsonObject | None) -> str | None:
    address = None if webhook is None else webhook.get("address")
    return address if isinstance(address, str) and address else None


def _path(application_id: str) -> str:
    try:
        return f"{APPLICATIONS}/{uuid.UUID(application_id)}"
    except ValueError:
        raise UsageError(f"{application_id[:60]!r} isn't an application's id") from None
