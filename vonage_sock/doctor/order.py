"""What to examine, and how."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from vonage_sock.account.credentials import Credentials
from vonage_sock.doctor.addresses import Target
from vonage_sock.doctor.checks import Check

Tell = Callable[[str, Check], object]
"""Given each check with what it is about, as soon as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    What to examine, and how.

    Args:
        target: None for the application's own answer URL, or where there is none, our own server on this machine.
        method: how the answer URL is asked; None for the application's own way, else GET.
        event_url: where an event is posted, in place of what the NCCO or the application names.
        signature_secret: signs the requests, as Vonage does.
        trust: whom to believe where an address asks for TLS; the system's authorities when None.
        own_authority: that holds one that was named here.
        rate_hz: of the call, where a socket was named, and so no NCCO says it.
    """

    target: Target | None
    credentials: Credentials = field(default_factory=Credentials)
    method: str | None = None
    event_url: str | None = None
    signature_secret: str | None = field(default=None, repr=False)
    trust: ssl.SSLContext | None = None
    own_authority: bool = False
    rate_hz: int = 16_000
