"""What load to make, as values that can be given to another process."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import UsageError
from vonage_sock.simulator.load.schedule import Schedule

WATCHED_CALLS: Final = 4
FOLLOWED_CALLS: Final = 4
RAMP_CALLS_PER_S: Final = 100
MAX_LOOPBACK_FREE: Final = 20

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """
    The load of one run.

    Args:
        target: a websocket's address, or an answer URL that is asked once for each call.
        ramp_ns: between the opening of the first call and that of the last.
        duration_ns: how long all of them speak together, after the ramp.
        headers: go into ``websocket:connected`` of a socket; an NCCO's own take their place.
        late_ns: a frame that takes longer to come back counts as late.
        record: write what the first so many callers heard; ``record_path`` is a template with ``{n}``.
        may_leave: load may go to other machines than this one.
    """

    target: str
    calls: int
    ramp_ns: int
    duration_ns: int
    rate_hz: int = 16000
    headers: JsonObject = field(default_factory=dict)
    method: str = "GET"
    from_number: str = "447700900001"
    to_number: str = "442079460000"
    signature_secret: str | None = field(default=None, repr=False)
    late_ns: int = 20 * MS
    record: int = 0
    record_path: str = "heard-{n}.wav"
    overwrite: bool = False
    open_timeout_s: float = 10.0
    engine: str = "auto"
    may_leave: bool = False

    @property
    def schedule(self) -> Schedule:
        """When everything happens."""
        return Schedule(calls=self.calls, ramp_ns=self.ramp_ns, duration_ns=self.duration_ns)

    @property
    def watched(self) -> int:
        """In how many calls, the first ones, findings are looked for."""
        return min(self.calls, max(WATCHED_CALLS, self.record))

    def with_calls(self, calls: int, ramp_ns: int | None) -> LoadPlan:
        """The same with another number of calls."""
        return replace(self, calls=calls, ramp_ns=default_ramp_ns(calls) if ramp_ns is None else ramp_ns)

    def to_json(self) -> JsonObject:
        """For another process."""
        return asdict(self)


def default_ramp_ns(calls: int) -> int:
    """A hundred calls a second."""
    return calls * SECOND // RAMP_CALLS_PER_S


def check_place(url: str, calls: int, *, may_leave: bool) -> None:
    """
    Refuse to load somebody else's machine by mistake.

    Raises:
        UsageError: the address isn't of this machine, the calls are many, and nobody said that this is meant.
    """
    if calls > MAX_LOOPBACK_FREE and not may_leave and not _is_loopback(urlsplit(url).hostname or ""):
        raise UsageError(
            f"{url} isn't on this machine, and {calls} calls at once may bring a server down; "
            "if you may do that to it, say so with --i-may-load-this"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
