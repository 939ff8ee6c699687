"""The server's webhooks, and many calls at once."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import time

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from wire import BINARY, TEXT, Keeper, RawClient, Seen, connected_text, numbered_frames, request, serving, socket_url

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import (
    AnswerRequested,
    Connected,
    Ended,
    Event,
    EventPosted,
    FindingRaised,
    Notice,
    ServerStarted,
    ServerStopped,
    StatsUpdated,
)
from vonage_sock.errors import ListenError
from vonage_sock.limits import Limits
from vonage_sock.protocol import jsontext
from vonage_sock.server.config import ServerConfig
from vonage_sock.server.listening import why_not_listening
from vonage_sock.transport import Patience

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
JSON = "Content-Type: application/json\r\n"
CALL = {"from": "447700900001", "to": "442079460000", "uuid": "u-1", "conversation_uuid": "CON-1"}
FLOODED = Limits(messages_burst=1_000_000)
"""Of tests whose caller sends more than anybody may."""

FALLBACK = [{"action": "talk", "text": "sorry"}, {"action": "notify", "eventUrl": ["{event_url}"]}]


def endpoint(ncco: list[dict]) -> dict:
    """The websocket that an NCCO connects to."""
    return ncco[-1]["endpoint"][0]


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        ("GET", "/webhooks/answer?from=447700900001&to=442079460000&uuid=u-1&conversation_uuid=CON-1", "", b""),
        ("POST", "/webhooks/answer", JSON, json.dumps(CALL).encode()),
        ("POST", "/webhooks/answer?uuid=u-1&from=447700900001", FORM, b"to=442079460000&conversation_uuid=CON-1"),
        ("POST", "/webhooks/answer", "", b"\r\n" + json.dumps(CALL).encode()),
    ],
    ids=["query", "json", "form over query", "no content type"],
)
async def test_the_answer_is_an_ncco_that_leads_here(method: str, target: str, headers: str, body: bytes) -> None:
    """However the parameters come, the call is connected to our socket and can be told apart there."""
    seen = Seen()
    async with serving(list, seen) as server:
        status, fields, content = await request(server, method, target, headers=headers, body=body)
        base = f"127.0.0.1:{server.port}"

    expected = [
        {
            "action": "connect",
            "eventUrl": [f"http://{base}/webhooks/event"],
            "eventMethod": "POST",
            "from": "442079460000",
            "endpoint": [
                {
                    "type": "websocket",
                    "uri": f"ws://{base}/socket",
                    "content-type": "audio/l16;rate=16000",
                    "headers": {
                        "uuid": "u-1",
                        "from": "447700900001",
                        "to": "442079460000",
                        "conversation_uuid": "CON-1",
                    },
                }
            ],
        }
    ]
    assert 200 == status
    assert fields["content-type"].startswith("application/json")
    assert expected == json.loads(content)
    assert (method, CALL, expected) == (
        (event := seen.all(AnswerRequested)[0]).method,
        event.params,
        event.ncco,
    )


@pytest.mark.parametrize(
    ("headers", "host", "base"),
    [
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.ngrok.app\r\n", "127.0.0.1:1", "wss://a.ngrok.app"),
        ("X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: a.example, b\r\n", None, "wss://a.example"),
        ("X-Forwarded-Proto: https\r\n", "b.ngrok.app", "wss://b.ngrok.app"),
        ("X-Forwarded-Proto: javascript\r\n", "c.example:8000", "ws://c.example:8000"),
        ("", "[::1]:8000", "ws://[::1]:8000"),
        ("", 'evil.example/"><script>', None),
        ("", "user@evil.example", None),
        ("X-Forwarded-Host: x y\r\n", None, None),
        ("", "", None),
    ],
)
async def test_the_ncco_names_the_address_that_the_platform_sees(
    headers: str, host: str | None, base: str | None
) -> None:
    """Behind a tunnel it is the tunnel's, else the request's own host; one that can't be a host is never repeated."""
    async with serving(list) as server:
        _, _, content = await request(server, "GET", "/webhooks/answer", headers=headers, host=host)
        local = f"ws://127.0.0.1:{server.port}"

    assert f"{base or local}/socket" == endpoint(json.loads(content))["uri"]


