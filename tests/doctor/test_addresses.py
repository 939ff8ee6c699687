"""Addresses, read without asking anybody."""

from __future__ import annotations

import pytest

from vonage_sock.doctor.addresses import Place, Target, base_of, is_address, read_target, same_address
from vonage_sock.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example", Target("https://a.example/webhooks/answer", assumed=True)),
        ("http://a.example:8000/", Target("http://a.example:8000/webhooks/answer", assumed=True)),
        ("https://a.example/answer?x=1", Target("https://a.example/answer?x=1")),
        ("https://a.example/?x=1", Target("https://a.example/?x=1")),
        ("wss://a.example", Target("wss://a.example")),
    ],
)
def test_a_base_address_stands_for_the_usual_answer_url(text: str, expected: Target) -> None:
    """Whatever has a path or a query is taken as it is, and a socket has no answer URL."""
    assert expected == read_target(text)


@pytest.mark.parametrize(
    "text", ["", "example.com", "ftp://a", "https://", "http://a:0", "http://a:b", "http://a b", "http://[x"]
)
def test_what_is_no_address_is_one_sentence(text: str) -> None:
    """With what to give instead."""
    with pytest.raises(UsageError, match="give a base address"):
        read_target(text)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://A.example/x", Place("a.example", 443, secure=True)),
        ("ws://a.example:81", Place("a.example", 81, secure=False)),
        ("wss://[2001:db8::1]/s", Place("2001:db8::1", 443, secure=True)),
    ],
)
def test_a_place_is_a_host_and_a_port_with_or_without_tls(url: str, expected: Place) -> None:
    """A web page and a websocket at one host are in one place."""
    assert expected == Target(url).place


@pytest.mark.parametrize(
    ("host", "local", "tunnel"),
    [
        ("x.ngrok-free.app", False, "ngrok"),
        ("a.b.trycloudflare.com", False, "cloudflared"),
        ("notngrok.io", False, None),
        ("localhost", True, None),
        ("10.1.2.3", True, None),
    ],
)
def test_a_host_says_whose_tunnel_it_is_and_whether_it_is_near(host: str, tunnel: str | None, *, local: bool) -> None:
    """By its whole labels."""
    place = Place(host, 443, secure=True)

    assert (local, tunnel) == (place.is_local, place.tunnel)


def test_addresses_are_the_same_where_a_request_goes_to_the_same() -> None:
    """Letters' case of hosts, usual ports, queries and the websocket's scheme make no difference; paths do."""
    assert same_address("https://A.example/x", "wss://a.example:443/x?y=1")
    assert not same_address("https://a.example/x", "https://a.example/x/")
    assert not same_address("https://a.example/x", "http://a.example/x")
    assert ["https://a.example", "http://[::1]:81"] == [base_of("wss://a.example/x"), base_of("http://[::1]:81/")]
    assert not is_address(7, frozenset({"https"}))
