"""Who may come in: by values, and by real requests on both engines."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import RawClient, Seen, request, serving

from tests.signing_vectors import BODY, OK, SECRET, VECTORS, Vector
from vonage_sock import AudioFile, AudioFormat, CallOrder, LegPlan, VonageCall
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import AnswerRequested, EventPosted, FindingRaised
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.display.jsonlines import to_json
from vonage_sock.protocol.signing import signed_authorization
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import ServerConfig
from vonage_sock.server.gate import Gate, Visit, exposure

NOW_S = 1_700_000_000
PUBLIC = "https://calls.example"
HERE = Visit(remote="127.0.0.1", came_to="127.0.0.1:8000", host="127.0.0.1:8000")
NEIGHBOUR = Visit(remote="10.0.0.7", came_to="10.0.0.1:8000", host="10.0.0.1:8000")
TUNNEL = replace(HERE, host="calls.example", passed_on=True, forwarded_scheme="https")
JSON = "Content-Type: application/json\r\n"


def gate(**config: Any) -> Gate:
    """One at the vectors' time."""
    return Gate(ServerConfig(**config), ManualClock(wall_ns=NOW_S * SECOND))


def status_of(found: object) -> int:
    """That of a refusal; 101 for none."""
    return getattr(found, "status", 101)


def own_ncco(uri: str = "{socket_url}", **endpoint: object) -> list[dict[str, Any]]:
    """A user's NCCO, to a socket."""
    return [{"action": "connect", "endpoint": [{"type": "websocket", "uri": uri, **endpoint}]}]


# Sockets.


@pytest.mark.parametrize(
    ("visit", "config", "expected"),
    [
        (HERE, {}, 101),
        (replace(HERE, remote="::1", came_to="[::1]:8000", host="[::1]:8000"), {}, 101),
        (replace(HERE, remote="::ffff:127.0.0.1"), {}, 101),
        (replace(HERE, host="whoever.example"), {}, 401),
        (replace(HERE, passed_on=True), {}, 401),
        (NEIGHBOUR, {}, 401),
        (replace(NEIGHBOUR, remote=""), {}, 401),
        (replace(NEIGHBOUR, remote="fe80::1%eth0"), {}, 401),
        (HERE, {"url": PUBLIC}, 401),
        (TUNNEL, {"url": PUBLIC}, 401),
        (HERE, {"signature_secret": SECRET}, 101),
        (HERE, {"signature_secret": SECRET, "url": PUBLIC}, 401),
        (TUNNEL, {"url": PUBLIC, "socket_auth": False}, 101),
        (NEIGHBOUR, {"socket_auth": False, "signature_secret": SECRET}, 101),
    ],
)
def test_sockets_without_authorization_are_open_to_this_machine_only(
    visit: Visit, config: dict[str, Any], expected: int
) -> None:
    """And to nobody once there is a public address; what a tunnel passes on shows that there is one."""
    assert expected == status_of(gate(**config).check_socket(visit))


@pytest.mark.parametrize("visit", [HERE, TUNNEL, NEIGHBOUR], ids=["here", "tunnel", "neighbour"])
def test_what_the_ncco_asks_for_opens_the_socket(visit: Visit) -> None:
    """Letter by letter, but for the case of the scheme."""
    door = gate(url=PUBLIC)
    asked = door.authorization
    assert asked is not None
    value = asked["value"]
    shown = [(value,), (value.replace("Bearer", "bearer"),), (value[:-1],), (value.lower(),), (value, value), ("",)]

    assert ("custom", [101, 101, 401, 401, 401, 401]) == (
        asked["type"],
        [status_of(door.check_socket(replace(visit, authorizations=headers))) for headers in shown],
    )


def test_with_a_secret_the_ncco_asks_for_vonages_own_signature() -> None:
    """And with --no-auth for nothing."""
    assert [{"type": "vonage"}, None] == [
        gate(signature_secret=SECRET).authorization,
        gate(signature_secret=SECRET, socket_auth=False).authorization,
    ]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
@pytest.mark.parametrize("public", [True, False], ids=["public", "loopback"])
def test_each_vector_is_judged_as_listed_on_a_socket(vector: Vector, *, public: bool) -> None:
    """On loopback too: who shows a token is held to it, so that a wrong one is noticed; only without any it is open."""
    door = gate(signature_secret=SECRET, url=PUBLIC if public else None)
    visit = replace(HERE, authorizations=tuple(vector.make(SECRET, None, NOW_S)))
    if vector.repeated:
        door.check_socket(visit)
    open_to_all = not public and not visit.authorizations

    assert (101 if vector.socket == OK or open_to_all else 401) == status_of(door.check_socket(visit))


