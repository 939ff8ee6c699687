"""
The keys that are still to be pressed in a call.

Each key waits its own time from when somebody begins to listen for keys (an ``input``, a websocket, a ``talk`` that may be
interrupted) or from the key before. So one script serves a call of many actions, whatever lies between them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from vonage_sock.simulator.leg.dtmf import KeyPress


class Keypad:
    """The script of a call, used up as the call goes on."""

    def __init__(self, presses: Iterable[KeyPress]) -> None:
        self.taken = False
        """Somebody waits for the keys, and presses them when they are due."""
        self._gaps: deque[tuple[int, KeyPress]] = deque()
        before_ns = 0
        for press in presses:
            self._gaps.append((press.after_ns - before_ns, press))
            before_ns = press.after_ns

    @property
    def next_in_ns(self) -> int | None:
        """How long until the next key, while somebody listens; None when there is none."""
        return self._gaps[0][0] if self._gaps else None

    def listened(self, span_ns: int) -> None:
        """Somebody listened for so long, and no key came."""
        if self._gaps:
            gap_ns, press = self._gaps.popleft()
            self._gaps.appendleft((max(0, gap_ns - span_ns), press))

    def press(self) -> KeyPress:
        """The next key."""
        return self._gaps.popleft()[1]

    def take_all(self) -> tuple[KeyPress, ...]:
        """All keys that are left, timed from now on."""
        presses = []
        after_ns = 0
        while self._gaps:
            gap_ns, press = self._gaps.popleft()
            after_ns += gap_ns
            presses.append(replace(press, after_ns=after_ns))
        return tuple(presses)
