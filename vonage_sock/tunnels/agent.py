"""
Which public address leads to our port: asked of an ngrok agent on this machine.

A convenience at start-up, so it never raises, never takes longer than it was given, and says in one sentence why there
is no address. Whatever listens on the agent's port is treated as a stranger: little is read, nothing is followed, and
none of its text is shown except characters of an address.

Source: ngrok documentation, "ngrok Agent API" (``GET /api/tunnels``; since 2025 also ``GET /api/endpoints``).
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Final

import aiohttp

NGROK_API_URL: Final = "http://127.0.0.1:4040"
MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_SHOWN_CHARACTERS: Final = 80
MAX_SHOWN_ROUTES: Final = 3

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PUBLIC_URL = re.compile(rf"(https://(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>\d{{1,5}}))?)/?", re.ASCII)
_UPSTREAM = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]*)(?::(?P<port>\d{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
# The last is this machine as seen by an agent that runs in a container.
_OUR_HOST = re.compile(r"|localhost|127\.[0-9.]+|0\.0\.0\.0|\[::1?\]|host\.docker\.internal", re.IGNORECASE)
_NOT_OF_AN_ADDRESS = re.compile(r"[^A-Za-z0-9.:/_-]")


@dataclass(frozen=True, slots=True)
class TunnelLookup:
    """
    What the ngrok agent had to say.

    ``url`` is a public https base address without a slash at its end, or None; ``reason`` is a sentence for people.
    Without an address it is sure that there is none (``is_sure``), as no agent listens (``is_gone``) or it says so; or its
    answer couldn't be understood.
    """

    url: str | None
    reason: str
    is_sure: bool = field(default=True, compare=False)
    is_gone: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Route:
    """
    One tunnel: a public address (None if it is no https address for everybody) and the port of ours it leads to.

    ``tls`` is what the agent speaks to that port.
    """

    url: str | None
    port: int | None
    tls: bool
    shown: str


class _UnreadableError(Exception):
    """The agent answered, but not with a list of tunnels; the text says what came instead."""


async def find_ngrok(
    port: int,
    *,
    api_url: str = NGROK_API_URL,
    timeout_s: float = 1.0,
    tls: bool = False,
    prefer: str | None = None,
) -> TunnelLookup:
    """
    The https address of the ngrok tunnel that leads to ``port``, or why there is none.

    Never raises, and is back after ``timeout_s`` seconds whatever the agent does.

    Args:
        tls: our port speaks TLS, and nothing else.
        prefer: the address to take where several lead to us.
    """
    routes: list[_Route] = []
    problems: list[str] = []
    a_list_was_read = False
    try:
        async with asyncio.timeout(timeout_s), _session() as session:
            for list_name, read_route in _LISTS:
                try:
                    routes += map(read_route, await _fetch_list(session, api_url, list_name))
                    a_list_was_read = True
                except _UnreadableError as unreadable:
                    problems.append(f"/api/{list_name}: {unreadable}")
                fits = [route.url for route in routes if route.url and route.port == port and route.tls == tls]
                if fits:
                    url = prefer if prefer in fits else fits[0]
                    return TunnelLookup(url, f"an ngrok agent leads {url} to port {port}")
    except TimeoutError:
        problems.append(f"no answer within {timeout_s:g} s")
    except aiohttp.ClientConnectorError:
        reason = f"no ngrok agent runs on this machine; {_advice(port, tls=tls)}"
        return TunnelLookup(None, reason, is_gone=True)
    except Exception as error:  # noqa: BLE001  the server starts whatever its agent, or the library that reads it, does
        problems.append(f"not HTTP, or broken off: {type(error).__name__}")
    # Old agents know no /api/endpoints, so one list that could be read is enough to go by.
    if a_list_was_read:
        return TunnelLookup(None, _why_none_fits(routes, port, tls=tls))
    return TunnelLookup(None, f"the ngrok agent's answer can't be read ({'; '.join(problems)})", is_sure=False)


def _session() -> aiohttp.ClientSession:
    """A client that unpacks nothing, keeps nothing and knows no proxies."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
    )


