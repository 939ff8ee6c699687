"""
Vonage's playout buffer, modelled once.

The simulator uses it as truth, the session to show how far ahead of the caller's ear we are, a stereo recording to know
what was heard when, and the tests as judge. It knows no rates and no sockets: a frame is any object that takes 20 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from vonage_sock.audio.frames import FRAME_NS

BUFFER_FRAMES_CURRENT: Final = 3072
"""About 61 s. Source: Vonage tutorial "Play Audio into a WebSocket" (2025)."""

BUFFER_FRAMES_2021: Final = 1024
"""About 20 s. Source: WebSockets guide, editions of September 2018 to 2022."""

RESUME_WITHIN_FRAMES: Final = 10
"""A pause shorter than this is a gap in speech (an underrun); a longer one is the end of what was being said."""

GAP_WITHIN_FRAMES: Final = 50
"""The same, where the audio behind the pause is known to continue what stood before it."""

MAX_MARKERS: Final = 1024
MAX_LISTED: Final = 1000

FrameT = TypeVar("FrameT")


@dataclass(frozen=True, slots=True)
class Gap:
    """The caller heard nothing for ``length_ns`` in the middle of audio, from ``at`` on."""

    at: int
    length_ns: int


@dataclass(frozen=True, slots=True)
class Played(Generic[FrameT]):
    """A frame's first sample left the buffer at ``at``."""

    at: int
    frame: FrameT


@dataclass(frozen=True, slots=True)
class MarkerReached:
    """All audio queued before this marker had been played at ``at``."""

    at: int
    payload: object


class PlayoutBuffer(Generic[FrameT]):
    """
    A queue of frames that plays one each 20 ms.

    Give ``now`` in nanoseconds, never decreasing. A frame pushed into a full queue is dropped and counted: what Vonage
    does isn't documented; its published client of 2018 to 2022 dropped the newest. ``overflows_at`` has when each run of
    lost frames began, and ``gaps`` where the caller heard nothing; the first thousand of each.

    Args:
        capacity_frames: how many frames wait at most.
        grid_at: playing starts on whole 20 ms after this time; None starts it the moment a frame arrives.
        prebuffer_frames: how many frames' time passes between the first frame's arrival and its playing.
        continues: whether a frame goes on in the middle of what was played before it, given the frames that were played last
            and this one; asked only where playing resumes after a pause that may have been the end of what was said.
        remembered_frames: how many frames ``continues`` is given at most.
    """

    def __init__(
        self,
        capacity_frames: int = BUFFER_FRAMES_CURRENT,
        *,
        grid_at: int | None = None,
        prebuffer_frames: int = 0,
        continues: Callable[[Sequence[FrameT], FrameT], bool] | None = None,
        remembered_frames: int = 0,
    ) -> None:
        self.capacity_frames = capacity_frames
        self.frames_played = 0
        self.frames_overflowed = 0
        self.overflows_at: list[int] = []
        self.underruns = 0
        self.underrun_ns = 0
        self.gaps: list[Gap] = []
        self.markers_refused = 0
        self._losing = False
        self._queue: deque[FrameT | _Marker] = deque()
        self._frames = 0
        self._markers = 0
        self._grid_at = grid_at
        self._prebuffer_ns = prebuffer_frames * FRAME_NS
        self._next_at = 0
        self._running = False
        self._at_marker = False
        self._dry_at: int | None = None
        self._continues = continues
        self._lately: deque[FrameT] = deque(maxlen=remembered_frames)

    @property
    def depth_frames(self) -> int:
        """Frames that wait, as of the last ``push`` or ``advance``."""
        return self._frames

    @property
    def idle(self) -> bool:
        """Nothing waits and the last frame has been played to its end, as of the last ``push`` or ``advance``."""
        return not self._running

    def push(self, frame: FrameT, now: int, *, continues: bool = False) -> bool:
        """
        Queue a frame; False when the buffer is full and the frame is lost. Call ``advance`` first.

        Args:
            continues: no end of speech lies between the frame before and this one.
        """
        if self._frames >= self.capacity_frames:
            self.frames_overflowed += 1
            if not self._losing and len(self.overflows_at) < MAX_LISTED:
                self.overflows_at.append(now)
            self._losing = True
            return False
        self._losing = False
        if not self._running:
            self._start(frame, now, continues=continues)
        self._queue.append(frame)
        self._frames += 1
        return True

    def mark(self, payload: object, now: int) -> bool:
        """Put a marker behind the audio queued so far; False when too many wait already. Call ``advance`` first."""
        if self._markers >= MAX_MARKERS:
            self.markers_refused += 1
            return False
        self._queue.append(_Marker(payload, now))
        self._markers += 1
        if not self._running:
            self._dry_at = None
        return True

    def advance(self, now: int) -> list[Played[FrameT] | MarkerReached]:
        """Let time pass; what was played and which markers were reached, in order."""
        done: list[Played[FrameT] | MarkerReached] = []
        queue = self._queue
        while True:
            while queue and isinstance(head := queue[0], _Marker):
                reached_at = self._next_at if self._running else head.queued_at
                if reached_at > now:
                    return done
                queue.popleft()
                self._markers -= 1
                self._at_marker = True
                done.append(MarkerReached(reached_at, head.payload))
            if not self._running or self._next_at > now:
                return done
            if not queue:
                self._running = False
                # Who asks to be told when this has been played knows that it ends here: what follows is no gap in it.
                self._dry_at = None if self._at_marker else self._next_at
                return done
            frame: FrameT = queue.popleft()  # type: ignore[assignment]  # the inner loop took the markers
            self._frames -= 1
            self._at_marker = False
            self.frames_played += 1
            self._lately.append(frame)
            done.append(Played(self._next_at, frame))
            self._next_at += FRAME_NS

    def waiting(self) -> list[FrameT]:
        """The frames that wait, in order."""
        return [item for item in self._queue if not isinstance(item, _Marker)]

    def clear(self) -> tuple[int, int]:
        """Drop all that waits, the markers too; how many frames and how many markers that were."""
        dropped = self._frames, self._markers
        self._queue.clear()
        self._frames = self._markers = 0
        self._running = False
        self._dry_at = None
        return dropped

    def _start(self, frame: FrameT, now: int, *, continues: bool) -> None:
        start_at = now + self._prebuffer_ns
        if self._grid_at is not None:
            start_at = self._grid_at - (self._grid_at - start_at) // FRAME_NS * FRAME_NS
        dry_at, self._dry_at = self._dry_at, None
        if dry_at is not None and self._is_gap(frame, start_at - dry_at, continues=continues):
            self.underruns += 1
            self.underrun_ns += start_at - dry_at
            if len(self.gaps) < MAX_LISTED:
                self.gaps.append(Gap(dry_at, start_at - dry_at))
        else:
            self._lately.clear()
        self._next_at = start_at
        self._running = True

    def _is_gap(self, frame: FrameT, pause_ns: int, *, continues: bool) -> bool:
        if not 0 < pause_ns < GAP_WITHIN_FRAMES * FRAME_NS:
            return False
        if continues or pause_ns < RESUME_WITHIN_FRAMES * FRAME_NS:
            return True
        return self._continues is not None and self._continues(list(self._lately), frame)


