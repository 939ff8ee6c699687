"""Calls that the REST API orders, without the API."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from answering import Application, raw_server, silent
from timing import Kept

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import Event, EventPosted
from vonage_sock.errors import ConnectError
from vonage_sock.simulator.api.outbound import Back, OutboundCall, Pipe, leg_of
from vonage_sock.simulator.api.reading import read_create
from vonage_sock.simulator.control import CallBook
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource

RATE_8K = AudioFormat(8000)
FRAME = b"\x01\x10" * 160
PHONE = {"to": [{"type": "phone", "number": "442079460001"}], "random_from_number": True}


class Ran:
    """One call: its report, its events and its book."""

    def __init__(self, app: Application, **options: Any) -> None:
        self.app = app
        self.events: list[Event] = []
        self.book = CallBook()
        self.kept = Kept()
        self.report: dict[str, Any] = {}
        self.options = options

    async def call(self, values: dict[str, Any], **settings: Any) -> Ran:
        """Make it."""
        request = read_create({"event_url": [f"{self.app.base}/event"], **values})
        leg = leg_of(request)
        order = CallOrder(
            target=request.answer.url if request.answer and request.answer.url else "http://127.0.0.1:9/",
            audio=lambda audio_format: PcmSource(FRAME * 5, audio_format),
            plan=LegPlan(audio_format=RATE_8K),
            **{"fast": True, **self.options},
        )
        phone = VonageCall(
            order,
            observers=[self.events.append],
            heard=self.kept,
            book=self.book,
            answered=functools.partial(OutboundCall, request=request, leg=leg),
            **settings,
        )
        async with asyncio.timeout(20):
            self.report = await phone.run()
        return self

    def statuses(self) -> list[str]:
        """Of the events that were posted."""
        return [event.status for event in self.events if isinstance(event, EventPosted)]


@pytest.mark.parametrize("outcome", ["busy", "rejected", "failed", "unanswered"])
async def test_who_does_not_answer_is_told_by_its_status(outcome: str) -> None:
    """No NCCO is carried out, and no answer URL asked."""
    async with Application().running() as app:
        ran = await Ran(app, connect_outcomes=(outcome,)).call({**PHONE, "answer_url": [app.answer_url]})

    assert (["started", "ringing", outcome], []) == (ran.statuses(), app.to("/answer"))
    assert [outcome] == [leg.status for leg in ran.book.all()]


async def test_who_lets_it_ring_is_given_up_after_the_timer() -> None:
    """Of the order."""
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    async with Application().running() as app:
        values = {**PHONE, "ncco": [{"action": "wait"}], "ringing_timer": 7}
        ran = await Ran(app, connect_outcomes=("unanswered",), fast=False).call(values, pause=pause)

    assert ([7], "unanswered") == (waited, ran.statuses()[-1])


def hang_up(ran: Ran, leg: int = 0) -> None:
    """As the REST API does."""
    control = ran.book.all()[leg].control
    assert control is not None
    control.hang_up()


async def test_hanging_up_ends_the_ringing_at_once() -> None:
    """Whoever waits for somebody to answer needn't wait for the timer."""

    async def pause(seconds: float) -> None:
        hang_up(ran)
        await asyncio.Event().wait()

    async with Application().running() as app:
        ran = Ran(app, connect_outcomes=("unanswered",), fast=False)
        await ran.call({**PHONE, "ncco": [{"action": "wait"}]}, pause=pause)

    assert ["started", "ringing", "cancelled"] == ran.statuses()


