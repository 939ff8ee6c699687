"""Two regions, and an application's key."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.fakes import Region, private_key, regions


@pytest.fixture
def key() -> str:
    """The application's."""
    return private_key()


@pytest.fixture
async def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Region]]:
    """Two regions."""
    # Reading the system's authorities takes longer than a whole test.
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    async with regions(tmp_path, 2) as both:
        yield both