async def test_a_given_url_goes_before_everything_a_request_says() -> None:
    """The configured public address stands in the NCCO, with its path, and in what is told at the start."""
    seen = Seen()
    async with serving(list, seen, url="https://calls.example/vsock/") as server:
        _, _, content = await request(server, "GET", "/webhooks/answer", host="other.example")
        server.publish("https://new.example")
        _, _, later = await request(server, "GET", "/webhooks/answer")

    assert "wss://calls.example/vsock/socket" == endpoint(json.loads(content))["uri"]
    assert ["https://calls.example/vsock/webhooks/event"] == json.loads(content)[0]["eventUrl"]
    assert "wss://calls.example/vsock/socket" == seen.all(ServerStarted)[0].socket_url
    assert "wss://new.example/socket" == endpoint(json.loads(later))["uri"]


@pytest.mark.parametrize("number", ["+442079460000", "Anonymous", "44 20", "", "4420794600001234567"])
async def test_only_a_plain_number_becomes_from(number: str) -> None:
    """Vonage refuses anything but digits there."""
    async with serving(list) as server:
        _, _, content = await request(
            server, "POST", "/webhooks/answer", headers=JSON, body=json.dumps({"to": number}).encode()
        )

    assert "from" not in json.loads(content)[0]


@pytest.mark.parametrize(
    ("letters", "kept"), [(200, ["uuid", "from", "to"]), (215, ["uuid", "from"]), (230, []), (250, [])]
)
async def test_the_headers_stay_within_512_bytes(letters: int, kept: list[str]) -> None:
    """The user's own metadata stays; what tells the call apart is left out from the end."""
    own = {"note": "ü" * letters}
    async with serving(list, headers=own) as server:
        _, _, content = await request(
            server, "POST", "/webhooks/answer", headers=JSON, body=json.dumps(CALL | {"uuid": "u" * 36}).encode()
        )
    headers = endpoint(json.loads(content))["headers"]

    assert ["note", *kept] == list(headers)
    assert jsontext.size_bytes(headers) <= 512


async def test_hostile_parameters_are_data_and_no_more() -> None:
    """Lone surrogates, deep values and odd types give an NCCO like any other call."""
    body = b'{"uuid":"\\ud800","from":["x"],"to":{"a":1},"conversation_uuid":null,"extra":[[[1]]]}'
    async with serving(list) as server:
        status, _, content = await request(server, "POST", "/webhooks/answer", headers=JSON, body=body)

    assert (200, {"uuid": "\ud800"}) == (status, endpoint(json.loads(content))["headers"])


async def test_a_greeting_comes_first() -> None:
    """A talk action before the connect."""
    async with serving(list, greeting="Hello <b>") as server:
        _, _, content = await request(server, "GET", "/webhooks/answer")

    assert [("talk", "Hello <b>"), ("connect", None)] == [(a["action"], a.get("text")) for a in json.loads(content)]


async def test_a_users_own_ncco_is_filled_in() -> None:
    """The placeholders become the addresses that the platform sees; the rest is served as it is."""
    ncco = [
        {"action": "talk", "text": "{name}"},
        {"action": "connect", "eventUrl": ["{event_url}?a=1"], "endpoint": [{"uri": "{socket_url}?x=1"}]},
    ]
    async with serving(list, ncco=ncco) as server:
        _, _, content = await request(
            server, "GET", "/webhooks/answer", headers="X-Forwarded-Proto: https\r\n", host="a.example"
        )

    assert [
        {"action": "talk", "text": "{name}"},
        {
            "action": "connect",
            "eventUrl": ["https://a.example/webhooks/event?a=1"],
            "endpoint": [{"uri": "wss://a.example/socket?x=1"}],
        },
    ] == json.loads(content)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
@pytest.mark.parametrize("greeting", [None, "Hello"])
async def test_vonages_own_models_accept_the_ncco(rate_hz: int, greeting: str | None) -> None:
    """
    The official SDK builds the same JSON from the same values.

    Its models read field names, not the JSON's own keys, and insist on ``from_``: so the keys are renamed on the way in,
    and what it writes must be what we serve.
    """
    from vonage_voice.models import Connect, Talk
    from vonage_voice.models.connect_endpoints import WebsocketEndpoint

    config = {"audio_format": AudioFormat(rate_hz), "greeting": greeting, "fallback": FALLBACK, "headers": {"a": [1]}}
    async with serving(list, **config) as server:
        _, _, content = await request(server, "POST", "/webhooks/answer", headers=JSON, body=json.dumps(CALL).encode())
    ncco = json.loads(content)
    *before, ours = ncco
    socket_endpoint = endpoint(ncco)
    theirs = Connect(
        **{key: value for key, value in ours.items() if key not in ("from", "endpoint")},
        from_=ours["from"],
        endpoint=[
            WebsocketEndpoint(
                **{key: value for key, value in socket_endpoint.items() if key != "content-type"},
                contentType=socket_endpoint["content-type"],
            )
        ],
    )

    assert ours == theirs.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert before == [Talk(**talk).model_dump(mode="json", by_alias=True, exclude_none=True) for talk in before]
    assert f"audio/l16;rate={rate_hz}" == socket_endpoint["content-type"]


