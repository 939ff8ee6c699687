"""The platform's own requests: what they carry, and how each failure reads."""

from __future__ import annotations

import asyncio
import hashlib
import json

import jwt
import pytest
from aiohttp import web
from answering import Application, raw_server, saying, silent

from vonage_sock.clock import SystemClock
from vonage_sock.errors import ConnectError
from vonage_sock.simulator.webhooks.web import MAX_ANSWER_BYTES, MAX_AUDIO_BYTES, NoAnswerError, Webhooks

SECRET = "a secret of thirty-two characters"
PARAMS = {"from": "447700900001", "to": "442079460000", "uuid": "u é&=+"}


def webhooks(**options: object) -> Webhooks:
    """With the system's clock."""
    return Webhooks(clock=SystemClock(), **options)  # type: ignore[arg-type]


def compact(value: object) -> bytes:
    """JSON without spaces, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def why_not(url: str, *, method: str = "GET", **options: object) -> str:
    """The sentence that fetching an answer fails with."""
    async with webhooks(**options) as hooks:
        with pytest.raises(ConnectError) as caught:
            await hooks.fetch_answer(url, PARAMS, method=method)
    return str(caught.value)


async def test_get_puts_the_parameters_behind_those_of_the_url() -> None:
    """Encoded so that they come out as they went in."""
    async with Application().running() as app, webhooks() as hooks:
        answer = await hooks.fetch_answer(f"{app.answer_url}?mine=1%202", PARAMS)

    assert (200, "application/json") == (answer.status, answer.content_type)
    assert {"mine": "1 2", **PARAMS} == app.requests[0].query
    assert b"" == app.requests[0].body


async def test_post_sends_compact_json() -> None:
    """As application/json, with the URL's own query left alone."""
    async with Application().running() as app, webhooks() as hooks:
        await hooks.fetch_answer(f"{app.answer_url}?mine=1", PARAMS, method="POST")
    request = app.requests[0]

    assert ("POST", {"mine": "1"}, PARAMS) == (request.method, request.query, request.json())
    assert "application/json" == request.headers["Content-Type"]
    assert "vsock (a simulated Vonage)" == request.headers["User-Agent"]


async def test_an_event_by_get_has_its_fields_in_the_query() -> None:
    """Texts as they are, the rest as JSON."""
    async with Application().running() as app, webhooks() as hooks:
        await hooks.post_event(f"{app.base}/event", {"status": "x", "headers": {"a": 1}, "n": None}, method="GET")

    assert {"status": "x", "headers": '{"a":1}', "n": "null"} == app.requests[0].query


async def test_a_secret_signs_each_request_anew() -> None:
    """HS256 over the exact bytes of the body, or a GET's parameters as compact JSON; no token is used twice."""
    async with Application().running() as app, webhooks(signature_secret=SECRET) as hooks:
        await hooks.post_event(f"{app.base}/event", {"status": "é"})
        await hooks.post_event(f"{app.base}/event", {"status": "é"})
        await hooks.fetch_answer(app.answer_url, PARAMS)
    tokens = [request.headers["Authorization"].removeprefix("Bearer ") for request in app.requests]
    claims = [jwt.decode(token, SECRET, algorithms=["HS256"]) for token in tokens]

    assert {"HS256"} == {jwt.get_unverified_header(token)["alg"] for token in tokens}
    assert [hashlib.sha256(request.body).hexdigest() for request in app.requests[:2]] == [
        claim["payload_hash"] for claim in claims[:2]
    ]
    assert hashlib.sha256(compact(PARAMS)).hexdigest() == claims[2]["payload_hash"]
    assert 3 == len({claim["jti"] for claim in claims})
    assert {"Vonage"} == {claim["iss"] for claim in claims}


async def test_without_a_secret_nothing_is_signed() -> None:
    """No Authorization at all."""
    async with Application().running() as app, webhooks() as hooks:
        await hooks.fetch_answer(app.answer_url, PARAMS)

    assert "Authorization" not in app.requests[0].headers


