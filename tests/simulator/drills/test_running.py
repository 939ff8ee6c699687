"""Fault drills on real sockets: our own server, one of the websockets library's, and applications written with aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
import websockets.asyncio.server
from aiohttp import WSMsgType, web
from answering import Application, raw_server
from websockets.exceptions import ConnectionClosed

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import DrillStruck, Ended, Event
from vonage_sock.clock import MS
from vonage_sock.simulator.drills.plan import Drills, Stall
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource

RATE_8K = AudioFormat(8000)
PATIENCE_S = 20
PCM = bytes(range(160)) * 2 * 50
"""A second of it."""


async def suffer(target: str, *events: list[Event], duration_ms: int = 300, **drills: Any) -> dict[str, Any]:
    """The report of a short call."""
    plan = LegPlan(audio_format=RATE_8K, duration_ns=duration_ms * MS)
    order = CallOrder(target=target, audio=lambda fmt: PcmSource(PCM, fmt), plan=plan, drills=Drills(**drills))
    async with asyncio.timeout(PATIENCE_S):
        return await VonageCall(order, observers=[kept.append for kept in events]).run()


def codes(report: dict[str, Any]) -> list[str]:
    """What was found, but for gaps, which a busy machine makes by itself."""
    return [finding["code"] for finding in report["findings"] if finding["code"] != "VS201"]


def taken(report: dict[str, Any]) -> str:
    """How the only drill was taken."""
    (drill,) = report["drills"]
    return str(drill["took"])


@contextlib.asynccontextmanager
async def echo_server(**options: Any) -> AsyncIterator[str]:
    """A server as the websockets library's documentation has it."""

    async def echo(connection: websockets.asyncio.server.ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                if isinstance(message, bytes):
                    await connection.send(message)

    async with websockets.asyncio.server.serve(echo, "127.0.0.1", 0, compression=None, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("drill", ["drop_after_s", "reset_after_s"])
async def test_a_connection_that_breaks_is_no_fault_of_the_servers(drill: str) -> None:
    """How it was taken is told, and that a new call is taken; no finding, and told as it strikes."""
    events: list[Event] = []
    async with echo_server() as url:
        report = await suffer(url, events, duration_ms=2000, **{drill: 0.1})
    (struck,) = [event for event in events if isinstance(event, DrillStruck)]
    (row,) = report["drills"]

    assert [] == codes(report)
    assert (1006, "network") == (report["close_code"], report["closed_by"])
    assert drill.replace("_s", "").replace("_", "-") == struck.drill == row["drill"]
    assert 0.1 <= row["at_s"] < 1
    assert row["took"].startswith("it closed its end after " if "drop" in drill else "the connection is gone at once; ")
    assert "; it takes a new call, within " in row["took"]


async def test_a_cut_cable_is_noticed_by_pings() -> None:
    """A server that pings closes with a code of its own, and we see which and when."""
    async with echo_server(ping_interval=0.05, ping_timeout=0.1) as url:
        report = await suffer(url, duration_ms=10_000, half_open_after_s=0.1)

    assert [] == codes(report)
    assert (1011, "server") == (report["close_code"], report["closed_by"])
    assert taken(report).startswith("it noticed: it closed with 1011 (keepalive ping timeout) after ")


async def test_a_cut_cable_that_nobody_notices_ends_with_the_call() -> None:
    """At the caller's duration."""
    async with echo_server(ping_interval=None) as url:
        report = await suffer(url, duration_ms=300, half_open_after_s=0.1)

    assert [] == codes(report)
    assert re.match(r"it didn't notice within (19\d|[2-9]\d\d) ms: it sent \d+ frames? and 0 pings", taken(report))


@pytest.mark.parametrize(
    "drills",
    [
        {"jitter_ms": 30.0, "stalls": (Stall(0.1, 0.1),)},
        {"late_connected": True, "bad_frames": 2},
        {"no_connected": True},
        {"dup_connected": True},
    ],
    ids=str,
)
async def test_a_plain_echo_goes_on_without_a_finding(drills: dict[str, Any]) -> None:
    """Its gaps and odd sizes are our own, come back."""
    async with echo_server() as url:
        report = await suffer(url, duration_ms=800, **drills)

    assert ([], 1000) == (codes(report), report["close_code"])
    assert [True] * len(report["drills"]) == [row["took"].startswith("it went on: ") for row in report["drills"]]


async def test_a_server_that_takes_no_new_call_is_told_of() -> None:
    """One that ends with the call that broke: a warning with the reason."""
    async with contextlib.AsyncExitStack() as stack:

        async def once(connection: websockets.asyncio.server.ServerConnection) -> None:
            with contextlib.suppress(ConnectionClosed):
                async for _ in connection:
                    pass
            server.close(close_connections=False)

        server = await stack.enter_async_context(websockets.asyncio.server.serve(once, "127.0.0.1", 0))
        report = await suffer(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", drop_after_s=0.1)

    assert ["VS503"] == codes(report)
    assert "it takes no new call: can't reach " in taken(report)


async def test_our_own_server_ends_the_call_and_takes_another(vonage_server: Any) -> None:
    """After each way to break a connection; the calls are over before the server stops."""
    ended: list[Event] = []
    server = await vonage_server(behaviours=lambda: [Echo()], observers=[ended.append])
    for drill in ("drop_after_s", "reset_after_s", "half_open_after_s"):
        report = await suffer(server.addresses.socket_url, **{drill: 0.1})
        assert "it takes a new call" in taken(report)
    broken = [event for event in ended if isinstance(event, Ended) and event.closed_by == "network"]

    assert 3 == len(broken)


async def test_a_test_of_anybodys_may_drill(vonage_call: Any) -> None:
    """The fixture takes drills, and its report has them."""
    async with echo_server() as url:
        report = await vonage_call(url, audio="noise", duration_s=2, drills=Drills(reset_after_s=0.1))

    assert ["reset-after"] == [drill["drill"] for drill in report.drills]
    assert "network" == report.closed_by


def holding_the_place(answer: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """An aiohttp handler that echoes the first call, and lets ``answer`` have every other one."""
    calls = 0

    async def socket(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls > 1:
            return await answer(request)
        first = web.WebSocketResponse()
        await first.prepare(request)
        async for message in first:
            if message.type is WSMsgType.BINARY:
                await first.send_bytes(message.data)
        return first

    return socket


async def upgrade_and_close(request: web.Request) -> web.StreamResponse:
    """What some frameworks make of a call too many."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=1013, message=b"busy")
    return socket


async def refuse_upgrade(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


@contextlib.asynccontextmanager
async def application(answer: Callable[[Any], Awaitable[Any]]) -> AsyncIterator[str]:
    """An answer URL and the socket that it leads to, which stays with the call that it lost."""
    app = web.Application()
    app.router.add_get("/socket", holding_the_place(answer))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/socket"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("by_webhook", [True, False])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            refuse_upgrade,
            r" refused the call with HTTP 503: it takes no more calls \(vsock serve: --max-calls, --max-silent\)",
        ),
        (upgrade_and_close, r" was closed by the server with 1013 \(busy\) after \d+ ms"),
    ],
)
async def test_a_new_call_is_taken_where_its_socket_stays_open(answer: Any, expected: str, by_webhook: bool) -> None:
    """An answer URL that answers says nothing of it."""
    async with application(answer) as url, Application().running() as app:
        app.ncco = app.connect(uri=url)
        report = await suffer(app.answer_url if by_webhook else url, drop_after_s=0.1)

    assert "VS503" in codes(report)
    assert re.search(f"; it takes no new call: {re.escape(url)}{expected}$", taken(report))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (lambda: web.json_response([{"action": "talk", "text": "hi"}]), "; it takes a new call, within "),
        (lambda: web.Response(text="{}"), "/answer gave no NCCO: it is an object and must be an array"),
        (lambda: web.Response(status=500), "/answer gave HTTP 500 instead of 200"),
    ],
)
async def test_a_new_call_is_taken_where_its_answer_is_an_ncco(second: Any, expected: str) -> None:
    """One without a socket will do."""
    async with Application().running() as app:
        left = [second(), web.json_response(app.connect())]
        app.answer = left.pop
        report = await suffer(app.answer_url, drop_after_s=0.1)

    assert expected in taken(report)


async def test_the_time_until_a_new_call_is_taken_is_that_of_its_opening() -> None:
    """Not with our own hundred milliseconds on it, nor with a close that nobody answers."""
    async with echo_server() as url:
        report = await suffer(url, drop_after_s=0.1)
    (taken_ms,) = re.findall(r"within (\d+) ms", taken(report))

    assert int(taken_ms) < 100


# What is the server's own.


async def test_a_fault_before_the_strike_is_the_servers_own() -> None:
    """A crash that no drill has a part in is told."""

    async def crash(connection: websockets.asyncio.server.ServerConnection) -> None:
        for _ in range(10):
            await connection.send(await connection.recv(decode=False))
        connection.transport.abort()

    async with websockets.asyncio.server.serve(crash, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        report = await suffer(url, duration_ms=2000, drop_after_s=1.5)

    assert ["VS308"] == [code for code in codes(report) if code in ("VS308", "VS318")]
    assert "nothing: the call ended before" == report["drills"][0]["did"]


async def test_bad_frames_of_ours_hide_no_samples_of_the_servers_own() -> None:
    """One that speaks big-endian by itself is told of it."""
    samples = (8000 * np.sin(np.arange(8000 * 4) * 0.1 * (1 + np.arange(8000 * 4) / 64_000))).astype(">i2").tobytes()

    async def speak(connection: websockets.asyncio.server.ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for start in range(0, len(samples), 320):
                await connection.recv()
                await connection.send(samples[start : start + 320])

    async with websockets.asyncio.server.serve(speak, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        report = await suffer(url, duration_ms=2500, bad_frames=1)

    assert ["VS107"] == codes(report)


async def test_a_server_that_fails_where_connected_is_held_back_is_no_finding() -> None:
    """It is what the drill does, and the report says so."""

    async def text_first(connection: websockets.asyncio.server.ServerConnection) -> None:
        assert isinstance(await connection.recv(), str)

    async with websockets.asyncio.server.serve(text_first, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        report = await suffer(url, duration_ms=2000, late_connected=True)
    (row,) = report["drills"]

    assert [] == codes(report)
    assert (0, "websocket:connected is held back") == (row["at_s"], row["did"])
    assert row["took"].startswith("it closed with 1011 ")


async def test_a_second_socket_that_is_closed_at_once_was_refused() -> None:
    """An upgrade alone takes nothing."""
    async with application(upgrade_and_close) as url, Application().running() as app:
        app.ncco = app.connect(uri=url)
        report = await suffer(app.answer_url, answer_twice=True)

    expected = "it refused the second socket, which was closed by the server with 1013 (busy) before any audio"

    assert expected == taken(report)


# Drills on the webhooks.


async def test_a_refused_socket_fails_as_the_platform_says_it() -> None:
    """A synchronous connect is answered with an NCCO that takes over; no exit code of ours for it."""
    async with Application(event_answers={"failed": [{"action": "talk", "text": "sorry"}]}).running() as app:
        app.ncco = [{**app.connect()[0], "eventType": "synchronous"}]
        report = await suffer(app.answer_url, refuse=True)

    assert [] == codes(report)
    assert ("failed", "socket") in app.events()
    assert [] == app.to("/socket")
    assert "it was told failed and answered with an NCCO of 1 action, which takes over" == taken(report)


async def test_a_second_try_after_a_refusal_is_let_through() -> None:
    """The fallback that tries once more is seen to work."""
    async with Application().running() as app:
        app.ncco = [{**app.connect()[0], "eventType": "synchronous"}]
        app.event_answers = {"failed": app.connect()}
        report = await suffer(app.answer_url, refuse=True)

    assert 1 == len(app.to("/socket")) == report["legs"]


async def test_only_an_ncco_takes_over_after_a_refusal() -> None:
    """A body of another kind is told as what it is."""
    async with Application().running() as app:
        app.ncco = [{**app.connect()[0], "eventType": "synchronous"}]
        app.event_answers = {"failed": "OK"}
        report = await suffer(app.answer_url, refuse=True)

    assert taken(report).startswith("it was told failed and answered with what is no NCCO (it is a text and must be ")


@pytest.mark.parametrize(("synchronous", "expected"), [(True, "answered with nothing"), (False, "isn't synchronous")])
async def test_a_refusal_that_nobody_has_an_answer_to(synchronous: bool, expected: str) -> None:
    """The call goes on with its next action, and here ends."""
    async with Application().running() as app:
        app.ncco = [{**app.connect()[0], **({"eventType": "synchronous"} if synchronous else {})}]
        report = await suffer(app.answer_url, refuse=True)

    assert "frames_sent" not in report
    assert expected in taken(report)


async def test_an_answer_asked_twice_opens_two_sockets() -> None:
    """With the same uuid in both requests; both are served until the caller hangs up."""
    async with Application().running() as app:
        report = await suffer(app.answer_url, answer_twice=True)
    uuids = {request.query["uuid"] for request in app.to("/answer")}

    assert (2, 1, 2) == (len(app.to("/answer")), len(uuids), len(app.to("/socket")))
    assert taken(report).startswith("both sockets were taken: ")
    assert 1000 == report["close_code"]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("status", "it answered the second request with HTTP 500"),
        ("nothing", "its second answer leads to no socket"),
        ("nonsense", "its second answer is of no use: isn't JSON"),
        ("closed port", "it refused the second socket: can't reach ws://127.0.0.1:1/"),
    ],
)
async def test_a_second_answer_may_lead_nowhere(second: str, expected: str) -> None:
    """The first call is made all the same."""
    async with Application().running() as app:
        answers = {
            "status": lambda: web.Response(status=500),
            "nothing": lambda: web.json_response([{"action": "talk", "text": "hi"}]),
            "nonsense": lambda: web.Response(text="{", content_type="application/json"),
            "closed port": lambda: web.json_response(app.connect(uri="ws://127.0.0.1:1/")),
        }
        first = web.json_response(app.connect())
        left = [answers[second](), first]
        app.answer = left.pop
        report = await suffer(app.answer_url, answer_twice=True)

    assert 1000 == report["close_code"]
    assert taken(report).startswith(expected)


async def test_after_a_broken_call_the_answer_url_is_asked_for_a_new_one() -> None:
    """With another uuid, and its socket is opened; an address in an NCCO may be good for one call only."""
    async with Application().running() as app:
        report = await suffer(app.answer_url, drop_after_s=0.1)
    uuids = {request.query["uuid"] for request in app.to("/answer")}

    assert (2, 2) == (len(uuids), len(app.to("/socket")))
    assert "it takes a new call" in taken(report)


async def test_a_drill_acts_on_the_first_socket_only() -> None:
    """A second one, such as a fallback's, is spared."""
    async with Application().running() as app:
        app.ncco = [{**app.connect()[0], "eventType": "synchronous"}]
        app.event_answers = {"disconnected": app.connect()}
        report = await suffer(app.answer_url, drop_after_s=0.1)

    assert (2, 1000) == (report["legs"], report["close_code"])
    assert "it closed its end after " in taken(report)


async def test_where_no_socket_is_opened_a_drill_says_that_it_did_nothing() -> None:
    """A call of talk alone."""
    async with Application(ncco=[{"action": "talk", "text": "hi"}]).running() as app:
        reports = [await suffer(app.answer_url, **drills) for drills in ({"jitter_ms": 5}, {"refuse": True})]

    assert ["nothing: no socket was opened", "nothing: the NCCO opens no websocket"] == [
        report["drills"][0]["did"] for report in reports
    ]


async def test_hanging_up_ends_a_drill_at_once() -> None:
    """A cable cut for 90 s doesn't keep who wants to go."""
    async with echo_server(ping_interval=None) as url:
        plan = LegPlan(audio_format=RATE_8K)
        order = CallOrder(
            target=url, audio=lambda fmt: PcmSource(PCM, fmt), plan=plan, drills=Drills(half_open_after_s=0.0)
        )
        phone = VonageCall(order, observers=[lambda event: phone.hang_up() if isinstance(event, DrillStruck) else None])
        async with asyncio.timeout(5):
            report = await phone.run()

    assert "new call" not in taken(report)


async def test_a_server_that_never_answers_the_probe_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded time is given."""
    from vonage_sock.simulator.drills import running as drilling

    monkeypatch.setattr(drilling, "PROBE_WAIT_S", 0.1)
    connections = 0

    async def first_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            await asyncio.Event().wait()
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", inner)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    async with echo_server() as url, raw_server(first_only) as port:
        inner = int(url.rsplit(":", 1)[1].rstrip("/"))
        report = await suffer(f"ws://127.0.0.1:{port}/", drop_after_s=0.1)

    assert ["VS503"] == codes(report)
    assert taken(report).endswith("it takes no new call: nothing within 0.1 s")


async def test_hanging_up_while_a_new_call_is_tried_keeps_the_report() -> None:
    """Only that trial is given up."""
    phones: list[VonageCall] = []
    connections = 0

    async def first_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            phones[0].hang_up()
            await asyncio.Event().wait()
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", inner)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    async with echo_server() as url, raw_server(first_only) as port, asyncio.timeout(PATIENCE_S):
        inner = int(url.rsplit(":", 1)[1].rstrip("/"))
        order = CallOrder(
            target=f"ws://127.0.0.1:{port}/",
            audio=lambda fmt: PcmSource(PCM, fmt),
            plan=LegPlan(audio_format=RATE_8K),
            drills=Drills(drop_after_s=0.1, jitter_ms=1),
        )
        phones.append(VonageCall(order))
        report = await phones[0].run()

    assert ["drop-after", "jitter"] == [row["drill"] for row in report["drills"]]
    assert report["drills"][0]["took"].startswith("it closed its end after ")
    assert not [row for row in report["drills"] if "new call" in row["took"]]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()
