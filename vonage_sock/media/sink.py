"""Where a call's audio waits for the thread that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

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
        self.uncounted_frames = UNCOUNTED_FRAMES
        self.counted_bytes = 0
        self._room = room
        self._gathered: list[bytes] = []
        self._counted_out_bytes = 0

    def write(self, pcm: bytes) -> None:
        """Add 16-bit PCM, channels interleaved."""
        gathered = self._gathered
        if len(gathered) < self.uncounted_frames or self._room.has_room(self, len(pcm)):
            gathered.append(pcm)

    def close(self) -> None:
        """The recording is complete."""
        self._room.complete(self)

    def take(self) -> tuple[list[bytes], int]:
        """What has gathered, and how much of it was counted; the event loop may be adding to it meanwhile."""
        counted_bytes = self.counted_bytes - self._counted_out_bytes
        self._counted_out_bytes += counted_bytes
        # Each of these is one step to the other thread, and what it adds in between stays.
        frames = self._gathered[:]
        del self._gathered[: len(frames)]
        return frames, counted_bytes
