"""
Signed webhooks: an HS256 token in ``Authorization``, made with the account's signature secret; signing and checking.

Source: Vonage "Signed webhooks": claims ``iat``, ``jti``, ``iss``, ``payload_hash`` (SHA-256 of the raw body, in hex),
``api_key``, ``application_id``. The same token opens a websocket whose endpoint has ``authorization: vonage``; it then
carries no ``payload_hash``, as the request has no body. What a GET's hash is made of isn't documented.

Rule: a verdict's words are ours, and its numbers; nothing of a token stands in it.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from vonage_sock.errors import UsageError
from vonage_sock.protocol.replays import Replays, Use

ALGORITHM: Final = "HS256"
ISSUER: Final = "Vonage"
SAFE_SECRET_BYTES: Final = 32
"""Source: RFC 7518, 3.2: a key of HS256 has as many bytes as its hash, or more."""

WINDOW_S: Final = 300
SKEW_S: Final = 60
MAX_TOKEN_LETTERS: Final = 4_000
MAX_TIME_S: Final = 1e11
"""From here on a time is one in milliseconds, or none at all."""

_UNCHECKED: Final = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)

JsonObject = dict[str, Any]


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

    claims: dict[str, object] = {"iat": issued_at_s, "jti": token_id, "iss": ISSUER}
    if body is not None:
        claims["payload_hash"] = hashlib.sha256(body).hexdigest()
    if application_id is not None:
        claims["application_id"] = application_id
    with warnings.catch_warnings():
        # An account's secret is as long as it is; whoever gives it is told by us.
        warnings.simplefilter("ignore")
        return f"Bearer {jwt.encode(claims, secret, algorithm=ALGORITHM)}"


class Fault(Enum):
    """Why a request isn't taken for one of Vonage's; in words to stand behind the request."""

    MISSING = "has no Authorization header"
    SEVERAL = "has several Authorization headers"
    NOT_BEARER = "has an Authorization that isn't a Bearer token"
    TOO_LONG = "has a token that is far too long"
    UNREADABLE = "has a token that isn't a JWT"
    ALGORITHM = "has a token that isn't signed with HS256"
    SIGNATURE = "is signed with another secret"
    ISSUER = "has a token whose iss isn't Vonage"
    NO_TIME = "has a token without an iat in seconds"
    TOO_OLD = "has a token that is too old"
    IN_FUTURE = "has a token of the future"
    BAD_TIMES = "has a token whose exp or nbf doesn't allow it now"
    NO_ID = "has a token without a jti"
    NO_HASH = "has a body, and a token without its payload_hash"
    WRONG_HASH = "has a body that isn't the one whose payload_hash was signed"
    REPLAYED = "has a token that was used before"
    FORGOTTEN = "has a token that may have been used before, as far as so many can be remembered"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What came of checking a request.

    Args:
        reason: words to stand behind the request; empty where there is no fault.
        hash_matches: whether the token's ``payload_hash`` is that of the body, or of a GET's parameters; None where it
            has none, or there is nothing to compare it with.
    """

    fault: Fault | None = None
    reason: str = ""
    hash_matches: bool | None = None

    @property
    def good(self) -> bool:
        """The request is Vonage's."""
        return self.fault is None


class Verifier:
    """
    Tells Vonage's requests from others'.

    Args:
        secret: the account's signature secret.
        replays: the tokens that were used; memory of its own, when left out.

    Raises:
        UsageError: the secret can't be one.
    """

    def __init__(self, secret: str, *, replays: Replays | None = None) -> None:
        check_secret(secret)
        self._secret = secret
        self._replays = Replays() if replays is None else replays

    def check(
        self, authorizations: Sequence[str], *, now_s: float, body: bytes | None = None, query: bytes | None = None
    ) -> Verdict:
        """
        Look at a request; a good token is used up by it.

        Args:
            authorizations: all of its ``Authorization`` headers.
            now_s: Unix time.
            body: the exact bytes of a request that may have one; its hash must be right.
            query: a GET's parameters, as compact JSON; whether their hash is right is told, and decides nothing.
        """
        try:
            claims = self._claims_in(_token_in(authorizations))
            _check_issuer(claims)
            issued_at_s = _check_times(claims, now_s)
            token_id = _id_in(claims)
            hash_matches = _check_hash(claims, body, query)
            self._use_up(token_id, issued_at_s)
        except _FaultyError as error:
            return Verdict(error.fault, error.reason)
        return Verdict(hash_matches=hash_matches)

    def _claims_in(self, token: str) -> JsonObject:
        import jwt  # noqa: PLC0415  (see above)

        options: Any = {"verify_signature": True, **_UNCHECKED}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                claims: JsonObject = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options=options)
        except jwt.InvalidAlgorithmError:
            raise _FaultyError(Fault.ALGORITHM) from None
        except jwt.InvalidSignatureError:
            raise _FaultyError(Fault.SIGNATURE) from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _FaultyError(Fault.UNREADABLE) from None
        return claims

    def _use_up(self, token_id: str, issued_at_s: float) -> None:
        match self._replays.use(token_id, issued_at_s=issued_at_s):
            case Use.AGAIN:
                raise _FaultyError(Fault.REPLAYED)
            case Use.FORGOTTEN:
                raise _FaultyError(Fault.FORGOTTEN)


