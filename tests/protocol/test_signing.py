"""Signed webhooks."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vonage_jwt import verify_signature

from tests.signing_vectors import BODY, OK, SECRET, VECTORS, Vector, claims, signed
from vonage_sock.errors import UsageError
from vonage_sock.protocol.replays import MEMORY_BYTES, Replays
from vonage_sock.protocol.signing import (
    ALGORITHM,
    Fault,
    Verdict,
    Verifier,
    check_secret,
    same_text,
    signed_authorization,
)

ISSUED_AT_S = 1_700_000_000
ONE_FOR_ALL = Verifier(SECRET)


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


def check(token: str, *, body: bytes | None = BODY, age_s: float = 0, query: bytes | None = None) -> Verdict:
    """What a fresh verifier says of a token that is so old."""
    return Verifier(SECRET).check([f"Bearer {token}"], now_s=ISSUED_AT_S + age_s, body=body, query=query)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_each_vector_is_judged_as_listed_on_a_webhook(vector: Vector) -> None:
    """22 of them; what is refused is so for its own fault and no other."""
    verifier, headers = Verifier(SECRET), vector.make(SECRET, BODY, ISSUED_AT_S)
    if vector.repeated:
        assert verifier.check(headers, now_s=ISSUED_AT_S, body=BODY).good
    verdict = verifier.check(headers, now_s=ISSUED_AT_S, body=BODY)

    assert (vector.webhook == OK, Fault[vector.fault] if vector.fault else None) == (verdict.good, verdict.fault)
    assert vector.webhook == OK or verdict.reason.startswith(("has ", "is "))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_each_vector_is_judged_as_listed_on_a_socket(vector: Vector) -> None:
    """Whose opening has no body, so that no hash of one is looked for."""
    verifier, headers = Verifier(SECRET), vector.make(SECRET, None, ISSUED_AT_S)
    if vector.repeated:
        verifier.check(headers, now_s=ISSUED_AT_S)

    assert (vector.socket == OK) == verifier.check(headers, now_s=ISSUED_AT_S).good


def test_there_are_as_many_vectors_as_promised() -> None:
    """Each with a name of its own."""
    assert 22 == len({vector.name for vector in VECTORS})


def test_the_sdks_own_check_lets_in_what_ours_refuses() -> None:
    """It looks at the signature alone: a body that was changed, an old token and one that was used are right to it."""
    names = {"no payload_hash", "another payload_hash", "iat is old", "replayed jti"}
    tokens = [v.make(SECRET, BODY, ISSUED_AT_S)[0].removeprefix("Bearer ") for v in VECTORS if v.name in names]

    assert [True] * 4 == [verify_signature(token, SECRET) for token in tokens]


@pytest.mark.parametrize(
    ("age_s", "good"), [(0, True), (300, True), (360, True), (360.5, False), (-60, True), (-60.5, False), (1e9, False)]
)
def test_a_token_is_good_for_five_minutes_give_or_take_one(age_s: float, *, good: bool) -> None:
    """Clocks differ; both ends belong to it."""
    assert good == check(signed(claims(BODY, ISSUED_AT_S), SECRET), age_s=age_s).good


@pytest.mark.parametrize(
    "value", [True, -1, 1e12, float("inf"), -float("inf"), 10**400, [], {}, ISSUED_AT_S * 1000], ids=repr
)
def test_an_iat_that_is_no_time_in_seconds_is_none(value: object) -> None:
    """Milliseconds are the likely mistake; the others are an attacker's."""
    assert Fault.NO_TIME is check(signed(claims(BODY, ISSUED_AT_S, iat=value), SECRET)).fault


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("exp", ISSUED_AT_S - 60, True),
        ("exp", ISSUED_AT_S - 61, False),
        ("exp", "soon", False),
        ("nbf", ISSUED_AT_S + 60, True),
        ("nbf", ISSUED_AT_S + 61, False),
        ("nbf", False, False),
    ],
)
def test_times_that_vonage_does_not_send_hold_all_the_same(name: str, value: object, *, good: bool) -> None:
    """With a minute for clocks that differ."""
    verdict = check(signed(claims(BODY, ISSUED_AT_S, **{name: value}), SECRET))

    assert (good, None if good else Fault.BAD_TIMES) == (verdict.good, verdict.fault)


@pytest.mark.parametrize(
    ("body", "changes", "fault"),
    [
        (b"", {"payload_hash": None}, None),
        (b"", {"payload_hash": hashlib.sha256(b"").hexdigest()}, None),
        (b"", {"payload_hash": "0" * 64}, Fault.WRONG_HASH),
        (BODY, {"payload_hash": ""}, Fault.WRONG_HASH),
        (BODY, {"payload_hash": 7}, Fault.WRONG_HASH),
        (BODY, {"payload_hash": "\udc80é"}, Fault.WRONG_HASH),
        (BODY + b" ", {}, Fault.WRONG_HASH),
    ],
)
def test_the_hash_must_be_that_of_the_raw_body(body: bytes, changes: dict[str, object], fault: Fault | None) -> None:
    """To the last blank; a POST without a body may do without."""
    assert fault is check(signed(claims(BODY, ISSUED_AT_S, **changes), SECRET), body=body).fault