@pytest.mark.parametrize("path", ["/webhooks/event", "/webhooks/events"])
@pytest.mark.parametrize(
    ("method", "query", "headers", "body"),
    [
        ("GET", "?status=ringing&uuid=u-1&conversation_uuid=CON-1", "", b""),
        ("POST", "", JSON, b'{"status":"ringing","uuid":"u-1","conversation_uuid":"CON-1"}'),
        ("POST", "", FORM, b"status=ringing&uuid=u-1&conversation_uuid=CON-1"),
    ],
)
async def test_events_are_told_and_answered_with_204(
    path: str, method: str, query: str, headers: str, body: bytes
) -> None:
    """An empty answer: to anything else Vonage may object."""
    seen = Seen()
    async with serving(list, seen) as server:
        status, _, content = await request(server, method, path + query, headers=headers, body=body)
    event = seen.all(EventPosted)[0]

    assert (204, b"") == (status, content)
    assert ("ringing", "u-1", "CON-1") == (event.status, event.uuid, event.conversation_uuid)
    assert {"status": "ringing", "uuid": "u-1", "conversation_uuid": "CON-1"} == event.body


@pytest.mark.parametrize(
    ("status", "expected"),
    [("failed", 200), ("unanswered", 200), ("disconnected", 200), ("answered", 204), ("completed", 204), ("x", 204)],
)
async def test_a_failed_socket_is_answered_with_the_fallback(status: str, expected: int) -> None:
    """Only those events of a synchronous connect may be answered with an NCCO."""
    async with serving(list, fallback=FALLBACK) as server:
        got, _, content = await request(
            server, "POST", "/webhooks/event", headers=JSON, body=json.dumps({"status": status}).encode()
        )
        _, _, answer = await request(server, "GET", "/webhooks/answer")
        base = f"http://127.0.0.1:{server.port}"

    assert expected == got
    assert "synchronous" == json.loads(answer)[0]["eventType"]
    if expected == 200:
        assert [FALLBACK[0], {"action": "notify", "eventUrl": [f"{base}/webhooks/event"]}] == json.loads(content)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_fallback_route(method: str) -> None:
    """It gives the fallback NCCO where there is one, else nothing."""
    async with serving(list, fallback=FALLBACK[:1]) as server:
        with_one = await request(server, method, "/webhooks/fallback")
    async with serving(list) as server:
        without = await request(server, method, "/webhooks/fallback")

    assert (200, FALLBACK[:1]) == (with_one[0], json.loads(with_one[2]))
    assert (204, b"") == (without[0], without[2])