class PlayoutCount:
    """
    A ``PlayoutBuffer`` of which only the numbers matter: one time in place of a queue.

    Of the same pushes, clears and times it says what a ``PlayoutBuffer`` without grid, prebuffer and markers says that is
    advanced to each of them; it knows of no gaps.
    """

    __slots__ = ("_dry_at", "_full_ns", "capacity_frames", "frames_overflowed")

    def __init__(self, capacity_frames: int = BUFFER_FRAMES_CURRENT) -> None:
        self.capacity_frames = capacity_frames
        self.frames_overflowed = 0
        self._full_ns = capacity_frames * FRAME_NS
        self._dry_at = 0

    def depth_frames(self, now: int) -> int:
        """Frames that wait."""
        return max(0, -((now - self._dry_at) // FRAME_NS) - 1)

    def idle(self, now: int) -> bool:
        """Nothing waits and the last frame has been played to its end."""
        return self._dry_at <= now

    def push(self, times: Iterable[int]) -> int:
        """Queue a frame at each of these times; how many of them are lost, because the buffer is full."""
        dry_at, full_ns, lost = self._dry_at, self._full_ns, 0
        for now in times:
            if dry_at < now:
                dry_at = now + FRAME_NS
            elif dry_at - now > full_ns:
                lost += 1
            else:
                dry_at += FRAME_NS
        self._dry_at = dry_at
        self.frames_overflowed += lost
        return lost

    def clear(self) -> None:
        """Drop all that waits."""
        self._dry_at = 0


@dataclass(frozen=True, slots=True)
class _Marker:
    payload: object
    queued_at: int
