"""
Whether a public address leads to us, and how long the way there and back is: tried with our own answer URL and socket.

Rule 1: what is tried is no call and leaves no trace: the server knows a try of its own by its signature. Rule 2: what
answers is a stranger until it has shown that it is us; little of it is read, and nothing is followed.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import statistics
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from vonage_sock.audio.frames import FRAME_MS, AudioFormat
from vonage_sock.clock import MS, SECOND, Clock
from vonage_sock.protocol import webhooks
from vonage_sock.protocol.probing import PROBE_HEADER, probe_reply, probe_value
from vonage_sock.transport.tls import why_not
from vonage_sock.tunnels.base import said
from vonage_sock.tunnels.pages import recognise

ANSWER_TRIES: Final = 5
SOCKET_FRAMES: Final = 25
"""Half a second of audio, at its own pace."""

TRY_S: Final = 5.0
AGAIN_S: Final = 0.5
MAX_READ: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Ways there and back, in milliseconds: the median, and how much one differs from the next on average."""

    tries: int
    median_ms: float
    jitter_ms: float

    @classmethod
    def of(cls, spans_ns: list[int]) -> Trip | None:
        """Of some; None of none."""
        if not spans_ns:
            return None
        steps = [abs(later - earlier) for earlier, later in pairwise(spans_ns)]
        jitter_ns = statistics.fmean(steps) if steps else 0.0
        return cls(
            tries=len(spans_ns),
            median_ms=round(statistics.median(spans_ns) / MS, 1),
            jitter_ms=round(jitter_ns / MS, 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    What was found. ``answer`` is the answer URL's way, ``socket`` that of audio; None where there was none.

    ``faults`` are half sentences for people, the first of them the cause.
    """

    url: str
    answer: Trip | None = None
    socket: Trip | None = None
    faults: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """All of it for people, without a full stop."""
        if self.faults:
            return f"calls won't get here through {self.url}: {'; '.join(self.faults)}"
        trip = self.socket or self.answer
        if trip is None:
            return f"{self.url} wasn't tried"
        return f"the tunnel takes {_ms(trip.median_ms)} there and back, jitter {_ms(trip.jitter_ms)}"


class UnreachableError(Exception):
    """The address doesn't lead to us; the text is a half sentence."""


async def check(
    url: str,
    *,
    probe_key: str,
    clock: Clock,
    trust: ssl.SSLContext | None = None,
    within_s: float = 10.0,
) -> Health:
    """
    Try our own server (``ServerConfig.probe_key``) through its public base address; never raises.

    Args:
        trust: whom to believe besides what the system does (``transport.tls.trusting``).
        within_s: an address that was just made may lead to us only after a while; so long is it tried again.
    """
    way = _Way(url, probe_key, clock, trust)
    async with way:
        try:
            await _patiently(way.ask_health, within_s)
            answer = Trip.of(await way.time_answer())
        except UnreachableError as error:
            return Health(url=url, faults=(str(error),))
        try:
            sent = await way.time_socket()
        except UnreachableError as error:
            return Health(url=url, answer=answer, faults=(str(error),))
        return Health(url=url, answer=answer, socket=Trip.of(sent))


async def reach(url: str, *, probe_key: str, clock: Clock, trust: ssl.SSLContext | None = None) -> str | None:
    """One quick try: why the address doesn't lead to us; None where it does."""
    async with _Way(url, probe_key, clock, trust) as way:
        try:
            await way.ask_health()
        except UnreachableError as error:
            return str(error)
    return None


async def _patiently(ask: Callable[[], Awaitable[None]], within_s: float) -> None:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within_s
    while True:
        try:
            return await ask()
        except UnreachableError:
            if loop.time() + AGAIN_S >= give_up_at:
                raise
        await asyncio.sleep(AGAIN_S)


@dataclass(slots=True)
class _Way:
    """The way out and back in."""

    url: str
    probe_key: str = field(repr=False)
    clock: Clock
    trust: ssl.SSLContext | None
    _session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(resolver=_Resolver(), ssl=True if self.trust is None else self.trust)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "vsock", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=TRY_S),
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask_health(self) -> None:
        """
        One request for our health page.

        Raises:
            UnreachableError: another answers, or nobody.
        """
        await self._get(webhooks.HEALTH_PATH)

    async def time_answer(self) -> list[int]:
        """How long our answer URL takes, on a connection that is open already; in nanoseconds."""
        return [await self._get(webhooks.ANSWER_PATH) for _ in range(ANSWER_TRIES)]

    async def time_socket(self) -> list[int]:
        """How long each of some frames takes that our socket returns, at the pace of audio; in nanoseconds."""
        value = self._value()
        try:
            async with self._client.ws_connect(
                self.url + webhooks.SOCKET_PATH,
                headers={PROBE_HEADER: value},
                max_msg_size=MAX_READ,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            ) as websocket:
                async with asyncio.timeout(TRY_S):
                    return await self._time_frames(websocket)
        except aiohttp.WSServerHandshakeError as error:
            raise UnreachableError(
                f"webhooks come through and WebSockets don't: the upgrade is answered with {error.status}"
                f"{_page(error.status, error.headers)}"
            ) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UnreachableError(f"webhooks come through and WebSockets don't: {_why(error)}") from error

    async def _time_frames(self, websocket: aiohttp.ClientWebSocketResponse) -> list[int]:
        frame_bytes = AudioFormat(16000).frame_bytes
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        spans: list[int] = []

        async def send() -> None:
            for number in range(SOCKET_FRAMES):
                await asyncio.sleep(max(0.0, begun_at + number * FRAME_MS / 1000 - loop.time()))
                await websocket.send_bytes(self.clock.now().to_bytes(8, "big").ljust(frame_bytes, b"\0"))

        sending = asyncio.create_task(send())
        try:
            while len(spans) < SOCKET_FRAMES:
                message = await websocket.receive()
                if message.type is not aiohttp.WSMsgType.BINARY or len(message.data) != frame_bytes:
                    raise UnreachableError("webhooks come through and audio doesn't: the socket is closed at once")
                spans.append(self.clock.now() - int.from_bytes(message.data[:8], "big"))
        finally:
            sending.cancel()
        return spans

    async def _get(self, path: str) -> int:
        value, begun_at = self._value(), self.clock.now()
        try:
            async with self._client.get(
                self.url + path, headers={PROBE_HEADER: value}, allow_redirects=False
            ) as response:
                head = await response.content.read(MAX_READ)
                span_ns = self.clock.now() - begun_at
                self._judge(response, value, head)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UnreachableError(_why(error)) from error
        return span_ns

    def _judge(self, response: aiohttp.ClientResponse, value: str, body: bytes) -> None:
        status = response.status
        is_us = secrets.compare_digest(
            response.headers.get(PROBE_HEADER, "").encode(), probe_reply(value, self.probe_key).encode()
        )
        if is_us and status < 300:
            return
        if is_us:
            text = said(body.decode(errors="replace"), 120)
            raise UnreachableError(f"this server refuses what comes through it with {status}: {text}")
        if 300 <= status < 400:
            target = said(urlsplit(response.headers.get("Location", "")).netloc, 80)
            raise UnreachableError(
                f"it answers with a redirect ({status}{f' to {target}' if target else ''}), and Vonage follows none"
            )
        raise UnreachableError(
            f"another answers than this server, with {status}{_page(status, response.headers, body)}"
        )

    def _value(self) -> str:
        return probe_value(self.probe_key, nonce=secrets.token_hex(8), now_s=self.clock.wall_ns() // SECOND)

    @property
    def _client(self) -> aiohttp.ClientSession:
        assert self._session is not None  # noqa: S101  (it is a context)
        return self._session


class _Resolver(AbstractResolver):
    """Asks the system in a thread that nobody waits for: a name server that is silent must not hold up the program's end."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()

        def give(result: list[Any] | OSError) -> None:
            if not answer.done():
                if isinstance(result, OSError):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)

        def ask() -> None:
            result: list[Any] | OSError
            try:
                result = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                result = error if isinstance(error, OSError) else OSError(str(error))
            try:
                loop.call_soon_threadsafe(give, result)
            except RuntimeError:
                return  # the loop is closed

        threading.Thread(target=ask, name="vsock-resolve", daemon=True).start()
        return [
            ResolveResult(
                hostname=host, host=address[0], port=address[1], family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in await answer
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _why(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLError() as inner):
            return why_not(inner)
        case aiohttp.ClientConnectorDNSError():
            return "its name isn't known to the name servers (yet)"
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError() as inner):
            return why_not(inner)
        case aiohttp.ClientConnectorError(os_error=inner):
            return f"it can't be connected to: {said(inner.strerror or str(inner), 120)}"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the connection is closed without an answer"
        case TimeoutError():
            return f"no answer comes within {TRY_S:g} s"
    return said(str(error), 160) or type(error).__name__


def _page(status: int, headers: Mapping[str, str] | None, body: bytes = b"") -> str:
    page = recognise(status, headers or {}, body)
    return "" if page is None else f": {page.what}"


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"