@pytest.mark.usefixtures("each_engine")
async def test_health_counts_the_open_calls() -> None:
    """For whoever watches the process, also with a HEAD as load balancers ask."""
    seen = Seen()
    async with serving(list, seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        await seen.next(Connected)
        status, _, content = await request(server, "GET", "/health")
        head_status, _, head_content = await request(server, "HEAD", "/health")
        await client.close()

    assert (200, {"status": "ok", "calls": 1}) == (status, json.loads(content))
    assert (200, b"") == (head_status, head_content)


async def test_the_socket_without_an_upgrade_explains_itself() -> None:
    """A browser there gets 426 and one sentence."""
    async with serving(list) as server:
        status, fields, content = await request(server, "GET", "/socket")

    assert (426, "websocket") == (status, fields["upgrade"])
    assert b"This address takes WebSockets: give it to Vonage in an NCCO, or try it with vsock call.\n" == content


@pytest.mark.parametrize("path", ["/webhooks/answer", "/webhooks/event", "/webhooks/fallback"])
@pytest.mark.parametrize(
    "body", [b"{'single': 1}", b"[1]", b"{", b"\xff", b'{"a":NaN}', b"[" * 50_000, b'{"a":' * 40 + b"1" + b"}" * 40]
)
async def test_a_body_that_cannot_be_read_is_refused_and_told(path: str, body: bytes) -> None:
    """400 with the reason, and a finding."""
    seen = Seen()
    async with serving(list, seen) as server:
        status, _, content = await request(server, "POST", path, headers=JSON, body=body)
    finding = seen.all(FindingRaised)[0]

    assert (400, f"{finding.message}\n") == (status, content.decode())
    assert "VS410" == finding.code


@pytest.mark.parametrize("headers", [JSON, FORM, "Content-Type: multipart/form-data; boundary=x\r\n"])
async def test_a_body_over_64_kib_is_refused(headers: str) -> None:
    """413, for each kind of body."""
    async with serving(list) as server:
        status, _, _ = await request(server, "POST", "/webhooks/event", headers=headers, body=b"a" * (64 * 1024 + 1))

    assert 413 == status


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Type: application/x-www-form-urlencoded; charset=nonsense\r\n", b"a=1"),
        (FORM, b"a=\xff\xfe&%ff=%zz&=&&a"),
        ("Content-Type: ;;;\r\n", b'{"a":1}'),
    ],
)
async def test_an_odd_form_is_read_as_far_as_it_goes(headers: str, body: bytes) -> None:
    """Nothing in a form makes the server fail."""
    async with serving(list) as server:
        status, _, _ = await request(server, "POST", "/webhooks/event?a=%ff&%00=1", headers=headers, body=body)

    assert 204 == status


async def test_other_paths_and_methods_are_refused() -> None:
    """404 and 405."""
    async with serving(list) as server:
        statuses = [
            (await request(server, method, path))[0]
            for method, path in (("GET", "/"), ("GET", "/socket/x"), ("PUT", "/webhooks/answer"), ("POST", "/socket"))
        ]

    assert [404, 404, 405, 405] == statuses


async def test_bytes_that_are_not_http_disturb_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """They are answered with 400 or not at all, no traceback is logged, and the next request is served."""
    caplog.set_level(logging.WARNING)
    async with serving(list) as server:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\r\n" * 50, b"GET / HTTP/9.9\r\n\r\n"):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(garbage)
            await writer.drain()
            writer.close()
        status, _, _ = await request(server, "GET", "/health")

    assert 200 == status
    assert [] == [record for record in caplog.records if record.exc_info]


@pytest.mark.usefixtures("each_engine")
async def test_more_calls_than_allowed_are_refused_before_the_upgrade() -> None:
    """503 with the reason; when a call ends there is room again."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen, max_calls=1) as server:
        async with connect(socket_url(server)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(socket_url(server))
        await seen.next(Ended)
        async with connect(socket_url(server)) as again:
            await again.send(bytes(640))

    assert 503 == refused.value.response.status_code
    assert refused.value.response.body is not None
    assert refused.value.response.body.startswith(b"No more calls now: 1 call is open already")
    assert ["a call was refused"] == [notice.message.split(":")[0] for notice in seen.all(Notice)]


async def test_ipv6_is_listened_on() -> None:
    """And the addresses are written as they must be; a machine without IPv6 is told so."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        with pytest.raises(ListenError, match="::1"):
            await serving(host="::1").start()
        return
    async with serving(host="::1") as server:
        async with connect(f"ws://[::1]:{server.port}/socket") as client:
            await client.send(connected_text())
            await client.send(bytes(640))
            echo = await client.recv()
        base = f"http://[::1]:{server.port}"

    assert bytes(640) == echo
    assert base == server.addresses.base_url


async def test_a_port_in_use_is_one_sentence() -> None:
    """With what to do about it."""
    async with serving() as server:
        with pytest.raises(ListenError) as caught:
            await serving(port=server.port).start()

    assert (
        f"port {server.port} is in use on 127.0.0.1; choose another with --port (0 picks a free one) "
        "or stop the other program"
    ) == str(caught.value)


@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("192.0.2.1", "192.0.2.1 isn't an address of this machine; use 127.0.0.1, or 0.0.0.0 for all of them"),
        ("no.such.host.invalid", "'no.such.host.invalid' isn't an address or a known name"),
        ("a..b", "'a..b' isn't an address or a known name"),
        ("x" * 300, "isn't an address or a known name"),
    ],
)
async def test_an_address_that_is_not_ours_is_one_sentence(host: str, part: str) -> None:
    """Whether it is somebody else's or nobody's."""
    with pytest.raises(ListenError) as caught:
        await serving(host=host).start()

    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(errno.EACCES, "denied"), "ports below 1024 need rights"),
        (OSError(errno.EADDRNOTAVAIL, "no"), "isn't an address of this machine"),
        (OSError("could not bind on any address out of [('192.0.2.1', 80)]"), "isn't an address of this machine"),
        (OverflowError("port must be 0-65535."), "can't listen on 127.0.0.1:80: port must be 0-65535."),
    ],
)
def test_why_a_port_cannot_be_listened_on(error: Exception, part: str) -> None:
    """Each reason that a system gives has its sentence."""
    assert part in why_not_listening(ServerConfig(port=80), error)


