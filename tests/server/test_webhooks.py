"""The webhooks, as the platform and anybody else asks for them."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.client import connect
from wire import TEXT, RawClient, Seen, connected_text, request, serving, socket_url

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import (
    AnswerRequested,
    Connected,
    EventPosted,
    FindingRaised,
    ServerStarted,
)
from vonage_sock.protocol import jsontext

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
JSON = "Content-Type: application/json\r\n"
CALL = {"from": "447700900001", "to": "442079460000", "uuid": "u-1", "conversation_uuid": "CON-1"}
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
    authorization = endpoint(json.loads(content))["authorization"]

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
                    "authorization": authorization,
                }
            ],
        }
    ]
    assert 200 == status
    assert fields["content-type"].startswith("application/json")
    assert expected == json.loads(content)
    expected[0]["endpoint"][0]["authorization"] = {"type": "custom", "value": "***"}
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
        forwarded = "X-Forwarded-Host: other.example\r\nX-Forwarded-Proto: http\r\n"
        _, _, content = await request(server, "GET", "/webhooks/answer", headers=forwarded)
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
    """It gives the fallback NCCO where there is one, even if empty; else the answer's, and after a failed event words."""
    async with serving(list, fallback=FALLBACK[:1]) as server:
        with_one = await request(server, method, "/webhooks/fallback")
    async with serving(list, fallback=[]) as server:
        empty = await request(server, method, "/webhooks/fallback")
    async with serving(list) as server:
        answer = await request(server, method, "/webhooks/answer")
        without = await request(server, method, "/webhooks/fallback")
        event = json.dumps({"original_request": {"type": "event"}}).encode()
        lost = await request(server, "POST", "/webhooks/fallback", headers=JSON, body=event)
        query = "/webhooks/fallback?original_request=%7B%22type%22%3A%22event%22%7D"
        lost_by_get = await request(server, "GET", query)

    assert (200, FALLBACK[:1]) == (with_one[0], json.loads(with_one[2]))
    assert (204, b"") == (empty[0], empty[2])
    assert (200, "connect", json.loads(answer[2])) == (
        without[0],
        json.loads(without[2])[0]["action"],
        json.loads(without[2]),
    )
    assert ["talk", "talk"] == [json.loads(reply[2])[0]["action"] for reply in (lost, lost_by_get)]


@pytest.mark.usefixtures("each_engine")
async def test_webhooks_may_come_twice_and_in_any_order() -> None:
    """The platform sends again what it got no answer to: the answer is the same, events change nothing of a call."""
    seen = Seen()
    statuses = ["completed", "answered", "answered", "ringing", "completed"]
    async with serving(lambda: [Echo()], seen) as server, connect(socket_url(server)) as client:
        await client.send(connected_text())
        target = "/webhooks/answer?from=447700900001&to=442079460000&uuid=u-1"
        answers = [(await request(server, "GET", target))[2] for _ in range(2)]
        replies = []
        for status in statuses:
            body = json.dumps({"uuid": "u-1", "status": status}).encode()
            replies.append((await request(server, "POST", "/webhooks/event", headers=JSON, body=body))[0])
        await client.send(bytes(640))
        echo = await client.recv()

    assert answers[0] == answers[1]
    assert [204] * 5 == replies
    assert statuses == [event.status for event in seen.all(EventPosted)]
    assert bytes(640) == echo


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
