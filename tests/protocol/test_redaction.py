from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.protocol import redaction
from vonage_sock.protocol.redaction import is_secret_name, keep_secret, redact, redact_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def none_kept() -> Iterator[None]:
    """What a test keeps is forgotten."""
    yield
    redaction._KEPT.clear()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"got {JWT}.", "got ***"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer ***"),
        ("Bearer s3cr3t-value", "Bearer ***"),
        ("Bearer abcdefghijklmnopqrstuvwxyz", "Bearer ***"),
        ("Basic dXNlcjpwYXNz=", "Basic ***"),
        ("wss://user:pa55@host/socket", "wss://***@host/socket"),
        ("https://host/a?x=1&token=abc&y=2", "https://host/a?x=1&token=***&y=2"),
        ("https://host/a?key=abc#part", "https://host/a?key=***#part"),
        ("x-auth-token=abc, api_secret='q'", "x-auth-token=***, api_secret='q'"),
        ('{"api_secret": "a\\"b", "n": 1}', '{"api_secret": "***", "n": 1}'),
        ("{'password':'abc", "{'password':'***'"),
        ("got x-api-key: hunter, and more", "got x-api-key: ***, and more"),
        ("api_secret: hunter\nnext: line", "api_secret: ***\nnext: line"),
        ("Authorization: hunter", "Authorization: ***"),
        ("authorization: Digest hunter; more", "authorization: Digest ***; more"),
        ("X-Auth-Token:abc", "X-Auth-Token:***"),
        ("token: s3cr3t, and token: token: 12345x", "token: ***, and token: token: ***"),
        ("password: hunter", "password: ***"),
        ("Set-Cookie: a=1; session=xyz\nHost: x", "Set-Cookie: ***\nHost: x"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nrest", "***\nrest"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***"),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, shown: str) -> None:
    """Tokens, passwords in addresses, named values and private keys are hidden; what is around them stays."""
    assert shown == redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12:00:00 c1 connect 16 kHz from 127.0.0.1:5000",
        "a bearer token is missing",
        "https://host/answer?from=447700900001&to=2",
        "the basic rule: an hour",
        "key 1 · keys=12",
        "the signature: it is wrong",
        "token: see SECURITY.md for more",
        "secret://host and a host token:8080 there",
        "Authorization: Bearer ***",
        "author=me token",
        "mailto:someone@example.com",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    """Words about secrets are none."""
    assert text == redact_text(text)


def test_what_was_kept_is_hidden_wherever_it_stands() -> None:
    """Also in the form in which an address says it."""
    keep_secret("a b/c+d")

    assert "<***> and *** and ***" == redact_text("<a b/c+d> and a%20b%2Fc%2Bd and a b/c+d")


@pytest.mark.parametrize("value", [None, "", "abc"])
def test_what_is_too_short_to_be_told_from_other_text_is_not_kept(value: str | None) -> None:
    """Hiding each "a" would garble everything and hide nothing."""
    keep_secret(value)

    assert "abc" == redact_text("abc")


def test_values_are_hidden_by_the_name_they_stand_under() -> None:
    """At any depth, in lists and tuples too; how a value is built, and that there is none, stays."""
    value = {
        "token": "abc",
        "Authorization": {"type": "custom", "value": "Bearer x", "more": ["y", 1]},
        "nested": [{"client_secret": 5, "n": 1}, ("https://a:b@c/", JWT)],
        "password": None,
        "auth": True,
        "apiKey": "",
        3: "three",
    }

    assert {
        "token": "***",
        "Authorization": {"type": "custom", "value": "***", "more": ["***", "***"]},
        "nested": [{"client_secret": "***", "n": 1}, ["https://***@c/", "***"]],
        "password": None,
        "auth": True,
        "apiKey": "",
        3: "three",
    } == redact(value)


def test_keys_may_hold_secrets_too() -> None:
    """A key is text like any other."""
    assert {"***": 1, "n": {"type": "***"}} == redact({JWT: 1, "n": {"type": JWT}})


@pytest.mark.parametrize(
    ("name", "secret"),
    [("authorization", True), ("signature_secret", True), ("X-API-Key", True), ("jwt", True), ("author", False)],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    """Names of fields, headers and options."""
    assert secret == is_secret_name(name)


@given(st.text(st.sampled_from("eyJ.:/@?&=\"' token Bearer***123")))
def test_hiding_twice_changes_nothing(text: str) -> None:
    """What is shown may have gone through before."""
    assert redact_text(text) == redact_text(redact_text(text))


def test_a_long_text_is_gone_through_quickly() -> None:
    """No form makes the work grow with the square of the length."""
    text = ("a" * 5000 + "=") * 10 + "://" * 5000 + "eyJ" * 5000 + '"token' * 5000

    assert 0 < len(redact_text(text))


@pytest.mark.parametrize(
    "piece",
    [
        "\\",
        "= ://",
        "a.-",
        "token",
        "token=",
        "token:",
        "token: a ",
        "Cookie: ",
        '"token":',
        '"token":"\\',
        "Bearer ",
        "eyJ",
        "?key",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_awkward_text_is_read_once(piece: str) -> None:
    """A stranger's text of any length and form costs no more than its length: else this would never end."""
    text = f'"token":"{piece * 20_000}\n'

    assert len(redact_text(text)) <= len(text) + 20_000 * len("***")
    assert "*" in redact_text(text)


def test_a_secret_may_hold_line_breaks_and_quotes() -> None:
    """As JSON in a text of JSON has them."""
    assert '{"token": "***"} rest' == redact_text('{"token": "s3cr\net \\" value"} rest')
