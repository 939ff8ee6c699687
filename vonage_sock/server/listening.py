"""
The sockets that a server of several processes listens with, bound by one of them, and why a port can't be had.

Linux spreads connections over sockets that share a port by ``SO_REUSEPORT``, and a process whose socket is closed leaves
the others to take what comes. Other systems give such sockets no share, or all to one: there, the processes accept from
one socket.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from typing import Any, Final

from vonage_sock.errors import ListenError
from vonage_sock.server.config import ServerConfig
from vonage_sock.transport.tls import GOODBYE_WAIT_S, HANDSHAKE_WAIT_S

BACKLOG: Final = 1024
"""How many connections may wait for a process that is being started again."""

LINUX: Final = sys.platform == "linux"
NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

ALSO: Final = {"localhost": ("127.0.0.1", "::1"), "::": ("0.0.0.0",)}  # noqa: S104  (who asks for all gets all)
"""What else a host stands for, whatever the system's table of hosts says of it: both kinds of address."""

Address = tuple[int, Any]
"""A socket's family and what it is bound to."""


class Listeners:
    """
    The sockets of each process, by its slot; ``bind`` makes them.

    Args:
        addresses: what each process listens on.
        shared: all processes accept from the same sockets.
    """

    def __init__(self, sockets: list[list[socket.socket]], addresses: list[Address], *, shared: bool) -> None:
        self._sockets = sockets
        self._addresses = addresses
        self._shared = shared

    @property
    def host(self) -> str:
        """The address that is listened on; the first of several."""
        return str(self._addresses[0][1][0])

    @property
    def port(self) -> int:
        """Its port."""
        return int(self._addresses[0][1][1])

    def of(self, slot: int) -> list[socket.socket]:
        """
        The sockets of a process; from now on they are listened on, and what comes waits for it.

        Raises:
            OSError: they were given up, and can't be had again.
        """
        if not self._sockets[slot]:
            self._sockets[slot] = _bind_more(self._addresses)
        return self._sockets[slot]

    def give_up(self, slot: int) -> None:
        """Leave what comes to the other processes' sockets; the last ones stay, so that the port does."""
        if not self._shared and any(sockets for at, sockets in enumerate(self._sockets) if at != slot):
            _close_all(self._sockets[slot])
            self._sockets[slot] = []

    def close(self) -> None:
        """Close all of them, here; a process that has its own still listens."""
        for sockets in self._sockets:
            _close_all(sockets)


async def bind(config: ServerConfig, count: int, *, shared: bool = not LINUX) -> Listeners:
    """
    Listen for so many processes, on each address that the host's name stands for.

    Raises:
        ListenError: the port is taken, or the address isn't this machine's.
    """
    first: list[socket.socket] = []
    sockets = [first]
    try:
        first += _bind_first(await _addresses_of(config))
        for one in first:
            # Only now: so far they had the port for themselves, which no other server would have shared with them.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, not shared)
        addresses: list[Address] = [(one.family, one.getsockname()) for one in first]
        while len(sockets) < count:
            sockets.append(first if shared else _bind_more(addresses))
        for one in first:
            one.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        for made in sockets:
            _close_all(made)
        raise ListenError(why_not_listening(config, error)) from error
    return Listeners(sockets, addresses, shared=shared)


async def _addresses_of(config: ServerConfig) -> list[Address]:
    loop = asyncio.get_running_loop()
    found: list[tuple[int, Any]] = []
    for host in (config.host, *ALSO.get(config.host.lower(), ())):
        infos = await loop.getaddrinfo(host or None, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        found += [(family, address) for family, _, _, _, address in infos]
    return list(dict.fromkeys(found))


def _bind_first(addresses: list[Address]) -> list[socket.socket]:
    """One for each address that this machine has; where any port will do, all get the one that the first is given."""
    made: list[socket.socket] = []
    missing: OSError | None = None
    for family, (host, port, *rest) in addresses:
        try:
            made.append(_bound(family, (host, made[0].getsockname()[1] if made else port, *rest)))
        except OSError as error:
            if error.errno not in NOT_HERE:
                _close_all(made)
                raise
            missing = error
    if missing is not None and not made:
        raise missing
    return made


def _bind_more(addresses: list[Address]) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for family, address in addresses:
            made.append(_bound(family, address, sharing=True))
            made[-1].listen(BACKLOG)
    except OSError:
        _close_all(made)
        raise
    return made


def _bound(family: int, address: Any, *, sharing: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sharing:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # As asyncio does: an address of the older kind is in the list by itself.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _close_all(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def tls_options(context: ssl.SSLContext) -> dict[str, Any]:
    """For an ``Acceptor``: a peer that opens TLS and says no more is soon gone."""
    return {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_WAIT_S, "ssl_shutdown_timeout": GOODBYE_WAIT_S}


def why_not_listening(config: ServerConfig, error: Exception) -> str:
    """One sentence: what is wrong with the host or the port, and what to choose instead."""
    where = f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{config.host!r} isn't an address or a known name; use 127.0.0.1, or 0.0.0.0 for all addresses"
    not_here = f"{config.host} isn't an address of this machine; use 127.0.0.1, or 0.0.0.0 for all of them"
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return (
                f"port {config.port} is in use on {config.host}; "
                "choose another port (0 picks a free one) or stop the other program"
            )
        case errno.EACCES:
            return f"you may not listen on {where}; ports below 1024 need rights, choose a higher one"
        case errno.EADDRNOTAVAIL:
            return not_here
        case None if "could not bind on any address" in str(error):
            # Newer Pythons try the next address of a name, and in the end say no more than this.
            return not_here
        case _:
            return f"can't listen on {where}: {error}"
