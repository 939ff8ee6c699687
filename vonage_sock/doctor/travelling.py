"""The way to each place that is examined: gone once, step by step, as far as it leads."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from vonage_sock.clock import Clock
from vonage_sock.doctor.addresses import Place
from vonage_sock.doctor.checks import Check, is_broken
from vonage_sock.doctor.reaching import connect, look_up, shake_hands
from vonage_sock.doctor.ways import judge_connection, judge_handshake, judge_lookup, no_tls

Doing = Callable[[str], object]
"""Told what is tried now."""


class Traveller:
    """
    Goes to places, and remembers where it has been.

    Args:
        trust: whom to believe where TLS is asked for; the system's authorities when None.
        own_authority: that holds one that was named here.
    """

    def __init__(self, clock: Clock, *, trust: ssl.SSLContext | None, own_authority: bool, doing: Doing) -> None:
        self._clock = clock
        self._trust = trust
        self._own_authority = own_authority
        self._doing = doing
        self._been: dict[Place, bool] = {}
        self._near: set[Place] = set()

    def is_near(self, place: Place) -> bool:
        """It is on this machine or network, by its name or by what that led to."""
        return place.is_local or place in self._near

    async def go(self, place: Place, tell: Callable[[Check], object], *, near: bool = True) -> bool:
        """
        Look up, connect, open TLS; each step is told the first time. Whether one can come there.

        Args:
            near: go, too, where a name leads to this machine or network.
        """
        if place not in self._been:
            self._been[place] = await self._steps(place, tell, near=near)
        return self._been[place]

    async def _steps(self, place: Place, tell: Callable[[Check], object], *, near: bool) -> bool:
        self._doing(f"looking {place.host} up")
        lookup = await look_up(place)
        tell(judge_lookup(place, lookup))
        if lookup.is_private:
            self._near.add(place)
        if not lookup.addresses or (lookup.is_private and not near):
            return False
        self._doing(f"connecting to {place.host}, port {place.port}")
        connection = await connect(place, self._clock)
        tell(judge_connection(place, connection))
        if connection.late or connection.error is not None:
            return False
        check = await self._open_tls(place) if place.secure else no_tls(place)
        tell(check)
        return not is_broken([check])

    async def _open_tls(self, place: Place) -> Check:
        self._doing(f"opening TLS with {place.host}")
        shaken = await shake_hands(place, self._trust)
        return judge_handshake(place, shaken, wall_ns=self._clock.wall_ns(), own_authority=self._own_authority)
