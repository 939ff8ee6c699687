"""A server that is stopped with calls up hears the platform's last words about them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import Event, EventPosted
from vonage_sock.server import app
from vonage_sock.server.open_legs import MAX_LEGS, OpenLegs
from vonage_sock.testing import ServerMaker, VonageCaller


def posted(uuid: str, status: str) -> EventPosted:
    """An event webhook."""
    return EventPosted(at=0, status=status, uuid=uuid, conversation_uuid=None, body={})


async def test_events_in_any_order_leave_no_leg_open() -> None:
    """What is over stays over, and of more legs than can be kept the oldest is forgotten."""
    legs = OpenLegs()
    for uuid, status in (("a", "completed"), ("a", "answered"), ("b", "started")):
        legs(posted(uuid, status))
    is_open = bool(legs)
    over = asyncio.create_task(legs.over())
    legs(posted("b", "failed"))
    await over
    legs(posted("lost", "started"))
    for number in range(MAX_LEGS):
        legs(posted(str(number), "completed"))

    assert (True, False) == (is_open, bool(legs))


class Stopping:
    """A server with a call that is up, and what it was told."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.legs = 0
        self.up = asyncio.Event()

    def watch(self, event: Event) -> None:
        self.seen.append(event)
        if isinstance(event, EventPosted) and event.status == "answered":
            self.legs += 1
        if self.legs == 2:
            self.up.set()

    @property
    def last(self) -> list[str | None]:
        """The statuses that came behind the call's end."""
        names = [event.name for event in self.seen]
        return [event.status for event in self.seen[names.index("call.ended") :] if isinstance(event, EventPosted)]


async def test_the_platform_s_last_events_are_heard(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """The caller finds nobody missing at the event URL; who calls now is sent away, to the fallback URL."""
    stopping = Stopping()
    server = await vonage_server(behaviours=lambda: [Echo()], observers=[stopping.watch])
    calling = asyncio.create_task(vonage_call(server.addresses.answer_url, audio="silence", duration_s=30))
    await stopping.up.wait()
    await server.stop()
    report = await calling

    assert ("server", 1001) == (report.closed_by, report.close_code)
    assert [] == [finding.code for finding in report.findings if finding.code == "VS408"]
    assert ["disconnected", "completed", "completed"] == stopping.last


async def test_events_that_never_come_hold_nobody_up(
    vonage_call: VonageCaller, vonage_server: ServerMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A while, and then the server is gone; a call that comes meanwhile is answered with 503."""
    monkeypatch.setattr(app, "LAST_EVENTS_S", 0.3)
    server = await vonage_server(behaviours=lambda: [Echo()])
    async with aiohttp.ClientSession() as session, session.ws_connect(server.addresses.socket_url) as socket:
        reading = asyncio.create_task(socket.receive())
        await session.post(server.addresses.event_url, json={"uuid": "x", "status": "answered"})
        stopping = asyncio.create_task(server.stop())
        answers: list[Any] = []
        while not stopping.done():
            try:
                async with session.get(server.addresses.answer_url) as response:
                    answers.append(response.status)
            except aiohttp.ClientError:
                break
        await asyncio.wait_for(stopping, 2)
        await reading

    assert {200, 503} >= set(answers) >= {503}
