"""
Tokens, good and bad, and what becomes of a webhook and of a socket that shows them.

Imported by path, from tests and from scripts. A vector gives the ``Authorization`` headers of a request, made for this
moment; ``webhook`` is what becomes of a POST with a body, ``socket`` of an upgrade while the address is public. No part of
vsock is used: the tokens are made by PyJWT and by hand.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

SECRET: Final = "a signature secret of more than 32 bytes"
OTHER_SECRET: Final = "somebody else's secret of more than 32 b"
BODY: Final = b'{"uuid":"aaaaaaaa-bbbb-cccc-dddd-0123456789ab","status":"ringing"}'

OK: Final = 200
"""Let in: 200 or 204 for a webhook, 101 for a socket."""

REFUSED: Final = 401


@dataclass(frozen=True, slots=True)
class Vector:
    """
    One request.

    Args:
        make: the headers, from the secret, the body (None for a request without) and Unix time in whole seconds.
        repeated: the same headers are shown twice, and what is expected is of the second time.
        fault: the name of the fault in ``protocol.signing`` of a webhook that is refused.
    """

    name: str
    make: Callable[[str, bytes | None, int], list[str]]
    webhook: int = REFUSED
    socket: int = REFUSED
    repeated: bool = False
    fault: str = ""


def claims(body: bytes | None, now_s: int, **changes: Any) -> dict[str, Any]:
    """What Vonage puts into a token; what is changed to None is left out."""
    result: dict[str, Any] = {"iat": now_s, "jti": str(uuid.uuid4()), "iss": "Vonage", "api_key": "abcd1234"}
    if body is not None:
        result["payload_hash"] = hashlib.sha256(body).hexdigest()
    return {key: value for key, value in (result | changes).items() if value is not None}


def signed(payload: Any, secret: str, *, algorithm: str = "HS256", hash_name: str = "sha256") -> str:
    """A token by hand, as no library would make it."""
    head = _part({"alg": algorithm, "typ": "JWT"}) + "." + _part(payload)
    return f"{head}.{_base64(hmac.new(secret.encode(), head.encode(), hash_name).digest())}"


def _part(value: Any) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@cache
def _rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _good(secret: str, body: bytes | None, now_s: int) -> list[str]:
    return [f"Bearer {jwt.encode(claims(body, now_s), secret, algorithm='HS256')}"]


def _changed(**changes: Any) -> Callable[[str, bytes | None, int], list[str]]:
    return lambda secret, body, now_s: [f"Bearer {signed(claims(body, now_s, **changes), secret)}"]


def _aged(age_s: int) -> Callable[[str, bytes | None, int], list[str]]:
    return lambda secret, body, now_s: [f"Bearer {signed(claims(body, now_s - age_s), secret)}"]


def _hash_made(change: Callable[[str], str]) -> Callable[[str, bytes | None, int], list[str]]:
    def make(secret: str, body: bytes | None, now_s: int) -> list[str]:
        payload_hash = change(hashlib.sha256(body or b"").hexdigest())
        return [f"Bearer {signed(claims(body, now_s, payload_hash=payload_hash), secret)}"]

    return make


def _unsigned(secret: str, body: bytes | None, now_s: int) -> list[str]:
    return [f"Bearer {_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims(body, now_s))}."]


def _rsa_signed(secret: str, body: bytes | None, now_s: int) -> list[str]:
    return [f"Bearer {jwt.encode(claims(body, now_s), _rsa_key(), algorithm='RS256')}"]


def _longer_hash(secret: str, body: bytes | None, now_s: int) -> list[str]:
    return [f"Bearer {signed(claims(body, now_s), secret, algorithm='HS512', hash_name='sha512')}"]


def _with_other_secret(secret: str, body: bytes | None, now_s: int) -> list[str]:
    return _good(OTHER_SECRET, body, now_s)


def _twice(secret: str, body: bytes | None, now_s: int) -> list[str]:
    return _good(secret, body, now_s) + _good(secret, body, now_s)


def _lower_case(secret: str, body: bytes | None, now_s: int) -> list[str]:
    return [header.replace("Bearer", "bearer") for header in _good(secret, body, now_s)]


VECTORS: Final = (
    Vector("good", _good, OK, OK),
    Vector("lower-case bearer", _lower_case, OK, OK),
    Vector("replayed jti", _good, repeated=True, fault="REPLAYED"),
    Vector("no header", lambda *_: [], fault="MISSING"),
    Vector("two headers", _twice, fault="SEVERAL"),
    Vector("not a token", lambda *_: ["Bearer 123.abc"], fault="UNREADABLE"),
    Vector("huge token", _changed(padding="x" * 4_000), fault="TOO_LONG"),
    Vector("algorithm none", _unsigned, fault="ALGORITHM"),
    Vector("algorithm RS256", _rsa_signed, fault="ALGORITHM"),
    Vector("algorithm HS512", _longer_hash, fault="ALGORITHM"),
    Vector("another secret", _with_other_secret, fault="SIGNATURE"),
    Vector("another iss", _changed(iss="Nexmo"), fault="ISSUER"),
    Vector("no iat", _changed(iat=None), fault="NO_TIME"),
    Vector("iat is a text", lambda secret, body, now_s: _changed(iat=str(now_s))(secret, body, now_s), fault="NO_TIME"),
    Vector("iat is NaN", _changed(iat=float("nan")), fault="NO_TIME"),
    Vector("iat is old", _aged(362), fault="TOO_OLD"),
    Vector("iat is in the future", _aged(-63), fault="IN_FUTURE"),
    Vector("no jti", _changed(jti=None), fault="NO_ID"),
    Vector("jti is no text", _changed(jti=["a"]), fault="NO_ID"),
    # A socket's opening has no body, so that whatever hash its token has says nothing.
    Vector("no payload_hash", _changed(payload_hash=None), socket=OK, fault="NO_HASH"),
    Vector("another payload_hash", _changed(payload_hash="0" * 64), socket=OK, fault="WRONG_HASH"),
    Vector("upper-case payload_hash", _hash_made(str.upper), socket=OK, fault="WRONG_HASH"),
)
