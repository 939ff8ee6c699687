"""An event loop that stands still is told, and once."""

from __future__ import annotations

import pytest
from wire import Seen

from vonage_sock.call.events import Notice
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.server import standstill
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import ServerConfig
from vonage_sock.server.standstill import StandstillWatch


async def test_a_blocked_loop_is_told_with_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever blocks it learns what that does to all calls."""
    monkeypatch.setattr(standstill, "LOOK_EVERY_NS", MS)
    seen, clock = Seen(), ManualClock()
    async with VsockServer(ServerConfig(port=0), list, observers=(seen,), clock=clock) as server:
        server._calls["c1"] = object()
        clock.advance_to(700 * MS)
        notice = await seen.next(Notice)
        server._calls.clear()

    assert notice.message.startswith("the event loop stood still for 699 ms, and all calls with it")
    assert "move slow work to a thread" in notice.message
    assert "warning" == notice.level


async def test_standstills_are_told_once_a_minute_together() -> None:
    """Half a second is one; what is shorter is a busy machine's, and what no call was open for harmed nobody."""
    told: list[str] = []
    open_calls = [1]
    watch = StandstillWatch(ManualClock(), told.append, calls=lambda: open_calls[0])
    watch.close()
    watch.looked(499 * MS, SECOND)
    open_calls[0] = 0
    watch.looked(9 * SECOND, SECOND)
    open_calls[0] = 1
    none = list(told)
    watch.looked(500 * MS, 2 * SECOND)
    watch.looked(900 * MS, 10 * SECOND)
    watch.looked(1500 * MS, 20 * SECOND)
    once = len(told)
    watch.looked(0, 62 * SECOND)
    watch.looked(0, 200 * SECOND)

    assert [] == none
    assert 1 == once
    assert [" for 500 ms,", " 2 times for up to 1,500 ms,"] == [
        text.split("stood still", 1)[1].split(" and ", 1)[0] for text in told
    ]
