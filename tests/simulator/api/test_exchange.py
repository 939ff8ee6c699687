"""Calls that are ordered, beside each other."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.simulator.api.exchange import MAX_CALLS, Exchange, TooManyCallsError
from vonage_sock.simulator.api.reading import read_create
from vonage_sock.simulator.control import CallBook
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.testing import PcmSource

CALL: dict[str, Any] = {
    "to": [{"type": "phone", "number": "442079460001"}],
    "from": {"type": "phone", "number": "447700900002"},
    "ncco": [{"action": "talk", "text": "x"}],
}
URL = "http://127.0.0.1:8100"


class Phones:
    """Calls that last until they are told to end."""

    def __init__(self, most: int | None = None, **options: Any) -> None:
        self.orders: dict[str, CallOrder] = {}
        self.end = asyncio.Event()
        self.book = CallBook()
        self.error: Exception | None = None
        template = CallOrder(
            target="http://127.0.0.1:9/",
            audio=lambda audio_format: PcmSource(b"", audio_format),
            plan=LegPlan(audio_format=AudioFormat(8000)),
            **options,
        )
        self.exchange = Exchange(template, self.call, book=self.book, now_text=lambda: "now", most=most)

    async def call(self, call_id: str, order: CallOrder, answered: Any) -> None:
        """One of them."""
        self.orders[call_id] = order
        await self.end.wait()
        if self.error is not None:
            raise self.error

    def order(self, **changed: Any) -> str:
        """The id of one more."""
        return self.exchange.order(read_create({**CALL, **changed}), URL)[1]


async def test_each_call_has_an_id_and_a_leg_of_its_own() -> None:
    """The leg is in the book before anybody is called."""
    phones = Phones()
    ids = [phones.order() for _ in range(3)]
    known = phones.book.all()
    phones.end.set()
    await phones.exchange.idle()

    assert ["call", "call2", "call3"] == ids == [leg.call for leg in known]
    assert {"call", "call2", "call3"} == set(phones.orders)
    assert 3 == len({leg.uuid for leg in known})
    assert {None} == {leg.control for leg in known}


async def test_an_order_says_whom_and_what() -> None:
    """The rest is that of the template."""
    phones = Phones(connect_outcomes=("busy", "answered"))
    phones.order()
    phones.order()
    phones.end.set()
    await phones.exchange.idle()
    first, second = phones.orders["call"], phones.orders["call2"]

    assert ("447700900002", "442079460001", URL) == (first.from_number, first.to_number, first.region_url)
    assert first.target.startswith(f"{URL}/v1/calls/")
    assert (("busy", "answered"), ("answered",)) == (first.connect_outcomes, second.connect_outcomes)


async def test_an_answer_url_is_the_target() -> None:
    """By its method."""
    phones = Phones()
    values = {key: value for key, value in CALL.items() if key != "ncco"}
    request = read_create({**values, "answer_url": ["http://x/answer"], "answer_method": "POST"})
    phones.exchange.order(request, URL)
    phones.end.set()
    await phones.exchange.idle()

    assert ("http://x/answer", "POST") == (phones.orders["call"].target, phones.orders["call"].method)


async def test_so_many_at_once_and_no_more() -> None:
    """Who asks for more is told."""
    phones = Phones()
    for _ in range(MAX_CALLS):
        phones.order()

    with pytest.raises(TooManyCallsError, match="under way"):
        phones.order()
    phones.end.set()
    await phones.exchange.idle()
    assert f"call{MAX_CALLS + 1}" == phones.order()
    await phones.exchange.idle()


async def test_so_many_in_all() -> None:
    """Those that have an id by other ways count too."""
    phones = Phones(most=2)
    waiting = asyncio.create_task(phones.exchange.all_made())

    assert ("call", "call2") == (phones.exchange.next_id(), phones.order())
    with pytest.raises(TooManyCallsError, match="2 calls"):
        phones.order()
    await asyncio.sleep(0)
    assert not waiting.done()
    phones.end.set()
    await waiting


async def test_closed_it_takes_no_orders() -> None:
    """The program is about to end."""
    phones = Phones()
    phones.exchange.close()

    with pytest.raises(TooManyCallsError, match="about to end"):
        phones.order()


async def test_a_call_that_fails_in_an_unforeseen_way_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """And the others go on."""
    phones = Phones()
    phones.error = ValueError("what?")
    phones.order()
    phones.end.set()
    with caplog.at_level(logging.ERROR):
        await phones.exchange.idle()
        await asyncio.sleep(0)

    assert "what?" in caplog.text
