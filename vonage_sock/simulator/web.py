"""The platform's webhooks: fetching an answer URL and posting events, with Vonage's own limits of time."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
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
MAX_ANSWER_BYTES: Final = 256 * 1024

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook gave back."""

    status: int
    content_type: str
    body: bytes
    took_ms: int


class Webhooks:
    """
    Makes the platform's requests. Use it as an async context manager.

    Args:
        signature_secret: signs each request, as Vonage does for applications with signed webhooks.
        timeout_s: how long an answer may take in all.
    """

    def __init__(
        self, *, clock: Clock, signature_secret: str | None = None, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._clock = clock
        self._secret = signature_secret
        self._timeout_s = timeout_s
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": USER_AGENT}, trust_env=False)

    async def __aenter__(self) -> Webhooks:  # noqa: PYI034  (nobody derives from it)
        """Nothing to open."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch_answer(self, url: str, params: Mapping[str, str], *, method: str = "GET") -> Answer:
        """
        Ask for the NCCO.

        Raises:
            ConnectError: nothing answers there, or not in time.
        """
        if method == "GET":
            return await self._request("GET", url, None, params)
        return await self._request("POST", url, jsontext.dumps(dict(params)).encode())

    async def post_event(self, url: str, body: JsonObject, *, method: str = "POST") -> Answer:
        """
        Tell an event.

        Raises:
            ConnectError: nothing answers there, or not in time.
        """
        if method == "POST":
            return await self._request("POST", url, jsontext.dumps(body).encode())
        query = {key: value if isinstance(value, str) else jsontext.dumps(value) for key, value in body.items()}
        return await self._request("GET", url, None, query)

    def authorization(self, body: bytes | None) -> dict[str, str]:
        """The header that signs a request; nothing without a secret."""
        if self._secret is None:
            return {}
        issued_at_s = self._clock.wall_ns() // SECOND
        token = signed_authorization(self._secret, body=body, issued_at_s=issued_at_s, token_id=str(uuid.uuid4()))
        return {"Authorization": token}

    async def _request(
        self, method: str, url: str, body: bytes | None, query: Mapping[str, str] | None = None
    ) -> Answer:
        headers = self.authorization(body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        started_at = self._clock.now()
        try:
            async with self._session.request(
                method, URL(url).update_query(query or {}), data=body, headers=headers, allow_redirects=False
            ) as response:
                content = await _read_body(response.content)
                took_ms = (self._clock.now() - started_at) // MS
                if len(content) > MAX_ANSWER_BYTES:
                    raise ConnectError(f"{url} gave more than {MAX_ANSWER_BYTES // 1024} KiB, which is no answer")
                return Answer(response.status, response.content_type, content, took_ms)
        except TimeoutError as error:
            raise ConnectError(
                f"{url} didn't answer in time (the platform waits {CONNECT_TIMEOUT_S:g} s to connect "
                f"and {self._timeout_s:g} s in all)"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise ConnectError(f"can't reach {url}: {reason_of(error)}") from error
        except aiohttp.ClientConnectionError as error:
            raise ConnectError(f"{url} closed the connection without an answer") from error
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise ConnectError(f"{url} gave what isn't HTTP, or only a part of it") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ConnectError(f"{url!r} isn't a web address that can be asked") from error


async def _read_body(content: aiohttp.StreamReader) -> bytes:
    body = b""
    while len(body) <= MAX_ANSWER_BYTES and (more := await content.readany()):
        body += more
    return body
