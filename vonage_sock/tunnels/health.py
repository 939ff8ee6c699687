"""
Whether a public address leads to us, and how long the way there and back is: tried with our own answer URL and socket.

Rule: what is tried changes nothing and is no call: the server knows a try of its own by its signature.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from vonage_sock.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Ways there and back, in milliseconds: the median, and how much one differs from the next."""

    tries: int
    median_ms: float
    jitter_ms: float


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
        raise NotImplementedError


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
    raise NotImplementedError
