"""The frames that all calls say, made once: as they are, and as bytes for a socket."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.media.decode import ready
from vonage_sock.protocol.rfc6455 import MASK_BYTES, Opcode, frame_head
from vonage_sock.simulator.load.marks import POOL_FRAMES, MarkedFrames
from vonage_sock.transport.masking import unmask

_DECODE_POLL_S: Final = 0.005


SILENCE: Final = POOL_FRAMES
"""Where the frame of silence stands, behind those that are said."""


_NOTHING: Final = b"\xff\0"
"""All of a frame's reserved bits."""


class FramedFrames:
    """Marked frames and one of silence, and the bytes that carry each as a client's message."""

    def __init__(self, marked: MarkedFrames) -> None:
        self.marked = marked
        self.plain = [*marked.frames, marked.audio_format.silence]
        self.framed = [masked_message(frame) for frame in self.plain]
        head = frame_head(Opcode.BINARY, marked.audio_format.frame_bytes)
        self.returned = [*(head + frame for frame in marked.frames), _NOTHING]
        """What a server sends that returns a frame, by its number; -1 stands for what none sends."""


def masked_message(payload: bytes) -> bytes:
    """One binary message of a client; the mask is drawn once for all who send it."""
    mask = os.urandom(MASK_BYTES)
    return b"".join((frame_head(Opcode.BINARY, len(payload), masked=True), mask, unmask(payload, mask)))


async def frames_of(audio: OpenSource, audio_format: AudioFormat) -> FramedFrames:
    """Decode what is said, as far as there is room for it, and mark it."""
    source = await ready(audio(audio_format))
    pcm: list[bytes] = []
    try:
        while len(pcm) < POOL_FRAMES and not source.ended():
            frame = source.take()
            if frame is None:
                await asyncio.sleep(_DECODE_POLL_S)
            else:
                pcm.append(frame)
    finally:
        source.close()
    return FramedFrames(MarkedFrames(audio_format, b"".join(pcm)))
