"""What a server is told, and the addresses that follow from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.errors import UsageError
from vonage_sock.server.config import (
    Addresses,
    Engine,
    ServerConfig,
    check_base_url,
    is_host,
    local_url,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.ngrok.app", "https://example.ngrok.app"),
        ("https://example.ngrok.app/", "https://example.ngrok.app"),
        ("http://10.0.0.1:8000/a/b/", "http://10.0.0.1:8000/a/b"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_base_url_loses_its_last_slash(url: str, expected: str) -> None:
    """So that paths can be put behind it."""
    assert expected == check_base_url(url)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("wss://example.com", "is a websocket address and must be the web server's"),
        ("ws://example.com/socket", "is a websocket address and must be the web server's"),
        ("example.com", "isn't a web address"),
        ("ftp://example.com", "isn't a web address"),
        ("https://", "isn't a web address"),
        ("https://user:secret@example.com", "isn't a web address"),
        ("https://example.com:0", "isn't a web address"),
        ("https://example.com:99999", "isn't an address"),
        ("https://[::1", "isn't an address"),
        ("https://exa mple.com", "isn't a web address"),
        ("https://example.com?x=1", "has something behind its path"),
        ("https://example.com#x", "has something behind its path"),
    ],
)
def test_what_cannot_be_a_base_url_is_refused_with_an_example(url: str, part: str) -> None:
    """Each likely mistake has its sentence."""
    with pytest.raises(UsageError) as caught:
        ServerConfig(url=url)

    assert part in str(caught.value)
    assert str(caught.value).endswith("give it as https://example.ngrok.app")


def test_metadata_that_vonage_would_refuse_is_refused_at_once() -> None:
    """Not at the first call."""
    with pytest.raises(UsageError, match="takes 611 bytes as JSON and Vonage allows 512"):
        ServerConfig(headers={"a": "x" * 603})


def test_an_engine_may_be_given_by_its_name() -> None:
    """As on the command line; what runs is what was asked for."""
    assert [Engine.AIOHTTP, Engine.DIRECT] == [
        ServerConfig(engine="aiohttp").engine,
        ServerConfig(engine="direct").engine,
    ]


def test_an_engine_that_there_is_not_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(UsageError, match="engine 'warp' is none of auto, direct, aiohttp"):
        ServerConfig(engine="warp")  # type: ignore[arg-type]  # what a program without types may give


@pytest.mark.parametrize(
    ("base", "socket"),
    [("https://a.example/x", "wss://a.example/x/socket"), ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/socket")],
)
def test_the_addresses_follow_from_the_base(base: str, socket: str) -> None:
    """Secure sockets wherever the base is secure."""
    addresses = Addresses(base)

    assert (f"{base}/webhooks/answer", f"{base}/webhooks/event", socket) == (
        addresses.answer_url,
        addresses.event_url,
        addresses.socket_url,
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_a_server_on_all_addresses_is_reached_on_this_machines(host: str, expected: str) -> None:
    """The address to try it with."""
    assert expected == local_url(host, 80)


@given(st.text())
def test_a_host_is_a_host_and_nothing_else(text: str) -> None:
    """Whatever stands in a header, what is taken as a host holds no letter that could end it in a URL."""
    if is_host(text):
        assert not set(text) & set("/?#@\\ \"'<>\r\n")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://Example.com/", "https://example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("null", "null"),
        ("*", "*"),
        ("example.com", None),
        ("https://example.com/page", None),
        ("https://", None),
        ("", None),
    ],
)
def test_an_origin_is_that_of_a_web_page(origin: str, expected: str | None) -> None:
    """As browsers write it; a bare host is the likely mistake."""
    if expected is None:
        with pytest.raises(UsageError, match=r"isn't the origin of a web page; give it as https://example\.com"):
            ServerConfig(allowed_origins=(origin,))
    else:
        assert (expected,) == ServerConfig(allowed_origins=(origin,)).allowed_origins


def test_a_secret_is_in_no_text_about_the_settings() -> None:
    """Nor is what sockets must show."""
    config = ServerConfig(signature_secret="hush hush hush")
    text = repr(config)

    assert ("hush" not in text, config.socket_token not in text) == (True, True)


def test_what_sockets_must_show_is_another_in_each_run() -> None:
    """And too long to be guessed."""
    tokens = {ServerConfig().socket_token for _ in range(10)}

    assert (10, True) == (len(tokens), min(map(len, tokens)) >= 32)
