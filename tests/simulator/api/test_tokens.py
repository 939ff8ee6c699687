"""Who may ask."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulator.api.conftest import APPLICATION, Keys, new_keys
from vonage_sock.errors import UsageError
from vonage_sock.simulator.api.tokens import TokenCheck, TokenRefusedError

NOW = 1_800_000_000
GOOD: dict[str, Any] = {"application_id": APPLICATION, "iat": NOW, "jti": "x", "exp": NOW + 900}


def refusal(check: TokenCheck, authorization: str | None) -> str:
    """Why; empty where there is no reason."""
    try:
        check.check(authorization, now_s=NOW)
    except TokenRefusedError as error:
        return str(error)
    return ""


def test_an_application_s_token_is_taken(keys: Keys) -> None:
    """With its public key, with the private one in its place, and unchecked; exp may be left out."""
    token = f"Bearer {keys.token(**GOOD)}"
    short = f"bearer  {keys.token(**{key: value for key, value in GOOD.items() if key != 'exp'})}"
    checks = [
        TokenCheck(public_key=keys.public, application_id=APPLICATION),
        TokenCheck(public_key=keys.private.encode()),
        TokenCheck(),
    ]

    assert ["", "", ""] == [refusal(check, token) for check in checks]
    assert ["", "", ""] == [refusal(check, short) for check in checks]
    assert [True, True, False] == [check.verifies for check in checks]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"application_id": None}, "no application_id"),
        ({"application_id": 7}, "no application_id"),
        ({"application_id": "other"}, "another application"),
        ({"jti": None}, "no jti"),
        ({"jti": 3}, "no jti"),
        ({"iat": None}, "no iat"),
        ({"iat": "x"}, "iat isn't a number"),
        ({"iat": True}, "iat isn't a number"),
        ({"iat": -1}, "iat isn't a number"),
        ({"iat": NOW * 1000}, "iat is in milliseconds"),
        ({"iat": NOW + 100}, "100 s in the future"),
        ({"exp": NOW - 100}, "expired 100 s ago"),
        ({"exp": NOW + 86_401}, "more than 24 hours"),
        ({"exp": None, "iat": NOW - 1000}, "expired 100 s ago"),
        ({"nbf": NOW + 100}, "isn't valid yet"),
    ],
)
def test_a_wrong_claim_is_named(keys: Keys, changed: dict[str, Any], why: str) -> None:
    """One sentence says which."""
    claims = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
    check = TokenCheck(public_key=keys.public, application_id=APPLICATION)

    assert why in refusal(check, f"Bearer {keys.token(**claims)}")


def test_clocks_may_differ_by_a_minute(keys: Keys) -> None:
    """Either way."""
    check = TokenCheck(public_key=keys.public)
    early = {**GOOD, "iat": NOW + 59, "nbf": NOW + 59}
    late = {**GOOD, "iat": NOW - 900, "exp": NOW - 59}

    assert ["", ""] == [refusal(check, f"Bearer {keys.token(**claims)}") for claims in (early, late)]


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        (None, "no Authorization"),
        ("", "no Authorization"),
        ("Basic eDp5", "isn't a Bearer token"),
        ("Bearer", "empty"),
        ("Bearer " + "x" * 9_000, "far too long"),
        ("Bearer x.y.z", "can't be read"),
        ("Bearer \ud800", "can't be read"),
        ("Bearer " + "." * 50, "can't be read"),
    ],
)
def test_what_is_no_token_is_refused(keys: Keys, authorization: str | None, why: str) -> None:
    """Whatever it is, and checked or not."""
    for check in (TokenCheck(public_key=keys.public), TokenCheck()):
        assert why in refusal(check, authorization)


def test_only_the_application_s_own_key_counts(keys: Keys) -> None:
    """Another's signature is refused, but where signatures aren't checked."""
    token = f"Bearer {new_keys().token(**GOOD)}"

    assert "signature" in refusal(TokenCheck(public_key=keys.public), token)
    assert "" == refusal(TokenCheck(), token)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_the_algorithm_is_rs256_and_nothing_else(keys: Keys, algorithm: str) -> None:
    """A public key mustn't be taken for a secret, nor no signature for one."""
    parts = [{"alg": algorithm, "typ": "JWT"}, GOOD]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    token = f"Bearer {'.'.join(encoded)}.AAAA"

    for check in (TokenCheck(public_key=keys.public), TokenCheck()):
        assert f"{algorithm!r} and must be with RS256" in refusal(check, token)


def test_a_token_of_an_array_is_refused(keys: Keys) -> None:
    """A signature over it may be right."""
    token = jwt.api_jws.encode(b"[1]", keys.private, algorithm="RS256")

    assert "can't be read" in refusal(TokenCheck(public_key=keys.public), f"Bearer {token}")


def test_a_file_that_is_no_rsa_key_is_told() -> None:
    """Nothing of PEM, and the key of another kind."""
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(UsageError, match="BEGIN PUBLIC KEY"):
        TokenCheck(public_key=b"hello")
    with pytest.raises(UsageError, match="BEGIN PUBLIC KEY"):
        TokenCheck(public_key=b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(UsageError, match="isn't an RSA key"):
        TokenCheck(public_key=pem)
