"""
The format of a leg's audio, and cutting a stream of bytes into its frames.

Source: Vonage Voice API, WebSockets guide: signed 16-bit little-endian mono PCM, one message per 20 ms. 8 and 16 kHz are
in every edition; 24 kHz is in the API's schema and SDKs but not in every text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vonage_sock.clock import MS
from vonage_sock.errors import FormatError

FRAME_MS: Final = 20
FRAME_NS: Final = FRAME_MS * MS
FRAMES_PER_SECOND: Final = 1000 // FRAME_MS
SAMPLE_BYTES: Final = 2
RATES_HZ: Final = (8000, 16000, 24000)

_CONTENT_TYPE = re.compile(r"\s*audio/l16\s*;\s*rate\s*=\s*(\d{1,6})\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """
    Sample rate of a leg, and what follows from it.

    Raises:
        FormatError: a rate other than 8000, 16000 or 24000.
    """

    rate_hz: int

    def __post_init__(self) -> None:
        if self.rate_hz not in RATES_HZ:
            raise FormatError(f"a rate of {self.rate_hz} Hz isn't supported; use 8000, 16000 or 24000")

    @property
    def frame_samples(self) -> int:
        """Samples in 20 ms: 160, 320 or 480."""
        return self.rate_hz // FRAMES_PER_SECOND

    @property
    def frame_bytes(self) -> int:
        """Bytes in 20 ms: 320, 640 or 960."""
        return self.frame_samples * SAMPLE_BYTES

    @property
    def content_type(self) -> str:
        """As it stands in an NCCO, without spaces: some of Vonage's clients compare it letter by letter."""
        return f"audio/l16;rate={self.rate_hz}"

    @property
    def silence(self) -> bytes:
        """One frame of digital silence."""
        return bytes(self.frame_bytes)

    def seconds(self, pcm_bytes: int) -> float:
        """Duration of that many bytes."""
        return pcm_bytes / (self.rate_hz * SAMPLE_BYTES)


def parse_content_type(value: str) -> AudioFormat:
    """
    Read ``audio/l16;rate=16000``. Case and spaces don't matter.

    Raises:
        FormatError: not audio/l16, or a rate other than 8000, 16000 or 24000.
    """
    match = _CONTENT_TYPE.fullmatch(value)
    if match is None:
        raise FormatError(f"{value[:80]!r} isn't of the form audio/l16;rate=16000")
    return AudioFormat(int(match[1]))


class Packetizer:
    """
    Cuts a stream of bytes into frames of exactly ``frame_bytes``, whatever sizes it comes in.

    Frames and tail together are the input, byte for byte; only ``flush()`` adds anything.
    """

    __slots__ = ("_frame_bytes", "_pending")

    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._pending = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._pending)

    def push(self, data: bytes) -> list[bytes]:
        """Take bytes in; give the frames that are now complete."""
        size = self._frame_bytes
        pending = self._pending
        if not pending and len(data) == size:
            return [data]
        pending += data
        whole = len(pending) - len(pending) % size
        frames = [bytes(pending[at : at + size]) for at in range(0, whole, size)]
        del pending[:whole]
        return frames

    def flush(self) -> bytes | None:
        """The incomplete last frame, padded with zeros to full size; None when there is none."""
        tail = self.take_tail()
        return tail.ljust(self._frame_bytes, b"\0") if tail else None

    def take_tail(self) -> bytes:
        """The incomplete last frame as it is; empty when there is none."""
        tail = bytes(self._pending)
        self._pending.clear()
        return tail
