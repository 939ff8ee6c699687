"""An account to try things with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.account.fakes import KEY, SECRET, FakeApi, applications_api
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.account.sdk import Sdk


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    """A fake Applications API with one application."""
    async with applications_api(tmp_path) as fake:
        yield fake


@pytest.fixture
def sdk(api: FakeApi) -> Sdk:
    """A client of its account."""
    found = Credentials(api_key=Setting(KEY, "VONAGE_API_KEY"), api_secret=Setting(SECRET, "./.vonagerc"))
    return Sdk(found, api_host=api.host, ca=api.ca)
