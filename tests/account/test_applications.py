"""Applications, read and written whole."""

from __future__ import annotations

import pytest

from tests.account.fakes import APP_ID, OLD, PUBLIC_KEY, FakeApi, application
from vonage_sock.account.applications import (
    list_applications,
    read_application,
    voice_addresses,
    voice_of,
    with_webhooks,
    write_application,
)
from vonage_sock.account.sdk import ApiError, Sdk
from vonage_sock.errors import UsageError


async def test_what_is_read_and_written_is_the_same(api: FakeApi, sdk: Sdk) -> None:
    """All capabilities and members stay, those too that the client's models don't know, and the public key."""
    await write_application(sdk, APP_ID, await read_application(sdk, APP_ID))

    assert api.is_as_it_was()
    assert PUBLIC_KEY == api.writes()[0]["keys"]["public_key"]
    assert {"_links", "id"} & api.writes()[0].keys() == set()


def test_the_addresses_of_voice_are_found_where_there_are_some() -> None:
    """None where one lacks, and of an application without voice."""
    assert {
        "answer_url": "https://old.example.com/answer",
        "event_url": "https://old.example.com/event",
        "fallback_answer_url": None,
    } == voice_addresses(application())
    assert {None} == set(voice_addresses({"name": "x", "capabilities": {"voice": "odd"}}).values())


def test_only_the_named_webhooks_of_voice_are_another() -> None:
    """The rest of the copy is equal, and the original isn't touched; None takes one out."""
    before = application()
    after = with_webhooks(before, {"answer_url": {"address": "https://new"}, "event_url": None})
    voice = voice_of(after)

    assert application() == before
    assert voice is not None
    assert {"answer_url": {"address": "https://new"}} == voice["webhooks"]
    voice["webhooks"] = OLD
    assert before == after


def test_an_application_without_voice_is_refused() -> None:
    """It isn't given any."""
    with pytest.raises(UsageError, match="has no voice; turn it on in the dashboard"):
        with_webhooks({"name": "x", "capabilities": {}}, {"answer_url": None})


async def test_all_pages_are_listed(api: FakeApi, sdk: Sdk) -> None:
    """Beyond the API's hundred a page."""
    ids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(201)]
    api.applications = {app_id: application(app_id) for app_id in ids}

    assert ids == [item["id"] for item in await list_applications(sdk)]
    assert 3 == len(api.asked)


async def test_an_application_that_there_isnt_is_a_404(sdk: Sdk) -> None:
    """Told with its id; and what is no id isn't asked for."""
    with pytest.raises(ApiError, match=r"reading application 11111111-.* HTTP 404"):
        await read_application(sdk, "11111111-2222-4333-8444-555555555555")
    with pytest.raises(UsageError, match="isn't an application's id"):
        await read_application(sdk, "../../account/secrets")
