"""
The caller's telephone line: one time line over a whole call, in steps of 20 ms, on which the caller speaks and hears.

Rule 1: whatever the caller hears, from an NCCO's action or a websocket's leg, is written here and nowhere else, so that a
recording of the call has no seam. Rule 2: where nobody writes, the time that passed is silence. Rule 3: with ``fast`` no
time passes between steps, and only steps make time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import soxr

from vonage_sock.audio.frames import FRAME_NS, AudioFormat, Packetizer
from vonage_sock.audio.source import Source
from vonage_sock.clock import MS, SECOND, Clock
from vonage_sock.media.decode import to_pcm16
from vonage_sock.media.reel import FrameSource
from vonage_sock.simulator.leg.machine import MAX_LENGTH_NS
from vonage_sock.simulator.leg.plan import HeardSink

HUNG_UP: Final = "the caller hung up"
TIME_OVER: Final = "the call's time was over"

AHEAD_NS: Final = 100 * MS
FAST_FRAMES: Final = 50

Pause = Callable[[float], Awaitable[object]]
"""Lets so many seconds pass; ``asyncio.sleep``, or a stand-in that moves a manual clock."""


class CallOverError(Exception):
    """The caller has put the receiver down; says why."""


class TakenOverError(Exception):
    """Another NCCO takes over, in the middle of an action."""


class Ears(Protocol):
    """What may be done to the caller's audio on the line; each step is given once."""

    def says(self, frame: bytes) -> bytes:
        """What comes of this into the call."""
        ...

    def hears(self, frame: bytes) -> bytes:
        """What comes of this to the caller's ear."""
        ...


@runtime_checkable
class CallSink(HeardSink, Protocol):
    """A ``HeardSink`` that is told when a call of many parts begins and ends."""

    def begin(self, audio_format: AudioFormat, headers: dict[str, Any]) -> None:
        """All frames from now on have this format."""
        ...

    def end(self) -> None:
        """The call is over."""
        ...


