"""Makes ``wire`` importable: with pytest's importlib mode a folder of tests isn't on the path. And both engines."""

import sys
from pathlib import Path

import pytest

from vonage_sock.server.config import Engine

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=[Engine.AUTO, Engine.AIOHTTP], ids=["direct", "aiohttp"])
def each_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A test that uses this runs on both engines; servers of ``serving`` take the one."""
    monkeypatch.setattr("wire.ENGINE", request.param)
    return request.param
