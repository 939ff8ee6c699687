"""
Signed requests, right and wrong: what Vonage sends, and what somebody else might.

Each vector is made anew: ``iat`` counts from now, and a ``jti`` may be used once. ``on_socket`` is None where it says
nothing of an upgrade, which has no body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

SECRET: Final = "a signature secret of the scoreboard, 44 bytes"
BODY: Final = b'{"uuid":"aaaa","conversation_uuid":"CON-1","status":"answered"}'
OTHER_BODY: Final = BODY.replace(b"answered", b"completed")
SPACED_BODY: Final = BODY.replace(b":", b": ")


@dataclass(frozen=True, slots=True)
class Vector:
    """What is sent in ``Authorization``; whether a webhook with ``body``, and an upgrade, are let in with it."""

    name: str
    authorization: Callable[[], str | None]
    on_webhook: bool
    on_socket: bool | None
    body: bytes = BODY


def encoded(value: bytes) -> str:
    """As a part of a token."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token(
    *, secret: str = SECRET, algorithm: str = "HS256", digest: str = "sha256", without: str = "", **changed: Any
) -> str:
    """A token as Vonage makes it, but for what is changed; ``iat`` is in seconds from now."""
    claims: dict[str, Any] = {
        "iat": int(time.time()) + changed.pop("age_s", 0) * -1,
        "jti": str(uuid.uuid4()),
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(BODY).hexdigest(),
        "api_key": "abcd1234",
        "application_id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    }
    claims |= changed
    claims.pop(without, None)
    head = encoded(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    signed = f"{head}.{encoded(json.dumps(claims).encode())}"
    signature = hmac.new(secret.encode(), signed.encode(), digest).digest() if digest else b""
    return f"{signed}.{encoded(signature)}"


def bearer(**changed: Any) -> Callable[[], str]:
    """The header of a token that is made when it is asked for."""
    return lambda: f"Bearer {token(**changed)}"


def swapped() -> str:
    """The claims of one token with the signature of another."""
    head, _, signature = token().split(".")
    claims = token(iss="Somebody").split(".")[1]
    return f"Bearer {head}.{claims}.{signature}"


def cut() -> str:
    """A signature without its last letters."""
    return f"Bearer {token()[:-4]}"


def used_twice() -> Callable[[], str]:
    """The same token each time."""
    made: list[str] = []

    def same() -> str:
        made.append(made[0] if made else token())
        return f"Bearer {made[0]}"

    return same


VECTORS: Final = (
    Vector("as Vonage makes it", bearer(), on_webhook=True, on_socket=True),
    Vector("4 min 50 s old", bearer(age_s=290), on_webhook=True, on_socket=True),
    Vector("30 s ahead of us", bearer(age_s=-30), on_webhook=True, on_socket=True),
    Vector("no header", lambda: None, on_webhook=False, on_socket=False),
    Vector("no token", lambda: "Bearer ", on_webhook=False, on_socket=False),
    Vector("another scheme", lambda: "Basic YTpi", on_webhook=False, on_socket=False),
    Vector("no JWT", lambda: "Bearer vonage", on_webhook=False, on_socket=False),
    Vector("another secret", bearer(secret="another " * 6), on_webhook=False, on_socket=False),
    Vector("alg none", bearer(algorithm="none", digest=""), on_webhook=False, on_socket=False),
    Vector("alg nOnE, signed", bearer(algorithm="nOnE"), on_webhook=False, on_socket=False),
    Vector("HS512 of our secret", bearer(algorithm="HS512", digest="sha512"), on_webhook=False, on_socket=False),
    Vector("RS256 by name", bearer(algorithm="RS256"), on_webhook=False, on_socket=False),
    Vector("a cut signature", cut, on_webhook=False, on_socket=False),
    Vector("claims changed", swapped, on_webhook=False, on_socket=False),
    Vector("another body's hash", bearer(), on_webhook=False, on_socket=None, body=OTHER_BODY),
    Vector("the body reformatted", bearer(), on_webhook=False, on_socket=None, body=SPACED_BODY),
    Vector("no payload_hash", bearer(without="payload_hash"), on_webhook=False, on_socket=True),
    Vector("7 minutes old", bearer(age_s=420), on_webhook=False, on_socket=False),
    Vector("3 minutes ahead", bearer(age_s=-180), on_webhook=False, on_socket=False),
    Vector("no iat", bearer(without="iat"), on_webhook=False, on_socket=False),
    Vector("iat no number", bearer(iat="now"), on_webhook=False, on_socket=False),
    Vector("used before", used_twice(), on_webhook=False, on_socket=False),
)
