"""Signed webhooks."""

from __future__ import annotations

import hashlib

import jwt
import pytest

from vonage_sock.protocol.signing import ALGORITHM, signed_authorization

SECRET = "a signature secret that is long enough for HS256"
ISSUED_AT_S = 1_700_000_000


def claims_of(header: str, *, secret: str = SECRET) -> dict[str, object]:
    """The claims of an ``Authorization`` header, once its signature is checked."""
    scheme, _, token = header.partition(" ")
    assert scheme == "Bearer"
    return jwt.decode(token, secret, algorithms=[ALGORITHM])


def test_a_signed_webhook_tells_the_hash_of_its_body() -> None:
    """The claims that Vonage documents, with SHA-256 of the raw body in hex."""
    header = signed_authorization(
        SECRET, body=b'{"a":1}', issued_at_s=ISSUED_AT_S, token_id="id-1", application_id="app-1"
    )

    assert {
        "iat": ISSUED_AT_S,
        "jti": "id-1",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(b'{"a":1}').hexdigest(),
        "application_id": "app-1",
    } == claims_of(header)


def test_a_request_without_a_body_has_no_hash() -> None:
    """A websocket's opening request is signed the same way, less what it hasn't."""
    header = signed_authorization(SECRET, body=None, issued_at_s=ISSUED_AT_S, token_id="id-1")

    assert {"iat": ISSUED_AT_S, "jti": "id-1", "iss": "Vonage"} == claims_of(header)


def test_an_empty_body_has_a_hash_too() -> None:
    """No bytes aren't no body."""
    header = signed_authorization(SECRET, body=b"", issued_at_s=ISSUED_AT_S, token_id="id-1")

    assert hashlib.sha256(b"").hexdigest() == claims_of(header)["payload_hash"]


def test_another_secret_does_not_verify() -> None:
    """Who doesn't know the secret can't sign."""
    header = signed_authorization(SECRET, body=None, issued_at_s=ISSUED_AT_S, token_id="id-1")

    with pytest.raises(jwt.InvalidSignatureError):
        claims_of(header, secret=SECRET[::-1])


def test_a_short_secret_signs_without_a_librarys_warning() -> None:
    """Warnings are errors here."""
    assert signed_authorization("short", body=None, issued_at_s=1, token_id="t").startswith("Bearer ")