def check_secret(secret: str) -> None:
    """
    Refuse what can't be a signature secret.

    Raises:
        UsageError: it is empty, or a key of another kind. The secret isn't repeated.
    """
    import jwt  # noqa: PLC0415  (see above)

    if not secret.strip():
        raise UsageError("the signature secret is empty; copy it from the API settings of the Vonage dashboard")
    try:
        signed_authorization(secret, body=None, issued_at_s=0, token_id="")
    except (jwt.PyJWTError, ValueError) as error:
        raise UsageError(
            "the signature secret can't be used: it looks like a key file; the one that is meant is the signature secret "
            "in the API settings of the Vonage dashboard"
        ) from error


def same_text(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that doesn't tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


class _FaultyError(Exception):
    """A check failed."""

    def __init__(self, fault: Fault, reason: str = "") -> None:
        super().__init__(fault)
        self.fault = fault
        self.reason = reason or fault.value


def _token_in(authorizations: Sequence[str]) -> str:
    if not authorizations:
        raise _FaultyError(Fault.MISSING)
    if len(authorizations) > 1:
        raise _FaultyError(Fault.SEVERAL)
    kind, _, token = authorizations[0].strip().partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token:
        raise _FaultyError(Fault.NOT_BEARER)
    if len(token) > MAX_TOKEN_LETTERS:
        raise _FaultyError(Fault.TOO_LONG)
    return token


def _check_issuer(claims: JsonObject) -> None:
    if claims.get("iss") != ISSUER:
        raise _FaultyError(Fault.ISSUER)


def _check_times(claims: JsonObject, now_s: float) -> float:
    """When the token was issued."""
    issued_at_s = _time_in(claims, "iat", Fault.NO_TIME)
    if issued_at_s is None:
        raise _FaultyError(Fault.NO_TIME)
    age_s = now_s - issued_at_s
    if age_s > WINDOW_S + SKEW_S:
        raise _FaultyError(
            Fault.TOO_OLD, f"has a token that was issued {age_s:,.0f} s ago, and is good for {WINDOW_S} s"
        )
    if age_s < -SKEW_S:
        raise _FaultyError(Fault.IN_FUTURE, f"has a token that was issued {-age_s:,.0f} s in the future")
    expires_s = _time_in(claims, "exp", Fault.BAD_TIMES)
    not_before_s = _time_in(claims, "nbf", Fault.BAD_TIMES)
    if expires_s is not None and expires_s < now_s - SKEW_S:
        raise _FaultyError(Fault.BAD_TIMES)
    if not_before_s is not None and not_before_s > now_s + SKEW_S:
        raise _FaultyError(Fault.BAD_TIMES)
    return issued_at_s


def _time_in(claims: JsonObject, name: str, fault: Fault) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # NaN is between nothing, and true isn't a time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_TIME_S:
        raise _FaultyError(fault)
    return float(value)


def _id_in(claims: JsonObject) -> str:
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not token_id:
        raise _FaultyError(Fault.NO_ID)
    return token_id


def _check_hash(claims: JsonObject, body: bytes | None, query: bytes | None) -> bool | None:
    """Whether it matches; None where that can't be said."""
    claimed = claims.get("payload_hash")
    if claimed is None:
        if body:
            raise _FaultyError(Fault.NO_HASH)
        return None
    signed = query if body is None else body
    if signed is None:
        return None
    matches = isinstance(claimed, str) and same_text(claimed, hashlib.sha256(signed).hexdigest())
    if body is not None and not matches:
        raise _FaultyError(Fault.WRONG_HASH)
    return matches
