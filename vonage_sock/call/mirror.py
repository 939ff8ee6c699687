"""
The shortest way of a frame: back to where it came from.

Where all that is done in a call is to return each frame at once, and perhaps to listen, nobody need be asked for each:
whoever has the socket looks into the session's mirror, sends what came back as it is, and the session works out later what
that means. It costs a fraction of what a frame costs that goes through session and behaviour, above all where there are
hundreds of calls, of which no one's objects are in the processor's caches when its next frame comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vonage_sock import native
from vonage_sock.call.filehead import BEGINNINGS, FIRST_BYTES
from vonage_sock.call.stats import LEVEL_WINDOW_FRAMES, TIMES_AT_ONCE

OFF: Final = -1


class Mirror:
    """
    What came and went by the shortest way since the session last looked.

    The rules for who has the socket: a message goes back where ``takes`` says so, and is given to nobody else; before the
    session is given anything, and whenever the mirror is ``full``, ``settle`` is called if it is ``due``.

    Args:
        settle: given the time, in nanoseconds; takes the times over. The driver's duties follow as after each of the
            session's verbs, so that a driver puts a function of its own before this one.
        fail: given what one of those raised who hear, and the time; it is to be settled then, were nothing noted.
    """

    __slots__ = ("_failed", "fail", "hearing", "latest", "not_before", "settle", "size", "times")

    def __init__(self, settle: Callable[[int], None], fail: Callable[[Exception, int], None]) -> None:
        self.settle = settle
        self.fail = fail
        self._failed = False
        self.size = OFF
        """What a message has to be long to be returned; ``OFF`` while the session wants to see each."""

        self.hearing: tuple[Callable[[bytes], object], ...] = ()
        """Who is given each frame."""

        self.not_before = 0
        """What comes earlier by its time than this doesn't go this way: time never goes back."""

        self.times: list[int] = []
        """When the frames came and went, in nanoseconds."""

        self.latest = [b""] * LEVEL_WINDOW_FRAMES
        """The last frames: the *n*-th of ``times`` is at ``n % LEVEL_WINDOW_FRAMES``."""

    @property
    def due(self) -> bool:
        """There is something to settle."""
        return bool(self.times) or self._failed

    @property
    def full(self) -> bool:
        """It is time to settle: there are as many as are worked out at once, or the call is to be closed."""
        return len(self.times) >= TIMES_AT_ONCE or self._failed

    def takes(self, data: bytes, now: int) -> bool:
        """Whether a message that came now is to be sent back as it is; then it is noted."""
        if len(data) != self.size or (data[0] in FIRST_BYTES and data[:2] in BEGINNINGS) or now < self.not_before:
            return False
        times = self.times
        self.latest[len(times) % LEVEL_WINDOW_FRAMES] = data
        times.append(now)
        for hear in self.hearing:
            try:
                hear(data)
            except Exception as error:  # noqa: BLE001  (somebody else's code ends its own call and no other)
                self.fail(error, now)
                self._failed = True
        return True

    def forget(self) -> None:
        """What was noted has been taken over."""
        self.times.clear()
        self._failed = False


def mirror_of(settle: Callable[[int], None], fail: Callable[[Exception, int], None]) -> Mirror:
    """The quickest that there is."""
    made: Any = Mirror if native.frames is None else native.frames.Mirror
    mirror: Mirror = made(settle, fail)
    return mirror


native.beware(BEGINNINGS)
