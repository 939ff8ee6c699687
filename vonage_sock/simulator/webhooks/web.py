"""The platform's webhooks: fetching an answer URL and posting events, with Vonage's own limits of time."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from yarl import URL

from vonage_sock.clock import MS, SECOND, Clock
from vonage_sock.errors import ConnectError
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.signing import signed_authorization
from vonage_sock.simulator.socket import USER_AGENT, reason_of

CONNECT_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 5.0
EVENT_TIMEOUT_S: Final = 10.0
"""Source: Application API, ``connect_timeout`` and ``socket_timeout``; other pages of Vonage's give other numbers."""

AUDIO_TIMEOUT_S: Final = 20.0
TRIES: Final = 2
WORTH_ANOTHER_TRY: Final = frozenset({429, 503, 504})
MAX_ANSWER_BYTES: Final = 256 * 1024
NO_TYPE: Final = "none"

MAX_AUDIO_BYTES: Final = 20 * 1024 * 1024

JsonObject = dict[str, Any]


class NoAnswerError(ConnectError):
    """The connection couldn't be made, or broke: the platform tries once more."""


class LateAnswerError(NoAnswerError):
    """The answer took too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook gave back, ``none`` for the type where it gave none; of ``headers`` no name's letters' case counts."""

    status: int
    content_type: str
    body: bytes
    took_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)


class Webhooks:
    """
    Makes the platform's requests. Use it as an async context manager.

    Args:
        signature_secret: signs each request, as Vonage does for applications with signed webhooks.
        connect_timeout_s: how long a connection may take to be made.
        timeout_s, event_timeout_s: how long an answer may take in all, to the answer webhook and to the others.
        trust: whom to believe where an address asks for TLS; the system's authorities when None.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        signature_secret: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        event_timeout_s: float = EVENT_TIMEOUT_S,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._secret = signature_secret
        self.trust = trust
        self._connect_timeout_s = connect_timeout_s
        self.timeout_s = timeout_s
        self._event_timeout_s = event_timeout_s
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": USER_AGENT}, trust_env=False, connector=aiohttp.TCPConnector(ssl=trust or True)
        )
        # Else aiohttp by itself repeats a GET whose connection broke, and the server sees twice the platform's tries.
        self._session._retry_connection = False

    async def __aenter__(self) -> Webhooks:  # noqa: PYI034  (nobody derives from it)
        """Nothing to open."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the connections."""
        await self._session.close()

    @property
    def signs(self) -> bool:
        """There is a secret to sign with."""
        return self._secret is not None

    async def fetch_answer(self, url: str, params: Mapping[str, object], *, method: str = "GET") -> Answer:
        """
        Ask for the NCCO, and once more where nothing came of it.

        Raises:
            ConnectError: nothing answers there, or not in time.
        """
        return await self._ask(method, url, params, timeout_s=self.timeout_s, tries=TRIES)

    async def post_event(self, url: str, body: JsonObject, *, method: str = "POST", tries: int = 1) -> Answer:
        """
        Tell an event; ``tries`` is 2 where its answer may be an NCCO.

        Raises:
            ConnectError: nothing answers there, or not in time.
        """
        return await self._ask(method, url, body, timeout_s=self._event_timeout_s, tries=tries)

    async def fetch_audio(self, url: str) -> bytes:
        """
        What a ``stream`` action plays.

        Raises:
            ConnectError: it can't be fetched, or is more than 20 MiB.
        """
        answer = await self._request("GET", url, None, {}, timeout_s=AUDIO_TIMEOUT_S, max_bytes=MAX_AUDIO_BYTES)
        if answer.status != 200:
            raise ConnectError(f"{url} gave HTTP {answer.status} instead of 200")
        return answer.body

    def authorization(self, body: bytes | None) -> dict[str, str]:
        """The header that signs a request; nothing without a secret."""
        return signing_headers(self._secret, body, self._clock)

    async def _ask(
        self, method: str, url: str, fields: Mapping[str, object], *, timeout_s: float, tries: int
    ) -> Answer:
        body, query = None, {}
        if method == "POST":
            body = jsontext.dumps(dict(fields)).encode()
        else:
            query = {key: value if isinstance(value, str) else jsontext.dumps(value) for key, value in fields.items()}
        for _ in range(tries - 1):
            try:
                answer = await self._request(method, url, body, query, timeout_s=timeout_s)
            except NoAnswerError:
                continue
            if answer.status not in WORTH_ANOTHER_TRY:
                return answer
        return await self._request(method, url, body, query, timeout_s=timeout_s)

    async def _request(
        self,
        method: str,
        url: str,
        body: bytes | None,
        query: Mapping[str, str],
        *,
        timeout_s: float,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        started_at = self._clock.now()
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=self._connect_timeout_s)
        try:
            address = URL(url).update_query(query)
            # Of a GET the parameters are signed, in their order, as compact JSON.
            signed = jsontext.dumps(dict(address.query)).encode() if body is None else body
            headers = self.authorization(signed)
            if body is not None:
                headers["Content-Type"] = "application/json"
            async with self._session.request(
                method, address, data=body, headers=headers, allow_redirects=False, timeout=timeout
            ) as response:
                content = await _read_body(response.content, max_bytes)
                took_ms = (self._clock.now() - started_at) // MS
                if len(content) > max_bytes:
                    raise ConnectError(f"{url} gave more than {max_bytes // 1024} KiB, which is too much")
                # The library calls what has no type a stream of octets.
                kind = response.content_type if "Content-Type" in response.headers else NO_TYPE
                return Answer(response.status, kind, content, took_ms, response.headers)
        except TimeoutError as error:
            raise LateAnswerError(
                f"{url} didn't answer in time (the platform waits {self._connect_timeout_s:g} s to connect "
                f"and {timeout_s:g} s in all)"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise _unreachable(error)(f"can't reach {url}: {reason_of(_cause(error))}") from error
        except aiohttp.ClientConnectionError as error:
            raise NoAnswerError(f"{url} closed the connection without an answer") from error
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise ConnectError(f"{url} gave what isn't HTTP, or only a part of it") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ConnectError(f"{url!r} isn't a web address that can be asked") from error


def signing_headers(secret: str | None, body: bytes | None, clock: Clock) -> dict[str, str]:
    """What signs a request, or with None for a body the opening of a socket; nothing without a secret."""
    if secret is None:
        return {}
    issued_at_s = clock.wall_ns() // SECOND
    token = signed_authorization(secret, body=body, issued_at_s=issued_at_s, token_id=str(uuid.uuid4()))
    return {"Authorization": token}


def is_unreachable(error: ConnectError) -> bool:
    """Nobody could be connected to there, by whatever path of the address."""
    return isinstance(error.__cause__, aiohttp.ClientConnectorError)


def _unreachable(error: aiohttp.ClientConnectorError) -> type[ConnectError]:
    # A certificate doesn't get better by asking again, and Vonage doesn't.
    tls = isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientConnectorCertificateError)
    return ConnectError if tls else NoAnswerError


def _cause(error: aiohttp.ClientConnectorError) -> OSError:
    """What the system said, where the library has put it into an error of its own."""
    wrapped = getattr(error, "certificate_error", None) or error.os_error
    return wrapped if isinstance(wrapped, ssl.SSLError) else error


async def _read_body(content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    body = bytearray()
    while len(body) <= max_bytes and (more := await content.readany()):
        body += more
    return bytes(body)
