"""Anybody's server, examined from its answer URL to its event URL: each fault is a line, and its cure stands below."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from tests.doctor.fakes import Fake, Told, examine, server_tls, serving
from vonage_sock import Server
from vonage_sock.behaviours.echo import Echo
from vonage_sock.doctor import examination
from vonage_sock.doctor.checks import Result
from vonage_sock.transport.tls import trusting

GOOD = [
    "-credentials",
    "+DNS",
    "+connection",
    "-TLS",
    "+tunnel page",
    "+redirects",
    "+HTTP",
    "+answer time",
    "+clock",
    "+NCCO",
    "+socket address",
    "+upgrade",
    "+first frames",
    "-pace",
    "+event URL",
]


def answering(status: int = 200, text: str = "", **headers: str) -> Callable[[web.Request], Any]:
    """An answer URL that gives this."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def test_nothing_is_wrong_with_a_good_server_and_everything_was_tried() -> None:
    """By GET and POST, and one call on the socket that the NCCO names."""
    async with serving(Fake()) as fake:
        told = await examine(fake.url)

    assert GOOD == told.names
    assert [("GET", "/answer"), ("GET", "/socket"), ("POST", "/event")] == fake.asked
    assert "completed" == fake.events[0]["status"]


async def test_our_own_server_is_healthy() -> None:
    """As it is started on this machine, by its base address."""
    async with Server(behaviours=lambda: [Echo()], port=0) as server:
        told = await examine(server.addresses.answer_url.removesuffix("/webhooks/answer"))

    assert GOOD == told.names
    assert "an echo after" in told.of("first frames").message


async def test_a_server_with_tls_is_believed_by_its_own_authority(tmp_path: Path) -> None:
    """Answer, socket and events go by TLS."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(Fake(), tls=server_tls(authority.issue_cert("127.0.0.1"))) as fake:
        told = await examine(fake.url, trust=trusting(tmp_path / "ca.pem"), own_authority=True)
        unknown = await examine(fake.url)

    assert [name.replace("-TLS", "+TLS") for name in GOOD] == told.names
    assert "by --ca or a public authority" in told.of("TLS").message
    assert [
        "+DNS",
        "+connection",
        "xTLS",
        "-HTTP",
        "-NCCO",
        "-upgrade",
        "-first frames",
        "-event URL",
    ] == unknown.names[1:]


@pytest.mark.parametrize(
    ("answer", "fault", "cure"),
    [
        (answering(404), "HTTP: GET gives 404", "name the answer URL with its whole path"),
        (answering(302, Location="/login"), "redirects: HTTP 302 to /login", "it leads to a login"),
        (answering(404, "ERR_NGROK_3200"), "tunnel page: the ngrok tunnel of this name is offline", "start the tunnel"),
        (answering(200, "<html>ERR_NGROK_6024"), "tunnel page: ngrok's warning page", "shown to browsers only"),
        (answering(530, "error code: 1033"), "tunnel page: Cloudflare knows the name", "start the tunnel"),
        (answering(200, "<Response><Say>hi"), "NCCO: VS402 NCCO: the NCCO isn't JSON", "Let a JSON library write it"),
        (answering(200, "[" * 2000), "NCCO: VS402", "Let a JSON library write it"),
        (answering(200, "x" * (300 * 1024)), "HTTP: http", "look at the server's log"),
        (answering(200, '[{"action":"talk","text":"a"}]' * 2), "NCCO: VS402", "Let a JSON library write it"),
    ],
    ids=["404", "redirect", "ngrok offline", "ngrok page", "1033", "TwiML", "deep", "long", "twice"],
)
async def test_each_fault_of_an_answer_ends_the_way_and_has_its_cure(answer: Any, fault: str, cure: str) -> None:
    """What builds on it isn't tried, and nothing is posted that nobody named."""
    async with serving(Fake(answer=answer)) as fake:
        told = await examine(fake.url)

    (found,) = told.faults
    assert f"{found.name}: {found.message}".startswith(fault)
    assert cure in found.cures[0]
    assert ["-upgrade", "-first frames", "-event URL"] == told.names[-3:]
    assert [("GET", "/answer")] == fake.asked


async def test_an_answer_that_is_broken_off_is_a_sentence() -> None:
    """And so is one that comes too late, after which no more is waited for."""

    async def break_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(Fake(answer=break_off)) as fake:
        told = await examine(fake.url)

    assert "closed the connection without an answer" in told.of("HTTP").message


async def hang_up(ws: web.WebSocketResponse) -> None:
    """Fail, as a handler does."""
    await ws.receive()
    await ws.close(code=1011, message=b"Internal error")


async def flood_of_odd_frames(ws: web.WebSocketResponse) -> None:
    """What isn't audio."""
    for _ in range(20):
        await ws.send_str("\x1b[31mhello")
    async for _ in ws:
        pass


async def one_message(ws: web.WebSocketResponse) -> None:
    """A second of speech at once."""
    await ws.send_bytes(bytes(32000))
    async for _ in ws:
        pass


