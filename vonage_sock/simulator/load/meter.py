"""
How long one call's frames take to come back.

A frame is timed from the moment at which it was written, not from when it was due: what is our own lateness stands beside
the figures and is no part of them. The usual case, a message that is the next frame, byte for byte as it was said, is the
lane's; here is all that may come in its place.
"""

from __future__ import annotations

from typing import Final

from vonage_sock.simulator.load.lane import JITTER_SHARE_BITS, MAX_WAITING, lane_of
from vonage_sock.simulator.load.marks import MARK_BYTES, POOL_FRAMES, MarkedFrames, MarkReader
from vonage_sock.simulator.load.tally import Book

_HALF: Final = POOL_FRAMES // 2
_BACK: Final = -1
"""In the place of the time at which a frame was written: it came back before an earlier one."""


class CallMeter:
    """What is measured in one call."""

    __slots__ = (
        "_forgotten",
        "_frames",
        "_numbers",
        "_reader",
        "_size",
        "book",
        "lane",
        "saw_marks",
        "unmarked_bytes",
    )

    def __init__(self, book: Book, frames: MarkedFrames) -> None:
        self.book = book
        self.lane = lane_of(book)
        """What waits, and what is known of what comes next: who writes to it in ``sent``'s place does so after ``begin``."""

        self.unmarked_bytes = 0
        """Audio that came in this call and holds no mark."""

        self.saw_marks = False
        """A mark of ours was recognised, were its frame too late to be timed: the audio isn't changed."""

        self._forgotten = 0
        self._frames = frames.frames
        self._numbers = frames.numbers
        self._size = frames.audio_format.frame_bytes
        self._reader = MarkReader(frames)

    @property
    def returned_any(self) -> bool:
        """Some of what was said came back."""
        return self.lane.last_ns >= 0

    @property
    def waits(self) -> bool:
        """Some of what was said isn't back."""
        return bool(self.lane.waiting)

    def begin(self, number: int) -> None:
        """The first frame that is written has this number; each that follows, the next."""
        self.lane.number = self.lane.oldest = number

    def sent(self, now: int) -> None:
        """The next frame was written."""
        self.book.tally.sent += 1
        self.lane.waiting.append(now)
        self.forget()

    def forget(self) -> None:
        """What is out for longer than a frame may be counts as lost."""
        while len(self.lane.waiting) > MAX_WAITING:
            self._forget_oldest()
            self._forgotten += 1
            self.book.tally.lost += 1

    def received(self, data: bytes, now: int) -> None:
        """A message of audio came."""
        if self.lane.idle and len(data) == self._size:
            number = self._numbers.get(data[:MARK_BYTES])
            if number is not None:
                if data != self._frames[number]:
                    self.book.tally.altered += 1
                self._returned(number, now)
                return
        self._read(data, now)

    def finish(self) -> None:
        """
        The call is over: what isn't back is lost.

        Changed audio is counted by its length; a filter may keep a piece of the last frame back.
        """
        tally = self.book.tally
        lane = self.lane
        lost = len(lane.waiting) - lane.waiting.count(_BACK)
        if lane.last_ns < 0 and self.unmarked_bytes:
            missing_bytes = (lost + self._forgotten) * self._size - self.unmarked_bytes
            lost = max(0, missing_bytes // self._size) - self._forgotten
        tally.lost += lost
        lane.waiting.clear()
        if lane.last_ns >= 0:
            tally.jitter.add(lane.jitter_16 >> JITTER_SHARE_BITS)

    def _read(self, data: bytes, now: int) -> None:
        """The unusual case."""
        tally = self.book.tally
        read = self._reader.read(data)
        self.lane.idle = self._reader.idle
        tally.unmarked_bytes += read.unmarked_bytes
        self.unmarked_bytes += read.unmarked_bytes
        tally.altered += read.altered
        for number in read.numbers:
            self._returned(number, now)

    def _returned(self, number: int, now: int) -> None:
        lane = self.lane
        self.saw_marks = True
        if number == lane.expected and lane.returned_next(now):
            return
        sent_at = self._take(number)
        if sent_at == _BACK:
            self.book.tally.stray += 1
            return
        span_ns = now - sent_at
        self._time(span_ns)
        last_ns, lane.last_ns = lane.last_ns, span_ns
        if number == lane.expected:
            lane.jitter_16 += abs(span_ns - last_ns) - (lane.jitter_16 >> JITTER_SHARE_BITS)
            lane.expected = (number + 1) % POOL_FRAMES
        else:
            self._leap(number)

    def _take(self, number: int) -> int:
        """When a frame was written that isn't waited for any more; ``_BACK`` if it wasn't."""
        waiting, at = self.lane.waiting, (number - self.lane.oldest) % POOL_FRAMES
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
        waiting = self.lane.waiting
        waiting.popleft()
        gone = 1
        while waiting and waiting[0] == _BACK:
            waiting.popleft()
            gone += 1
        self.lane.oldest = (self.lane.oldest + gone) % POOL_FRAMES

    def _time(self, span_ns: int) -> None:
        tally = self.book.tally
        tally.round_trip.add(span_ns)
        tally.late += span_ns > self.book.late_ns

    def _leap(self, number: int) -> None:
        """Not the frame that comes after the one before: the first of all, one after a loss, or one that was overtaken."""
        lane = self.lane
        if lane.expected >= 0 and (number - lane.expected) % POOL_FRAMES > _HALF:
            self.book.tally.out_of_order += 1
        else:
            lane.expected = (number + 1) % POOL_FRAMES
