"""Two regions, and an application's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.fakes import Region, private_key, regions


@pytest.fixture
def key() -> str:
    """The application's."""
    return private_key()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[list[Region]]:
    """Two regions."""
    async with regions(tmp_path, 2) as both:
        yield both