@pytest.mark.parametrize(
    ("talk", "said"),
    [(one_message, "VS101"), (hang_up, "closed the socket after"), (flood_of_odd_frames, "VS301")],
    ids=["one message", "1011", "no JSON"],
)
async def test_each_fault_of_a_socket_is_told(talk: Any, said: str) -> None:
    """How it ended, or what it sent; the event is posted all the same."""
    async with serving(Fake(talk=talk)) as fake:
        told = await examine(fake.url)

    frames = told.of("first frames")
    assert said in " ".join([frames.message, *frames.cures])
    assert "+event URL" == told.names[-1]


async def test_an_upgrade_that_is_refused_leaves_the_frames_untried() -> None:
    """With the status and its cure."""
    async with serving(Fake(upgrade=answering(401))) as fake:
        told = await examine(fake.url)
        direct = await examine(fake.socket_url)

    assert ["xupgrade", "-first frames", "+event URL"] == told.names[-3:]
    assert ["xupgrade", "-first frames"] == direct.names[-2:]
    assert "HTTP 401 in place of 101" == direct.of("upgrade").message


async def test_an_ncco_that_leads_to_no_socket_or_to_none_that_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A talk alone is fine, there is nothing to call, and nothing is posted to an address that nobody named."""
    connect = {"action": "connect", "endpoint": [{"type": "websocket", "uri": "ws://127.0.0.1:0/x"}]}
    async with serving(Fake(ncco=[{"action": "talk", "text": "hi"}])) as fake:
        silent = await examine(fake.url)
        fake.ncco = [connect]
        nowhere = await examine(fake.url)

    assert ["+NCCO", "-upgrade", "-first frames", "-event URL"] == silent.names[-4:]
    assert "no websocket" in silent.of("upgrade").message
    assert "is none that can be opened" in nowhere.of("socket address").message


async def test_what_a_public_server_names_on_this_machine_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a fault, as Vonage can't come there; and a stranger mustn't lead us about our own network."""
    local = {"127.0.0.2"}
    monkeypatch.setattr("vonage_sock.doctor.addresses.is_local_host", lambda host: host in local)
    endpoint = {"type": "websocket", "uri": "ws://127.0.0.2:9/x", "content-type": "audio/l16;rate=16000"}
    ncco = [{"action": "connect", "eventUrl": ["http://127.0.0.2:9/event"], "endpoint": [endpoint]}]
    async with serving(Fake(ncco=ncco)) as fake:
        told = await examine(fake.url)

    assert ["xsocket address", "-upgrade", "-first frames", "xevent URL"] == told.names[-4:]
    assert "isn't touched" in told.of("upgrade").message


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (answering(500), "POST gives 500"),
        (answering(404), "POST gives 404"),
        (answering(302, Location="/x"), "HTTP 302"),
    ],
)
async def test_an_event_url_that_fails_is_a_fault(event: Any, said: str) -> None:
    """It is the NCCO's."""
    async with serving(Fake(event=event)) as fake:
        told = await examine(fake.url)

    (found,) = told.faults
    assert said in found.message


async def test_an_event_url_can_be_named_and_the_method_too() -> None:
    """The NCCO's own is left alone then, also where a socket is examined."""
    async with serving(Fake()) as other, serving(Fake()) as fake:
        await examine(fake.url, event_url=f"{other.base}/event", method="POST")
        await examine(fake.socket_url, event_url=f"{other.base}/event")

    assert [("POST", "/event")] * 2 == other.asked
    assert [("POST", "/answer"), ("GET", "/socket"), ("GET", "/socket")] == fake.asked


async def test_requests_are_signed_where_there_is_a_secret() -> None:
    """As Vonage does: the answer URL's, the socket's and the event's."""
    signed: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        signed.append(request.headers.get("Authorization", "")[:7])
        return web.json_response(fake.good_ncco())

    async with serving(Fake(answer=answer)) as fake:
        await examine(fake.url, signature_secret="x" * 32)
        await examine(fake.url)

    assert ["Bearer ", ""] == signed


async def test_an_examination_has_an_end() -> None:
    """Whatever hangs; what was found stays."""
    asked = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(30)
        return web.Response()

    async with serving(Fake(answer=hang)) as fake:
        told = await examine(fake.url, whole_s=0.3)

    assert asked.is_set()
    assert ["-TLS", "xtime"] == told.names[-2:]
    assert "more than 0.3 s in all" in told.of("time").message


async def test_a_server_that_is_not_there_is_one_fault() -> None:
    """Nothing else is tried."""
    told: Told = await examine("http://127.0.0.1:9")

    assert ["connection"] == [check.name for check in told.faults]
    assert Result.SKIPPED is told.of("event URL").result


async def test_without_a_url_and_credentials_our_own_server_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it listens without options."""
    expected = examination.LOCAL
    async with serving(Fake()) as fake:
        monkeypatch.setattr(examination, "LOCAL", fake.url)
        await examine(None)

    assert "http://127.0.0.1:8000/webhooks/answer" == expected
    assert ("GET", "/answer") == fake.asked[0]
