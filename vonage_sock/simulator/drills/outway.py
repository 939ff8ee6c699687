"""
What leaves of a leg that suffers, and when: on time, late, in a wrong size, or not at all.

Rule: order is kept, and time and chance are passed in. What is drawn for audio doesn't depend on what else is sent, so
that a seed repeats whatever the server asks for. Who hangs up doesn't wait for what is held back.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Final

from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.drills.plan import Drills

SOME_FRAMES: Final = (5, 20)
BAD_FRAME_EVERY: Final = (5, 30)


class Outway:
    """
    What leaves, and when.

    Args:
        now: when the socket was opened.
    """

    def __init__(self, drills: Drills, chance: random.Random, *, now: int) -> None:
        self._chance = chance
        self._jitter_ns = round(drills.jitter_ms * MS)
        self._stalls = sorted(
            (now + round(stall.at_s * SECOND), now + round((stall.at_s + stall.length_s) * SECOND))
            for stall in drills.stalls
        )
        self._held: deque[tuple[int, Outgoing]] = deque()
        self._latest_due = now
        self._frames = 0
        self._connected: Outgoing | None = None
        self._drills = drills
        self._late_after = chance.randint(*SOME_FRAMES)
        self._again_after = self._late_after * drills.late_connected + chance.randint(*SOME_FRAMES)
        self._bad_left = drills.bad_frames
        self._bad_kinds: list[int] = []
        self._next_bad = chance.randint(*BAD_FRAME_EVERY)
        self._audio_jitter = random.Random(chance.getrandbits(32) if self._jitter_ns else 0)  # noqa: S311  (as ``chance`` is)
        self.bad_sizes: list[int] = []
        self.struck: dict[str, str] = {}
        """By drill what was done, for those that have struck."""

    @property
    def next_at(self) -> int | None:
        """When the next of what is held back leaves."""
        return self._held[0][0] if self._held else None

    @property
    def frames(self) -> int:
        """How many frames were pushed."""
        return self._frames

    def push(self, message: Outgoing, now: int) -> None:
        """A message that would leave now."""
        if isinstance(message, Close | Abort):
            self._end(message, now)
        elif self._connected is None and isinstance(message, str):
            self._connected = message
            self._push_connected(message, now)
        elif isinstance(message, bytes):
            self._frames += 1
            self._hold(self._damaged(message), now)
            self._after_frame(now)
        else:
            self._hold(message, now)

    def take(self, now: int) -> list[Outgoing]:
        """What leaves now, in order."""
        taken: list[Outgoing] = []
        while self._held and self._held[0][0] <= now:
            taken.append(self._held.popleft()[1])
        return taken

    def _push_connected(self, message: str, now: int) -> None:
        if self._drills.no_connected:
            self.struck["no-connected"] = "websocket:connected was left out"
        elif self._drills.late_connected:
            self.struck["late-connected"] = "websocket:connected is held back"
        else:
            self._hold(message, now)

    def _after_frame(self, now: int) -> None:
        message = self._connected
        if message is None:
            return
        if self._drills.late_connected and self._frames == self._late_after:
            self.struck["late-connected"] = f"websocket:connected came after {self._frames} frames of audio"
            self._hold(message, now)
        if self._drills.dup_connected and self._frames == self._again_after:
            self.struck["dup-connected"] = f"websocket:connected came once more after {self._frames} frames"
            self._hold(message, now)

    def _damaged(self, frame: bytes) -> bytes:
        if not self._bad_left or self._frames != self._next_bad:
            return frame
        self._bad_left -= 1
        self._next_bad += self._chance.randint(*BAD_FRAME_EVERY)
        half = len(frame) // 2
        if not self._bad_kinds:
            self._bad_kinds = self._chance.sample(range(5), 5)
        bad = (frame[:half], frame[:-1], frame + frame[:half], frame * 2, b"")[self._bad_kinds.pop()]
        self.bad_sizes.append(len(bad))
        self.struck["bad-frames"] = _bad_frames_text(self.bad_sizes, self._drills.bad_frames)
        return bad

    def _hold(self, message: Outgoing, now: int) -> None:
        due_at = now
        if self._jitter_ns:
            # Text leaves right behind the audio before it: what a server asks for moves no frame.
            due_at += self._audio_jitter.randint(0, self._jitter_ns) if isinstance(message, bytes) else 0
            self.struck["jitter"] = f"each message leaves up to {self._jitter_ns / MS:g} ms late, in order"
        due_at = max(due_at, self._latest_due)
        for start, end in self._stalls:
            if start <= due_at < end:
                due_at = end
        self._latest_due = due_at
        self._held.append((due_at, message))

    def _end(self, message: Close | Abort, now: int) -> None:
        """Who hangs up doesn't wait."""
        kept = [] if isinstance(message, Abort) else [held for _, held in self._held]
        self._held = deque((now, item) for item in [*kept, message])


def _bad_frames_text(sizes: list[int], wanted: int) -> str:
    shown = ", ".join(map(str, sizes[:8])) + (" …" if len(sizes) > 8 else "")
    return f"{len(sizes)} of {wanted} frames left in a wrong size, in bytes: {shown}"
