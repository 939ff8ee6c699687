"""
Who may ask: an application's token, RS256, in ``Authorization: Bearer``.

Source: Vonage "Authentication" and "Generate JWTs": claims ``application_id``, ``iat``, ``jti``, ``exp`` (fifteen
minutes after ``iat`` where there is none, a day at most) and ``nbf``. Guessed: how far clocks may differ.
"""

from __future__ import annotations

import math
from typing import Any, Final

from vonage_sock.errors import UsageError

ALGORITHM: Final = "RS256"
MAX_TOKEN_LETTERS: Final = 8_000
DEFAULT_LIFE_S: Final = 15 * 60
MAX_LIFE_S: Final = 24 * 3600
SKEW_S: Final = 60

_UNCHECKED: Final = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)

JsonObject = dict[str, Any]


class TokenRefusedError(Exception):
    """The request isn't allowed; the text says why, in one sentence without a stop."""


class TokenCheck:
    """
    Looks at tokens.

    Args:
        public_key: the application's, as PEM; a private one will do, as its public part is in it. Without any, signatures
            aren't checked.
        application_id: whose tokens are taken; anybody's when None.

    Raises:
        UsageError: the key can't be used.
    """

    def __init__(self, *, public_key: bytes | None = None, application_id: str | None = None) -> None:
        self._key = None if public_key is None else rsa_public_key(public_key)
        self._application_id = application_id

    @property
    def verifies(self) -> bool:
        """Whether signatures are checked."""
        return self._key is not None

    def check(self, authorization: str | None, *, now_s: float) -> None:
        """
        Look at a request's ``Authorization``; ``now_s`` is Unix time.

        Raises:
            TokenRefusedError: it doesn't allow the request.
        """
        claims = self._claims_in(_token_in(authorization))
        application_id = claims.get("application_id")
        if not isinstance(application_id, str) or not application_id:
            raise TokenRefusedError("the token has no application_id")
        if self._application_id is not None and application_id != self._application_id:
            raise TokenRefusedError("the token's application_id is that of another application")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            raise TokenRefusedError("the token has no jti")
        _check_times(claims, now_s)

    def _claims_in(self, token: str) -> JsonObject:
        import jwt  # noqa: PLC0415  (it loads a crypto backend, which calls without an API needn't wait for)

        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            if algorithm != ALGORITHM:
                raise TokenRefusedError(
                    f"the token is signed with {str(algorithm)[:20]!r} and must be with {ALGORITHM}"
                )
            options: Any = {"verify_signature": self.verifies, **_UNCHECKED}
            # A signature over arrays and texts can be valid too; PyJWT refuses all but an object.
            claims: JsonObject = jwt.decode(token, self._key or "", algorithms=[ALGORITHM], options=options)
        except jwt.InvalidSignatureError:
            raise TokenRefusedError("the token's signature doesn't belong to this public key") from None
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise TokenRefusedError(f"the token can't be read: {str(error)[:100].lower()}") from error
        return claims


def rsa_public_key(pem: bytes) -> Any:
    """
    The public key in a PEM file, or that of the private key in it.

    Raises:
        UsageError: there is none, or it isn't RSA.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (see above)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
        load_pem_public_key,
    )

    try:
        key = load_pem_private_key(pem, None) if b"PRIVATE KEY" in pem else load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            "the public key can't be read; it is a PEM file that begins with -----BEGIN PUBLIC KEY-----"
        ) from error
    if isinstance(key, RSAPrivateKey):
        key = key.public_key()
    if not isinstance(key, RSAPublicKey):
        raise UsageError("the public key isn't an RSA key; Vonage's applications have one of RSA")
    return key


def _token_in(authorization: str | None) -> str:
    if not authorization:
        raise TokenRefusedError("there is no Authorization header; send the application's token: Bearer …")
    kind, _, token = authorization.strip().partition(" ")
    if kind.lower() != "bearer":
        raise TokenRefusedError("the Authorization isn't a Bearer token; the API key and secret aren't taken here")
    if not token or len(token) > MAX_TOKEN_LETTERS:
        raise TokenRefusedError("the Bearer token is empty or far too long")
    return token.strip()


def _check_times(claims: JsonObject, now_s: float) -> None:
    issued_s = _time_in(claims, "iat")
    if issued_s is None:
        raise TokenRefusedError("the token has no iat")
    expires_s = _time_in(claims, "exp")
    if expires_s is None:
        expires_s = issued_s + DEFAULT_LIFE_S
    if issued_s > now_s + SKEW_S:
        raise TokenRefusedError(f"the token was issued {issued_s - now_s:.0f} s in the future; is a clock wrong?")
    if expires_s < now_s - SKEW_S:
        raise TokenRefusedError(f"the token expired {now_s - expires_s:.0f} s ago")
    if expires_s - issued_s > MAX_LIFE_S:
        raise TokenRefusedError("the token is valid for more than 24 hours")
    not_before_s = _time_in(claims, "nbf")
    if not_before_s is not None and not_before_s > now_s + SKEW_S:
        raise TokenRefusedError(f"the token isn't valid yet, for another {not_before_s - now_s:.0f} s")


def _time_in(claims: JsonObject, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise TokenRefusedError(f"the token's {name} isn't a number of seconds")
    if value > 1e12:
        raise TokenRefusedError(f"the token's {name} is in milliseconds and must be in seconds")
    return float(value)
