"""
Play: files into the call, paced so that the platform neither runs dry nor overflows.

The schedule goes by the platform's clock, which its incoming frames tell. What is to be played stands in a queue of
sources. A key press may add one, or, with barge-in, cut off what is playing first. The end of the last is known by
``notify``; a platform that doesn't answer it is given two seconds beyond the time at which it must have played everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, cast

from vonage_sock.audio.frames import FRAME_MS
from vonage_sock.audio.pacer import DEFAULT_LEAD_NS, DEFAULT_PACE_NS, Pacer
from vonage_sock.audio.platform_clock import LOOK_FRAMES, PlatformClock
from vonage_sock.audio.source import OpenSource, Ready, Source
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.behaviour import Ahead, Behaviour, Call
from vonage_sock.call.events import PlaybackCleared, PlaybackFailed, PlaybackFinished, PlaybackStarted
from vonage_sock.clock import MS, SECOND

SOURCE_RETRY_NS: Final = 5 * MS
NOTIFY_GRACE_NS: Final = 2 * SECOND
FEWEST_FORETOLD: Final = 2
"""To foretell a single frame costs more than it saves."""

PLAYED_REASON: Final = "played to the end"
PAYLOAD_KEY: Final = "vsock_played"


class Then(Enum):
    """What follows when everything has been played."""

    HANGUP = "hangup"
    ECHO = "echo"
    STAY = "stay"


class Play(Behaviour):
    """
    Plays a list of files into each call.

    Args:
        files: opened for each call anew, played one after the other.
        loop: how often the list is played; 0 is for ever.
        pace_ns, lead_ns: see ``Pacer``.
        then: what follows the last file.
        on_dtmf: files that a key starts.
        barge_in: a key cuts off what is playing.
        echo_delay_ms: how much later the echo is that ``then`` may ask for.
        hang_up: ends the call where ``then`` asks for that; closes it, when left out.
    """

    def __init__(
        self,
        files: Sequence[OpenSource],
        *,
        loop: int = 1,
        pace_ns: int = DEFAULT_PACE_NS,
        lead_ns: int = DEFAULT_LEAD_NS,
        then: Then = Then.STAY,
        on_dtmf: Mapping[str, OpenSource] | None = None,
        barge_in: bool = False,
        echo_delay_ms: int = 0,
        hang_up: Callable[[Call], None] | None = None,
    ) -> None:
        self._files = files
        self._rounds_left: int | None = loop or None
        self._round_is_mute = False
        self._then = then
        self._on_dtmf = on_dtmf or {}
        self._barge_in = barge_in
        self._pacer = Pacer(pace_ns=pace_ns, lead_ns=lead_ns)
        self._platform_clock = PlatformClock()
        self._look_in_frames = LOOK_FRAMES
        self._queue: deque[OpenSource] = deque()
        self._source: Source | None = None
        self._ready: Ready | None = None
        self._source_frames = 0
        self._retry_at: int | None = None
        self._playing = False
        self._sent: deque[tuple[int, Source, int]] = deque()
        self._notify_number = 0
        self._fallback_at: int | None = None
        self._echoing = False
        self.audio_moves_due = echo_delay_ms > 0
        self._echo = Echo(delay_ms=echo_delay_ms, barge_in=barge_in and echo_delay_ms > 0)
        self._hang_up = hang_up or _close

    @property
    def busy(self) -> bool:
        """Something is playing, or the platform hasn't said yet that it has played it."""
        return self._playing or bool(self._sent)

    def connected(self, call: Call) -> None:
        """Begin the list."""
        if self._files:
            self._next_round()
            self._start(call)
        else:
            self._echoing = self._then is Then.ECHO

    def audio(self, call: Call, frame: bytes) -> None:
        """Note how fast the platform's clock goes; echo, once everything has been played and ``then`` says so."""
        self._look_in_frames -= 1
        if not self._look_in_frames:
            self._look_in_frames = LOOK_FRAMES
            if self._platform_clock.heard(call.now):
                call.recall()
                self._pacer.follow(self._platform_clock.frame_ns)
        if self._echoing:
            self._echo.audio(call, frame)

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """Cut off what plays, add what the key stands for."""
        opener = self._on_dtmf.get(digit)
        if self._barge_in and self.busy:
            call.clear()
            if opener is None:
                self._finish(call)
        elif self._echoing:
            self._echo.digit(call, digit, duration_ms)
        if opener is not None:
            self.add(call, opener)

    def add(self, call: Call, file: OpenSource) -> None:
        """Play one more file, behind what is playing."""
        self._echoing = False
        self._echo.cleared(call)
        self._queue.append(file)
        if not self._playing:
            self._start(call)

    def cut_off(self, call: Call) -> None:
        """Drop what is playing and what was to follow it; then comes the echo, where there is one, and no hang-up."""
        call.clear()
        self._echoing = self._then is Then.ECHO

    def cleared(self, call: Call) -> None:
        """What was playing has been cut off, by a key or by somebody else."""
        self._echo.cleared(call)
        if self.busy:
            self._tell_cleared(call)
            self._forget()
            self._pacer = self._pacer.fresh()

    def notified(self, call: Call, payload: object) -> None:
        """The platform has played a file to its end."""
        if isinstance(payload, dict) and isinstance(number := payload.get(PAYLOAD_KEY), int):
            self._played_up_to(call, number)

    def due_at(self) -> int | None:
        """When the next frame, or the patience with a silent platform, is due."""
        if self._playing:
            return self._pacer.due_at if self._retry_at is None else self._retry_at
        return self._echo.due_at() if self._echoing else self._fallback_at

    def due(self, call: Call) -> None:
        """Send what is due."""
        if self._playing:
            self._send_due(call)
        elif self._echoing:
            self._echo.due(call)
        else:
            self._played_up_to(call, self._notify_number)

    def foretell(self, most: int) -> Ahead | None:
        """The middle of a file, while its frames are at hand: neither its first one nor its end."""
        ready = self._ready
        if ready is None or not self._playing or not self._source_frames or self._retry_at is not None:
            return None
        frames, step_ns = self._pacer.even_steps(most)
        if frames < FEWEST_FORETOLD:
            return None
        piece, first, end = ready.at_hand()
        end = min(end, first + frames)
        if end - first < FEWEST_FORETOLD:
            return None
        return Ahead(piece, first, end, self._pacer.due_at, step_ns)

    def went(self, frames: int) -> None:
        """Go on behind them."""
        self._pacer.advance(frames)
        cast("Ready", self._ready).skip(frames)
        self._source_frames += frames

    def closed(self, call: Call) -> None:
        """What was still playing has been cut off by the call's end."""
        self._tell_cleared(call)
        self._forget()

    def _next_round(self) -> bool:
        # A list of which nothing can be played would be opened again and again.
        if self._round_is_mute or self._rounds_left == 0:
            return False
        if self._rounds_left is not None:
            self._rounds_left -= 1
        self._round_is_mute = True
        self._queue.extend(self._files)
        return True

    def _start(self, call: Call) -> None:
        self._playing = True
        self._retry_at = None
        self._fallback_at = None
        if call.now > self._pacer.dry_at or not self._pacer.frames_sent:
            self._pacer.start(call.now)

    def _send_due(self, call: Call) -> None:
        self._retry_at = None
        pacer = self._pacer
        frames_due = pacer.take(call.now)
        # From the second on, a file's frames go straight through.
        if (source := self._source) is not None and self._source_frames:
            while frames_due and (frame := source.take()) is not None:
                frames_due -= 1
                self._source_frames += 1
                call.send_audio(frame)
        while frames_due and self._send_next(call):
            frames_due -= 1
        if frames_due:
            pacer.give_back(frames_due)
            if self._retry_at is None:
                self._stop_sending(call)

    def _send_next(self, call: Call) -> bool:
        """Send one frame of the queue; False when there is none to send now."""
        while True:
            source = self._source or self._open_next(call)
            if source is None:
                return False
            frame = source.take()
            if frame is not None:
                if self._source_frames == 0:
                    self._round_is_mute = False
                    self._tell_started(call, source)
                self._source_frames += 1
                call.send_audio(frame)
                return True
            if not source.ended():
                self._retry_at = call.now + SOURCE_RETRY_NS
                return False
            self._end_source(call, source)

    def _open_next(self, call: Call) -> Source | None:
        if not self._queue and not (self._files and self._next_round()):
            return None
        source = self._source = self._queue.popleft()(call.audio_format)
        self._ready = source if isinstance(source, Ready) else None
        self._source_frames = 0
        return source

    def _end_source(self, call: Call, source: Source) -> None:
        if source.error is not None:
            call.emit(PlaybackFailed(at=call.now, call=call.id, file=source.name, error=source.error))
        source.close()
        self._source = self._ready = None
        if not self._source_frames:
            return
        self._notify_number += 1
        self._sent.append((self._notify_number, source, self._source_frames))
        call.notify({PAYLOAD_KEY: self._notify_number})

    def _stop_sending(self, call: Call) -> None:
        self._playing = False
        if self._sent:
            self._fallback_at = max(self._pacer.dry_at, call.now) + NOTIFY_GRACE_NS
        else:
            self._finish(call)

    def _played_up_to(self, call: Call, number: int) -> None:
        if not self._sent:
            return  # an answer to a notify that was cut off since
        while self._sent and self._sent[0][0] <= number:
            _, source, frames = self._sent.popleft()
            if source.error is not None:
                continue  # told as failed already, and not played to its end
            call.emit(
                PlaybackFinished(at=call.now, call=call.id, file=source.name, frames=frames, seconds=_seconds(frames))
            )
        if not self._sent and not self._playing:
            self._finish(call)

    def _finish(self, call: Call) -> None:
        self._fallback_at = None
        if self._then is Then.HANGUP:
            self._hang_up(call)
        self._echoing = self._then is Then.ECHO

    def _forget(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = self._ready = None
        self._queue.clear()
        self._sent.clear()
        self._rounds_left = 0
        self._playing = False
        self._fallback_at = None

    def _tell_started(self, call: Call, source: Source) -> None:
        frames = source.total_frames
        call.emit(
            PlaybackStarted(
                at=call.now,
                call=call.id,
                file=source.name,
                frames=frames,
                seconds=None if frames is None else _seconds(frames),
            )
        )

    def _tell_cleared(self, call: Call) -> None:
        cut = [(source, frames) for _, source, frames in self._sent]
        if self._source is not None and self._source_frames:
            cut.append((self._source, self._source_frames))
        for source, frames in cut:
            call.emit(
                PlaybackCleared(at=call.now, call=call.id, file=source.name, frames=frames, seconds=_seconds(frames))
            )


def _close(call: Call) -> None:
    call.close(reason=PLAYED_REASON)


def _seconds(frames: int) -> float:
    return round(frames * FRAME_MS / 1000, 3)
