"""
How late what came was read: frames are timed when we get to them, which is later the more there is to do.

That is ours as much as a frame that leaves late, and is counted with it.
"""

from __future__ import annotations

from collections.abc import Callable

from vonage_sock.transport.heralds import AllHeralds, ReadyList


class Lag(AllHeralds):
    """
    Wakes for every socket, and tells how long at most each lot of frames waited for us.

    Args:
        count: told of how many frames, and of the time in nanoseconds that none of them waited longer than.

    Raises:
        OSError: the system gives no more descriptors.
    """

    def __init__(self, count: Callable[[int, int], None]) -> None:
        super().__init__()
        self._count = count
        self._kept_ns = self._before_ns = self._round_ns = 0

    def kept(self, span_ns: int) -> None:
        """For so long nobody looked, since frames were being written."""
        self._kept_ns += span_ns

    def ready(self) -> ReadyList:
        """All that is ready now; what is written from here on is a part of the round."""
        self._before_ns, self._kept_ns = self._kept_ns, 0
        return super().ready()

    def woken(self, found: ReadyList, *, woken_at: int, done_at: int) -> None:
        """All that was found has been read."""
        round_ns = done_at - woken_at
        if found:
            # It may have come just after the round before had looked.
            self._count(len(found), self._round_ns + self._before_ns + round_ns)
        self._round_ns, self._kept_ns = round_ns, 0
