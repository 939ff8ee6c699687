"""The REST API over HTTP, as somebody uses it who means ill or knows it badly; with aiohttp's client alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.simulator.api.conftest import APPLICATION, Keys
from vonage_sock.call.events import ApiRequested, ApiStarted, Event, Notice
from vonage_sock.clock import SECOND, SystemClock
from vonage_sock.errors import ListenError
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.api import app as app_module
from vonage_sock.simulator.api.app import MAX_BODY_BYTES, ApiServer
from vonage_sock.simulator.api.exchange import TooManyCallsError
from vonage_sock.simulator.api.tokens import TokenCheck
from vonage_sock.simulator.control import CallBook, CallControl

UUID = "63f61863-4a51-4f6b-86e1-46edebcf9356"
LEG = Leg(uuid=UUID, conversation_uuid="CON-1", from_="447700900001", to="442079460000")
CALL = {"to": [{"type": "phone", "number": "442079460001"}], "random_from_number": True, "ncco": [{"action": "wait"}]}


class _Exchange:
    """Takes the first order and no other."""

    def __init__(self) -> None:
        self.orders: list[Any] = []

    def order(self, request: Any, region_url: str) -> tuple[Leg, str]:
        self.orders.append((request, region_url))
        if len(self.orders) > 1:
            raise TooManyCallsError("one is enough")
        return LEG, "call"


@dataclass
class Asker:
    """A client, and what the API told of it."""

    url: str
    session: aiohttp.ClientSession
    token: str
    control: CallControl
    book: CallBook
    events: list[Event] = field(default_factory=list)
    hung_up: list[bool] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, body: Any = None, *, data: Any = None, **headers: str
    ) -> tuple[int, Any]:
        """The status and the JSON of the answer."""
        headers.setdefault("Authorization", f"Bearer {self.token}")
        data = json.dumps(body) if body is not None and data is None else data
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, data=data, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    def told(self) -> list[ApiRequested]:
        """Of requests."""
        return [event for event in self.events if isinstance(event, ApiRequested)]


@pytest.fixture
async def asker(keys: Keys) -> AsyncIterator[Asker]:
    """With a call under way."""
    events: list[Event] = []
    hung_up: list[bool] = []
    clock, book = SystemClock(), CallBook()
    control = CallControl(book, hang_up=lambda: hung_up.append(True), clock_text=lambda: "2026-02-03T10:00:00.000Z")
    control.enter_caller(LEG, "call")
    now_s = clock.wall_ns() // SECOND
    token = keys.token(application_id=APPLICATION, iat=now_s, jti="x", exp=now_s + 900)
    server = ApiServer(
        book,
        _Exchange(),  # type: ignore[arg-type]
        TokenCheck(public_key=keys.public),
        observer=events.append,
        clock=clock,
    )
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Asker(server.url, session, token, control, book, events, hung_up)
    await server.stop()
    await control.close()


async def test_where_it_listens_is_told(asker: Asker) -> None:
    """With the port that was free."""
    started = next(event for event in asker.events if isinstance(event, ApiStarted))

    assert (asker.url, True) == (started.url, started.verifies)
    assert started.port > 0


async def test_what_comes_of_a_request_is_answered_and_told(asker: Asker) -> None:
    """Each verb by its documented status and body."""
    path = f"/v1/calls/{UUID}"
    answers = [
        await asker.ask("POST", "/v1/calls", CALL),
        await asker.ask("POST", "/v1/calls/", CALL),
        await asker.ask("PUT", path, {"action": "mute"}),
        await asker.ask("PUT", path, {"action": "earmuff"}),
        await asker.ask("PUT", f"{path}/dtmf", {"digits": "1p2"}),
        await asker.ask("DELETE", f"{path}/talk"),
        await asker.ask("DELETE", f"{path}/stream"),
        await asker.ask("PUT", f"{path}/input/dtmf", {"event_url": ["http://127.0.0.1:9/"]}),
        await asker.ask("DELETE", f"{path}/input/dtmf"),
        await asker.ask(
            "PUT", path, {"action": "transfer", "destination": {"type": "ncco", "ncco": [{"action": "wait"}]}}
        ),
        await asker.ask("PUT", path, {"action": "hangup"}),
    ]

    assert [201, 429, 204, 204, 200, 200, 200, 200, 200, 204, 204] == [status for status, _ in answers]
    assert {"uuid": UUID, "status": "started", "direction": "outbound", "conversation_uuid": "CON-1"} == answers[0][1]
    assert ("Rate Limit Hit", "one is enough") == (answers[1][1]["title"], answers[1][1]["detail"])
    assert [{"message": f"{what}", "uuid": UUID} for what in ("DTMF sent", "Talk stopped", "Stream stopped")] == [
        body for _, body in answers[4:7]
    ]
    assert (True, True, [True]) == (asker.control.caller.muted, asker.control.caller.earmuffed, asker.hung_up)
    assert [status for status, _ in answers] == [event.status for event in asker.told()]
    assert {"call", None} == {event.call for event in asker.told()}
    assert ("PUT", f"{path}", "hangup") == ((last := asker.told()[-1]).method, last.path, last.detail)


async def test_legs_can_be_looked_at(asker: Asker) -> None:
    """One, and all."""
    _, one = await asker.ask("GET", f"/v1/calls/{UUID}")
    _, page = await asker.ask("GET", "/v1/calls?page_size=1")
    status, problem = await asker.ask("GET", "/v1/calls/?page_size=0&order=up")

    assert (UUID, 1, [UUID]) == (one["uuid"], page["count"], [leg["uuid"] for leg in page["_embedded"]["calls"]])
    assert (400, {"page_size", "order"}) == (status, {item["name"] for item in problem["invalid_parameters"]})


async def test_a_leg_that_is_over_can_be_looked_at_and_nothing_else(asker: Asker) -> None:
    """404, as for one that never was."""
    asker.book.note(LEG.event("completed", timestamp="2026-02-03T10:00:00.000Z"))
    path = f"/v1/calls/{UUID}"
    changes = [
        ("PUT", path, {"action": "hangup"}),
        ("PUT", f"{path}/talk", {"text": "x"}),
        ("DELETE", f"{path}/talk", None),
        ("PUT", f"{path}/input/dtmf", {"event_url": ["http://x/"]}),
        ("PUT", "/v1/calls/unknown", {"action": "hangup"}),
    ]
    answers = [await asker.ask(*change) for change in changes]

    assert {404} == {status for status, _ in answers}
    assert {"Not Found"} == {body["title"] for _, body in answers}
    assert 200 == (await asker.ask("GET", path))[0]


async def test_a_transfer_that_comes_too_late_finds_nothing(asker: Asker) -> None:
    """The call is at its last events."""
    asker.control.end_transfers()
    body = {"action": "transfer", "destination": {"type": "ncco", "url": ["http://127.0.0.1:9/"]}}

    assert 404 == (await asker.ask("PUT", f"/v1/calls/{UUID}", body))[0]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y.z", "Basic eDp5", "Bearer " + "x" * 7_000])
async def test_without_a_token_nothing_is_told_of_any_call(asker: Asker, authorization: str) -> None:
    """401 with the reason, whatever the path."""
    for path in ("/v1/calls", f"/v1/calls/{UUID}", "/nowhere"):
        status, body = await asker.ask("GET", path, Authorization=authorization)

        assert (401, "Unauthorized") == (status, body["title"])
        assert body["detail"] == asker.told()[-1].detail


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/calls/../../etc/passwd", 404),
        ("GET", "/v1/calls/%2e%2e%2f%2e%2e%2fetc", 404),
        ("GET", "/v1/calls/" + "a" * 65, 404),
        ("GET", f"/v1/calls/{UUID}%00", 404),
        ("GET", f"/v1/calls/{UUID}/", 404),
        ("PUT", f"/v1/calls/{UUID}/dance", 404),
        ("PUT", "/v1/calls/%1b%5b2J", 404),
        ("DELETE", f"/v1/calls/{UUID}", 405),
        ("PATCH", "/v1/calls", 405),
    ],
)
async def test_other_paths_and_methods_are_problems_too(asker: Asker, method: str, path: str, status: int) -> None:
    """In the API's own shape."""
    answered, body = await asker.ask(method, path, {"action": "hangup"})

    assert (status, {"type", "title", "detail", "instance"}) == (answered, set(body))
    assert [] == asker.hung_up


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b'{"action":"hangup","x":"' + b"y" * MAX_BODY_BYTES + b'"}', 413),
        (b'{"action":{"$gt":""}}', 400),
        (b'{"action":"hangup\\u0000"}', 400),
        (b'{"action":NaN}', 400),
    ],
)
async def test_bodies_that_mean_ill_are_refused(asker: Asker, data: bytes, status: int) -> None:
    """They are bounded, and nothing is done."""
    answered, body = await asker.ask("PUT", f"/v1/calls/{UUID}", data=data)

    assert (status, []) == (answered, asker.hung_up)
    assert body["detail"]
    assert status == asker.told()[-1].status