async def _fetch_list(session: aiohttp.ClientSession, api_url: str, list_name: str) -> list[object]:
    """
    The entries of ``/api/{list_name}``.

    Raises:
        _UnreadableError: another status than 200, too long, not JSON, or JSON without that list.
    """
    body = bytearray()
    async with session.get(f"{api_url.rstrip('/')}/api/{list_name}", allow_redirects=False) as response:
        if response.status != 200:
            raise _UnreadableError(f"HTTP status {response.status}")
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise _UnreadableError(f"longer than {MAX_ANSWER_BYTES // 1024} KiB")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise _UnreadableError("not JSON") from None
    entries = answer.get(list_name) if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise _UnreadableError("not a list of tunnels")
    return entries


def _tunnel_route(entry: object) -> _Route:
    """An entry of ``/api/tunnels``: agents of version 2 and 3."""
    return _route(_member(entry, "public_url"), _member(_member(entry, "config"), "addr"))


def _endpoint_route(entry: object) -> _Route:
    """An entry of ``/api/endpoints``: newer agents of version 3."""
    return _route(_member(entry, "url"), _member(_member(entry, "upstream"), "url"))


_LISTS: Final = (("tunnels", _tunnel_route), ("endpoints", _endpoint_route))


def _member(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _route(public: object, upstream: object) -> _Route:
    port = our_port(upstream)
    tls = isinstance(upstream, str) and upstream.lower().startswith("https:")
    to = _shown(upstream) if port is None else f"https://localhost:{port}" if tls else str(port)
    return _Route(public_base(public), port, tls, f"{_shown(public)} → {to}")


def public_base(value: object) -> str | None:
    """
    A public https address without a slash at its end; None for anything else.

    Names under ``.internal`` are ngrok's own and can't be reached from outside.
    """
    if not isinstance(value, str) or len(value) > 300 or not value.isascii():
        return None
    match = _PUBLIC_URL.fullmatch(value.lower())
    if not match or len(match["host"]) > 253 or match["host"].endswith(".internal"):
        return None
    if match["port"] and not _is_port(int(match["port"])):
        return None
    return match[1]


def our_port(upstream: object) -> int | None:
    """The port of this machine that an ngrok upstream names (``8000``, ``localhost:8000``, ``http://[::1]:8000`` …)."""
    if isinstance(upstream, int):
        upstream = str(upstream)
    if not isinstance(upstream, str) or len(upstream) > 300:
        return None
    match = _UPSTREAM.fullmatch(f"localhost:{upstream}" if upstream.isdecimal() else upstream)
    if not match or not _OUR_HOST.fullmatch(match["host"]):
        return None
    default = "443" if (match["scheme"] or "").lower() == "https" else "80"
    port = int(match["port"] or default)
    return port if _is_port(port) else None


def _is_port(number: int) -> bool:
    return 0 < number < 65536


def _shown(value: object) -> str:
    """An address of the agent's, harmless on any terminal and too poor in characters to forge a sentence."""
    if not isinstance(value, str):
        return "?"
    return _NOT_OF_AN_ADDRESS.sub("?", value[:MAX_SHOWN_CHARACTERS]) or "?"


def _why_none_fits(routes: list[_Route], port: int, *, tls: bool) -> str:
    shown = list(dict.fromkeys(route.shown for route in routes))
    has = ", ".join(shown[:MAX_SHOWN_ROUTES]) or "none"
    if len(shown) > MAX_SHOWN_ROUTES:
        has += f" and {len(shown) - MAX_SHOWN_ROUTES} more"
    lack = f"none of its tunnels leads to port {port}"
    ours = [route for route in routes if route.port == port]
    if ours:
        lack = f"no tunnel to port {port} has a public https address"
    if any(route.url for route in ours):
        lack = f"its tunnel to port {port} speaks {'plain http, and we https' if tls else 'https, and we plain http'}"
    return f"an ngrok agent runs, but {lack} (it has {has}); {_advice(port, tls=tls)}"


def _advice(port: int, *, tls: bool) -> str:
    return f"start one with: ngrok http {f'https://localhost:{port}' if tls else port}"
