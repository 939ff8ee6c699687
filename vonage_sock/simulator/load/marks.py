"""
Marks inside the audio, by which a frame is known again when it comes back.

The first samples of each frame are four that never change, the frame's number, and the number's complement: faint enough
to be no click, and 64 bits that no other audio holds by chance. The frames go round: number 0 follows the last. All calls
say the same frames, so that each is made, framed and masked once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vonage_sock.audio.frames import FRAMES_PER_SECOND, SAMPLE_BYTES, AudioFormat

POOL_FRAMES: Final = 2048
"""Of 20 ms: a frame that comes back within 41 s is told from all others."""

_MAGIC_SAMPLES: Final = (1009, -941, 853, -1013)
_MAGIC: Final = np.array(_MAGIC_SAMPLES, "<i2").tobytes()
MARK_BYTES: Final = len(_MAGIC) + 2 * SAMPLE_BYTES


class MarkedFrames:
    """
    ``POOL_FRAMES`` frames of audio, each with its mark.

    Args:
        pcm: what is said, as 16-bit PCM of the format; repeated or cut to the length of all frames.

    Raises:
        ValueError: no audio at all.
    """

    def __init__(self, audio_format: AudioFormat, pcm: bytes) -> None:
        self.audio_format = audio_format
        samples = np.frombuffer(pcm, "<i2", len(pcm) // SAMPLE_BYTES)
        if not len(samples):
            raise ValueError("there is nothing to say")
        self.repeats_s = min(len(samples) / audio_format.rate_hz, POOL_FRAMES / FRAMES_PER_SECOND)
        """After this time the same is said again."""

        table = np.resize(samples, (POOL_FRAMES, audio_format.frame_samples)).astype("<i2")
        self.plain = table.copy()
        """The frames without their marks, a row each."""
        numbers = np.arange(POOL_FRAMES) - POOL_FRAMES // 2
        table[:, : len(_MAGIC_SAMPLES)] = _MAGIC_SAMPLES
        table[:, len(_MAGIC_SAMPLES)] = numbers
        table[:, len(_MAGIC_SAMPLES) + 1] = ~numbers
        self.frames: list[bytes] = [row.tobytes() for row in table]
        self.numbers: dict[bytes, int] = {frame[:MARK_BYTES]: at for at, frame in enumerate(self.frames)}
        """The frame's number by its mark."""


@dataclass(frozen=True, slots=True)
class Read:
    """What is sure about a stretch of the stream: the numbers of its whole frames, and how many bytes belong to none."""

    numbers: list[int]
    altered: int = 0
    unmarked_bytes: int = 0


class MarkReader:
    """
    Finds marked frames in a stream of bytes, however it is cut into messages; keeps less than one frame.

    A frame whose mark is there and whose other samples aren't those that were said counts as ``altered``.
    """

    def __init__(self, frames: MarkedFrames) -> None:
        self._frames = frames.frames
        self._numbers = frames.numbers
        self._size = frames.audio_format.frame_bytes
        self._pending = bytearray()

    @property
    def idle(self) -> bool:
        """Nothing waits for its other half: the next message may be a frame by itself."""
        return not self._pending

    def read(self, data: bytes) -> Read:
        """Take a message in."""
        pending = self._pending
        pending += data
        numbers: list[int] = []
        altered = unmarked = at = 0
        while True:
            mark_at = pending.find(_MAGIC, at)
            if mark_at < 0:
                kept = _begun_mark(pending, at)
                unmarked += len(pending) - kept - at
                at = len(pending) - kept
                break
            unmarked += mark_at - at
            at = mark_at
            if len(pending) - at < self._size:
                break
            number = self._numbers.get(bytes(pending[at : at + MARK_BYTES]))
            cut_at = pending.find(_MAGIC, at + 1, at + self._size)
            if number is None or cut_at >= 0:
                # Noise that looked like a mark, or a frame of which a piece is missing.
                skipped = cut_at - at if cut_at >= 0 else self._size
                unmarked += skipped
                at += skipped
                continue
            numbers.append(number)
            altered += pending[at : at + self._size] != self._frames[number]
            at += self._size
        del pending[:at]
        return Read(numbers, altered, unmarked)


def _begun_mark(data: bytearray, start: int) -> int:
    """How many bytes at the end may be the beginning of a mark."""
    longest = min(len(_MAGIC) - 1, len(data) - start)
    return next((size for size in range(longest, 0, -1) if data.endswith(_MAGIC[:size])), 0)
