"""
What a WebSocket library sees and doesn't pass on: fragments, pongs, and audio after a close.

An adapter tells its ``WireWatch`` what it sees of the wire, with the time; what is wrong comes out as findings.

Rule: no false alarms. A pong may be slow, and what was under way when we closed may still come: only what is late by
seconds, or comes from a peer that never answers our close, is told.
"""

from __future__ import annotations

from typing import Final

from vonage_sock.call.inspect import Found
from vonage_sock.clock import MS, SECOND

PONG_WAIT_NS: Final = 10 * SECOND
UNDER_WAY_NS: Final = 500 * MS


class WireWatch:
    """Looks at the frames of one connection, as they come in."""

    def __init__(self) -> None:
        self._found: list[Found] = []
        self._fragments = 0
        self._size = 0
        self._pinged_at: int | None = None
        self._pong_missed = False
        self._closed_at: int | None = None
        self._close_code = 0
        self._late_frames = 0
        self._late_ns = 0

    def data(self, size: int, now: int, *, last: bool = True) -> None:
        """A data frame came in; ``last`` when it ends its message."""
        if self._closed_at is not None and now - self._closed_at > UNDER_WAY_NS:
            self._late_frames += 1
            self._late_ns = now - self._closed_at
        if last and not self._fragments:
            return
        self._fragments += 1
        self._size += size
        if last:
            self._found.append(Found("VS313", {"size": self._size, "fragments": self._fragments}))
            self._fragments = self._size = 0

    def pinged(self, now: int) -> None:
        """A ping of ours left."""
        if self._pinged_at is None:
            self._pinged_at = now

    def ponged(self) -> None:
        """A pong came; one may answer several pings, so that any will do."""
        self._pinged_at = None

    @property
    def awaits_pong(self) -> bool:
        """A ping is unanswered."""
        return self._pinged_at is not None

    def closing(self, code: int, now: int) -> None:
        """Our close frame left."""
        self._closed_at = now
        self._close_code = code

    def over(self, *, answered: bool, left_open: bool = False) -> None:
        """
        The connection is gone.

        Args:
            answered: the peer's close frame came.
            left_open: we had to close TCP too; who does that without a close frame has seen ours all the same.
        """
        if self._closed_at is None or answered:
            return
        self._closed_at = None
        if left_open:
            self._found.append(Found("VS310", {"close_code": self._close_code}))
        if self._late_frames:
            numbers = {"frames": self._late_frames, "late_ms": round(self._late_ns / MS)}
            self._found.append(Found("VS316", numbers))

    def found(self, now: int) -> list[Found]:
        """What is wrong since it was asked last."""
        since = self._pinged_at
        if since is not None and not self._pong_missed and now - since >= PONG_WAIT_NS:
            self._pong_missed = True
            self._found.append(Found("VS315", {"waited_s": round((now - since) / SECOND)}))
        if not self._found:
            return []
        found, self._found = self._found, []
        return found
