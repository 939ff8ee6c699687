"""
Who may come in: signed webhooks, sockets that show what our NCCO asks for, and requests that are meant for us.

An address is public when one was given or found; then sockets need an authorization. A request is local when it comes from
this machine and nobody passed it on: as long as nothing is public, such a socket needs none. Rule 1: what is forwarded
is believed only from this machine, where tunnels' agents run, and only while no public address is known. Rule 2: nothing
here reads a body as anything but bytes.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from vonage_sock.clock import SECOND, Clock
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import Ncco, authorized, custom_authorizations
from vonage_sock.protocol.replays import Replays
from vonage_sock.protocol.signing import Fault, Verdict, Verifier, same_text
from vonage_sock.server.config import ANY_ORIGIN, Addresses, ServerConfig, is_host, local_url

SHOWN_LETTERS: Final = 80
SIGNED_DOTS: Final = 2
"""In a JWT."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_PASSED_ON: Final = (
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Real-IP",
    "Via",
    "CF-Connecting-IP",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """
    A request, as far as it says who comes from where.

    Args:
        remote: the peer's address, without its port.
        came_to: our own address and port on this connection, as they would stand in ``Host``.
        scheme: http or https, as it is on this connection.
        passed_on: a proxy or a tunnel says that it passed the request on.
    """

    remote: str
    came_to: str
    scheme: str = "http"
    host: str = ""
    origins: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = ()
    forwarded_host: str = ""
    forwarded_scheme: str = ""
    passed_on: bool = False

    @classmethod
    def of(cls, request: web.Request, *, otherwise: str) -> Visit:
        """Of a request; ``otherwise`` is where it came to, if its connection is gone already."""
        headers = request.headers
        own = None if request.transport is None else request.transport.get_extra_info("sockname")
        return cls(
            remote=request.remote or "",
            came_to=otherwise if own is None else urlsplit(local_url(*own[:2])).netloc,
            scheme=request.scheme,
            host=headers.get("Host", ""),
            origins=tuple(headers.getall("Origin", ())),
            authorizations=tuple(headers.getall("Authorization", ())),
            forwarded_host=_first(headers.get("X-Forwarded-Host")),
            forwarded_scheme=_first(headers.get("X-Forwarded-Proto")).lower(),
            passed_on=any(name in headers for name in _PASSED_ON),
        )

    @property
    def from_here(self) -> bool:
        """The peer is on this machine: a program, or a tunnel's agent."""
        return _is_loopback(self.remote)


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    Why somebody isn't let in.

    Args:
        code, numbers: the finding for who runs the server.
        text: a sentence for who asked.
    """

    status: int
    code: str
    numbers: dict[str, Any]
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class Gate:
    """
    Lets in, or says why not.

    Args:
        replays: the tokens that were used; of this process alone, when left out.
    """

    def __init__(self, config: ServerConfig, clock: Clock, *, replays: Replays | None = None) -> None:
        self._config = config
        self._clock = clock
        secret = config.signature_secret
        self._verifier = None if secret is None else Verifier(secret, replays=replays)

    def publish(self, url: str) -> None:
        """There is a public address from now on."""
        self._config = replace(self._config, url=url)

    @property
    def is_public(self) -> bool:
        """Others than this machine are known to reach us."""
        return self._config.url is not None

    # Addresses.

    def addresses(self, visit: Visit) -> Addresses:
        """
        Our addresses as this visitor sees them.

        The public one; else what a tunnel's agent on this machine forwards; else the ``Host``, as far as it names us.
        """
        if self._config.url is not None:
            return Addresses(self._config.url.rstrip("/"))
        if visit.from_here and visit.passed_on:
            host = visit.forwarded_host or visit.host
            scheme = visit.forwarded_scheme if visit.forwarded_scheme in DEFAULT_PORTS else visit.scheme
            if is_host(host):
                return Addresses(f"{scheme}://{host}")
        return Addresses(f"{visit.scheme}://{visit.host if self._names_us(visit.host, visit) else visit.came_to}")

    def check_host(self, visit: Visit) -> Refusal | None:
        """Is the request meant for us? Anybody may let a name of theirs lead to our address."""
        public = self._config.url
        if public is None or self._is_known(visit.host, visit) or self._is_mapped(visit):
            return None
        shown = urlsplit(public).netloc
        return Refusal(
            421,
            "VS443",
            {"host": visit.host[:SHOWN_LETTERS] or "no host", "public": shown},
            "This server isn't known by the name that was asked for.",
        )

    # Webhooks.

    def check_webhook(self, visit: Visit, *, body: bytes | None, query: dict[str, str]) -> Verdict | None:
        """
        Did Vonage send it? None where there is no secret to tell by.

        Args:
            body: the raw bytes; None for a GET.
        """
        if self._verifier is None:
            return None
        signed = jsontext.dumps(query).encode() if body is None else None
        return self._verifier.check(visit.authorizations, now_s=self._now_s(), body=body, query=signed)

    # Sockets.

    @property
    def authorization(self) -> dict[str, str] | None:
        """What an NCCO of ours asks the platform to show; None for nothing."""
        config = self._config
        if not config.socket_auth:
            return None
        if config.signature_secret is not None:
            return {"type": "vonage"}
        return {"type": "custom", "value": f"Bearer {config.socket_token}"}

    def fill(self, ncco: Ncco, socket_url: str) -> Ncco:
        """A user's own NCCO, with ``authorization`` where it leads to our socket and has none."""
        asked = self.authorization
        return ncco if asked is None else authorized(ncco, socket_url=socket_url, authorization=asked)

    def check_socket(self, visit: Visit) -> Refusal | None:
        """May this socket be opened?"""
        strangers = [origin for origin in visit.origins if not self._allows_origin(origin, visit)]
        if strangers:
            return Refusal(
                403,
                "VS442",
                {"origin": strangers[0][:SHOWN_LETTERS]},
                "Web pages may not open this socket (vsock: --allow-origin).",
            )
        if not self._config.socket_auth or self._shows_custom(visit):
            return None
        open_to_all = self._is_local(visit)
        if self._verifier is None:
            return None if open_to_all else self._unauthorized(_why_not_custom(visit))
        if open_to_all and not visit.authorizations:
            return None
        verdict = self._verifier.check(visit.authorizations, now_s=self._now_s())
        return None if verdict.good else self._unauthorized(verdict.reason)

    def _is_local(self, visit: Visit) -> bool:
        """A program on this machine that knows us by our own name: what a tunnel passes on has the tunnel's."""
        return visit.from_here and not visit.passed_on and not self.is_public and self._names_us(visit.host, visit)

    def _shows_custom(self, visit: Visit) -> bool:
        shown = visit.authorizations
        return len(shown) == 1 and any(_same_authorization(shown[0], value) for value in self._custom_values())

    def _custom_values(self) -> list[str]:
        """What opens a socket by itself: our own value, and those of the user's own NCCOs that lead to us."""
        config = self._config
        values = [f"Bearer {config.socket_token}"] if config.signature_secret is None else []
        socket_url = None if config.url is None else Addresses(config.url.rstrip("/")).socket_url
        for ncco in (config.ncco, config.fallback):
            values += custom_authorizations(ncco or [], socket_url=socket_url)
        return values

    def _unauthorized(self, reason: str) -> Refusal:
        return Refusal(
            401,
            "VS441",
            {"reason": reason},
            f"The request {reason}. Take the authorization from the NCCO of this server (vsock: --no-auth asks for none).",
            {"WWW-Authenticate": "Bearer"},
        )

    # Small things.

    def _now_s(self) -> float:
        return self._clock.wall_ns() / SECOND

    def _allows_origin(self, origin: str, visit: Visit) -> bool:
        allowed = self._config.allowed_origins
        if ANY_ORIGIN in allowed or origin.lower().rstrip("/") in allowed:
            return True
        # Older clients of Vonage's name the host that they call as their origin; no page is served from there.
        return self._is_known(origin.partition("://")[2] or origin, visit)

    def _is_known(self, host: str, visit: Visit) -> bool:
        return self._is_public_name(host) or self._names_us(host, visit, own_port=True)

    def _is_mapped(self, visit: Visit) -> bool:
        """A program on this machine may reach us through another port of it; no name that leads here says "localhost"."""
        return visit.from_here and not visit.passed_on and _is_here(visit.host)

    def _is_public_name(self, host: str) -> bool:
        public = self._config.url
        return public is not None and is_host(host) and _name_in(host) == _name_in(urlsplit(public).netloc)

    def _names_us(self, host: str, visit: Visit, *, own_port: bool = False) -> bool:
        """It names this machine to itself, or is the address that was connected to."""
        if not is_host(host):
            return False
        if own_port and _port_in(host, visit.scheme) != _port_in(visit.came_to, visit.scheme):
            return False
        return _is_here(host) or _name_in(host) in (_name_in(visit.came_to), _tidy_name(self._config.host))


