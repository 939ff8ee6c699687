"""
When each worker is started, told to stop, and given up: a machine that is told what happened and when.

Rule 1: a worker that dies is started again, at once the first time and later the more often it dies soon after. Rule 2:
where workers can't start at all, the server ends and says so; one that has lived goes on trying as long as any worker
lives. Rule 3: whatever is told to stop ends, or is made to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from vonage_sock.clock import MS, SECOND

START_LIMIT_NS: Final = 30 * SECOND
"""A worker that isn't ready by then is stuck."""

ANSWER_LIMIT_NS: Final = 3 * SECOND
"""A worker that was told to stop and hasn't said that it heard is stuck; one that has nothing to complete ends as soon."""

STOP_LIMIT_NS: Final = 65 * SECOND
"""What a worker has for completing long recordings."""

FIRST_DELAY_NS: Final = 500 * MS
LONGEST_DELAY_NS: Final = 30 * SECOND
STEADY_NS: Final = 60 * SECOND
"""A worker that lived so long may die like one that never did."""

MAX_FAILED_STARTS: Final = 5


class State(Enum):
    """Where a worker stands."""

    STARTING = "its process runs, and isn't ready"
    READY = "it takes calls"
    WAITING = "it has died, and is started again later"
    GONE = "it has ended, and isn't started again"


class Action(Enum):
    """What is to be done with a worker's process."""

    START = "start one"
    STOP = "tell it to stop"
    KILL = "end it the hard way"


@dataclass(frozen=True, slots=True)
class Command:
    """An action, and the slot of the worker that it is meant for."""

    action: Action
    slot: int


@dataclass(slots=True)
class Slot:
    """One worker. ``due_at`` is when something is to be done about it, None for never."""

    state: State = State.WAITING
    due_at: int | None = None
    ready_at: int | None = None
    deaths: int = 0
    failed_starts: int = 0


@dataclass(slots=True)
class Restarts:
    """The workers of a server; all times are absolute nanoseconds."""

    workers: int
    slots: list[Slot] = field(default_factory=list)
    stopping: bool = False
    failure: str | None = None
    """Why there can be no server; everything is being stopped then."""

    _begun: bool = False
    _commands: list[Command] = field(default_factory=list)

    @property
    def all_ready(self) -> bool:
        """All workers take calls."""
        return all(slot.state is State.READY for slot in self.slots)

    @property
    def all_gone(self) -> bool:
        """The server is over."""
        return all(slot.state is State.GONE for slot in self.slots)

    def begin(self, now: int) -> None:
        """Start all workers."""
        self.slots = [Slot() for _ in range(self.workers)]
        for number in range(self.workers):
            self._start(number, now)

    def ready(self, number: int, now: int) -> None:
        """A worker takes calls."""
        slot = self.slots[number]
        if slot.state is State.STARTING and not self.stopping:
            slot.state, slot.due_at, slot.ready_at, slot.failed_starts = State.READY, None, now, 0
            self._begun = self._begun or self.all_ready

    def ended(self, number: int, now: int, why: str) -> int | None:
        """
        A worker's process has ended; in how many nanoseconds it is started again, None when it isn't.

        Args:
            why: in words, behind "worker 1".
        """
        slot = self.slots[number]
        was_ready = slot.state is State.READY
        slot.state, slot.due_at = State.GONE, None
        if self.stopping:
            return None
        if not self._begun:
            self._fail(f"worker {number + 1} {why} before it could take calls", now)
            return None
        steady = was_ready and slot.ready_at is not None and now - slot.ready_at >= STEADY_NS
        slot.deaths = 1 if steady else slot.deaths + 1
        slot.failed_starts += not was_ready
        if all(each.failed_starts >= MAX_FAILED_STARTS for each in self.slots):
            self._fail(f"no worker can be started any more: worker {number + 1} {why}", now)
            return None
        delay_ns = delay_before_restart_ns(slot.deaths)
        slot.state, slot.due_at = State.WAITING, now + delay_ns
        self.handle_deadline(now)
        return delay_ns

    def stop(self, now: int) -> None:
        """End all workers in peace."""
        if self.stopping:
            return
        self.stopping = True
        for number, slot in enumerate(self.slots):
            if slot.state in (State.STARTING, State.READY):
                slot.due_at = now + ANSWER_LIMIT_NS
                self._commands.append(Command(Action.STOP, number))
            else:
                slot.state, slot.due_at = State.GONE, None

    def heard_stop(self, number: int, now: int, *, completes: bool) -> None:
        """A worker that was told to stop is at it; ``completes`` is whether it has recordings to complete."""
        slot = self.slots[number]
        if self.stopping and slot.due_at is not None:
            slot.due_at = now + (STOP_LIMIT_NS if completes else ANSWER_LIMIT_NS)

    def next_deadline(self) -> int | None:
        """The earliest of what is to be done."""
        return min((slot.due_at for slot in self.slots if slot.due_at is not None), default=None)

    def handle_deadline(self, now: int) -> None:
        """Do what is due."""
        for number, slot in self._due(now):
            if slot.state is State.WAITING:
                self._start(number, now)
            else:
                # Its end is told like any other.
                slot.due_at = None
                self._commands.append(Command(Action.KILL, number))

    def commands(self) -> list[Command]:
        """What is to be done now, in order; each is given once."""
        commands, self._commands = self._commands, []
        return commands

    def _due(self, now: int) -> Iterable[tuple[int, Slot]]:
        return [(at, slot) for at, slot in enumerate(self.slots) if slot.due_at is not None and slot.due_at <= now]

    def _start(self, number: int, now: int) -> None:
        slot = self.slots[number]
        slot.state, slot.due_at = State.STARTING, now + START_LIMIT_NS
        self._commands.append(Command(Action.START, number))

    def _fail(self, why: str, now: int) -> None:
        self.failure = why
        self.stop(now)


def delay_before_restart_ns(deaths: int) -> int:
    """None after the first death, and then twice as long after each that follows soon."""
    if deaths <= 1:
        return 0
    return min(FIRST_DELAY_NS << min(deaths - 2, 16), LONGEST_DELAY_NS)
