"""Where a call's audio waits for the thread that writes it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from vonage_sock import native
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.media.recording_files import RecordingFile

UNCOUNTED_FRAMES: Final = 16
"""More than gathers between two turns: only what waits in a sink beyond it counts towards the limit of them all."""


class Room(Protocol):
    """What knows how much may wait, and what becomes of it."""

    def has_room(self, sink: FileSink, more_bytes: int) -> bool:
        """Whether a sink of which much waits may take more."""
        ...

    def complete(self, sink: FileSink) -> None:
        """No more audio will come."""
        ...


class Gathered:
    """
    PCM in the order in which it came; calling it adds some.

    Args:
        uncounted_frames: how many may wait without a question.
        beyond: given what comes while so many wait; adds it to ``frames``, or does not.
    """

    __slots__ = ("_beyond", "frames", "uncounted_frames")

    def __init__(self, uncounted_frames: int, beyond: Callable[[bytes], None]) -> None:
        self.uncounted_frames = uncounted_frames
        self._beyond = beyond
        self.frames: list[bytes] = []

    def __call__(self, pcm: bytes, /) -> None:
        """Add 16-bit PCM."""
        if len(self.frames) < self.uncounted_frames:
            self.frames.append(pcm)
        else:
            self._beyond(pcm)


def gathered_of(uncounted_frames: int, beyond: Callable[[bytes], None]) -> Gathered:
    """The quickest that there is."""
    made: Any = Gathered if native.frames is None else native.frames.Gathered
    gathered: Gathered = made(uncounted_frames, beyond)
    return gathered


class FileSink:
    """A ``Sink`` for one call or phrase. ``write`` and ``close`` are the event loop's, the rest is the thread's."""

    def __init__(self, room: Room, call: str, audio_format: AudioFormat, channels: int) -> None:
        self.call = call
        self.audio_format = audio_format
        self.channels = channels
        self.file: RecordingFile | None = None
        self.path = Path()
        self.names: Iterator[Path] = iter(())
        """What ``path`` may be called, beyond those that were tried; its next piece goes on from there."""

        self.looks_at = 0
        self.failed = False
        self.counted_bytes = 0
        self.gathered = gathered_of(UNCOUNTED_FRAMES, _counting(weakref.ref(self)))
        self.write: Callable[[bytes], None] = self.gathered
        """Add 16-bit PCM, channels interleaved."""

        self._room = room
        self._counted_out_bytes = 0

    def close(self) -> None:
        """The recording is complete."""
        self._room.complete(self)

    def take(self) -> tuple[list[bytes], int]:
        """What has gathered, and how much of it was counted; the event loop may be adding to it meanwhile."""
        counted_bytes = self.counted_bytes - self._counted_out_bytes
        self._counted_out_bytes += counted_bytes
        # Each of these is one step to the other thread, and what it adds in between stays.
        gathered = self.gathered.frames
        frames = gathered[:]
        del gathered[: len(frames)]
        return frames, counted_bytes

    def write_counted(self, pcm: bytes) -> None:
        """Add what goes beyond, if there is room."""
        if self._room.has_room(self, len(pcm)):
            self.gathered.frames.append(pcm)


def _counting(held: weakref.ref[FileSink]) -> Callable[[bytes], None]:
    """Lets a sink count what goes beyond, and doesn't hold it: a circle would wait for the collector of garbage."""

    def beyond(pcm: bytes) -> None:
        if (sink := held()) is not None:
            sink.write_counted(pcm)

    return beyond