@pytest.mark.parametrize("by_ncco", [False, True])
async def test_hanging_up_ends_the_opening_of_a_socket_at_once(*, by_ncco: bool) -> None:
    """The websocket of an order, and that of an NCCO's connect, which is followed by the next action."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        hang_up(ran, leg=-1)
        await silent(reader, writer)

    async with Application().running() as app, raw_server(accept) as port:
        ran = Ran(app)
        uri = {"type": "websocket", "uri": f"ws://127.0.0.1:{port}/", "content-type": "audio/l16;rate=8000"}
        connect = {"action": "connect", "endpoint": [uri]}
        await ran.call({**PHONE, "ncco": [connect]} if by_ncco else {"to": [uri], "from": "me", "ncco": [connect]})

    others = ["started", "ringing", "answered"] if by_ncco else []
    assert [*others, "started", "cancelled", *["completed"] * by_ncco] == ran.statuses()
    assert ([], True) == (ran.report["findings"], "no_socket" in ran.report)


async def test_the_ncco_of_the_order_is_carried_out_on_the_leg() -> None:
    """An outbound one, whose events say so."""
    async with Application().running() as app:
        notify = {"action": "notify", "payload": {"a": 1}, "eventUrl": [f"{app.base}/event"]}
        ran = await Ran(app).call({**PHONE, "ncco": [notify]})
        bodies = [request.json() for request in app.to("/event")]

    assert ["started", "ringing", "answered", "notify", "completed"] == ran.statuses()
    assert {"outbound"} == {body["direction"] for body in bodies if "direction" in body}
    assert {"a": 1} == bodies[3]["payload"]


async def test_the_answer_url_is_asked_once_somebody_answered() -> None:
    """An address that can't be reached ends the call."""
    async with Application(ncco=[{"action": "talk", "text": "x"}]).running() as app:
        ran = await Ran(app).call({**PHONE, "answer_url": [app.answer_url]})
        assert ["started", "ringing", "answered", "completed"] == ran.statuses()
        gone = Ran(app)
        with pytest.raises(ConnectError):
            await gone.call({**PHONE, "answer_url": ["http://127.0.0.1:9/answer"]})

    assert ["started", "ringing", "answered", "failed"] == gone.statuses()


def socket(app: Application, *ncco: dict[str, Any]) -> dict[str, Any]:
    """An order to call the application's socket."""
    endpoint = {
        "type": "websocket",
        "uri": f"ws://127.0.0.1:{app.port}/socket",
        "content-type": "audio/l16;rate=8000",
        "authorization": {"type": "custom", "value": "Bearer x"},
    }
    return {"to": [endpoint], "from": "me", "ncco": list(ncco)}


async def test_a_socket_hears_the_ncco_and_what_it_says_can_be_recorded(tmp_path: Any) -> None:
    """It echoes, and so the recording holds what it heard itself."""
    async with Application().running() as app:
        ran = await Ran(app, fast=False, record_dir=tmp_path).call(
            socket(app, {"action": "record", "beepStart": True, "timeOut": 0.3, "format": "wav", "eventUrl": ["{}"]})
        )
        upgrade = app.to("/socket")[0]

    assert "Bearer x" == upgrade.headers["Authorization"]
    assert ["started", "answered", "completed"] == ran.statuses()
    assert ("platform", 1000) == (ran.report["closed_by"], ran.report["close_code"])
    assert ran.report["frames_heard"] > 5
    assert (tmp_path / "recording.wav").stat().st_size > 0


async def test_a_socket_that_closes_ends_its_call() -> None:
    """Disconnected is told, and the NCCO goes no further."""
    async with Application(socket_close=1001).running() as app:
        ran = await Ran(app, fast=False).call(socket(app, {"action": "wait", "timeout": 600}))

    assert ["started", "answered", "disconnected", "completed"] == ran.statuses()
    assert ("server", 1001) == (ran.report["closed_by"], ran.report["close_code"])


async def test_a_socket_that_cannot_be_opened_fails() -> None:
    """Nothing of the NCCO is done."""
    async with Application(upgrade_status=403).running() as app:
        ran = Ran(app)
        with pytest.raises(ConnectError, match="403"):
            await ran.call(socket(app, {"action": "wait"}))

    assert ["started", "failed"] == ran.statuses()


async def test_the_length_of_a_call_is_limited() -> None:
    """From its answer on."""
    async with Application().running() as app:
        values = {**socket(app, {"action": "wait", "timeout": 600}), "length_timer": 1}
        ran = await Ran(app, fast=False).call(values)
        bodies = [request.json() for request in app.to("/event")]

    assert "completed" == ran.statuses()[-1]
    assert "platform" == bodies[-1]["disconnected_by"]


def test_a_pipe_is_bounded_and_takes_only_its_own_format() -> None:
    """What nobody takes is forgotten, oldest first."""
    pipe, back = Pipe(RATE_8K), Back()
    for number in range(300):
        pipe.write(b"", bytes([number % 256]) * 320)
        back.write(b"", b"x")
    pipe.write(b"", b"short")

    assert bytes([50]) * 320 == pipe.take()
    assert 250 == sum(back.take() is not None for _ in range(300))
    pipe.close()
    assert (False, False) == (pipe.ended(), back.ended())