class Fails(Behaviour):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        self._where = where

    def connected(self, call: Call) -> None:
        if self._where == "connected":
            raise RuntimeError("on purpose")

    def audio(self, call: Call, frame: bytes) -> None:
        if self._where == "audio":
            raise RuntimeError("on purpose")

    def due_at(self) -> int | None:
        return 1 if self._where == "due" else None

    def due(self, call: Call) -> None:
        raise RuntimeError("on purpose")


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("where", ["making", "connected", "audio", "due"])
async def test_a_behaviour_that_fails_ends_its_own_call_only(where: str) -> None:
    """That call is closed with 1011 and told; the other goes on, and new ones are taken."""
    seen, made = Seen(), []

    def behaviours() -> list[Behaviour]:
        made.append(1)
        if len(made) != 2:
            return [Echo()]
        if where == "making":
            raise RuntimeError("on purpose")
        return [Fails(where)]

    async with serving(behaviours, seen) as server, connect(socket_url(server)) as good:
        await good.send(connected_text())
        async with connect(socket_url(server)) as bad:
            try:
                await bad.send(connected_text())
                await bad.send(bytes(640))
                async with asyncio.timeout(10):
                    await bad.recv()
            except ConnectionClosed:
                pass
        ended = await seen.next(Ended)
        await good.send(bytes(640))
        echo = await good.recv()
        async with connect(socket_url(server)) as third:
            await third.send(connected_text())
            await third.send(bytes(640))
            assert bytes(640) == await third.recv()

    assert (1011, "internal error") == (bad.close_code, bad.close_reason)
    assert ("server", 1011) == (ended.closed_by, ended.close_code)
    assert ["VS307"] == [finding.code for finding in seen.all(FindingRaised)]
    assert "RuntimeError: on purpose" in seen.all(FindingRaised)[0].message
    assert bytes(640) == echo


@pytest.mark.usefixtures("each_engine")
async def test_an_observer_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the call and the other observers go on."""
    seen = Seen()

    def broken(event: Event) -> None:
        raise RuntimeError("on purpose")

    async with serving(lambda: [Echo()], broken, seen) as server, connect(socket_url(server)) as client:
        await client.send(connected_text())
        await client.send(bytes(640))
        echo = await client.recv()

    assert bytes(640) == echo
    assert ["server.started", "call.connected", "call.ended", "server.stopped"] == [e.name for e in seen.events]
    assert "an observer failed on call.connected" in caplog.text


@pytest.mark.usefixtures("each_engine")
async def test_a_peer_that_never_reads_is_dropped_and_disturbs_nobody() -> None:
    """What waits for it is bounded; another call goes on; the reason is told before the end."""
    seen, frames = Seen(), numbered_frames(100)
    patience = Patience(stalled_after_s=0.3, check_every_s=0.1, max_waiting=500)
    async with serving(lambda: [Echo()], seen, patience=patience, limits=FLOODED) as server:
        deaf = await RawClient.open(server, receive_buffer=2048)
        deaf.send(TEXT, connected_text().encode())
        before = psutil.Process().memory_info().rss
        flood = asyncio.create_task(_flood(deaf))
        async with connect(socket_url(server)) as good:
            await good.send(connected_text())
            echoed = []
            for frame in frames:
                await good.send(frame)
                echoed.append(await good.recv())
            ended = await seen.next(Ended)
        grown = psutil.Process().memory_info().rss - before
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        await deaf.close()

    assert frames == echoed
    assert (1006, "network") == (ended.close_code, ended.closed_by)
    assert ended.call == (notice := seen.all(Notice)[0]).call
    assert f"{ended.call} is dropped: its other side doesn't read, and " in notice.message
    assert grown < 50_000_000


async def _flood(client: RawClient) -> None:
    while True:
        client.send(BINARY, bytes(640))
        await client.drain()
        await asyncio.sleep(0)


@pytest.mark.usefixtures("each_engine")
async def test_a_long_burst_to_a_peer_that_reads_is_no_stall() -> None:
    """A behaviour may send minutes of audio at once: nobody is dropped for it."""

    class Burst(Behaviour):
        """Sends 10,000 frames as soon as the call begins."""

        def connected(self, call: Call) -> None:
            call.send_audio(bytes(640 * 10_000))

    received = 0
    async with serving(lambda: [Burst()]) as server, connect(socket_url(server)) as client:
        await client.send(connected_text())
        async with asyncio.timeout(20):
            while received < 10_000:
                received += len(await client.recv()) // 640

    assert 10_000 == received


@pytest.mark.usefixtures("each_engine")
async def test_stopping_takes_no_longer_than_promised() -> None:
    """Nine callers that read get 1001 and the reason; a tenth that never reads can't hold the server up."""
    seen = Seen()
    server = serving(lambda: [Echo()], seen, patience=Patience(max_waiting=100_000), limits=FLOODED)
    await server.start()
    deaf = await RawClient.open(server, receive_buffer=2048)
    deaf.send(TEXT, connected_text().encode())
    for _ in range(15_000):
        deaf.send(BINARY, bytes(640))
        await deaf.drain()
    readers = []
    for _ in range(9):
        readers.append(await connect(socket_url(server)))
        await readers[-1].send(connected_text())
    await seen.next(Connected, 10)
    started_at = time.monotonic()
    await server.stop()
    took_s = time.monotonic() - started_at
    for reader in readers:
        await reader.wait_closed()
    await deaf.close()

    assert [(1001, "server stopping")] * 9 == [(reader.close_code, reader.close_reason) for reader in readers]
    assert {"server"} == {event.closed_by for event in seen.all(Ended)}
    assert (10, 0) == (server.calls_ended, server.live_calls)
    assert took_s < 3


