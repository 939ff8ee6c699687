"""What a server is told before it starts."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field, replace
from enum import Enum
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.errors import UsageError
from vonage_sock.limits import DEFAULTS, Limits
from vonage_sock.protocol import ncco as ncco_protocol
from vonage_sock.protocol import webhooks
from vonage_sock.protocol.signing import check_secret
from vonage_sock.transport.tls import ServerTls

ANY_ORIGIN: Final = "*"

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>\d{1,5}))?", re.ASCII)


class Engine(Enum):
    """What reads and writes the frames of the calls' sockets."""

    AUTO = "auto"
    """``DIRECT`` where the system and the installed aiohttp allow it."""

    DIRECT = "direct"
    """Our own, for many calls; Linux only."""

    AIOHTTP = "aiohttp"
    """aiohttp's documented websocket, with a task for each call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """
    Where to listen and what to answer.

    Args:
        port: 0 picks a free one.
        url: public base address, without a path's last slash; None goes by each request's own host.
        headers: metadata for the NCCO.
        ncco, fallback: NCCOs to answer with in place of ours, and after a failed or dropped socket.
        limits: what is taken from whoever reaches the server.
        max_calls: in place of ``limits.calls``.
        engine: what reads and writes the sockets' frames; its name will do.
        tls: speak https and wss, and nothing else, with this certificate.
        signature_secret: that of the Vonage account; only webhooks and sockets signed with it are let in.
        socket_auth: the NCCO asks for an authorization, and once there is a public address, sockets need it.
        allowed_origins: web pages that may open the socket, as ``https://host``; ``*`` for all.
        socket_token: what the NCCO asks for where there is no secret; a random one, the same in all workers.
        probe_key: what our own tries of our public address are signed with; likewise.

    Raises:
        UsageError: metadata over 512 bytes, an address, secret or origin that can't be used, or an engine that there
            isn't.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    audio_format: AudioFormat = AudioFormat(16000)
    url: str | None = None
    headers: Mapping[str, object] = field(default_factory=dict)
    greeting: str | None = None
    ncco: list[dict[str, Any]] | None = None
    fallback: list[dict[str, Any]] | None = None
    limits: Limits = DEFAULTS
    max_calls: InitVar[int | None] = None
    engine: Engine | Literal["auto", "direct", "aiohttp"] = Engine.AUTO
    tls: ServerTls | None = None
    signature_secret: str | None = field(default=None, repr=False)
    socket_auth: bool = True
    allowed_origins: tuple[str, ...] = ()
    socket_token: str = field(default_factory=secrets.token_urlsafe, repr=False, compare=False)
    probe_key: str = field(default_factory=secrets.token_urlsafe, repr=False, compare=False)

    def __post_init__(self, max_calls: int | None) -> None:
        if max_calls is not None:
            object.__setattr__(self, "limits", replace(self.limits, calls=max_calls))
        ncco_protocol.check_headers(self.headers)
        if self.url is not None:
            check_base_url(self.url)
        if self.signature_secret is not None:
            check_secret(self.signature_secret)
        object.__setattr__(self, "engine", _engine(self.engine))
        object.__setattr__(self, "allowed_origins", tuple(check_origin(origin) for origin in self.allowed_origins))


@dataclass(frozen=True, slots=True)
class Addresses:
    """The server's addresses as somebody else sees them."""

    base_url: str

    @property
    def answer_url(self) -> str:
        """For the application's answer URL."""
        return self.base_url + webhooks.ANSWER_PATH

    @property
    def event_url(self) -> str:
        """For the application's event URL."""
        return self.base_url + webhooks.EVENT_PATHS[0]

    @property
    def socket_url(self) -> str:
        """For the NCCO: ``wss`` wherever the base is ``https``."""
        scheme, rest = self.base_url.split("://", 1)
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{webhooks.SOCKET_PATH}"


def _engine(value: Engine | str) -> Engine:
    try:
        return Engine(value)
    except ValueError:
        names = ", ".join(engine.value for engine in Engine)
        raise UsageError(f"engine {value!r} is none of {names}") from None


def check_base_url(url: str) -> str:
    """
    A public base address as ``https://host`` or ``http://host``, with a path if there is one, without its last slash.

    Raises:
        UsageError: anything else; ``wss`` and ``ws`` addresses are told apart, as they are the likely mistake.
    """
    example = "give it as https://example.ngrok.app"
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise UsageError(f"--url {url!r} isn't an address; {example}") from None
    if parts.scheme in ("ws", "wss"):
        raise UsageError(f"--url {url!r} is a websocket address and must be the web server's; {example}")
    if parts.scheme not in ("http", "https") or not port_fits or not is_host(parts.netloc):
        raise UsageError(f"--url {url!r} isn't a web address; {example}")
    if parts.query or parts.fragment:
        raise UsageError(f"--url {url!r} has something behind its path; {example}")
    return url.rstrip("/")


def check_origin(origin: str) -> str:
    """
    The origin of a web page as browsers write it: ``https://host``, in lower case, or ``*`` or ``null``.

    Raises:
        UsageError: anything else.
    """
    tidy = origin.lower().rstrip("/")
    scheme, separator, host = tidy.partition("://")
    if tidy in (ANY_ORIGIN, "null") or (separator and re.fullmatch("[a-z][a-z0-9+.-]*", scheme) and is_host(host)):
        return tidy
    raise UsageError(f"--allow-origin {origin!r} isn't the origin of a web page; give it as https://example.com")


def is_host(value: str) -> bool:
    """A host name or address with or without a port, and nothing else."""
    match = _HOST.fullmatch(value)
    return match is not None and int(match["port"] or 1) in range(1, 65536)


def local_url(host: str, port: int, *, tls: bool = False) -> str:
    """The address to reach a listening server at from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    if ":" in reachable and not reachable.startswith("["):
        reachable = f"[{reachable}]"
    return f"{'https' if tls else 'http'}://{reachable}:{port}"