def test_another_value_on_open_loopback_is_no_hindrance() -> None:
    """Nothing is asked for there, so nothing is compared."""
    assert gate().check_socket(replace(HERE, authorizations=("Bearer old",))) is None


@pytest.mark.parametrize(
    ("ncco", "value", "expected"),
    [
        (own_ncco(authorization={"type": "custom", "value": "Basic mine"}), "Basic mine", 101),
        (own_ncco("{socket_url}?a=1", authorization={"type": "custom", "value": "Basic mine"}), "Basic mine", 101),
        (own_ncco("wss://calls.example/socket", authorization={"value": "Basic mine"}), "Basic mine", 101),
        (own_ncco("wss://elsewhere.example/socket", authorization={"value": "Basic mine"}), "Basic mine", 401),
        (own_ncco(authorization={"type": "custom", "value": "Basic mine"}), "Basic other", 401),
        (own_ncco(authorization={"type": "custom", "value": ["Basic mine"]}), "Basic mine", 401),
        (own_ncco(authorization={"type": "vonage"}), "Bearer a.b.c", 401),
    ],
)
@pytest.mark.parametrize("field", ["ncco", "fallback"])
@pytest.mark.parametrize("secret", [None, SECRET], ids=["no secret", "secret"])
def test_what_a_users_own_ncco_asks_for_opens_the_socket(
    ncco: list[dict[str, Any]], value: str, expected: int, field: str, secret: str | None
) -> None:
    """Where it leads here: the secrets of other sockets are none of ours."""
    door = gate(url=PUBLIC, signature_secret=secret, **{field: ncco})

    assert expected == status_of(door.check_socket(replace(TUNNEL, authorizations=(value,))))


def test_a_signed_socket_without_a_secret_says_what_is_missing() -> None:
    """As a user's own NCCO may ask for that."""
    refusal = gate(url=PUBLIC).check_socket(replace(TUNNEL, authorizations=("Bearer a.b.c",)))

    assert refusal is not None
    assert "without --signature-secret there is nothing to check it with" in refusal.numbers["reason"]


def test_a_users_own_ncco_is_given_what_it_lacks() -> None:
    """Only in endpoints that lead here; the secret of this run is nobody else's."""
    door = gate(url=PUBLIC)
    ours, asked = "wss://calls.example/socket", door.authorization
    kept = own_ncco("wss://elsewhere.example/socket") + own_ncco(ours, authorization=None) + [{"action": "talk"}]

    assert own_ncco(f"{ours}?a=1", authorization=asked) == door.fill(own_ncco(f"{ours}?a=1"), ours)
    assert kept == door.fill(kept, ours)
    assert own_ncco(ours) == gate(url=PUBLIC, socket_auth=False).fill(own_ncco(ours), ours)


@pytest.mark.parametrize(
    ("origins", "config", "expected"),
    [
        ((), {}, 101),
        (("https://evil.example",), {}, 403),
        (("null",), {}, 403),
        (("",), {}, 403),
        (("https://evil.example", "https://good.example"), {"allowed_origins": ("https://good.example",)}, 403),
        (("https://Good.example",), {"allowed_origins": ("https://good.example/",)}, 101),
        (("http://good.example",), {"allowed_origins": ("https://good.example",)}, 403),
        (("https://good.example.evil.example",), {"allowed_origins": ("https://good.example",)}, 403),
        (("null",), {"allowed_origins": ("null",)}, 101),
        (("https://evil.example",), {"allowed_origins": ("*",)}, 101),
        (("http://127.0.0.1:8000",), {}, 101),
        (("http://127.0.0.1:8001",), {}, 403),
        (("https://evil.example",), {"socket_auth": False}, 403),
    ],
)
def test_a_web_page_opens_no_socket(origins: tuple[str, ...], config: dict[str, Any], expected: int) -> None:
    """Unless it was named, or is ours: old clients of Vonage's name the host that they call."""
    assert expected == status_of(gate(**config).check_socket(replace(HERE, origins=origins)))


def test_the_public_name_as_an_origin_is_ours() -> None:
    """With or without a scheme; it still needs its authorization."""
    door = gate(url=PUBLIC)
    value = (door.authorization or {})["value"]
    shown = [
        replace(TUNNEL, origins=(origin,), authorizations=authorizations)
        for origin in ("https://calls.example", "calls.example")
        for authorizations in ((value,), ())
    ]

    assert [101, 401, 101, 401] == [status_of(door.check_socket(visit)) for visit in shown]


