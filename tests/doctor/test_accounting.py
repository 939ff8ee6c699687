"""An account, looked at through the official client: the credentials, the clock, the application, its addresses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.account.fakes import APP_ID, OTHER_ID, FakeApi, applications_api
from tests.doctor.fakes import Fake, Told, examine, serving
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.doctor.checks import Result


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    """An account with one application, whose addresses nobody has to look up."""
    async with applications_api(tmp_path) as fake:
        points_at(fake, "https://127.0.0.1:9")
        yield fake


def credentials(api: FakeApi, *, app: str | None = APP_ID, **more: str) -> Credentials:
    """What leads to the fake."""
    given = {"api_key": api.key, "api_secret": api.secret, "application_id": app, **more}
    return Credentials(**{name: Setting(value, f"--{name}") for name, value in given.items() if value is not None})


async def look(api: FakeApi, url: str | None = "ws://127.0.0.1:9/none", **settings: Any) -> Told:
    """Examine the account, and a socket that isn't there."""
    found = settings.pop("found", None) or credentials(api)
    return await examine(url, credentials=found, api_host=api.host, ca=api.ca, **settings)


def points_at(api: FakeApi, base: str) -> None:
    """Let the application's addresses be a server's."""
    webhooks = api.applications[APP_ID]["capabilities"]["voice"]["webhooks"]
    for name, path in (("answer_url", "/answer"), ("event_url", "/event")):
        webhooks[name] = {"address": f"{base}{path}", "http_method": "POST"}


async def test_a_whole_account_is_looked_at(api: FakeApi) -> None:
    """In its order, and nothing of it is changed."""
    api.numbers = [{"msisdn": "447700900001", "features": ["VOICE"], "app_id": APP_ID}]
    told = await look(api)

    assert [
        "+credentials",
        "+clock",
        "+application",
        "-private key",
        "xanswer address",
        "xevent address",
        "-fallback address",
        "+number",
        "+region",
        "+signed webhooks",
    ] == told.names[:10]
    assert [] == api.writes()


async def test_each_fault_of_an_account_is_a_line(api: FakeApi) -> None:
    """A secret that is wrong, an application that isn't there, an API that is late or away."""
    wrong = await look(api, found=credentials(api, api_secret="another"))
    gone = await look(api, found=credentials(api, app=OTHER_ID))
    api.faults["GET"] = [500]
    broken = await look(api)
    voice = api.applications[APP_ID]["capabilities"].pop("voice")
    mute = await look(api)
    api.applications[APP_ID]["capabilities"]["voice"] = {**voice, "signed_callbacks": False, "webhooks": {}}
    unsigned = await look(api)

    assert "the API key of --api_key with the secret of --api_secret was refused" in wrong.of("credentials").message
    assert "HTTP 404: there is no such thing in this account" in gone.of("application").message
    assert "a fault of the API's own" in broken.of("application").message
    assert ["xapplication", "-private key", "+socket address"] == mute.names[2:5]
    assert ["xanswer address", "xnumber"] == [name for name in unsigned.names[2:] if name[0] == "x"][:2]
    assert unsigned.of("signed webhooks").advises


async def test_a_clock_that_is_wrong_is_seen_by_the_api_s(api: FakeApi) -> None:
    """It is told once, and not again by the server's."""
    body = json.dumps(api.applications[APP_ID])
    headers = {"Date": "Mon, 02 Jan 2006 15:04:05 GMT"}
    api.faults["GET"] = [web.Response(text=body, content_type="application/json", headers=headers)]
    async with serving(Fake()) as fake:
        told = await look(api, fake.url)

    assert ["xclock"] == [name for name in told.names if name.endswith("clock")]
    assert "ahead of that of localhost:" in told.of("clock").message


async def test_an_address_behind_a_dead_tunnel_is_told_once_for_each_that_is_there(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application still points at a tunnel of yesterday."""
    monkeypatch.setattr("vonage_sock.doctor.addresses.is_local_host", lambda _host: False)

    async def offline(_request: web.Request) -> web.Response:
        return web.Response(status=404, text="ERR_NGROK_3200", headers={"ngrok-error-code": "ERR_NGROK_3200"})

    async with serving(Fake(answer=offline)) as dead:
        points_at(api, dead.base)
        told = await look(api, "ws://127.0.0.1:9/none")

    faults = [told.of("answer address"), told.of("event address")]
    assert [Result.FAULT] * 2 == [check.result for check in faults]
    assert all("tunnel page: the ngrok tunnel of this name is offline" in check.message for check in faults)
    assert [("GET", "/answer")] == dead.asked


async def test_the_application_s_own_address_is_examined_where_none_is_named(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own method, and its event URL beside the NCCO's."""
    monkeypatch.setattr("vonage_sock.doctor.addresses.is_local_host", lambda _host: False)
    async with serving(Fake()) as fake:
        points_at(api, fake.base)
        told = await look(api, None)

    assert [("POST", "/answer"), ("GET", "/socket"), ("POST", "/event")] == fake.asked
    assert fake.url in {about for about, _ in told.checks}


async def test_a_base_address_is_examined_at_the_application_s_path(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where calls to it go to another than the usual."""
    monkeypatch.setattr("vonage_sock.doctor.addresses.is_local_host", lambda _host: False)
    async with serving(Fake()) as fake:
        points_at(api, fake.base)
        await look(api, fake.base)

    assert ("POST", "/answer") == fake.asked[0]
