"""What is read of an account, over TLS and by the official client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.account.fakes import APP_ID, OTHER_ID, FakeApi, application, applications_api
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.account.sdk import Sdk
from vonage_sock.clock import SystemClock
from vonage_sock.doctor.reading import read_account, read_numbers


def sdk_of(api: FakeApi, secret: str | None = None) -> Sdk:
    """The client of the fake's account."""
    found = Credentials(api_key=Setting(api.key, "--api-key"), api_secret=Setting(secret or api.secret, "--api-secret"))
    return Sdk(found, api_host=api.host, ca=api.ca)


async def test_an_application_comes_with_the_api_s_time(tmp_path: Path) -> None:
    """The named one, or the only one with voice; of several nobody chooses."""
    async with applications_api(tmp_path) as api:
        sdk = sdk_of(api)
        api.applications[OTHER_ID] = {"id": OTHER_ID, "name": "without voice", "capabilities": {}}
        named, only = await read_account(sdk, APP_ID, SystemClock()), await read_account(sdk, None, SystemClock())
        api.applications[OTHER_ID] = {**application(), "id": OTHER_ID}
        several = await read_account(sdk, None, SystemClock())

    assert [APP_ID, APP_ID] == [read.application["id"] for read in (named, only) if read.application]
    assert (None, 2) == (several.application, len(several.listed))
    assert named.date is not None
    assert named.date.endswith("GMT")


async def test_a_refusal_is_kept_with_the_api_s_time(tmp_path: Path) -> None:
    """A clock may be why."""
    async with applications_api(tmp_path) as api:
        read = await read_account(sdk_of(api, "another"), APP_ID, SystemClock())
    gone = await read_account(sdk_of(api), APP_ID, SystemClock())

    assert (True, 401) == (read.date is not None, getattr(read.error, "status", None))
    assert (None, None, True) == (gone.date, gone.application, gone.error is not None)


@pytest.mark.parametrize("linked", [True, False])
async def test_numbers_are_those_of_the_application(tmp_path: Path, *, linked: bool) -> None:
    """Asked for at the host of the older API."""
    async with applications_api(tmp_path) as api:
        api.numbers = [{"msisdn": "441", "app_id": APP_ID if linked else OTHER_ID}]
        found = await read_numbers(sdk_of(api), APP_ID)

    assert ([api.numbers[0]] if linked else []) == found
    assert "/account/numbers" == api.asked[-1].path
