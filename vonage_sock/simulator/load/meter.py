"""
How long one call's frames take to come back.

A frame is timed from the moment at which it was written, not from when it was due: what is our own lateness stands beside
the figures and is no part of them. The usual case, a message that is one frame, byte for byte as it was said, is the first
thing that is looked at: it has to cost next to nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from vonage_sock.audio.frames import FRAMES_PER_SECOND
from vonage_sock.simulator.load.marks import MARK_BYTES, POOL_FRAMES, MarkedFrames, MarkReader
from vonage_sock.simulator.load.tally import FINE_BITS, LOST_AFTER_S, SUB_BITS, Tally

MAX_WAITING: Final = LOST_AFTER_S * FRAMES_PER_SECOND
_HALF: Final = POOL_FRAMES // 2
_LAST: Final = POOL_FRAMES - 1
_BACK: Final = -1
"""In the place of the time at which a frame was written: it came back before an earlier one."""

_JITTER_SHARE: Final = 4
"""RFC 3550, 6.4.1: the estimate moves by a sixteenth, which is four bits, of each new difference."""


class Book:
    """Where the calls of a process count: a new tally each second."""

    __slots__ = ("late_ns", "tally")

    def __init__(self, late_ns: int) -> None:
        self.late_ns = late_ns
        self.tally = Tally()

    def turn(self) -> Tally:
        """What was counted since the last time."""
        tally, self.tally = self.tally, Tally()
        return tally


class CallMeter:
    """What is measured in one call."""

    __slots__ = (
        "_forgotten",
        "_frames",
        "_idle",
        "_jitter_16",
        "_last_ns",
        "_numbers",
        "_oldest",
        "_reader",
        "_size",
        "book",
        "expected",
        "saw_marks",
        "unmarked_bytes",
        "waiting",
    )

    def __init__(self, book: Book, frames: MarkedFrames) -> None:
        self.book = book
        self.waiting: deque[int] = deque()
        """
        When each frame was written, from the oldest that isn't back; ``len`` is zero when all are. Who writes in ``sent``
        may as well do it here, after ``begin``.
        """

        self.unmarked_bytes = 0
        """Audio that came in this call and holds no mark."""

        self.saw_marks = False
        """A mark of ours was recognised, were its frame too late to be timed: the audio isn't changed."""

        self.expected = -1
        """The number of the frame that follows the last one; -1 before the first came back."""

        self._forgotten = 0
        self._frames = frames.frames
        self._numbers = frames.numbers
        self._oldest = 0
        self._size = frames.audio_format.frame_bytes
        self._reader = MarkReader(frames)
        self._idle = True
        self._last_ns = -1
        self._jitter_16 = 0

    @property
    def returned_any(self) -> bool:
        """Some of what was said came back."""
        return self._last_ns >= 0

    def begin(self, number: int) -> None:
        """The first frame that is written has this number; each that follows, the next."""
        self._oldest = number

    def sent(self, now: int) -> None:
        """The next frame was written."""
        self.book.tally.sent += 1
        waiting = self.waiting
        if len(waiting) >= MAX_WAITING:
            self._forget_oldest()
            self._forgotten += 1
            self.book.tally.lost += 1
        waiting.append(now)

    def received(self, data: bytes, now: int) -> None:
        """A message of audio came."""
        if self._idle and len(data) == self._size:
            number = self._numbers.get(data[:MARK_BYTES])
            if number is not None:
                if data != self._frames[number]:
                    self.book.tally.altered += 1
                self._returned(number, now)
                return
        self._read(data, now)

    def returned_next(self, now: int) -> bool:
        """The frame that is ``expected`` came, byte for byte; False where that isn't as simple as it seems."""
        number = self.expected
        if number != self._oldest or not self.waiting or not self._idle:
            return False
        span_ns = now - self.waiting.popleft()
        self.expected = self._oldest = number + 1 if number != _LAST else 0
        self._jitter_16 += abs(span_ns - self._last_ns) - (self._jitter_16 >> _JITTER_SHARE)
        self._last_ns = span_ns
        # As in _time: a call more for each frame would be felt.
        book = self.book
        tally = book.tally
        round_trip = tally.round_trip
        shift = span_ns.bit_length() - FINE_BITS
        round_trip.counts[(shift << SUB_BITS) + (span_ns >> shift) if shift > 0 else span_ns] += 1
        if span_ns > round_trip.max_ns:
            round_trip.max_ns = span_ns
        if span_ns > book.late_ns:
            tally.late += 1
        return True

    def finish(self) -> None:
        """
        The call is over: what isn't back is lost.

        Changed audio is counted by its length; a filter may keep a piece of the last frame back.
        """
        tally = self.book.tally
        lost = len(self.waiting) - self.waiting.count(_BACK)
        if self._last_ns < 0 and self.unmarked_bytes:
            missing_bytes = (lost + self._forgotten) * self._size - self.unmarked_bytes
            lost = max(0, missing_bytes // self._size) - self._forgotten
        tally.lost += lost
        self.waiting.clear()
        if self._last_ns >= 0:
            tally.jitter.add(self._jitter_16 >> _JITTER_SHARE)

    def _read(self, data: bytes, now: int) -> None:
        """The unusual case."""
        tally = self.book.tally
        read = self._reader.read(data)
        self._idle = self._reader.idle
        tally.unmarked_bytes += read.unmarked_bytes
        self.unmarked_bytes += read.unmarked_bytes
        tally.altered += read.altered
        for number in read.numbers:
            self._returned(number, now)

    def _returned(self, number: int, now: int) -> None:
        self.saw_marks = True
        if number == self.expected and self.returned_next(now):
            return
        sent_at = self._take(number)
        if sent_at == _BACK:
            self.book.tally.stray += 1
            return
        span_ns = now - sent_at
        self._time(span_ns)
        last_ns, self._last_ns = self._last_ns, span_ns
        if number == self.expected:
            self._jitter_16 += abs(span_ns - last_ns) - (self._jitter_16 >> _JITTER_SHARE)
            self.expected = (number + 1) % POOL_FRAMES
        else:
            self._leap(number)

    def _take(self, number: int) -> int:
        """When a frame was written that isn't waited for any more; ``_BACK`` if it wasn't."""
        waiting, at = self.waiting, (number - self._oldest) % POOL_FRAMES
        if at >= len(waiting):
            return _BACK
        sent_at = waiting[at]
        if at:
            waiting[at] = _BACK
        else:
            self._forget_oldest()
        return sent_at

    def _forget_oldest(self) -> None:
        """And those after it that are back."""
        waiting = self.waiting
        waiting.popleft()
        gone = 1
        while waiting and waiting[0] == _BACK:
            waiting.popleft()
            gone += 1
        self._oldest = (self._oldest + gone) % POOL_FRAMES

    def _time(self, span_ns: int) -> None:
        tally = self.book.tally
        tally.round_trip.add(span_ns)
        tally.late += span_ns > self.book.late_ns

    def _leap(self, number: int) -> None:
        """Not the frame that comes after the one before: the first of all, one after a loss, or one that was overtaken."""
        if self.expected >= 0 and (number - self.expected) % POOL_FRAMES > _HALF:
            self.book.tally.out_of_order += 1
        else:
            self.expected = (number + 1) % POOL_FRAMES