# Addresses.


@pytest.mark.parametrize(
    ("visit", "expected"),
    [
        (HERE, "http://127.0.0.1:8000"),
        (replace(HERE, host="localhost:9000"), "http://localhost:9000"),
        (replace(HERE, host="evil.example"), "http://127.0.0.1:8000"),
        (replace(HERE, host=""), "http://127.0.0.1:8000"),
        (TUNNEL, "https://calls.example"),
        (replace(TUNNEL, host="127.0.0.1:8000", forwarded_host="calls.example"), "https://calls.example"),
        (replace(TUNNEL, forwarded_host='x"y'), "http://127.0.0.1:8000"),
        (replace(TUNNEL, forwarded_scheme="javascript"), "http://calls.example"),
        (NEIGHBOUR, "http://10.0.0.1:8000"),
        (replace(NEIGHBOUR, host="evil.example"), "http://10.0.0.1:8000"),
        (replace(NEIGHBOUR, host="localhost:8000"), "http://localhost:8000"),
        (
            replace(NEIGHBOUR, host="evil.example", forwarded_host="evil.example", passed_on=True),
            "http://10.0.0.1:8000",
        ),
        (replace(HERE, scheme="https", came_to="[::1]:8443", host="[::1]:8443"), "https://[::1]:8443"),
    ],
)
def test_our_address_is_what_a_tunnel_on_this_machine_says_or_our_own(visit: Visit, expected: str) -> None:
    """Never what anybody else puts into Host or into forwarded headers."""
    assert expected == gate().addresses(visit).base_url


def test_a_name_that_was_listened_on_is_ours() -> None:
    """As it was given."""
    assert "http://box.lan:8000" == gate(host="box.lan").addresses(replace(NEIGHBOUR, host="box.lan:8000")).base_url


@pytest.mark.parametrize("visit", [HERE, TUNNEL, NEIGHBOUR, replace(TUNNEL, forwarded_host="evil.example")])
def test_a_known_public_address_is_the_only_one(visit: Visit) -> None:
    """Whoever asks, and whatever is forwarded."""
    door = gate()
    door.publish("https://calls.example/vsock/")

    assert "https://calls.example/vsock" == door.addresses(visit).base_url


@given(st.text(), st.text(), st.text(), st.booleans())
def test_any_headers_give_an_address(host: str, forwarded_host: str, scheme: str, passed_on: bool) -> None:
    """A request never makes this fail, and never chooses another scheme than the web's."""
    visit = replace(HERE, host=host, forwarded_host=forwarded_host, forwarded_scheme=scheme, passed_on=passed_on)

    assert gate().addresses(visit).base_url.startswith(("http://", "https://"))
    assert gate(url=PUBLIC).check_host(visit) is None or host not in ("calls.example", "127.0.0.1:8000")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("calls.example", 101),
        ("Calls.Example.:443", 101),
        ("calls.example:8443", 101),
        ("localhost:8000", 101),
        ("me.localhost:8000", 101),
        ("127.0.0.1:8000", 101),
        ("127.9.9.9:8000", 101),
        ("[::1]:8000", 101),
        ("localhost:9999", 101),
        ("localhost", 101),
        ("[0:0:0:0:0:0:0:1]:9999", 101),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("calls.example.evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("evil.example@calls.example", 421),
        ("10.0.0.1:8000", 421),
        ("", 421),
    ],
)
def test_only_our_own_names_are_answered_once_the_address_is_public(host: str, expected: int) -> None:
    """The public one, and those by which this machine knows itself, whichever of its ports leads to us."""
    assert expected == status_of(gate(url=PUBLIC).check_host(replace(HERE, host=host)))


@pytest.mark.parametrize(
    ("visit", "expected"),
    [
        (NEIGHBOUR, 421),
        (replace(HERE, passed_on=True), 421),
        (replace(HERE, origins=("http://localhost:9999",)), 403),
    ],
    ids=["neighbour", "passed on", "a page of another port"],
)
def test_another_port_of_this_machine_is_ours_to_its_own_programs_only(visit: Visit, expected: int) -> None:
    """Neither to others nor to a page that some program here shows in a browser."""
    door, visit = gate(url=PUBLIC), replace(visit, host="localhost:9999")

    assert expected == status_of(door.check_host(visit) or door.check_socket(visit))