class Line:
    """
    One call's line.

    Args:
        fast: don't wait for time to pass.
        limit_ns: when the caller hangs up; Vonage's two hours when None.
        sink: takes every step, until ``close``.
        hung_up: whether the caller wants no more.
        ears: changes what is said and heard.

    ``each_step`` is called after every step.
    """

    def __init__(
        self,
        audio_format: AudioFormat,
        *,
        clock: Clock,
        pause: Pause = asyncio.sleep,
        fast: bool = False,
        limit_ns: int | None = None,
        sink: HeardSink | None = None,
        hung_up: Callable[[], bool] = bool,
        ears: Ears | None = None,
    ) -> None:
        self.taken_over = False
        self._ears = ears
        self.audio_format = audio_format
        self._clock = clock
        self._pause = pause
        self._fast = fast
        self._limit_ns = MAX_LENGTH_NS if limit_ns is None else limit_ns
        self._hung_up = hung_up
        self._sinks: list[HeardSink] = [] if sink is None else [sink]
        self._started_at = clock.now()
        self._steps = 0
        self.each_step: Callable[[], object] = bool

    @property
    def heard_by_somebody(self) -> bool:
        """Whether it makes a difference what is played."""
        return bool(self._sinks)

    @property
    def position_ns(self) -> int:
        """How long the line has been open, by what was written."""
        return self._steps * FRAME_NS

    def add(self, sink: HeardSink) -> None:
        """Give every step from now on to this one too."""
        self.catch_up()
        self._sinks.append(sink)

    def remove(self, sink: HeardSink) -> None:
        """Give it no more."""
        self._sinks.remove(sink)

    def write(self, said: bytes, heard: bytes) -> None:
        """One step of the line's format."""
        self._steps += 1
        if self._ears is not None:
            said, heard = self._ears.says(said), self._ears.hears(heard)
        for sink in self._sinks:
            sink.write(said, heard)
        self.each_step()

    def catch_up(self) -> None:
        """Write silence for the time that passed in silence, such as that of a webhook."""
        if self._fast:
            return
        due = (self._clock.now() - self._started_at) // FRAME_NS
        while self._steps < due:
            self.write(self.audio_format.silence, self.audio_format.silence)

    def check(self) -> None:
        """
        Whether the call may go on.

        Raises:
            CallOverError: the caller has hung up.
            TakenOverError: ``taken_over`` was set.
        """
        if self._hung_up():
            raise CallOverError(HUNG_UP)
        if self.position_ns >= self._limit_ns:
            raise CallOverError(TIME_OVER)
        if self.taken_over:
            raise TakenOverError

    async def step(self, *, heard: bytes | None = None, said: bytes | None = None) -> None:
        """
        Let 20 ms pass.

        Raises:
            CallOverError: the caller has hung up.
        """
        self.check()
        self.write(said or self.audio_format.silence, heard or self.audio_format.silence)
        if self._fast:
            if not self._steps % FAST_FRAMES:
                await asyncio.sleep(0)
            return
        ahead_ns = self._started_at + self.position_ns - self._clock.now()
        if ahead_ns >= AHEAD_NS:
            await self._pause(ahead_ns / SECOND)

    async def pass_time(self, span_ns: int) -> None:
        """
        Let time pass in silence.

        Raises:
            CallOverError: the caller has hung up.
        """
        self.catch_up()
        for _ in range(frames_in(span_ns)):
            await self.step()

    async def play(self, source: Source, *, gain: float = 1.0, at_most_ns: int | None = None) -> bool:
        """
        Let the caller hear a source; whether it was heard to its end.

        Raises:
            CallOverError: the caller has hung up.
        """
        self.catch_up()
        most = None if at_most_ns is None else frames_in(at_most_ns)
        steps = 0
        try:
            while (frame := await next_frame(source, self.audio_format.silence)) is not None:
                if steps == most:
                    return False
                await self.step(heard=louder(frame, gain))
                steps += 1
        finally:
            source.close()
        return True

    def leg_sink(self, audio_format: AudioFormat) -> HeardSink:
        """Where a leg of another format writes what was said and heard."""
        self.catch_up()
        return self if audio_format == self.audio_format else _Converting(self, audio_format)


class _Converting:
    """Brings a leg's frames to the line's rate; what the filters hold back at the end (80 ms) is left out."""

    def __init__(self, line: Line, audio_format: AudioFormat) -> None:
        self._line = line
        rates = audio_format.rate_hz, line.audio_format.rate_hz
        self._filters = [soxr.ResampleStream(*rates, 1, dtype="float32", quality="HQ") for _ in range(2)]
        self._packets = [Packetizer(line.audio_format.frame_bytes) for _ in range(2)]

    def write(self, said: bytes, heard: bytes) -> None:
        """One step of the leg's format."""
        sides = [
            packets.push(to_pcm16(resampler.resample_chunk(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)))
            for resampler, packets, pcm in zip(self._filters, self._packets, (said, heard), strict=True)
        ]
        # Both filters are fed alike, so that both sides have the same number of frames.
        for frames in zip(*sides, strict=True):
            self._line.write(*frames)


async def next_frame(source: Source, silence: bytes) -> bytes | None:
    """The next frame of a source, ``silence`` where it has none yet, and None at its end."""
    while (frame := source.take()) is None and not source.ended():
        if not isinstance(source, FrameSource):
            return silence
        await source.first_block()  # a step that takes no time mustn't outrun the decoder
    return frame


def frames_in(span_ns: int) -> int:
    """How many steps a span takes."""
    return -(-span_ns // FRAME_NS)


def louder(frame: bytes, gain: float) -> bytes:
    """A frame with its samples multiplied, and clipped where they are too large."""
    if gain == 1.0:
        return frame
    return to_pcm16(np.frombuffer(frame, "<i2").astype(np.float32) * (gain / 32768))