async def test_an_answer_without_a_type_has_none() -> None:
    """And isn't said to have the one that HTTP lets a reader assume."""
    async with raw_server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as port, webhooks() as hooks:
        answer = await hooks.post_event(f"http://127.0.0.1:{port}/", {})

    assert (200, "none") == (answer.status, answer.content_type)


async def test_a_redirect_is_not_followed() -> None:
    """It is an answer that isn't 200."""
    application = Application(answer=lambda: web.Response(status=302, headers={"Location": "/elsewhere"}))
    async with application.running() as app, webhooks() as hooks:
        answer = await hooks.fetch_answer(app.answer_url, PARAMS)

    assert (302, ["/answer"]) == (answer.status, [request.path for request in app.requests])


async def test_an_answer_that_never_ends_is_cut_off() -> None:
    """A quarter of a mebibyte is no NCCO."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    async with raw_server(endless) as port:
        url = f"http://127.0.0.1:{port}/answer"
        sentence = await why_not(url)

    assert f"{url} gave more than {MAX_ANSWER_BYTES // 1024} KiB, which is too much" == sentence


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[", b"HTTP/1.1 200 OK\r\n"])
async def test_an_answer_that_hangs_is_given_up(begins: bytes) -> None:
    """Before its head, in it, and within its body."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begins)
        await silent(reader, writer)

    async with raw_server(hang) as port:
        url = f"http://127.0.0.1:{port}/answer"
        sentence = await why_not(url, timeout_s=0.1)

    assert f"{url} didn't answer in time (the platform waits 1 s to connect and 0.1 s in all)" in sentence


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[", "gave what isn't HTTP, or only a part of it"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "gave what isn't HTTP, or only a part of it"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "gave what isn't HTTP, or only a part of it"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
            "gave what isn't HTTP, or only a part of it",
        ),
    ],
    ids=["closes", "closes in the body", "another protocol", "bad length", "bad gzip"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_something_else_answers(data: bytes, part: str, method: str) -> None:
    """One sentence."""
    async with raw_server(saying(data)) as port:
        sentence = await why_not(f"http://127.0.0.1:{port}/answer", method=method)

    assert part in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x",
        "https://127.0.0.1:1/x",
        "http://no.such.host.invalid/x",
        "http://a..b/x",
        "http://" + "a" * 70 + ".example/x",
        "http://127.0.0.1:99999/x",
        "http://[::1/x",
        "http:///x",
        "ftp://127.0.0.1/x",
        "no address",
        "http://127.0.0.1:1/é ü%zz",
        "http://\udc80/x",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_address_makes_more_than_a_sentence(url: str, method: str) -> None:
    """Whatever an NCCO has as its eventUrl."""
    async with webhooks() as hooks:
        with pytest.raises(ConnectError) as caught:
            await hooks.post_event(url, {"status": "started"}, method=method)

    assert str(caught.value).startswith((f"can't reach {url}: ", f"{url!r} isn't a web address that can be asked"))
    assert "\n" not in str(caught.value)


async def test_audio_is_fetched_whole() -> None:
    """Far more than an answer may be."""
    async with Application(files={"/a": bytes(MAX_ANSWER_BYTES * 2)}).running() as app, webhooks() as hooks:
        audio = await hooks.fetch_audio(f"{app.base}/a")

    assert MAX_ANSWER_BYTES * 2 == len(audio)


async def test_audio_that_never_ends_is_cut_off() -> None:
    """At 20 MiB."""
    async with Application(files={"/a": bytes(MAX_AUDIO_BYTES + 1)}).running() as app, webhooks() as hooks:
        with pytest.raises(ConnectError, match="gave more than 20480 KiB"):
            await hooks.fetch_audio(f"{app.base}/a")


async def test_a_broken_connection_is_tried_once_more() -> None:
    """For an answer; for an event only where its answer may be an NCCO."""
    asked: list[int] = []

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(1)

    async with raw_server(close) as port, webhooks() as hooks:
        url = f"http://127.0.0.1:{port}/x"
        counts = []
        for ask in (hooks.fetch_answer(url, PARAMS), hooks.post_event(url, {}), hooks.post_event(url, {}, tries=2)):
            with pytest.raises(NoAnswerError):
                await ask
            counts.append(len(asked))
            asked.clear()

    assert [2, 1, 2] == counts