def exposure(config: ServerConfig) -> str | None:
    """What to tell who runs a server whose address is public; None where nothing is left to say."""
    if config.signature_secret is not None:
        return None
    advice = "give --signature-secret to take only what Vonage has signed"
    if not config.socket_auth:
        return f"anybody who finds the address can post webhooks and open the socket; {advice}"
    return (
        f"anybody who finds the address can post webhooks, and ask the answer URL for what opens the socket; {advice}"
    )


def unsigned(verdict: Verdict) -> Refusal:
    """A webhook that isn't Vonage's."""
    return Refusal(
        401,
        "VS440",
        {"reason": verdict.reason},
        f"The request {verdict.reason}.",
        {"WWW-Authenticate": "Bearer"},
    )


def _why_not_custom(visit: Visit) -> str:
    if not visit.authorizations:
        return Fault.MISSING.value
    if len(visit.authorizations) > 1:
        return Fault.SEVERAL.value
    if visit.authorizations[0].count(".") == SIGNED_DOTS:
        return "has a signed token, and without --signature-secret there is nothing to check it with"
    return "has another authorization than the NCCO asks for"


def _same_authorization(one: str, other: str) -> bool:
    """The scheme's letters may be of either case."""
    return same_text(_tidy(one), _tidy(other))


def _tidy(authorization: str) -> str:
    kind, _, value = authorization.strip().partition(" ")
    return f"{kind.lower()} {value.strip()}"


def _is_loopback(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_here(host: str) -> bool:
    """It names this machine to itself."""
    name = _name_in(host)
    return is_host(host) and (name == "localhost" or name.endswith(".localhost") or _is_loopback(name))


def _name_in(host: str) -> str:
    """Of ``host:port``, which was found to be that, the host."""
    name, colon, port = host.rpartition(":")
    return _tidy_name(name if colon and port.isdecimal() else host)


def _tidy_name(name: str) -> str:
    """One spelling of all that a host name or address may have."""
    try:
        return ipaddress.ip_address(name.strip("[]")).compressed
    except ValueError:
        return name.lower().rstrip(".")


def _port_in(host: str, scheme: str) -> int:
    name, colon, port = host.rpartition(":")
    return int(port) if colon and name and port.isdecimal() else DEFAULT_PORTS.get(scheme, 0)


def _first(value: str | None) -> str:
    return (value or "").split(",", 1)[0].strip()