async def test_a_body_that_does_not_come_is_not_waited_for(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, after a while."""
    monkeypatch.setattr(app_module, "BODY_WAIT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(asker.url).port)
    head = f"PUT /v1/calls/{UUID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {asker.token}\r\nContent-Length: 9\r\n\r\n{{"
    writer.write(head.encode())
    answer = await reader.readline()
    writer.close()

    assert b"408" in answer


async def test_headers_that_mean_ill_do_no_harm(asker: Asker) -> None:
    """What isn't HTTP is refused by the server beneath; the next request is answered."""
    for junk in (
        b"\x16\x03\x01\x02",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/calls HTTP/1.1\r\nA: " + b"b" * 20_000 + b"\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(asker.url).port)
        writer.write(junk + b"\r\n\r\n")
        answer = await reader.read(100)
        writer.close()
        assert b"200" not in answer[:20]

    assert 200 == (await asker.ask("GET", "/v1/calls"))[0]


async def test_a_port_that_is_taken_is_told(asker: Asker) -> None:
    """In one sentence."""
    port = URL(asker.url).port
    assert port is not None
    server = ApiServer(
        CallBook(),
        _Exchange(),  # type: ignore[arg-type]
        TokenCheck(),
        observer=asker.events.append,
        clock=SystemClock(),
        port=port,
    )

    with pytest.raises(ListenError, match="--api-port"):
        await server.start()


async def test_signatures_that_are_not_checked_are_mentioned() -> None:
    """Once, at the start; the address of an IPv6 host has brackets."""
    events: list[Event] = []
    server = ApiServer(
        CallBook(),
        _Exchange(),  # type: ignore[arg-type]
        TokenCheck(),
        observer=events.append,
        clock=SystemClock(),
        host="::1",
    )
    await server.stop()
    await server.start()
    await server.stop()

    assert [ApiStarted, Notice] == [type(event) for event in events]
    assert server.url.startswith("http://[::1]:")
