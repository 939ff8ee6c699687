"""An account to try things with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.account.fakes import FakeApi, applications_api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    """A fake Applications API with one application."""
    async with applications_api(tmp_path) as fake:
        yield fake
