"""What call to make."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from vonage_sock.audio.source import OpenSource
from vonage_sock.errors import UsageError
from vonage_sock.protocol.webhooks import REGION_URL
from vonage_sock.simulator.drills.plan import Drills
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.ncco.connecting import OUTCOMES


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """
    The call to make.

    Args:
        target: a websocket's address, or an answer URL.
        audio: what the caller says, on each leg and in each recording anew.
        plan: the leg's format and headers for a websocket; an NCCO's own take their place.
        event_url: where the caller's events go; for an answer URL ``…/answer`` its neighbour ``…/event`` otherwise.
        fallback_url: is asked where the answer URL, or an event URL that should answer with an NCCO, fails.
        connect_outcomes: how phones and others answer, one after the other; the last holds for all that follow.
        speech: what a speech ``input`` recognises, one text for each.
        record_dir: where ``record`` writes; a new temporary directory when None.
        fast: let no time pass in ``talk``, ``stream``, ``wait`` and the like; a websocket's leg takes its time, and has all
            of the plan's duration.
        shuffle_seed: post events out of order and some of them twice; None for the usual order.
        drills: what the call is to suffer.
        ca: trust also the servers whose certificates were signed with one in this file (PEM).
        region_url: where the application finds the REST API for this call.
    """

    target: str
    audio: OpenSource
    plan: LegPlan
    from_number: str = "447700900001"
    to_number: str = "442079460000"
    event_url: str | None = None
    method: str = "GET"
    signature_secret: str | None = field(default=None, repr=False)
    fallback_url: str | None = None
    fallback_method: str = "GET"
    connect_outcomes: tuple[str, ...] = ("answered",)
    speech: tuple[str, ...] = ()
    record_dir: Path | None = None
    fast: bool = False
    shuffle_seed: int | None = None
    drills: Drills = field(default_factory=Drills)
    ca: Path | None = None
    region_url: str = REGION_URL

    def __post_init__(self) -> None:
        check_target(self.target)
        self.drills.check_target(self.target)
        for name, url in (("--event-url", self.event_url), ("--fallback-url", self.fallback_url)):
            if url is not None and urlsplit(url).scheme not in ("http", "https"):
                raise UsageError(f"{name} {url!r} isn't a web address; give it as https://example.com/events")
        if unknown := set(self.connect_outcomes) - set(OUTCOMES):
            raise UsageError(f"the outcome {min(unknown)!r} isn't known; give one of {', '.join(OUTCOMES)}")
        if self.record_dir is not None and not self.record_dir.is_dir():
            raise UsageError(f"--record-dir {self.record_dir} isn't a directory; create it first")


def check_target(target: str) -> str:
    """
    An address that can be called.

    Raises:
        UsageError: neither a websocket's address nor a web server's.
    """
    example = "give an answer URL (http://127.0.0.1:8000/webhooks/answer) or a socket (ws://127.0.0.1:8000/socket)"
    try:
        parts = urlsplit(target)
        usable = parts.scheme in ("ws", "wss", "http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(letter.isspace() or not letter.isprintable() for letter in target):
        raise UsageError(f"{target!r} can't be called; {example}")
    return target
