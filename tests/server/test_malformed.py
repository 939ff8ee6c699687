"""A server and what is wrong: a small part, by a seed, of what ``scripts/scoreboard`` sends to one from outside."""

from __future__ import annotations

import logging
from pathlib import Path

import attacks
import pytest
from wire import serving

from vonage_sock.server.config import Engine

each_engine = pytest.mark.parametrize("engine", [Engine.DIRECT, Engine.AIOHTTP], ids=lambda engine: engine.value)


def descriptors() -> int:
    """How many are open in this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@each_engine
async def test_what_is_malformed_crashes_nothing_logs_nothing_and_leaves_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Bad handshakes, frames, texts and webhooks: no 500, no line in the log, no descriptor, and calls go on."""
    caplog.set_level(logging.WARNING)
    before = descriptors()
    async with serving(engine=engine) as server:
        handshakes = await attacks.send_handshakes(server.port, 300, seed=1)
        webhooks = await attacks.send_webhooks(server.port, 150, seed=2)
        frames = await attacks.send_frames(server.port, 150, seed=3)
        texts = await attacks.send_texts(server.port, 200, seed=4)

        assert await attacks.echoes(server.port)
    assert (0, 0) == (handshakes["500"], webhooks["500"])
    assert {"echoed": 5} == texts
    assert (150, True) == (sum(frames.values()), frames["1002"] > 0)
    assert [] == [record.getMessage() for record in caplog.records]
    assert before == descriptors()
    assert 0 == server.live_calls
