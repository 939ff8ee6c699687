"""Events on their way to the application."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from answering import Application, raw_server, silent

from vonage_sock.clock import MS, ManualClock, SystemClock
from vonage_sock.simulator.telling import Teller
from vonage_sock.simulator.webhooks.posting import MAX_LATE, Destination, Fallback, Poster
from vonage_sock.simulator.webhooks.web import Webhooks

NCCO = [{"action": "talk", "text": "hello"}]
STATUSES = [f"s{number}" for number in range(20)]


async def posted(statuses: list[str], *, seed: int | None) -> list[str]:
    """The statuses as the application gets them."""
    async with Application().running() as app, Webhooks(clock=SystemClock()) as hooks:
        poster = Poster(
            hooks,
            Teller([], ManualClock()),
            default=Destination(f"{app.base}/event"),
            shuffle=None if seed is None else random.Random(seed),
        )
        for status in statuses:
            await poster.tell({"status": status})
        await poster.flush()
    return [request.json()["status"] for request in app.to("/event")]


async def test_events_come_in_order_and_once() -> None:
    """Unless disorder is asked for."""
    assert STATUSES == await posted(STATUSES, seed=None)


async def test_shuffled_events_are_out_of_order_and_some_come_twice() -> None:
    """None is lost."""
    received = await posted(STATUSES, seed=1)

    assert set(STATUSES) == set(received)
    assert len(received) > len(STATUSES)
    assert list(dict.fromkeys(received)) != STATUSES


async def test_a_seed_gives_the_same_disorder_again() -> None:
    """And another seed another."""
    first, again, other = [await posted(STATUSES, seed=seed) for seed in (7, 7, 8)]

    assert first == again
    assert first != other


async def ask(app: Application, *, fallback: str | None = None, path: str = "/event") -> tuple[bytes, list[str]]:
    """What an event is answered with, and what was found."""
    teller = Teller([], ManualClock())
    async with Webhooks(clock=SystemClock()) as hooks:
        poster = Poster(hooks, teller, default=Destination(f"{app.base}{path}"), fallback=Fallback(fallback))
        answer = await poster.ask({"status": "failed", "uuid": "u"})
    return answer, [finding.code for finding in teller.findings.all()]


async def test_the_answer_to_an_event_is_what_came_with_200() -> None:
    """An NCCO, perhaps."""
    async with Application(event_answers={"failed": NCCO}).running() as app:
        answer, _ = await ask(app)

    assert b'[{"action": "talk", "text": "hello"}]' == answer


@pytest.mark.parametrize("status", [201, 204, 404])
async def test_another_status_has_no_answer(status: int) -> None:
    """The call goes on."""
    async with Application(event_status=status).running() as app:
        answer, found = await ask(app)

    assert (b"", ["VS405"] if status == 404 else []) == (answer, found)


async def test_an_event_url_that_fails_is_made_up_for_by_the_fallback_url() -> None:
    """It is told what was asked, where, and that it failed; a 503 is tried twice before."""
    async with Application(event_status=503, answer=lambda: web.json_response(NCCO)).running() as app:
        answer, _ = await ask(app, fallback=app.answer_url)
    query = app.to("/answer")[0].query

    assert (b'[{"action": "talk", "text": "hello"}]', 2) == (answer, len(app.to("/event")))
    assert ("u", "Connection closed.", f'{{"url":"{app.base}/event","type":"event"}}') == (
        query["uuid"],
        query["reason"],
        query["original_request"],
    )


async def test_a_fallback_url_that_fails_too_is_a_finding() -> None:
    """And no answer."""
    async with Application(event_status=500).running() as app:
        answer, found = await ask(app, fallback="http://127.0.0.1:1/x")

    assert (b"", ["VS405", "VS408"]) == (answer, found)


async def test_an_answer_that_would_only_be_taken_of_a_synchronous_connect_is_a_finding() -> None:
    """Whoever sends it expects that it is run."""
    teller = Teller([], ManualClock())
    async with Application(event_answers={"failed": NCCO}).running() as app, Webhooks(clock=SystemClock()) as hooks:
        poster = Poster(hooks, teller, default=Destination(f"{app.base}/event"))
        await poster.tell({"status": "failed"})
        await poster.flush()

    assert ["VS422"] == [finding.code for finding in teller.findings.all()]


async def test_a_url_that_is_always_late_is_given_up() -> None:
    """Each event would cost its whole time otherwise."""
    asked: list[Any] = []

    async def count(reader: Any, writer: Any) -> None:
        asked.append(writer)
        await silent(reader, writer)

    teller = Teller([], ManualClock())
    async with raw_server(count) as port, Webhooks(clock=SystemClock(), event_timeout_s=0.05) as hooks:
        poster = Poster(hooks, teller, default=Destination(f"http://127.0.0.1:{port}/event"))
        for status in STATUSES:
            await poster.tell({"status": status})
        await poster.flush()

    assert (MAX_LATE, len(STATUSES)) == (len(asked), teller.findings.all()[0].count)


class Slow:
    """An event URL that answers nothing until ``released`` is set."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.app = Application(answer=self._answer)

    async def _answer(self) -> web.Response:
        await self.released.wait()
        return web.Response(status=204)

    @property
    def statuses(self) -> list[str]:
        """Of the events that came, in order."""
        return [request.json()["status"] for request in self.app.to("/answer")]

    @contextlib.asynccontextmanager
    async def posting(self) -> AsyncIterator[Poster]:
        """What posts there."""
        async with self.app.running(), Webhooks(clock=SystemClock()) as hooks:
            yield Poster(hooks, Teller([], ManualClock()), default=Destination(self.app.answer_url))