@pytest.mark.parametrize(
    ("public", "host"),
    [
        ("https://[2001:db8::1]", "[2001:0DB8:0:0:0:0:0:1]"),
        ("https://[2001:db8:0:0::1]:8443", "[2001:db8::1]:8443"),
        ("https://[::ffff:192.0.2.1]", "[::ffff:c000:201]"),
    ],
)
def test_an_address_is_the_same_however_it_is_spelled(public: str, host: str) -> None:
    """As zeros may be left out of IPv6."""
    assert [101, 421] == [
        status_of(gate(url=public).check_host(replace(NEIGHBOUR, host=host))),
        status_of(gate(url=public).check_host(replace(NEIGHBOUR, host="[2001:db8::2]"))),
    ]


def test_the_address_that_was_connected_to_is_ours_too() -> None:
    """A neighbour looks whether we are well."""
    door = gate(url=PUBLIC, host="0.0.0.0")

    assert [101, 421] == [
        status_of(door.check_host(NEIGHBOUR)),
        status_of(door.check_host(replace(NEIGHBOUR, came_to="10.0.0.2:8000"))),
    ]


def test_without_a_public_address_any_name_is_answered() -> None:
    """A tunnel that nobody told us of has one."""
    assert gate().check_host(replace(HERE, host="whatever.example")) is None


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({}, "ask the answer URL for what opens the socket"),
        ({"socket_auth": False}, "open the socket"),
        ({"signature_secret": SECRET}, None),
    ],
)
def test_what_is_open_to_anybody_is_said(config: dict[str, Any], part: str | None) -> None:
    """With what closes it."""
    said = exposure(ServerConfig(url=PUBLIC, **config))

    assert (part is None) == (said is None)
    assert part is None or (part in str(said) and "--signature-secret" in str(said))


# Real requests.


async def post(server: VsockServer, headers: list[str], *, path: str = "/webhooks/event", body: bytes = BODY) -> int:
    """The status that a webhook is answered with."""
    lines = "".join(f"Authorization: {value}\r\n" for value in headers)
    status, _, _ = await request(server, "POST", path, headers=JSON + lines, body=body)
    return status


async def upgrade(server: VsockServer, *headers: str) -> int:
    """The status that an upgrade is answered with."""
    client = await RawClient.open(server, headers="".join(f"{line}\r\n" for line in headers))
    await client.close()
    return int(client.head.split()[1])


@pytest.mark.usefixtures("each_engine")
async def test_a_real_server_judges_all_vectors_as_listed() -> None:
    """Webhooks and sockets, with real requests; and it tells of what it refused in two lines."""
    seen, got = Seen(), {}
    async with serving(lambda: [Echo()], seen, url=PUBLIC, signature_secret=SECRET) as server:
        for vector in VECTORS:
            for kind, body in (("webhook", BODY), ("socket", None)):
                headers = vector.make(SECRET, body, int(time.time()))
                for _ in range(1 + vector.repeated):
                    lines = [f"Authorization: {value}" for value in headers]
                    status = await (post(server, headers) if body else upgrade(server, *lines))
                got[vector.name, kind] = OK if status in (101, 204) else status
        told = [(event.code, event.count) for event in seen.all(FindingRaised)]

    listed = {(v.name, kind): getattr(v, kind) for v in VECTORS for kind in ("webhook", "socket")}
    refused = [sum(status == 401 for (_, at), status in listed.items() if at == kind) for kind in ("webhook", "socket")]
    assert listed == got
    assert {("VS440", 1), ("VS441", 1)} == set(told)
    assert [refused[0] - 1, refused[1] - 1] == [event.count for event in seen.all(FindingRaised)[2:]]


@pytest.mark.parametrize("path", ["/webhooks/answer", "/webhooks/event", "/webhooks/events", "/webhooks/fallback"])
async def test_an_unsigned_body_is_never_parsed(path: str) -> None:
    """What isn't JSON is refused for its signature, and nothing of it told; with one it is looked at."""
    seen, body = Seen(), b"{no json"
    async with serving(list, seen, signature_secret=SECRET) as server:
        unsigned = await post(server, [], path=path, body=body)
        header = signed_authorization(SECRET, body=body, issued_at_s=int(time.time()), token_id="t-1")
        signed = await post(server, [header], path=path, body=body)

    assert (401, 400) == (unsigned, signed)
    assert ["VS440", "VS410"] == [event.code for event in seen.all(FindingRaised)]
    assert [] == [*seen.all(EventPosted), *seen.all(AnswerRequested)]


