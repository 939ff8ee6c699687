"""Record: every sample that came in, in order, into a file; and with it, if asked, what the caller heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from vonage_sock.audio.frames import FRAME_NS, SAMPLE_BYTES
from vonage_sock.audio.level import rms_dbfs
from vonage_sock.audio.phrases import DEFAULT_HANGOVER_MS, Cut, PhraseDetector
from vonage_sock.audio.playout import Played, PlayoutBuffer
from vonage_sock.call.behaviour import Behaviour, Call


class Sink(Protocol):
    """Where one recording goes. Neither method blocks or raises: what goes wrong is told as an event."""

    def write(self, pcm: bytes, /) -> None:
        """Add 16-bit PCM, channels interleaved."""
        ...

    def close(self) -> None:
        """The recording is complete."""
        ...


OpenSink = Callable[[Call, int, int | None], Sink]
"""Given the call, the number of channels, and the phrase's number from 1 on (None for a whole call)."""

MONO: Final = 1
STEREO: Final = 2


class Record(Behaviour):
    """
    Writes a call's audio to sinks.

    Args:
        open_sink: makes the file for a call or a phrase.
        stereo: caller left and what the caller heard right. One incoming frame is one step of the time line, so that both
            sides stay together whatever the network did.
        split: one sink per phrase in place of one per call.
        hangover_ms: how long it must be quiet until a phrase is over.
        queued_frames: how much the platform had to play already when it began; that is silence in the recording.
    """

    def __init__(
        self,
        open_sink: OpenSink,
        *,
        stereo: bool = False,
        split: bool = False,
        hangover_ms: int = DEFAULT_HANGOVER_MS,
        queued_frames: int = 0,
    ) -> None:
        self._open_sink = open_sink
        self._channels = STEREO if stereo else MONO
        self._heard = HeardTrack(queued_frames) if stereo else None
        self._phrases: PhraseDetector[bytes] | None = PhraseDetector(hangover_ms=hangover_ms) if split else None
        self._phrase_number = 0
        self._sink: Sink | None = None
        self.wants_sent = stereo

    def connected(self, call: Call) -> None:
        """A whole call's file is made now, so that it exists even when nobody speaks."""
        if self._phrases is None:
            self._sink = self._open_sink(call, self._channels, None)
            # Who has made another recorder of this one may do anything.
            if self._heard is None and type(self).audio is Record.audio:
                self.listener = self._sink.write

    def audio(self, call: Call, frame: bytes) -> None:
        """Write one frame, or judge it first."""
        level_dbfs = rms_dbfs(frame) if self._phrases is not None else 0.0
        if self._heard is not None:
            frame = interleave(frame, self._heard.step())
        if self._phrases is None:
            if self._sink is not None:
                self._sink.write(frame)
        else:
            self._split(call, self._phrases, level_dbfs, frame)

    def sent(self, call: Call, frame: bytes) -> None:
        """Note what the caller is going to hear."""
        if self._heard is not None:
            self._heard.push(frame)

    def cleared(self, call: Call) -> None:
        """The caller won't hear what was queued."""
        if self._heard is not None:
            self._heard.clear()

    def closed(self, call: Call) -> None:
        """Complete the file."""
        if self._sink is not None:
            self._sink.close()
            self._sink = self.listener = None

    def _split(self, call: Call, phrases: PhraseDetector[bytes], level_dbfs: float, frame: bytes) -> None:
        decision = phrases.push(level_dbfs, frame)
        if decision.cut is Cut.BEGIN:
            self._phrase_number += 1
            self._sink = self._open_sink(call, self._channels, self._phrase_number)
        if self._sink is not None:
            for item in decision.items:
                self._sink.write(item)
        if decision.cut is Cut.END:
            self.closed(call)


class HeardTrack:
    """What the caller heard, one frame per step of the time line."""

    def __init__(self, queued_frames: int = 0) -> None:
        self._playout: PlayoutBuffer[bytes] = PlayoutBuffer(grid_at=0)
        self._now = 0
        for _ in range(queued_frames):
            self.push(b"")

    def push(self, frame: bytes) -> None:
        """Queue a frame that was sent."""
        self._playout.push(frame, self._now)

    def clear(self) -> None:
        """Drop what is queued."""
        self._playout.clear()

    def step(self) -> bytes:
        """The frame that plays during this step; empty when there is none."""
        played = self._playout.advance(self._now)
        self._now += FRAME_NS
        return next((item.frame for item in played if isinstance(item, Played)), b"")


def interleave(left: bytes, right: bytes) -> bytes:
    """Two channels of 16-bit PCM as one; the shorter is filled with silence."""
    samples = -(-max(len(left), len(right)) // SAMPLE_BYTES)
    channels = np.zeros((samples, 2), "<i2")
    for column, pcm in enumerate((left, right)):
        padded = pcm + b"\0" * (len(pcm) % SAMPLE_BYTES)
        channels[: len(padded) // SAMPLE_BYTES, column] = np.frombuffer(padded, "<i2")
    return channels.tobytes()
