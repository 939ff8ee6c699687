"""
Addresses, by what can be read from them: what is asked there, who leads to it, and whether two of them are one place.

Pure: nothing is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from vonage_sock.errors import UsageError
from vonage_sock.protocol.ncco_lint import is_local_host
from vonage_sock.protocol.webhooks import ANSWER_PATH

DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
SECURE: Final = frozenset({"https", "wss"})
SOCKETS: Final = frozenset({"ws", "wss"})
WEB: Final = frozenset({"http", "https"})

_TUNNELS: Final = (
    (("ngrok.io", "ngrok.app", "ngrok.dev", "ngrok-free.app", "ngrok-free.dev", "ngrok.pizza"), "ngrok"),
    (("trycloudflare.com", "cfargotunnel.com"), "cloudflared"),
    (("loca.lt", "localtunnel.me"), "localtunnel"),
    (("devtunnels.ms",), "a dev tunnel"),
    (("serveo.net", "serveousercontent.com"), "serveo"),
    (("lhr.life", "localhost.run"), "localhost.run"),
    (("ts.net",), "Tailscale Funnel"),
    (("pinggy.link", "pinggy.io"), "pinggy"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection is made to."""

    host: str
    port: int
    secure: bool

    @property
    def is_local(self) -> bool:
        """It is on this machine or in this network, where Vonage can't come."""
        return is_local_host(self.host)

    @property
    def tunnel(self) -> str | None:
        """Whose tunnel it is, by its name."""
        for suffixes, name in _TUNNELS:
            if any(self.host == suffix or self.host.endswith(f".{suffix}") for suffix in suffixes):
                return name
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """
    What is to be examined.

    Args:
        url: an answer URL, or a websocket's address.
        assumed: only a base address was given, and the path is the usual one.
    """

    url: str
    assumed: bool = False

    @property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.url)

    @property
    def is_socket(self) -> bool:
        """It is a websocket's address."""
        return urlsplit(self.url).scheme.lower() in SOCKETS


def read_target(text: str) -> Target:
    """
    What somebody means who gives this: a base address, an answer URL or a websocket's address.

    Raises:
        UsageError: none of them.
    """
    parts = _parts_of(text)
    if parts is None:
        raise UsageError(
            f"{text!r} can't be examined; give a base address (https://example.com), an answer URL "
            "(https://example.com/webhooks/answer) or a socket (wss://example.com/socket)"
        )
    if parts.scheme not in SOCKETS and parts.path in {"", "/"} and not parts.query:
        return Target(f"{parts.scheme}://{parts.netloc}{ANSWER_PATH}", assumed=True)
    return Target(text)


def is_address(text: object, schemes: frozenset[str]) -> bool:
    """Whether it is an address of one of these schemes that a connection can be made to."""
    parts = _parts_of(text) if isinstance(text, str) else None
    return parts is not None and parts.scheme in schemes


def place_of(url: str) -> Place:
    """Where an address leads; ``url`` is one that ``is_address`` or ``read_target`` took."""
    parts = urlsplit(url)
    return Place((parts.hostname or "").lower(), parts.port or DEFAULT_PORTS[parts.scheme], parts.scheme in SECURE)


def base_of(url: str) -> str:
    """The address without its path, as it is compared."""
    place = place_of(url)
    host = f"[{place.host}]" if ":" in place.host else place.host
    usual = place.port == (443 if place.secure else 80)
    return f"{'https' if place.secure else 'http'}://{host}{'' if usual else f':{place.port}'}"


def same_address(one: str, other: str) -> bool:
    """Whether a request to the one is a request to the other; queries don't count."""
    return base_of(one) == base_of(other) and _path_of(one) == _path_of(other)


def _path_of(url: str) -> str:
    return urlsplit(url).path or "/"


def _parts_of(text: str) -> SplitResult | None:
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None