@pytest.mark.usefixtures("each_engine")
async def test_a_stopping_server_takes_no_more_calls() -> None:
    """A socket that comes while the others are being closed is refused, and so is a webhook afterwards."""
    seen = Seen()
    server = serving(lambda: [Echo()], seen)
    await server.start()
    stubborn = await RawClient.open(server)
    stubborn.send(TEXT, connected_text().encode())
    await seen.next(Connected)
    stopping = asyncio.create_task(server.stop())
    await stubborn.receive_close()
    with pytest.raises(InvalidStatus) as refused:
        await connect(socket_url(server))
    await stubborn.close()
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)

    assert (503, b"No more calls now: the server is stopping.\n") == (
        refused.value.response.status_code,
        refused.value.response.body,
    )


@pytest.mark.usefixtures("each_engine")
async def test_two_hundred_calls_leave_nothing_behind() -> None:
    """No task, no descriptor, no entry; call ids are never used twice."""
    seen = Seen()
    async with serving(lambda: [Echo(), Keeper()], seen) as server:
        for number in range(1, 201):
            async with connect(socket_url(server)) as client:
                await client.send(connected_text())
                await client.send(bytes(640))
                await client.recv()
            await seen.next(Ended, number)
            if number == 10:
                tasks, files = len(asyncio.all_tasks()), psutil.Process().num_fds()
        left = len(asyncio.all_tasks()), psutil.Process().num_fds(), server.live_calls

    assert (tasks, files, 0) == left
    assert 200 == len({event.call for event in seen.all(Ended)})
    assert [ServerStopped(at=seen.events[-1].at, calls=200)] == seen.all(ServerStopped)


@pytest.mark.usefixtures("each_engine")
async def test_statistics_are_told_for_each_open_call() -> None:
    """When they are asked for."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen) as server:
        server.tell_stats("c1")
        async with connect(socket_url(server)) as client:
            await client.send(connected_text())
            await client.send(bytes(640))
            await client.recv()
            for call_id in server.calls:
                server.tell_stats(call_id)

    assert [("c1", 1, 1)] == [(e.call, e.frames_in, e.frames_out) for e in seen.all(StatsUpdated)]


@pytest.mark.usefixtures("each_engine")
async def test_errors_are_counted_for_the_exit_code() -> None:
    """Once for each code that is an error, not for warnings."""
    seen = Seen()
    async with serving(lambda: [Fails("connected")], seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, b"not json")
        client.send(TEXT, connected_text().encode())
        await client.receive_close()
        await client.close()
        await seen.next(Ended)

    assert 1 == server.error_findings
