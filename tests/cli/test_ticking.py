"""What a display is given with time."""

from __future__ import annotations

import asyncio
import io
import sys
from dataclasses import replace

import pytest

from vonage_sock.call.events import ApplicationPointed, Event, Notice, ServerStarted
from vonage_sock.cli.showing import DRAWING_TURN_S, StartedFirst, tick_server
from vonage_sock.clock import SystemClock
from vonage_sock.display import make_display
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import ServerConfig


@pytest.mark.parametrize("drawn", [True, False])
async def test_the_thread_that_draws_gives_way_to_frames_soon(drawn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where calls are drawn; elsewhere Python's own way is left alone."""
    asked: list[float] = []
    monkeypatch.setattr(sys, "setswitchinterval", asked.append)
    clock = SystemClock()
    display = make_display(json=True, stream=io.StringIO(), clock=clock)
    if drawn:
        monkeypatch.setattr(type(display), "shown_calls", ())
    ticking = asyncio.create_task(tick_server(display, clock, VsockServer(ServerConfig(), list)))
    await asyncio.sleep(0)
    ticking.cancel()
    display.close(10)

    assert ([DRAWING_TURN_S] if drawn else []) == asked


def test_programs_hear_of_the_server_before_all_else() -> None:
    """What happened until then follows, and time goes on from line to line; what people are told doesn't wait."""
    shown: list[Event] = []
    show = StartedFirst(shown.append)
    notice, checked, later = (Notice(at=at, level="info", message="") for at in (1, 3, 9))
    pointed = ApplicationPointed(at=3, application="x", id="y", addresses={}, previous={})
    started = ServerStarted(at=5, host="", port=0, url="", answer_url="", event_url="", socket_url="", behaviours=())
    for event in (notice, pointed, checked, started, later):
        show(event)

    assert [notice, checked, replace(started, at=3), pointed, later] == shown
