"""
Both ends of a leg against each other under a manual clock.

An hour of two-way audio takes seconds, and the time of every message is exact and the same in each run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vonage_sock.call.events import Event
from vonage_sock.call.machine import Close, Machine, Outgoing
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL

DEFAULT_LATENCY_NS: Final = 1 * MS
DEFAULT_LIMIT_NS: Final = 24 * 3600 * SECOND

Lateness = Callable[[int], int]
"""Given a deadline in nanoseconds, how much later its wake-up comes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message left one end at ``at``."""

    at: int
    message: Outgoing


@dataclass(slots=True)
class Transcript:
    """What happened in a call, each end by itself. With ``keep_messages`` off the lists of messages stay empty."""

    platform_sent: list[Sent] = field(default_factory=list)
    server_sent: list[Sent] = field(default_factory=list)
    platform_events: list[Event] = field(default_factory=list)
    server_events: list[Event] = field(default_factory=list)
    ended_at: int = 0

    def server_audio(self) -> bytes:
        """All audio that the server sent."""
        return b"".join(sent.message for sent in self.server_sent if isinstance(sent.message, bytes))

    def platform_audio(self) -> bytes:
        """All audio that the platform sent."""
        return b"".join(sent.message for sent in self.platform_sent if isinstance(sent.message, bytes))


def run_call(
    platform: Machine,
    server: Machine,
    *,
    clock: ManualClock,
    latency_ns: int = DEFAULT_LATENCY_NS,
    platform_lateness: Lateness | None = None,
    server_lateness: Lateness | None = None,
    keep_messages: bool = True,
    limit_ns: int = DEFAULT_LIMIT_NS,
) -> Transcript:
    """
    Run a call until its socket is closed.

    Args:
        clock: moved along; both machines must have been made with its present time.
        latency_ns: how long a message takes, either way.
        platform_lateness, server_lateness: how late each end's timers fire.

    Raises:
        TimeoutError: the call wasn't over after ``limit_ns``.
    """
    transcript = Transcript()
    ends = (
        _End(platform, transcript.platform_sent, transcript.platform_events, platform_lateness),
        _End(server, transcript.server_sent, transcript.server_events, server_lateness),
    )
    wire = _Wire(ends, latency_ns, keep_messages=keep_messages)
    limit_at = clock.now() + limit_ns
    wire.flush(clock.now())
    while not wire.closed:
        at = wire.next_at()
        if at is None or at > limit_at:
            raise TimeoutError(f"the call wasn't over after {limit_ns / SECOND:g} s")
        clock.advance_to(max(at, clock.now()))
        wire.step(clock.now())
    transcript.ended_at = clock.now()
    return transcript


@dataclass(slots=True)
class _End:
    machine: Machine
    sent: list[Sent]
    events: list[Event]
    lateness: Lateness | None
    deadline: int | None = None
    wakes_at: int | None = None
    touched: bool = True

    def arm(self) -> None:
        deadline = self.machine.next_deadline()
        if deadline != self.deadline:
            self.deadline = deadline
            late_ns = self.lateness(deadline) if self.lateness is not None and deadline is not None else 0
            self.wakes_at = None if deadline is None else deadline + late_ns

    def take_events(self) -> None:
        while (event := self.machine.next_event()) is not None:
            self.events.append(event)


class _Wire:
    """Carries messages between two ends, in order, each after the same time."""

    def __init__(self, ends: tuple[_End, _End], latency_ns: int, *, keep_messages: bool) -> None:
        self._ends = ends
        self._latency_ns = latency_ns
        self._keep_messages = keep_messages
        # All messages take the same time, so that they arrive in the order in which they left.
        self._under_way: deque[tuple[int, _End, Outgoing]] = deque()
        self.closed = False

    def next_at(self) -> int | None:
        next_at = self._under_way[0][0] if self._under_way else None
        for end in self._ends:
            wakes_at = end.wakes_at
            if wakes_at is not None and (next_at is None or wakes_at < next_at):
                next_at = wakes_at
        return next_at

    def step(self, now: int) -> None:
        under_way = self._under_way
        while under_way and under_way[0][0] <= now and not self.closed:
            _, receiver, message = under_way.popleft()
            self._deliver(receiver, message, now)
            receiver.touched = True
        for end in self._ends:
            if end.wakes_at is not None and end.wakes_at <= now and not self.closed:
                end.deadline = end.wakes_at = None
                end.machine.handle_deadline(now)
                end.touched = True
        self.flush(now)

    def flush(self, now: int) -> None:
        for end in self._ends:
            if not end.touched:
                continue
            end.touched = False
            other = self._ends[0] if end is self._ends[1] else self._ends[1]
            for message in end.machine.messages_to_send():
                if self._keep_messages:
                    end.sent.append(Sent(now, message))
                self._under_way.append((now + self._latency_ns, other, message))
            end.take_events()
            end.arm()

    def _deliver(self, receiver: _End, message: Outgoing, now: int) -> None:
        if isinstance(message, bytes):
            receiver.machine.receive_bytes(message, now)
        elif isinstance(message, str):
            receiver.machine.receive_text(message, now)
        elif isinstance(message, Close):
            self._close(message.code, message.reason, now)
        else:
            self._close(CLOSE_ABNORMAL, "", now)

    def _close(self, code: int, reason: str, now: int) -> None:
        self.closed = True
        for end in self._ends:
            end.machine.receive_close(code, reason, now)
            end.touched = True


class HeardPcm:
    """A ``HeardSink`` that keeps what was said and heard, sample beside sample."""

    def __init__(self) -> None:
        self.said = bytearray()
        self.heard = bytearray()

    def write(self, said: bytes, heard: bytes) -> None:
        """One step of 20 ms."""
        self.said += said
        self.heard += heard