async def test_a_slow_event_url_does_not_hold_the_call_up() -> None:
    """Events wait for each other, and only a question waits for those before it."""
    slow = Slow()
    async with slow.posting() as poster:
        await poster.tell({"status": "s1"})
        await poster.tell({"status": "s2"})
        before = slow.statuses
        slow.released.set()
        await poster.ask({"status": "asked"})

    assert (["s1"], ["s1", "s2", "asked"]) == (before, slow.statuses)


async def test_who_hangs_up_waits_no_longer_for_the_event_under_way() -> None:
    """Those behind it and the last one are still told; closed, nothing is."""
    slow = Slow()
    async with slow.posting() as poster:
        for status in ("s1", "s2"):
            await poster.tell({"status": status})
        poster.break_off()
        slow.released.set()
        await poster.tell({"status": "s3"})
        await poster.flush()
        slow.released.clear()
        await poster.tell({"status": "s4"})
        await poster.tell({"status": "s5"})
        poster.close()
        await poster.flush()

    assert ["s1", "s2", "s3", "s4"] == slow.statuses


@pytest.mark.parametrize(("took_ms", "found"), [(2_999, []), (3_200, ["VS428"])])
async def test_an_event_url_that_takes_long_is_a_finding(took_ms: int, found: list[str]) -> None:
    """All events behind it come later."""
    clock = ManualClock()
    teller = Teller([], clock)

    def answer() -> web.Response:
        clock.advance_to(clock.now() + took_ms * MS)
        return web.Response(status=204)

    async with Application(answer=answer).running() as app, Webhooks(clock=clock) as hooks:
        poster = Poster(hooks, teller, default=Destination(app.answer_url))
        await poster.tell({"status": "started"})
        await poster.flush()

    assert found == [finding.code for finding in teller.findings.all()]


async def test_without_an_address_nothing_is_posted() -> None:
    """And nothing is found."""
    teller = Teller([], ManualClock())
    async with Webhooks(clock=SystemClock()) as hooks:
        answer = await Poster(hooks, teller, default=Destination(None)).ask({"status": "failed"})

    assert (b"", []) == (answer, teller.findings.all())
