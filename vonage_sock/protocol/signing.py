"""
Signed webhooks: an HS256 token in ``Authorization``, made with the account's signature secret.

Source: Vonage "Signed webhooks": claims ``iat``, ``jti``, ``iss``, ``payload_hash`` (SHA-256 of the raw body, in hex),
``api_key``, ``application_id``. The same token opens a websocket whose endpoint has ``authorization: vonage``; it then
carries no ``payload_hash``, as the request has no body.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import Final

ALGORITHM: Final = "HS256"
SAFE_SECRET_BYTES: Final = 32
"""Source: RFC 7518, 3.2: a key of HS256 has as many bytes as its hash, or more."""


def signed_authorization(
    secret: str, *, body: bytes | None, issued_at_s: int, token_id: str, application_id: str | None = None
) -> str:
    """
    The value of the ``Authorization`` header.

    Args:
        secret: the account's signature secret.
        body: the exact bytes of the request's body; None for a request without.
        issued_at_s: Unix time in seconds.
        token_id: a UUID that was never used before.
    """
    import jwt  # noqa: PLC0415  (it loads a crypto backend, which unsigned calls needn't wait for)

    claims: dict[str, object] = {"iat": issued_at_s, "jti": token_id, "iss": "Vonage"}
    if body is not None:
        claims["payload_hash"] = hashlib.sha256(body).hexdigest()
    if application_id is not None:
        claims["application_id"] = application_id
    with warnings.catch_warnings():
        # An account's secret is as long as it is; whoever gives it is told by us.
        warnings.simplefilter("ignore")
        return f"Bearer {jwt.encode(claims, secret, algorithm=ALGORITHM)}"
