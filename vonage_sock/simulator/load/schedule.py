"""
When each call begins, and when each of its frames is due: an absolute schedule, fixed before the first call.

A frame's 20 ms are divided into slots of one, which is as fine as event loops' timers are, and each call belongs to one
slot: the calls' phases are staggered, so that they don't all speak at once, and one timer serves all of them. Slots are
taken a stride apart, which spreads few calls evenly, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from vonage_sock.audio.frames import FRAME_NS

SLOTS: Final = 20
SLOT_NS: Final = FRAME_NS // SLOTS
_STRIDE: Final = 7

MemberT = TypeVar("MemberT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """
    The times of all calls of a run, in nanoseconds from its start.

    Args:
        ramp_ns: between the opening of the first call and that of the last.
        duration_ns: how long all calls speak together, after the ramp.
    """

    calls: int
    ramp_ns: int
    duration_ns: int

    @property
    def end_ns(self) -> int:
        """When the calls have said all."""
        return self.ramp_ns + self.duration_ns

    def open_ns(self, number: int) -> int:
        """When call ``number`` (from 0 on) is opened."""
        return self.ramp_ns * number // max(1, self.calls - 1)


def slot_of(number: int) -> int:
    """The slot of call ``number``: any 20 calls in a row have one each."""
    return number * _STRIDE % SLOTS


class Wheel(Generic[MemberT]):
    """Who is due when: goes round once in 20 ms, from ``start_at`` on."""

    def __init__(self, start_at: int) -> None:
        self._start_at = start_at
        self._tick = 0
        self._slots: list[list[MemberT]] = [[] for _ in range(SLOTS)]

    @property
    def next_at(self) -> int | None:
        """When somebody is due next; None when nobody is there."""
        slots, tick = self._slots, self._tick
        for ahead in range(SLOTS):
            if slots[(tick + ahead) % SLOTS]:
                return self._start_at + (tick + ahead) * SLOT_NS
        return None

    def join(self, member: MemberT, slot: int, now: int) -> int:
        """From now on it is due each 20 ms; when it is for the first time."""
        if self.next_at is None:
            self._tick = max(self._tick, -(-(now - self._start_at) // SLOT_NS))
        self._slots[slot].append(member)
        return self._start_at + (self._tick + (slot - self._tick) % SLOTS) * SLOT_NS

    def leave(self, member: MemberT, slot: int) -> None:
        """It isn't due any more."""
        if member in self._slots[slot]:
            self._slots[slot].remove(member)

    def due(self, now: int) -> Iterator[tuple[int, list[MemberT]]]:
        """Each slot whose time has come, with that time; after a stall all of them in their order, none twice."""
        while self._start_at + self._tick * SLOT_NS <= now:
            due_at, slot = self._start_at + self._tick * SLOT_NS, self._slots[self._tick % SLOTS]
            self._tick += 1
            if slot:
                yield due_at, list(slot)
