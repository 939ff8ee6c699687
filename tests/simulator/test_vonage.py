"""A whole call as Vonage makes it, against an application written with aiohttp alone."""

from __future__ import annotations

import asyncio
import json
import re
import struct
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from answering import Application, raw_server, saying, silent
from websockets.utils import accept_key

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.call.events import (
    AnswerRequested,
    CallReported,
    Connected,
    Ended,
    Event,
    EventPosted,
    FindingRaised,
    Notice,
)
from vonage_sock.clock import MS, ManualClock
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.ncco.answered import MAX_NCCOS, neighbour_event_url
from vonage_sock.simulator.order import CallOrder, check_target
from vonage_sock.simulator.report import summary_lines
from vonage_sock.simulator.telling import Teller
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.simulator.webhooks.posting import Destination, Poster
from vonage_sock.simulator.webhooks.web import Webhooks
from vonage_sock.testing import PcmSource

PATIENCE_S = 10.0
DURATION_MS = 480
"""A call's time begins when it is answered, and with it what a stall of this machine takes before the socket is open."""

FRAMES = DURATION_MS // 20
SECRET = "a secret of thirty-two characters"
RATE_16K = AudioFormat(16000)
PCM = b"".join(struct.pack("<H", number + 1) * 160 for number in range(5))
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def order(target: str, *, duration_ms: int = DURATION_MS, **options: Any) -> CallOrder:
    """A call of a few frames."""
    plan = LegPlan(audio_format=RATE_16K, headers={"mine": 1}, duration_ns=duration_ms * MS)
    return CallOrder(target=target, audio=lambda fmt: PcmSource(PCM, fmt), plan=plan, **options)


async def call(target: str, *events: list[Event], timeouts: dict[str, float] | None = None, **options: Any) -> Any:
    """The report of a call; its events are appended to the list that is given."""
    # What a second's stall of this machine would end is tried by those who say so.
    waits = {"connect_timeout_s": PATIENCE_S, "answer_timeout_s": PATIENCE_S} | (timeouts or {})
    phone = VonageCall(order(target, **options), observers=[kept.append for kept in events], **waits)
    async with asyncio.timeout(2 * PATIENCE_S):
        return await phone.run()


def codes(report: dict[str, Any]) -> list[str]:
    """What was found, but for gaps, which a busy machine makes by itself."""
    return [finding["code"] for finding in report["findings"] if finding["code"] != "VS201"]


