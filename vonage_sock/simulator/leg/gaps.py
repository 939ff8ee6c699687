"""
Which gaps in what the caller heard say something about the server.

Rule: our own timer is the measure of the machine. One that keeps us waiting keeps a server of its own waiting too, so that a
short gap there is nobody's fault; but where the server's pace is slow all the time, the pace explains every one of them.
"""

from __future__ import annotations

from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.playout import Gap
from vonage_sock.clock import MS

OWN_SHARE: Final = 2
"""A pause of the server's counts when it is more than so many times as long as our longest of late."""

LATELY_STEPS: Final = 50
GAPS_TO_SUM_UP: Final = 3


class GapJudge:
    """
    Tells the server's gaps from those of a busy machine.

    Args:
        prebuffer_frames: what is waited for before playing goes on; that much of a gap is the platform's own.
    """

    def __init__(self, prebuffer_frames: int) -> None:
        self._prebuffer_ns = prebuffer_frames * FRAME_NS
        self._steps = 0
        self._worst_ns = 0
        self._worst_before_ns = 0
        self._judged = 0
        self._slow = False
        self._excused: list[Gap] = []
        self._counted: list[Gap] = []

    def stepped(self, late_ns: int) -> None:
        """A step of ours was so late."""
        if self._steps % LATELY_STEPS == 0:
            self._worst_ns, self._worst_before_ns = 0, self._worst_ns
        self._steps += 1
        if late_ns > self._worst_ns:
            self._worst_ns = late_ns

    def judge(self, gaps: list[Gap]) -> list[Gap]:
        """Those that count, of the gaps that are new in this list of all."""
        new, self._judged = gaps[self._judged :], len(gaps)
        counted: list[Gap] = []
        for gap in new:
            own_ns = OWN_SHARE * max(self._worst_ns, self._worst_before_ns)
            blamed = self._slow or gap.length_ns - self._prebuffer_ns > own_ns
            (counted if blamed else self._excused).append(gap)
        self._counted += counted
        return counted

    def pace_is_slow(self) -> list[Gap]:
        """The server is slow all the time: the gaps that were excused so far, which count now."""
        self._slow = True
        excused, self._excused = self._excused, []
        self._counted += excused
        return excused

    def numbers(self) -> dict[str, int] | None:
        """How many and how long, where they are too many for single mishaps."""
        if len(self._counted) < GAPS_TO_SUM_UP:
            return None
        lengths_ns = [gap.length_ns for gap in self._counted]
        return {
            "gaps": len(lengths_ns),
            "total_ms": round(sum(lengths_ns) / MS),
            "longest_ms": round(max(lengths_ns) / MS),
        }
