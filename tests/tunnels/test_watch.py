"""What becomes of a tunnel, and what is said of the calls that it took with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from vonage_sock.call.events import Connected, Ended, Event, Notice, RecordingSaved, TunnelClosed, TunnelOpened
from vonage_sock.clock import ManualClock
from vonage_sock.tunnels.base import Closed, News, Opened
from vonage_sock.tunnels.choose import OpenTunnel
from vonage_sock.tunnels.watch import ExplainedEnds, TunnelWatch

FIRST, SECOND = "https://ab12.example", "https://cd34.example"
WAIT_S = 10


def connected(call: str = "c1") -> Connected:
    return Connected(
        at=0, call=call, content_type="audio/l16;rate=16000", rate_hz=16000, headers={}, remote="127.0.0.1"
    )


def ended(call: str = "c1", *, code: int = 1006, by: str = "network", reason: str = "") -> Ended:
    return Ended(
        at=0,
        call=call,
        duration_s=1.0,
        frames_in=50,
        frames_out=50,
        dtmf="",
        close_code=code,
        close_reason=reason,
        closed_by=by,
    )


@dataclass
class FakeTunnel:
    """Tells what a test says; ``why`` is what it answers when asked."""

    name: str = "ngrok"
    why: str | None = None
    coming: asyncio.Queue[News] = field(default_factory=asyncio.Queue)

    async def open(self, port: int, *, tls: bool) -> str:
        return FIRST

    async def news(self) -> News:
        return await self.coming.get()

    async def why_closed(self) -> str | None:
        return self.why

    async def close(self) -> None:
        return None


class Watched:
    """A watch with all around it. ``reached`` are the answers of the next tries, the last of them for ever."""

    def __init__(self, *, look_s: float = 60.0, wait_s: float = 5.0) -> None:
        self.tunnel = FakeTunnel()
        self.told: list[Event] = []
        self.moves: list[tuple[str, str]] = []
        self.reached: list[str | None] = [None]
        self.tries = 0
        self.news = asyncio.Event()
        self.ends = ExplainedEnds(self.take, wait_s=wait_s)
        self.watch = TunnelWatch(
            OpenTunnel(self.tunnel, FIRST),
            tell=self.ends,
            clock=ManualClock(),
            moved=lambda url, before: self.moves.append((url, before)),
            reach=self.reach,
            look_s=look_s,
        )

    def take(self, event: Event) -> None:
        self.told.append(event)
        self.news.set()

    async def reach(self) -> str | None:
        self.tries += 1
        return self.reached.pop(0) if len(self.reached) > 1 else self.reached[0]

    async def until(self, kind: type[Event], count: int = 1) -> None:
        while len([event for event in self.told if isinstance(event, kind)]) < count:
            self.news.clear()
            await self.news.wait()

    @property
    def reasons(self) -> list[tuple[str | None, str]]:
        return [(event.call, event.close_reason) for event in self.told if isinstance(event, Ended)]


@asynccontextmanager
async def watched(**settings: float) -> AsyncIterator[Watched]:
    """One that watches."""
    all_of_it = Watched(**settings)
    all_of_it.watch.start()
    all_of_it.ends.ask(all_of_it.watch)
    try:
        async with asyncio.timeout(WAIT_S):
            yield all_of_it
            await all_of_it.ends.flush()
    finally:
        await all_of_it.watch.close()


async def test_a_tunnel_that_closes_is_told_with_its_calls() -> None:
    """When it happens, once; and when it is back."""
    async with watched() as its:
        its.ends(connected())
        for news in (Closed("ngrok is ill"), Closed("ngrok is worse"), Opened(FIRST), Opened(FIRST)):
            its.tunnel.coming.put_nowait(news)
        await its.until(TunnelOpened)

    closed, opened = [event for event in its.told if isinstance(event, TunnelClosed | TunnelOpened)]
    notices = [event.message for event in its.told if isinstance(event, Notice)]
    assert TunnelClosed(at=0, tunnel="ngrok", url=FIRST, reason="ngrok is ill", calls=1) == closed
    assert TunnelOpened(at=0, tunnel="ngrok", url=FIRST) == opened
    assert [
        f"the tunnel closed: ngrok is ill; 1 call goes through it; until it is back, no call comes through {FIRST}",
        f"the tunnel is back: {FIRST}",
    ] == notices
    assert [] == its.moves


async def test_another_address_is_handed_on() -> None:
    """To the server, and to the user: the application must be pointed at it."""
    async with watched() as its:
        its.tunnel.coming.put_nowait(Opened(SECOND))
        await its.until(TunnelOpened)

    (notice,) = [event for event in its.told if isinstance(event, Notice)]
    assert [(SECOND, FIRST)] == its.moves
    assert ("warning", True) == (notice.level, "point the application's answer and event URL at it" in notice.message)
    assert TunnelOpened(at=0, tunnel="ngrok", url=SECOND, previous=FIRST) == its.told[-1]


async def test_a_program_that_has_ended_is_not_waited_for() -> None:
    """Another start makes another tunnel."""
    async with watched() as its:
        its.tunnel.coming.put_nowait(Closed("ngrok was killed by SIGKILL", for_good=True))
        await its.until(TunnelClosed)

    assert "the tunnel closed: ngrok was killed by SIGKILL; start vsock again for another" == its.told[0].message  # type: ignore[attr-defined]


@pytest.mark.parametrize("first", ["the call", "the tunnel"])
async def test_a_call_that_the_tunnel_took_is_told_so(first: str) -> None:
    """In place of a bare 1006; whichever of the two was heard of first."""
    async with watched() as its:
        its.ends(connected())
        if first == "the call":
            its.ends(ended())
            await asyncio.sleep(0)
            assert [] == its.reasons
        its.tunnel.coming.put_nowait(Closed("ngrok was killed by SIGKILL"))
        await its.until(TunnelClosed)
        if first == "the tunnel":
            its.ends(ended())
        await its.until(Ended)

    assert [("c1", "the tunnel closed (ngrok was killed by SIGKILL)")] == its.reasons


@pytest.mark.parametrize(("why", "reached"), [("the ngrok agent is gone", None), (None, "no answer comes within 5 s")])
async def test_who_tells_nothing_is_asked(why: str | None, reached: str | None) -> None:
    """The agent, and the public address itself; by many calls at once, once."""
    async with watched() as its:
        its.tunnel.why, its.reached = why, [reached]
        for number in range(50):
            its.ends(ended(f"c{number}"))
        await its.until(Ended, 50)

    assert {f"the tunnel closed ({why or reached})"} == {reason for _, reason in its.reasons}
    assert 1 == its.tries


async def test_a_call_that_was_lost_otherwise_is_told_as_it_was() -> None:
    """A little later; what follows in the same call waits for it, and nothing else."""
    async with watched() as its:
        saved = [RecordingSaved(at=0, call=call, path="x", seconds=1.0, frames=50, bytes=9) for call in ("c1", "c2")]
        its.ends(ended())
        for event in saved:
            its.ends(event)
        before = list(its.told)
        await its.until(Ended)

    assert [saved[1]] == before
    assert [saved[1], ended(), saved[0]] == its.told


@pytest.mark.parametrize(
    "end", [ended(code=1000, by="platform"), ended(by="server"), ended(reason="its worker died")], ids=str
)
async def test_other_ends_are_told_at_once(end: Ended) -> None:
    """Nobody is asked about them."""
    async with watched() as its:
        its.ends(end)
        told = list(its.told)

    assert [end] == told
    assert 0 == its.tries


async def test_asking_takes_no_longer_than_it_may() -> None:
    """A way that hangs doesn't keep back what happened."""
    async with watched(wait_s=0.01) as its:
        its.tunnel.why_closed = asyncio.Event().wait  # type: ignore[method-assign,assignment]
        its.ends(ended())
        await its.until(Ended)

    assert [("c1", "")] == its.reasons


async def test_during_calls_the_address_is_tried() -> None:
    """Two tries that fail are a tunnel that closed, whatever its program thinks; one is none, and none is made before."""
    async with watched(look_s=0.005) as its:
        its.reached = ["x", None, "it is offline", "it is offline", None]
        await asyncio.sleep(0.02)
        before = its.tries
        its.ends(connected())
        await its.until(TunnelClosed)
        its.ends(ended(code=1000, by="platform"))
        await its.until(TunnelOpened)

    assert 0 == before
    assert ["it is offline"] == [event.reason for event in its.told if isinstance(event, TunnelClosed)]
    assert 5 == its.tries


async def test_without_a_tunnel_all_is_told_at_once() -> None:
    """As if nothing stood between."""
    told: list[Event] = []
    ends = ExplainedEnds(told.append)
    ends(ended())
    await ends.flush()

    assert [ended()] == told
