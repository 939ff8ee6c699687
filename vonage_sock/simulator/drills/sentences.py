"""
How a server took a drill: what is counted of it from the strike on, and the sentence that the report says.

Rule: a sentence says what was seen, with its numbers, and guesses at nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from vonage_sock.clock import MS, SECOND
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL

STILL_SENDING_NS: Final = 100 * MS

JsonObject = dict[str, Any]


@dataclass(slots=True)
class Watch:
    """
    What came from the server since a drill struck.

    Args:
        before: how many frames had come until then.
        until: when a stall would be over.
    """

    drill: str
    at: int
    did: str
    before: int
    until: int | None = None
    frames: int = 0
    first_at: int = 0
    last_at: int = 0
    longest_gap_ns: int = 0

    def audio(self, now: int) -> None:
        """A binary message came."""
        if self.frames:
            self.longest_gap_ns = max(self.longest_gap_ns, now - self.last_at)
        else:
            self.first_at = now
        self.frames += 1
        self.last_at = now


@dataclass(frozen=True, slots=True)
class Ending:
    """How and when a leg's socket ended; ``by_us`` when we closed or gave it up."""

    at: int
    code: int
    reason: str
    by_us: bool


def row(drill: str, at_ns: int | None, did: str, took: str) -> JsonObject:
    """One drill in a report."""
    return {"drill": drill, "at_s": None if at_ns is None else round(at_ns / SECOND, 3), "did": did, "took": took}


def took_drop(watch: Watch, ending: Ending) -> str:
    """TCP was closed on our side."""
    still = f" and sent {watch.frames} more frames" if watch.last_at - watch.at > STILL_SENDING_NS else ""
    if ending.by_us:
        return f"it left its end open for {span(ending.at - watch.at)}{still}"
    return f"it closed its end after {span(ending.at - watch.at)}{still}"


def took_half_open(watch: Watch, ending: Ending, pings: int) -> str:
    """We went silent."""
    if ending.by_us:
        sent = f"it sent {_frames(watch.frames)} and {pings} {'ping' if pings == 1 else 'pings'}"
        return f"it didn't notice within {span(ending.at - watch.at)}: {sent}"
    return f"it noticed: {how(ending)} after {span(ending.at - watch.at)}"


def took(watch: Watch, ending: Ending) -> str:
    """The connection was left whole."""
    if not ending.by_us:
        return f"{how(ending)} {span(ending.at - watch.at)} later, {_frames(watch.frames)} after it"
    if not watch.frames:
        return "it stayed, and sent nothing any more" if watch.before else "it stayed, without audio before or after"
    gap = f", longest gap {span(watch.longest_gap_ns)}" if watch.frames > 1 else ""
    return f"it went on: {_frames(watch.frames)} followed, the first after {span(watch.first_at - watch.at)}{gap}"


def how_it_ended(code: int, reason: str) -> str:
    """How a connection ended, to stand behind its name."""
    if code == CLOSE_ABNORMAL:
        return "was lost without a close frame"
    return f"was closed by the server with {code}{f' ({reason})' if reason else ''}"


def how(ending: Ending) -> str:
    """How a socket ended that the server closed or lost."""
    if ending.code == CLOSE_ABNORMAL:
        return "the connection was lost"
    return f"it closed with {ending.code}{f' ({ending.reason})' if ending.reason else ''}"


def _frames(count: int) -> str:
    return f"{count:,} frame{'' if count == 1 else 's'}"


def seconds(span_ns: int) -> str:
    """A length of time as a number of seconds."""
    return f"{span_ns / SECOND:.3g}"


def span(span_ns: int) -> str:
    """A length of time with its unit."""
    ms = span_ns / MS
    return f"{ms:.0f} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"