def messages(report: dict[str, Any]) -> str:
    """All findings' sentences."""
    return "\n".join(finding["message"] for finding in report["findings"])


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_from_the_answer_url_to_the_last_event(method: str) -> None:
    """The NCCO's socket is opened with its own format and headers, and both legs' events come in order."""
    events: list[Event] = []
    async with Application().running() as app:
        report = await call(app.answer_url, events, method=method)
    answer = app.to("/answer")[0]
    params = answer.query if method == "GET" else answer.json()

    assert method == answer.method
    assert {"to", "from", "uuid", "conversation_uuid", "endpoint_type", "region_url"} == set(params)
    assert ("447700900001", "442079460000") == (params["from"], params["to"])
    assert [
        ("started", "phone"),
        ("ringing", "phone"),
        ("answered", "phone"),
        ("started", "socket"),
        ("answered", "socket"),
        ("completed", "socket"),
        ("completed", "phone"),
    ] == app.events()
    assert [{"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "id": "x"}] == app.first_texts
    assert (8000, FRAMES, 1000, "platform") == (
        report["rate_hz"],
        report["frames_sent"],
        report["close_code"],
        report["closed_by"],
    )
    assert [] == codes(report)
    assert 7 == len([event for event in events if isinstance(event, EventPosted)])
    assert app.connect() == next(event for event in events if isinstance(event, AnswerRequested)).ncco


async def test_the_events_have_the_documented_fields() -> None:
    """Two legs with uuids of their own share a conversation; the socket's leg names its uri and the NCCO's headers."""
    async with Application().running() as app:
        await call(app.answer_url)
    bodies = [request.json() for request in app.to("/event")]
    phone, leg = bodies[0], bodies[3]
    common = {"headers", "from", "to", "uuid", "conversation_uuid", "status", "direction", "timestamp"}

    assert common == set(phone) == set(leg)
    assert all(UUID.fullmatch(body["uuid"]) for body in (phone, leg))
    assert phone["uuid"] != leg["uuid"]
    assert 1 == len({body["conversation_uuid"] for body in bodies})
    assert phone["conversation_uuid"].startswith("CON-")
    assert ({}, "inbound") == (phone["headers"], phone["direction"])
    assert ({"id": "x"}, "outbound", f"ws://127.0.0.1:{app.port}/socket") == (
        leg["headers"],
        leg["direction"],
        leg["to"],
    )
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"]) for body in bodies)
    assert {"start_time", "rate", "network"} <= set(bodies[2])
    assert {"duration", "rate", "price", "network", "sip_code", "disconnected_by"} <= set(bodies[-1])
    assert all(request.headers["Content-Type"] == "application/json" for request in app.to("/event"))


async def test_a_socket_is_called_directly() -> None:
    """With the plan's own format and headers, and no webhook at all."""
    events: list[Event] = []
    async with Application().running() as app:
        target = f"ws://127.0.0.1:{app.port}/socket"
        report = await call(target, events)

    assert ["/socket"] == [request.path for request in app.requests]
    assert {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "mine": 1} == app.first_texts[0]
    assert target == report["target"]
    assert [Connected, Ended] == [type(event) for event in events if not isinstance(event, FindingRaised)]


async def test_the_report_is_told_when_it_is_asked_for() -> None:
    """So that recordings can be told before it."""
    events: list[Event] = []
    async with Application().running() as app:
        phone = VonageCall(order(f"ws://127.0.0.1:{app.port}/socket"), observers=[events.append])
        report = await phone.run()
        phone.tell_stats()
        phone.tell_report(report)

    assert report == events[-1].report
    assert 1 == len([event for event in events if isinstance(event, CallReported)])


async def test_hanging_up_ends_the_call_at_once() -> None:
    """As the caller, with 1000, and all the events of an end."""
    async with Application().running() as app:
        phone = VonageCall(order(app.answer_url, duration_ms=3_600_000))
        running = asyncio.create_task(phone.run())
        async with asyncio.timeout(20):
            await app.called.wait()
            phone.hang_up()
            report = await running

    assert ("platform", 1000) == (report["closed_by"], report["close_code"])
    assert [("completed", "socket"), ("completed", "phone")] == app.events()[-2:]


async def test_hanging_up_before_the_socket_is_open_ends_the_call_as_it_opens() -> None:
    """Nothing is left hanging."""
    async with Application().running() as app:
        phone = VonageCall(order(f"ws://127.0.0.1:{app.port}/socket", duration_ms=3_600_000))
        phone.hang_up()
        async with asyncio.timeout(20):
            report = await phone.run()

    assert ("platform", 1000) == (report["closed_by"], report["close_code"])


async def test_a_cancelled_call_drops_its_socket() -> None:
    """The server sees the connection end and no task is left."""
    async with Application().running() as app:
        before = asyncio.all_tasks()
        running = asyncio.create_task(call(f"ws://127.0.0.1:{app.port}/socket", duration_ms=3_600_000))
        async with asyncio.timeout(20):
            await app.called.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        left = {task for task in asyncio.all_tasks() - before if "handle" not in repr(task.get_coro())}

    assert not [task for task in left if "vonage_sock" in repr(task.get_coro())]


async def test_the_other_actions_of_an_ncco() -> None:
    """A talk is told, a known action passed over, an unknown one a finding; then the socket, with all its time."""
    events: list[Event] = []
    async with Application().running() as app:
        app.ncco = [
            {"action": "talk", "text": "Hi" * 60},
            {"action": "pay"},
            {"action": "dance"},
            *app.connect(),
        ]
        report = await call(app.answer_url, events, fast=True)

    assert [
        "the caller hears, for about 8 s: " + "Hi" * 60,
        "action 2 of the NCCO, pay, is passed over",
    ] == [event.message for event in events if isinstance(event, Notice)]
    assert ["VS406"] == codes(report)
    assert FRAMES == report["frames_sent"]


async def test_the_ncco_says_where_the_legs_events_go() -> None:
    """Its own eventUrl and method for the socket's leg, the neighbour of the answer URL for the phone's."""
    async with Application().running() as app:
        app.ncco = [app.connect()[0] | {"eventUrl": ["{base}/event2"], "eventMethod": "GET"}]
        await call(app.answer_url)

    assert ["GET"] * 3 == [request.method for request in app.to("/event2")]
    assert ["started", "answered", "completed"] == [request.query["status"] for request in app.to("/event2")]
    assert {"phone"} == {leg for _, leg in app.events()}


async def test_an_event_url_of_the_order_is_used() -> None:
    """In place of the neighbour."""
    async with Application().running() as app:
        await call(app.answer_url, event_url=f"{app.base}/event/mine?x=1")

    assert 7 == len(app.to("/event/mine"))
    assert [] == app.to("/event")


async def test_every_request_of_a_call_is_signed() -> None:
    """Answer and events, each with a token of its own; the socket only where the NCCO asks for it."""
    async with Application().running() as app:
        await call(app.answer_url, signature_secret=SECRET)
    web_requests = [request for request in app.requests if request.path != "/socket"]
    tokens = [request.headers["Authorization"].removeprefix("Bearer ") for request in web_requests]
    claims = [jwt.decode(token, SECRET, algorithms=["HS256"]) for token in tokens]

    assert len(web_requests) == len({claim["jti"] for claim in claims}) == 8
    assert "Authorization" not in app.to("/socket")[0].headers


@pytest.mark.parametrize("authorization", [{"type": "vonage"}, {}])
async def test_authorization_vonage_signs_the_upgrade(authorization: dict[str, str]) -> None:
    """The token of signed webhooks, without a hash of a body; ``vonage`` is what an object without a type means."""
    async with Application().running() as app:
        app.ncco = app.connect(authorization=authorization)
        await call(app.answer_url, signature_secret=SECRET)
    token = app.to("/socket")[0].headers["Authorization"].removeprefix("Bearer ")

    assert {"iat", "jti", "iss"} == set(jwt.decode(token, SECRET, algorithms=["HS256"]))


async def test_authorization_custom_is_sent_as_it_is() -> None:
    """Word for word."""
    async with Application().running() as app:
        app.ncco = app.connect(authorization={"type": "custom", "value": "Basic YTpi"})
        await call(app.answer_url, signature_secret=SECRET)

    assert "Basic YTpi" == app.to("/socket")[0].headers["Authorization"]


@pytest.mark.parametrize(
    ("make", "code", "part"),
    [
        (lambda: web.Response(text="<html>", content_type="text/html"), "VS402", "isn't JSON"),
        (
            lambda: web.json_response({"action": "talk"}),
            "VS402",
            "is an object and must be an array; put [ ] around it",
        ),
        (lambda: web.json_response([]), "VS402", "is empty"),
        (lambda: web.Response(text="", content_type="application/json"), "VS402", "isn't JSON"),
        (lambda: web.json_response("x"), "VS402", "is a text and must be an array of actions"),
        (lambda: web.json_response([{"do": 1}]), "VS402", "has no 'action' in entry 1"),
        (lambda: web.Response(body=b"\xff", content_type="application/json"), "VS402", "not UTF-8"),
    ],
    ids=["html", "object", "empty", "nothing", "text", "no action", "bytes"],
)
async def test_an_answer_that_is_no_ncco_is_a_finding(make: Any, code: str, part: str) -> None:
    """The call ends without a socket, with an error event and its last one."""
    async with Application(answer=make).running() as app:
        report = await call(app.answer_url)

    assert code in codes(report)
    assert part in messages(report)
    assert "frames_sent" not in report
    assert ("completed", "phone") == app.events()[-1]


@pytest.mark.parametrize(
    ("connect", "code", "part"),
    [
        ({"uri": "http://127.0.0.1:1/socket"}, "VS412", "the uri has http:// as its scheme and must begin with wss://"),
        ({"uri": "//"}, "VS412", "the uri has nothing as its scheme"),
        ({"uri": 5}, "VS420", "the field 'uri' is 5 and must be a text"),
        ({"uri": "ws://[::1"}, "VS420", "must be an address that begins with wss://"),
        ({"content-type": "audio/l16;rate=44100"}, "VS415", "the content-type can't be used"),
        ({"content-type": 8000}, "VS420", "the field 'content-type' is 8000 and must be a text"),
        ({"headers": []}, "VS420", "the field 'headers' is [] and must be an object"),
    ],
)
async def test_a_connect_that_cannot_work_is_a_finding(connect: dict[str, Any], code: str, part: str) -> None:
    """No socket is opened; the sentence says what to change."""
    async with Application().running() as app:
        app.ncco = app.connect(**connect)
        report = await call(app.answer_url)

    assert [code, "VS409"] == codes(report)
    assert part in messages(report)
    assert [] == app.to("/socket")


@pytest.mark.parametrize(
    ("connect", "code", "part"),
    [
        ({"content-type": "audio/l16; rate=8000"}, "VS414", "content-type holds spaces"),
        ({"headers": {"a": "x" * 600}}, "VS411", "headers take 608 bytes as JSON and Vonage allows 512"),
    ],
)
async def test_a_connect_that_vonage_may_refuse_is_told_as_lint_does(
    connect: dict[str, Any], code: str, part: str
) -> None:
    """The call is made all the same."""
    async with Application().running() as app:
        app.ncco = app.connect(**connect)
        report = await call(app.answer_url)

    assert [code] == codes(report)
    assert part in messages(report)
    assert FRAMES == report["frames_sent"]


@pytest.mark.parametrize("status", [401, 404, 500, 302, 204])
async def test_an_answer_url_that_refuses_ends_the_call(status: int) -> None:
    """One sentence, with what 401 may be for, and a failed event."""
    hint = "; it may want signed webhooks, with the right --signature-secret" if status == 401 else ""
    async with Application(answer=lambda: web.Response(status=status)).running() as app:
        with pytest.raises(ConnectError) as caught:
            await call(app.answer_url)

    assert f"{app.answer_url} gave HTTP {status} instead of 200{hint}; the platform ends the call" == str(caught.value)
    assert [("started", "phone"), ("ringing", "phone"), ("failed", "phone")] == app.events()


@pytest.mark.parametrize("status", [401, 404, 500, 302])
async def test_a_socket_that_refuses_ends_the_call(status: int) -> None:
    """One sentence; the leg's failed event and the phone's completed."""
    async with Application(upgrade_status=status).running() as app:
        with pytest.raises(ConnectError) as caught:
            await call(app.answer_url)

    assert f"/socket refused the call with HTTP {status}: " in str(caught.value)
    assert [("failed", "socket"), ("completed", "phone")] == app.events()[-2:]


async def test_nothing_listens_at_the_answer_url() -> None:
    """One sentence, although the events reach nobody either."""
    with pytest.raises(ConnectError) as caught:
        await call("http://127.0.0.1:1/webhooks/answer")

    assert "can't reach http://127.0.0.1:1/webhooks/answer: nothing listens there (connection refused)" in str(
        caught.value
    )


async def test_nothing_listens_at_the_socket() -> None:
    """The answer was fine; the sentence names the socket."""
    async with Application().running() as app:
        app.ncco = app.connect(uri="ws://127.0.0.1:1/socket")
        with pytest.raises(ConnectError) as caught:
            await call(app.answer_url)

    assert str(caught.value).startswith("can't reach ws://127.0.0.1:1/socket: nothing listens there")
    assert [("failed", "socket"), ("completed", "phone")] == app.events()[-2:]


async def test_an_answer_url_that_hangs_is_given_up() -> None:
    """After the platform's own time for it."""
    async with raw_server(silent) as port:
        with pytest.raises(ConnectError, match="didn't answer in time"):
            await call(f"http://127.0.0.1:{port}/answer", timeouts={"answer_timeout_s": 0.1})


async def test_a_socket_that_hangs_is_given_up() -> None:
    """It neither refuses nor opens."""
    async with raw_server(silent) as port:
        with pytest.raises(ConnectError, match=r"didn't answer within 0\.1 s"):
            await call(f"ws://127.0.0.1:{port}/socket", timeouts={"open_timeout_s": 0.1})


async def test_something_else_at_the_socket_is_a_sentence() -> None:
    """A web page, or another protocol."""
    async with raw_server(saying(b"SSH-2.0-OpenSSH_9.6\r\n")) as port:
        with pytest.raises(ConnectError, match="answers, but not as a websocket"):
            await call(f"ws://127.0.0.1:{port}/socket")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/event", "http://no.such.host.invalid/event"])
async def test_an_event_url_that_is_down_is_a_finding_and_the_call_goes_on(url: str) -> None:
    """It is told once."""
    async with Application().running() as app:
        report = await call(app.answer_url, event_url=url)

    assert ["VS408"] == codes(report)
    assert 7 == report["findings"][0]["count"]
    assert FRAMES == report["frames_sent"]


async def test_where_nothing_listens_it_is_told_once(unused_tcp_port: int) -> None:
    """The error says it of the answer URL; that its neighbour for events can't be reached either goes without saying."""
    events: list[Event] = []
    with pytest.raises(ConnectError, match="nothing listens there"):
        await call(f"http://127.0.0.1:{unused_tcp_port}/answer", events)

    assert [] == [event.code for event in events if isinstance(event, FindingRaised)]


async def test_an_event_url_elsewhere_where_nothing_listens_is_told_beside_it(unused_tcp_port: int) -> None:
    """It's another thing that is wrong."""
    events: list[Event] = []
    with pytest.raises(ConnectError):
        await call(f"http://127.0.0.1:{unused_tcp_port}/answer", events, event_url="http://localhost:1/event")

    assert {"VS408"} == {event.code for event in events if isinstance(event, FindingRaised)}


async def test_events_that_could_not_be_told_before_the_answer_are_told_after_it() -> None:
    """Where the answer came from elsewhere, such as the fallback URL."""
    teller = Teller([], ManualClock())
    async with Webhooks(clock=ManualClock()) as hooks:
        poster = Poster(hooks, teller, default=Destination("http://127.0.0.1:1/event"))
        poster.doubt("http://127.0.0.1:1/answer")
        await poster.tell({"status": "started"})
        await poster.flush()
        before = teller.findings.all()
        poster.settle(told=False)

    assert ([], ["VS408"]) == (before, [finding.code for finding in teller.findings.all()])


@pytest.mark.parametrize(
    ("ncco", "options", "why"),
    [
        ([{"action": "talk", "text": "x" * 60}], {"duration_ms": 100}, "the call's time was over"),
        ([{"action": "talk", "text": "x"}], {"duration_ms": 9000}, "the NCCO led to no websocket"),
        ({}, {}, "the NCCO can't be carried out"),
        (
            [{"action": "connect", "endpoint": [{"type": "phone", "number": "447700900002"}]}],
            {"connect_outcomes": ("busy",), "duration_ms": 9000},
            "phone 447700900002: busy; the NCCO led to no websocket",
        ),
        ([{"action": "conversation", "name": "x"}], {"duration_ms": 9000}, "the caller hung up in a conversation"),
    ],
    ids=["time", "talk", "no ncco", "busy", "conversation"],
)
async def test_why_no_socket_was_opened_is_told(ncco: Any, options: dict[str, Any], why: str) -> None:
    """In the report and its line."""
    async with Application(ncco=ncco).running() as app:
        report = await call(app.answer_url, fast=True, **options)

    assert why == report["no_socket"]
    assert [f"no socket was opened: {why}"] == summary_lines(report)


async def test_an_event_url_that_fails_is_a_finding_and_the_call_goes_on() -> None:
    """With the status that it gave."""
    async with Application(event_status=500).running() as app:
        report = await call(app.answer_url)

    assert ["VS405"] == codes(report)
    assert "the event URL gave HTTP 500 to started; 200 to 205 is expected" in messages(report)
    assert FRAMES == report["frames_sent"]


async def test_an_event_url_that_is_no_address_is_a_finding_and_the_call_goes_on() -> None:
    """It stands in the NCCO and may be anything."""
    async with Application().running() as app:
        app.ncco = [app.connect()[0] | {"eventUrl": ["nowhere"]}]
        report = await call(app.answer_url)

    assert ["VS421", "VS408"] == codes(report)
    assert FRAMES == report["frames_sent"]


async def test_a_wrong_content_type_of_the_answer_is_a_warning() -> None:
    """JSON as text/html is read, and remarked on."""
    async with Application().running() as app:
        ncco = app.connect()
        app.answer = lambda: web.json_response(ncco, content_type="text/html")
        report = await call(app.answer_url)

    assert ["VS403"] == codes(report)
    assert FRAMES == report["frames_sent"]


async def test_a_server_that_closes_first_is_told_in_the_events() -> None:
    """disconnected, then completed."""
    async with Application(socket_close=4005).running() as app:
        report = await call(app.answer_url, duration_ms=60_000)

    assert (4005, "server") == (report["close_code"], report["closed_by"])
    assert [("disconnected", "socket"), ("completed", "socket"), ("completed", "phone")] == app.events()[-3:]


async def test_an_ncco_without_a_socket_is_noted() -> None:
    """And the report says that none was opened."""
    async with Application(ncco=[{"action": "talk", "text": "bye"}]).running() as app:
        report = await call(app.answer_url, duration_ms=60_000)

    assert ["VS409"] == codes(report)
    assert "frames_sent" not in report


FALLBACK = [{"action": "talk", "text": "sorry"}]


async def test_a_fallback_takes_over_when_the_server_closes() -> None:
    """The answer to a synchronous disconnected is performed in place of what is left of the NCCO."""
    events: list[Event] = []
    async with Application(socket_close=4005, event_answers={"disconnected": FALLBACK}).running() as app:
        app.ncco = [app.connect()[0] | {"eventType": "synchronous"}, {"action": "talk", "text": "never"}]
        report = await call(app.answer_url, events, duration_ms=60_000)

    assert ["the event URL answers with an NCCO, which takes over", "the caller hears, for about 1 s: sorry"] == [
        event.message for event in events if isinstance(event, Notice)
    ]
    assert (4005, "server") == (report["close_code"], report["closed_by"])


async def test_a_fallback_takes_over_when_the_socket_cannot_be_opened() -> None:
    """The call is carried on, and still counts as one that could not connect."""
    events: list[Event] = []
    async with Application(upgrade_status=404, event_answers={"failed": FALLBACK}).running() as app:
        app.ncco = [app.connect()[0] | {"eventType": "synchronous"}]
        with pytest.raises(ConnectError, match="HTTP 404"):
            await call(app.answer_url, events)

    assert "the caller hears, for about 1 s: sorry" in [event.message for event in events if isinstance(event, Notice)]
    assert [("failed", "socket"), ("completed", "phone")] == app.events()[-2:]


async def test_a_fallback_that_fails_again_is_the_last() -> None:
    """An application that answers every failure with the same connect doesn't keep the call alive for ever: 20 NCCOs."""
    async with Application(socket_close=4005).running() as app:
        app.ncco = [app.connect()[0] | {"eventType": "synchronous"}]
        app.event_answers = {"disconnected": app.ncco}
        report = await call(app.answer_url, duration_ms=60_000)

    assert (MAX_NCCOS + 1, MAX_NCCOS + 1) == (len(app.to("/socket")), report["legs"])
    assert ["VS427"] == codes(report)


async def test_only_a_synchronous_connect_takes_a_fallback() -> None:
    """To other events any answer is ignored."""
    events: list[Event] = []
    async with Application(socket_close=4005, event_answers={"disconnected": FALLBACK}).running() as app:
        await call(app.answer_url, events, duration_ms=60_000)

    assert [] == [event for event in events if isinstance(event, Notice)]


async def test_a_fallback_that_is_no_ncco_is_a_finding() -> None:
    """As Vonage would say of it."""
    answers = {"disconnected": {"action": "talk"}}
    async with Application(socket_close=4005, event_answers=answers).running() as app:
        app.ncco = [app.connect()[0] | {"eventType": "synchronous"}]
        report = await call(app.answer_url, duration_ms=60_000)

    assert ["VS423"] == codes(report)


class Watched(FramesSource):
    """A source that tells whether it was closed."""

    def __init__(self) -> None:
        super().__init__("watched", [bytes(640)], 1)
        self.closed = False

    def close(self) -> None:
        self.closed = True


async def test_the_audio_is_let_go_of_when_the_socket_cannot_be_opened() -> None:
    """Its file isn't left open."""
    source = Watched()
    plan = LegPlan(audio_format=RATE_16K)
    with pytest.raises(ConnectError):
        await VonageCall(CallOrder(target="ws://127.0.0.1:1/x", audio=lambda _format: source, plan=plan)).run()

    assert source.closed


@pytest.mark.parametrize(
    "target",
    [
        "",
        "localhost:8000",
        "ftp://a/b",
        "ws://",
        "http:///x",
        "ws://a:0/",
        "ws://[::1",
        "http://a b/",
        "ws://a:x/",
        "ws://a/\n",
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_happens(target: str) -> None:
    """With an example of each kind of address."""
    with pytest.raises(UsageError, match="can't be called; give an answer URL"):
        check_target(target)


def test_an_event_url_must_be_a_web_address() -> None:
    """Else every event would fail."""
    with pytest.raises(UsageError, match="isn't a web address"):
        order("ws://a/b", event_url="ws://a/events")


@pytest.mark.parametrize(
    ("answer_url", "expected"),
    [
        ("http://a/webhooks/answer", "http://a/webhooks/event"),
        ("http://a/answer", "http://a/event"),
        ("http://a/answer?x=1", None),
        ("http://a/ncco", None),
        ("http://a/my-answer", None),
    ],
)
def test_the_event_url_is_the_answer_urls_neighbour(answer_url: str, expected: str | None) -> None:
    """Where the path says so and nothing else does."""
    assert expected == neighbour_event_url(answer_url)


@pytest.mark.parametrize("status", [429, 503, 504])
async def test_an_answer_url_that_is_busy_is_asked_once_more(status: int) -> None:
    """The second answer counts."""
    statuses = [status, 200]
    async with Application().running() as app:
        ncco = app.connect()
        app.answer = lambda: web.json_response(ncco, status=statuses.pop(0))
        report = await call(app.answer_url)

    assert 2 == len(app.to("/answer"))
    assert (FRAMES, []) == (report["frames_sent"], codes(report))


async def test_another_status_is_not_asked_again() -> None:
    """Vonage doesn't, either."""
    async with Application(answer=lambda: web.Response(status=500)).running() as app:
        with pytest.raises(ConnectError):
            await call(app.answer_url)

    assert 1 == len(app.to("/answer"))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_fallback_url_is_asked_when_the_answer_url_fails(method: str) -> None:
    """With why, and what was asked before; its NCCO is carried out."""
    async with Application().running() as app:
        dead = "http://127.0.0.1:1/answer"
        report = await call(dead, fallback_url=app.answer_url, fallback_method=method, method=method)
        request = app.to("/answer")[0]
    params = request.query if method == "GET" else request.json()
    original = params["original_request"]

    assert FRAMES == report["frames_sent"]
    assert "Connection closed." == params["reason"]
    assert {"url": dead, "type": "answer"} == (json.loads(original) if method == "GET" else original)
    assert {"to", "from", "uuid", "conversation_uuid"} <= set(params)


async def test_a_fallback_url_that_fails_too_ends_the_call() -> None:
    """The sentence names it."""
    with pytest.raises(ConnectError, match=r"127\.0\.0\.1:2/x"):
        await call("http://127.0.0.1:1/answer", fallback_url="http://127.0.0.1:2/x")


async def test_a_record_dir_must_be_there() -> None:
    """Before anything is called."""
    with pytest.raises(UsageError, match="isn't a directory"):
        order("http://a/", record_dir=Path("/none/such"))


@pytest.mark.parametrize("header", ["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: audio"])
async def test_a_server_that_takes_what_nobody_offered_is_told_why(header: str) -> None:
    """The call can't be made, and the report that is told of it has the finding with its cure."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = accept_key(re.search(r"Sec-WebSocket-Key: (\S+)", head)[1])
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {key}\r\n{header}\r\n\r\n".encode()
        )
        await reader.read()

    async with raw_server(accept) as port, asyncio.timeout(20):
        phone = VonageCall(order(f"ws://127.0.0.1:{port}/"))
        with pytest.raises(ConnectError) as caught:
            await phone.run()

    assert ["VS314"] == codes(phone.failure(caught.value))


@pytest.mark.parametrize(("status", "code"), [(500, "VS401"), (None, "VS501")])
async def test_an_answer_url_that_failed_is_told_though_the_fallback_url_answered(
    status: int | None, code: str, unused_tcp_port: int
) -> None:
    """The call goes on with the fallback's NCCO, and the finding says why it had to."""
    async with Application().running() as app:
        target = f"{app.base}/nothing" if status else f"http://127.0.0.1:{unused_tcp_port}/x"
        report = await call(target, fallback_url=app.answer_url)

    assert [code] == codes(report)
    assert FRAMES == report["frames_sent"]


async def test_an_upgrade_that_should_be_signed_and_isn_t_is_told() -> None:
    """It says which option signs it."""
    events: list[Event] = []
    async with Application().running() as app:
        app.ncco = app.connect(authorization={"type": "vonage"})
        await call(app.answer_url, events)

    assert "give --signature-secret" in "".join(event.message for event in events if isinstance(event, Notice))