@pytest.mark.parametrize(
    ("hashed", "matches"), [(b'{"to":"44","from":"33"}', True), (b'{"from":"33","to":"44"}', False), (None, None)]
)
def test_the_hash_of_a_get_is_told_and_decides_nothing(hashed: bytes | None, *, matches: bool | None) -> None:
    """What it is made of isn't documented."""
    verdict = check(signed(claims(hashed, ISSUED_AT_S), SECRET), body=None, query=b'{"to":"44","from":"33"}')

    assert (True, matches) == (verdict.good, verdict.hash_matches)


def test_what_is_refused_is_not_used_up() -> None:
    """Who sends another's token with a body of their own doesn't make it worthless."""
    verifier, header = Verifier(SECRET), f"Bearer {signed(claims(BODY, ISSUED_AT_S), SECRET)}"
    verdicts = [verifier.check([header], now_s=ISSUED_AT_S, body=body).fault for body in (b"{}", BODY, BODY)]

    assert [Fault.WRONG_HASH, None, Fault.REPLAYED] == verdicts


def test_a_token_as_old_as_a_forgotten_one_is_refused() -> None:
    """It might be that one."""
    memory = bytearray(MEMORY_BYTES)
    memory[:8] = struct.pack("<d", ISSUED_AT_S)
    verifier = Verifier(SECRET, replays=Replays(memory))
    faults = [
        verifier.check([f"Bearer {signed(claims(BODY, at_s), SECRET)}"], now_s=ISSUED_AT_S, body=BODY).fault
        for at_s in (ISSUED_AT_S, ISSUED_AT_S + 1)
    ]

    assert [Fault.FORGOTTEN, None] == faults


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token a.b.c", "\udcff a"])
def test_what_is_no_bearer_token_is_none(header: str) -> None:
    """Whatever else it is."""
    assert Fault.NOT_BEARER is Verifier(SECRET).check([header], now_s=0).fault


@pytest.mark.parametrize(
    "payload", [[], "text", 7, None, {"iat": {}}, {"iss": ["Vonage"]}, "[" * 5000, {"a": float("inf")}], ids=repr
)
def test_a_right_signature_over_anything_else_is_no_token(payload: object) -> None:
    """PyJWT wants an object, and we want Vonage's."""
    assert not check(signed(payload, SECRET)).good


@pytest.mark.parametrize("text", ["[" * 5_000, '{"a":' * 1_000 + "1" * 2_000, "9" * 5_000], ids=["deep", "odd", "long"])
def test_a_head_that_breaks_json_readers_is_no_token(text: str) -> None:
    """RecursionError is no ValueError, and a number of 5,000 digits one of its own."""
    assert not check(f"{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}.e30.AAAA").good


@given(st.lists(st.text(), max_size=2), st.one_of(st.none(), st.binary()))
def test_any_headers_give_a_verdict_and_none_is_good(headers: list[str], body: bytes | None) -> None:
    """Nothing raises; nothing of what came is repeated."""
    for shown in (headers, [f"Bearer {header}" for header in headers]):
        verdict = ONE_FOR_ALL.check(shown, now_s=ISSUED_AT_S, body=body)

        assert not verdict.good
        assert re.fullmatch(r"[A-Za-z0-9_,' ]+", verdict.reason)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["iat", "jti", "iss", "payload_hash", "exp", "nbf", "aud", "sub"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([{}])),
    )
)
def test_any_claims_under_a_right_signature_give_a_verdict(payload: dict[str, object]) -> None:
    """Even Vonage's own secret opens no way to a crash."""
    header = f"Bearer {signed(claims(BODY, ISSUED_AT_S) | payload, SECRET)}"
    verdict = ONE_FOR_ALL.check([header], now_s=ISSUED_AT_S, body=BODY)

    assert verdict.good or verdict.reason


@pytest.mark.parametrize(
    "secret", ["", "  ", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", "\udcff" * 9]
)
def test_what_cannot_be_a_secret_is_refused_at_once(secret: str) -> None:
    """In one sentence, that doesn't repeat it."""
    with pytest.raises(UsageError, match="the signature secret") as caught:
        check_secret(secret)

    assert not secret.strip() or secret not in str(caught.value)


def test_a_short_secret_checks_without_a_librarys_warning() -> None:
    """An account's secret is as long as it is."""
    header = f"Bearer {signed(claims(None, ISSUED_AT_S), 'short')}"

    assert Verifier("short").check([header], now_s=ISSUED_AT_S).good


def test_texts_of_any_letters_can_be_compared() -> None:
    """The library's own comparison of texts takes ASCII only."""
    assert [True, False, False] == [same_text("é\udc80", "é\udc80"), same_text("a", "é"), same_text("a", "ab")]


def test_what_we_sign_is_good() -> None:
    """The platform's side and ours agree."""
    body = json.dumps({"a": 1}).encode()
    header = signed_authorization(SECRET, body=body, issued_at_s=ISSUED_AT_S, token_id="id-1")

    assert Verdict(hash_matches=True) == Verifier(SECRET).check([header], now_s=ISSUED_AT_S, body=body)
