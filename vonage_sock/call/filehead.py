"""Whether bytes that should be samples are the beginning of a file."""

from __future__ import annotations

from typing import Final

HEADERS: Final = {b"RIFF": "WAV", b"RF64": "WAV", b"FORM": "AIFF", b"caff": "CAF", b".snd": "AU"}
"""Files of plain samples behind a header."""

COMPRESSED: Final = {b"fLaC": "FLAC", b"OggS": "Ogg (Opus or Vorbis)", b"\x1aE\xdf\xa3": "WebM"}
ID3: Final = b"ID3"
"""What may stand before an MP3."""

MP3_HEAD_BYTES: Final = 4
MP3_FRAMES_NEEDED: Final = 3
MP3_LONGEST_BYTES: Final = 1441
MP3_NEEDED_BYTES: Final = (MP3_FRAMES_NEEDED + 1) * MP3_LONGEST_BYTES

_MP3_KBPS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBPS_LOW: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_SYNCS: Final = frozenset(bytes((0xFF, low)) for low in range(256) if low & 0xE6 == 0xE2)

BEGINNINGS: Final = frozenset(head[:2] for head in (*HEADERS, *COMPRESSED, ID3)) | _SYNCS
"""The first two bytes of all that is looked for here. Few frames of audio begin so, and most of those are none of it."""

FIRST_BYTES: Final = frozenset(head[0] for head in BEGINNINGS)


def is_mp3(data: bytes) -> bool:
    """Three frames, each where the one before says that the next begins: two bytes of a sync word are a common sample."""
    at = 0
    for _ in range(MP3_FRAMES_NEEDED):
        size = mp3_frame_bytes(data[at : at + MP3_HEAD_BYTES])
        if size is None:
            return False
        at += size
    return True


def mp3_frame_bytes(head: bytes) -> int | None:
    """The length of the MPEG layer III frame that these four bytes begin; None when they begin none."""
    if len(head) < MP3_HEAD_BYTES or head[:2] not in _SYNCS:
        return None
    version, kbps_at, hz_at = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbps_at in (0, 15) or hz_at == 3:
        return None
    kbps = (_MP3_KBPS if version == 3 else _MP3_KBPS_LOW)[kbps_at]
    return (144 if version == 3 else 72) * kbps * 1000 // _MP3_HZ[version][hz_at] + (head[2] >> 1 & 1)