async def test_signed_webhooks_are_told_as_verified_and_others_as_not_known() -> None:
    """A GET's hash is told, right or wrong, and the call goes on."""
    seen, target = Seen(), "/webhooks/answer?from=33&to=44"
    query = json.dumps({"from": "33", "to": "44"}, separators=(",", ":")).encode()
    async with serving(list, seen, signature_secret=SECRET) as server:
        for number, hashed in enumerate((query, b"other", None)):
            header = signed_authorization(SECRET, body=hashed, issued_at_s=int(time.time()), token_id=f"t-{number}")
            await request(server, "GET", target, headers=f"Authorization: {header}\r\n")
        await post(server, VECTORS[0].make(SECRET, BODY, int(time.time())))
    async with serving(list, seen) as server:
        await request(server, "GET", target)
        await post(server, [])

    assert [(True, True), (True, False), (True, None), (None, None)] == [
        (event.verified, event.hash_matches) for event in seen.all(AnswerRequested)
    ]
    assert [(True, True), (None, None)] == [(event.verified, event.hash_matches) for event in seen.all(EventPosted)]


@pytest.mark.usefixtures("each_engine")
async def test_a_public_socket_opens_with_what_the_ncco_says_and_with_nothing_else() -> None:
    """From the answer to the upgrade, as the platform does it; the value isn't told to observers."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen, url=PUBLIC) as server:
        _, _, content = await request(server, "GET", "/webhooks/answer", host="calls.example")
        endpoint = json.loads(content)[0]["endpoint"][0]
        value = endpoint["authorization"]["value"]
        statuses = [
            await upgrade(server),
            await upgrade(server, f"Authorization: {value}"),
            await upgrade(server, f"Authorization: {value}", "Origin: https://evil.example"),
            await upgrade(server, f"Authorization: {value}", "Origin: https://calls.example"),
        ]
        strange, _, text = await request(server, "GET", "/health", host="evil.example")

    assert [401, 101, 403, 101] == statuses
    assert (421, b"This server isn't known by the name that was asked for.\n") == (strange, text)
    assert value not in repr(seen.events)
    assert ["VS441", "VS442", "VS443"] == [event.code for event in seen.all(FindingRaised)]


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("secret", [None, SECRET], ids=["random value", "signature"])
async def test_a_whole_call_gets_in_by_what_the_ncco_asks_for(secret: str | None) -> None:
    """Our own Vonage calls our own server at an address that is public; the value is shown by neither side."""
    seen, shown = Seen(), Seen()
    async with serving(lambda: [Echo()], seen, signature_secret=secret) as server:
        server.publish(server.addresses.base_url)
        order = CallOrder(
            target=server.addresses.answer_url,
            audio=AudioFile.shipped_clip(),
            plan=LegPlan(audio_format=AudioFormat(16000), duration_ns=SECOND // 10),
            signature_secret=secret,
        )
        report = await VonageCall(order, observers=[shown]).run()
    lines = [to_json(event, wall_ns=0, started_at=0) for event in (*seen.events, *shown.events)]
    asked = {text for line in lines for text in re.findall(r'"authorization":\{.*?\}', line)}

    assert ("platform", [], []) == (report["closed_by"], report["findings"], seen.all(FindingRaised))
    assert {
        '"authorization":{"type":"vonage"}' if secret else '"authorization":{"type":"custom","value":"***"}'
    } == asked
    assert {secret is not None or None} == {event.verified for event in seen.all(EventPosted)}


async def test_a_refusal_says_why_and_how_to_ask() -> None:
    """To who asks, in a sentence of ours, as HTTP wants it."""
    async with serving(list, signature_secret=SECRET) as server:
        status, fields, text = await request(server, "POST", "/webhooks/event", body=b"{}")

    assert (401, "Bearer", b"The request has no Authorization header.\n") == (status, fields["www-authenticate"], text)


async def test_the_way_in_is_closed_as_soon_as_a_tunnel_is_found() -> None:
    """Published after the first socket was opened without anything."""
    async with serving(lambda: [Echo()]) as server:
        before = await upgrade(server), server.is_public
        server.publish(PUBLIC)
        after = await upgrade(server), server.is_public

    assert ((101, False), (401, True)) == (before, after)


async def test_a_hundred_strangers_are_a_line_and_a_count() -> None:
    """Whatever they send."""
    seen = Seen()
    async with serving(list, seen, signature_secret=SECRET) as server:
        statuses = await asyncio.gather(*(post(server, [f"Bearer {number}"]) for number in range(100)))

    assert {401} == set(statuses)
    assert [("VS440", 1), ("VS440", 99)] == [(event.code, event.count) for event in seen.all(FindingRaised)]
