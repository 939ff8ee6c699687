"""Where many calls stand, told a few at a time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from vonage_sock.clock import ManualClock
from vonage_sock.server.figures import WORK_NS, Figures, Round

COST_NS = 300_000
"""What one call's figures cost here."""


class Server:
    """Calls whose figures take their time; notes what was told, by turns of the event loop."""

    def __init__(self, count: int) -> None:
        self.clock = ManualClock()
        self.calls = tuple(f"c{number}" for number in range(1, count + 1))
        self.turns: list[list[str]] = [[]]

    def tell_stats(self, call_id: str) -> None:
        """Takes a while."""
        self.clock.advance_to(self.clock.now() + COST_NS)
        self.turns[-1].append(call_id)

    async def count_turns(self) -> None:
        """Another task, such as a call that has a frame to answer."""
        while True:
            self.turns.append([])
            await asyncio.sleep(0)

    @property
    def told(self) -> list[str]:
        """All of it, in order."""
        return [call for turn in self.turns for call in turn]


@pytest.mark.parametrize("everyone", [True, False])
async def test_the_loop_turns_after_a_millisecond_of_figures(everyone: bool) -> None:
    """However many calls are due, a frame waits for four of them at most."""
    server = Server(1000)
    figures = Figures(server, server.clock, everyone=everyone, watched=lambda: () if everyone else server.calls)
    other = asyncio.create_task(server.count_turns())
    await figures.tick()
    other.cancel()

    assert (100 if everyone else 1000) == len(server.told)
    assert max(map(len, server.turns)) * COST_NS < WORK_NS + COST_NS


async def test_each_call_is_told_of_once_in_ten_ticks() -> None:
    """A tenth of them in each."""
    server = Server(70)
    figures = Figures(server, server.clock, everyone=True)
    counts = []
    for _ in range(10):
        before = len(server.told)
        await figures.tick()
        counts.append(len(server.told) - before)

    assert [7] * 10 == counts
    assert sorted(server.calls) == sorted(server.told)


async def test_a_call_keeps_its_place_while_others_come_and_go() -> None:
    """Ten ticks lie between what is told of it, whoever else there is."""
    server = Server(25)
    figures = Figures(server, server.clock, everyone=True)
    ticks = []
    for number in range(60):
        server.calls = ("c1", *(f"c{other}" for other in range(2 + number, 30 + 3 * number)))
        before = len(server.told)
        await figures.tick()
        ticks += [number] if "c1" in server.told[before:] else []

    assert 6 == len(ticks)
    assert {10} == {later - earlier for earlier, later in pairwise(ticks)}


async def test_who_watches_some_calls_pays_for_those_only() -> None:
    """Five times a second, and for no other call."""
    server = Server(70)
    figures = Figures(server, server.clock, everyone=False, watched=lambda: server.calls[:6])
    for _ in range(10):
        await figures.tick()

    assert list(server.calls[:6]) * 5 == server.told


async def test_a_call_that_is_watched_is_not_told_of_twice_in_a_tick() -> None:
    """Its turn in the round is over with it."""
    server = Server(1)
    figures = Figures(server, server.clock, everyone=True, watched=lambda: server.calls)
    for _ in range(10):
        await figures.tick()

    assert 5 == len(server.told)


def test_the_groups_of_a_round_are_of_one_size() -> None:
    """The last one has its turn like the first."""
    turns = Round(4)

    assert [3, 3, 2, 2] == [len(turns.turn([str(number) for number in range(10)])) for _ in range(4)]
