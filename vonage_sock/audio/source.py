"""Where frames come from: the seam between what plays audio and what decodes or makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from vonage_sock.audio.frames import AudioFormat


class Source(Protocol):
    """Audio in frames of a call's format. Nothing here blocks or raises."""

    @property
    def name(self) -> str:
        """What to call it in an event."""
        ...

    @property
    def total_frames(self) -> int | None:
        """Its length, where that is known."""
        ...

    @property
    def error(self) -> str | None:
        """Why it ended before its end; half a sentence."""
        ...

    def take(self) -> bytes | None:
        """The next frame, exactly one; None when there is none, now or ever."""
        ...

    def ended(self) -> bool:
        """No frame will come any more."""
        ...

    def close(self) -> None:
        """It isn't needed any longer."""
        ...


OpenSource = Callable[[AudioFormat], Source]


class Piece(NamedTuple):
    """Some of a sequence of frames that others may hold too: those from ``first`` on, and before ``end``."""

    frames: Sequence[bytes]
    first: int
    end: int


@runtime_checkable
class Ready(Protocol):
    """What a ``Source`` has besides where its next frames are in memory: they needn't be taken one by one."""

    def at_hand(self) -> Piece:
        """Some of the frames that ``take`` would give next, at once and in order; may be none."""
        ...

    def skip(self, frames: int) -> None:
        """So many of those count as taken."""
        ...


class FramesSource:
    """
    A ``Source`` of frames that are there already, or are made as they are taken.

    Args:
        total_frames: how many ``frames`` gives.
    """

    def __init__(self, name: str, frames: Iterable[bytes], total_frames: int) -> None:
        self.name = name
        self.total_frames: int | None = total_frames
        self.error: str | None = None
        self._frames = iter(frames)
        self._left = total_frames

    def take(self) -> bytes | None:
        """The next frame."""
        self._left -= 1
        return next(self._frames, None)

    def ended(self) -> bool:
        """No frame will come any more."""
        return self._left <= 0

    def close(self) -> None:
        """Nothing to release."""


class PcmSource(FramesSource):
    """
    Audio from memory.

    Args:
        pcm: 16-bit PCM; an incomplete last frame is filled with zeros.
    """

    def __init__(self, pcm: bytes, audio_format: AudioFormat, *, name: str = "memory") -> None:
        size = audio_format.frame_bytes
        frames = (pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size))
        super().__init__(name, frames, -(-len(pcm) // size))
