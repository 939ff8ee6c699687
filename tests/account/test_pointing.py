"""An application is pointed at us, and put back, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.account.fakes import APP_ID, OLD, FakeApi, application
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.account.journal import Entry, Journal
from vonage_sock.account.pointing import IN_DOUBT_S, changes, point, put_back
from vonage_sock.account.sdk import ApiError, Sdk
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.errors import UsageError, VsockError

NAMES = ("answer_url", "event_url", "fallback_answer_url")


def ours(base: str) -> dict[str, str]:
    """Three addresses."""
    return {name: f"https://{base}.example/{name}" for name in NAMES}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty one."""
    return Journal(tmp_path / "state")


class Run:
    """One ``vsock dev``, without what it serves."""

    def __init__(self, sdk: Sdk, journal: Journal) -> None:
        self.sdk, self.journal = sdk, journal
        self.clock = ManualClock()

    async def point(self, base: str = "us", **more: Any) -> Entry | None:
        return await point(self.sdk, self.journal, APP_ID, ours(base), clock=self.clock, **more)

    async def put_back(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """As another process would that finds the entry."""
        entry = self.journal.read(APP_ID)
        assert entry is not None
        result = await put_back(self.sdk, self.journal, entry, clock=self.clock)
        self.in_doubt = result.in_doubt
        return dict(result.back), dict(result.left)


@pytest.fixture
def run(sdk: Sdk, journal: Journal) -> Run:
    """With the account's client, and an empty journal."""
    return Run(sdk, journal)


async def test_only_the_three_addresses_are_changed(api: FakeApi, run: Run) -> None:
    """How the webhooks are asked, all other capabilities, unknown members and the keys are as they were."""
    await run.point()
    expected = application()
    webhooks = expected["capabilities"]["voice"]["webhooks"]
    for name, address in ours("us").items():
        webhooks[name] = {**webhooks.get(name, {"http_method": "POST"}), "address": address}

    assert expected == api.applications[APP_ID]


async def test_it_is_put_back_exactly(api: FakeApi, run: Run) -> None:
    """A fallback that there wasn't is gone again, and so is the entry."""
    await run.point()
    back, left = await run.put_back()

    assert api.is_as_it_was()
    assert ({"answer_url", "event_url", "fallback_answer_url"}, {}) == (set(back), left)
    assert [] == run.journal.applications()


async def test_what_somebody_has_changed_meanwhile_is_theirs(api: FakeApi, run: Run) -> None:
    """An address of theirs stays, and is told; another method, and another capability, too."""
    await run.point()
    webhooks = api.applications[APP_ID]["capabilities"]["voice"]["webhooks"]
    webhooks["answer_url"]["address"] = "https://theirs.example/answer"
    webhooks["event_url"]["http_method"] = "GET"
    api.applications[APP_ID]["capabilities"]["rtc"] = {"webhooks": {}}
    back, left = await run.put_back()

    expected = application()
    expected["capabilities"]["rtc"] = {"webhooks": {}}
    changed = expected["capabilities"]["voice"]["webhooks"]
    changed["answer_url"]["address"] = "https://theirs.example/answer"
    changed["event_url"]["http_method"] = "GET"
    assert expected == api.applications[APP_ID]
    assert ({"event_url": OLD["event_url"]["address"], "fallback_answer_url": None}, ["answer_url"]) == (back, [*left])


async def test_where_all_is_theirs_nothing_is_written(api: FakeApi, run: Run) -> None:
    """Also when they have put back what was there themselves."""
    await run.point()
    api.applications[APP_ID] = application()

    assert ({}, {}) == await run.put_back()
    assert (1, []) == (len(api.writes()), run.journal.applications())


async def test_the_journal_knows_before_the_api_does(api: FakeApi, run: Run) -> None:
    """Killed before the API was asked to write, or refused by it: the entry is there, nothing was changed, and it goes."""
    api.faults["PUT"] = [401]
    with pytest.raises(VsockError):
        await run.point()

    assert ([APP_ID], True) == (run.journal.applications(), api.is_as_it_was())
    assert ({}, {}, False, []) == (*await run.put_back(), run.in_doubt, run.journal.applications())


async def test_a_write_that_arrives_after_it_was_put_back_is_put_back_too(api: FakeApi, run: Run) -> None:
    """The entry stays while it can arrive, and knows what somebody has entered meanwhile; then it goes."""
    api.faults["PUT"] = ["queued"]
    with pytest.raises(VsockError, match="closed the connection"):
        await run.point()
    webhooks = api.applications[APP_ID]["capabilities"]["voice"]["webhooks"]
    webhooks["event_url"]["address"] = "https://theirs.example/event"
    theirs = api.addresses()
    first = (*await run.put_back(), run.in_doubt, run.journal.applications())
    await api.arrive()
    arrived = api.addresses()
    again = (len((await run.put_back())[0]), run.in_doubt, run.journal.applications())

    assert (({}, {"event_url": "https://theirs.example/event"}, True, [APP_ID]), ours("us")) == (first, arrived)
    assert ((3, False, []), theirs) == (again, api.addresses())


async def test_a_write_isnt_taken_for_another_with_the_same_addresses(api: FakeApi, run: Run) -> None:
    """A tunnel whose address is always the same: what is seen is the second run's, and the first may yet arrive."""
    api.faults["PUT"] = ["queued"]
    with pytest.raises(VsockError):
        await run.point()
    await run.point()
    first = (len((await run.put_back())[0]), run.in_doubt)
    await api.arrive()
    second = (len((await run.put_back())[0]), run.in_doubt)
    run.clock.advance_to(IN_DOUBT_S * SECOND)

    assert ((3, True), (3, True), True) == (first, second, api.is_as_it_was())
    assert ({}, {}, False, []) == (*await run.put_back(), run.in_doubt, run.journal.applications())


async def test_a_write_that_never_arrives_is_forgotten_after_a_while(api: FakeApi, run: Run) -> None:
    """However often another run points the application elsewhere meanwhile; as long as it may arrive, the entry stays."""
    api.faults["PUT"] = ["drop"]
    with pytest.raises(VsockError):
        await run.point("one")
    await run.point("two")
    run.clock.advance_to((IN_DOUBT_S - 1) * SECOND)
    back, _ = await run.put_back()
    kept = (run.in_doubt, run.journal.applications())
    run.clock.advance_to(IN_DOUBT_S * SECOND)

    assert (3, True, (True, [APP_ID])) == (len(back), api.is_as_it_was(), kept)
    assert ({}, {}, False, []) == (*await run.put_back(), run.in_doubt, run.journal.applications())
    assert 3 == len(api.writes())


async def test_a_write_whose_answer_never_came_is_put_back(api: FakeApi, run: Run) -> None:
    """Nobody knew whether it was done."""
    api.faults["PUT"] = ["after"]
    with pytest.raises(VsockError, match="closed the connection"):
        await run.point()

    assert not api.is_as_it_was()
    assert 3 == len((await run.put_back())[0])
    assert api.is_as_it_was()


@pytest.mark.parametrize(
    "fault", [{"GET": [500]}, {"GET": ["drop"]}, {"PUT": [503]}, {"PUT": [401]}, {"PUT": ["after"]}]
)
async def test_an_entry_stays_until_it_was_seen_to_be_put_back(
    api: FakeApi, run: Run, fault: dict[str, list[Any]]
) -> None:
    """Whatever fails on the way; the next try succeeds."""
    await run.point()
    api.faults |= fault
    with pytest.raises(VsockError):
        await run.put_back()

    assert [APP_ID] == run.journal.applications()
    await run.put_back()
    assert (True, []) == (api.is_as_it_was(), run.journal.applications())


async def test_no_journal_no_change(api: FakeApi, run: Run) -> None:
    """Where it can't be written the API is only read."""
    run.journal.folder.write_text("a file in its place")
    with pytest.raises(VsockError, match="Not a directory"):
        await run.point()

    assert (True, []) == (api.is_as_it_was(), api.writes())


async def test_a_tunnel_that_moves_is_followed_and_the_first_addresses_are_put_back(api: FakeApi, run: Run) -> None:
    """Also when it dies between the journal and the API, with the older address of ours still there."""
    await run.point("one")
    await run.point("two")
    api.faults["PUT"] = ["drop"]
    with pytest.raises(VsockError):
        await run.point("three")

    assert ours("two") == api.addresses()
    assert 3 == len((await run.put_back())[0])
    assert api.is_as_it_was()


async def test_an_application_that_points_here_already_isnt_written(api: FakeApi, run: Run) -> None:
    """A tunnel with an address of its own, which somebody has entered by hand, stays entered."""
    webhooks = {name: {"address": address, "http_method": "GET"} for name, address in ours("us").items()}
    api.applications[APP_ID]["capabilities"]["voice"]["webhooks"] = webhooks

    assert await run.point() is None
    assert ([], []) == (api.writes(), run.journal.applications())


async def test_an_api_that_takes_it_and_changes_nothing_is_found_out(
    api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer shows what it has made of it."""
    from aiohttp import web

    api.faults["PUT"] = [web.json_response(application())]
    with pytest.raises(VsockError, match="didn't change its answer_url, event_url, fallback_answer_url"):
        await run.point()


async def test_an_application_that_is_gone_needs_nothing(api: FakeApi, run: Run) -> None:
    """Of this account; with another account's key a 404 says nothing, and the entry stays."""
    entry = await run.point()
    assert entry is not None
    api.applications.clear()
    stranger = replace(entry, account="another")
    with pytest.raises(ApiError, match="HTTP 404"):
        await put_back(run.sdk, run.journal, stranger, clock=run.clock)

    assert [APP_ID] == run.journal.applications()
    assert (await put_back(run.sdk, run.journal, entry, clock=run.clock)).gone
    assert [] == run.journal.applications()


async def test_voice_that_is_taken_away_meanwhile_is_nothing_to_put_back(api: FakeApi, run: Run) -> None:
    """It isn't given back."""
    await run.point()
    del api.applications[APP_ID]["capabilities"]["voice"]

    assert {} == (await run.put_back())[0]
    assert "voice" not in api.applications[APP_ID]["capabilities"]


def test_an_application_without_voice_cant_be_pointed() -> None:
    """It would have to be given what nobody asked for."""
    with pytest.raises(UsageError, match="has no voice"):
        changes({"name": "x"}, ours("us"))


async def test_credentials_are_wanted_before_anything(journal: Journal) -> None:
    """The sentence says where they may stand."""
    sdk = Sdk(Credentials(api_key=Setting("a1b2c3d4", "--api-key")))
    with pytest.raises(UsageError, match="no API secret was found"):
        sdk.credentials.require_account()
