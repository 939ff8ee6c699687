"""
A WAV file that strict readers accept at every moment, also after the process was killed.

Samples are appended first, then the header is rewritten in one write: it never promises more than the file holds, and
what a kill leaves behind it is at most one append that readers don't see. The first samples and their header go out in
one write, since some readers take a header that promises nothing for one that promises all there is. No buffering here:
a caller that wants fewer system calls hands over larger pieces.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from vonage_sock.audio.frames import RATES_HZ, SAMPLE_BYTES

HEADER_BYTES: Final = 44
MAX_DATA_BYTES: Final = 0xFFFFFFFF - HEADER_BYTES
STREAMING_DATA_BYTES: Final = 0x7FFFF000
"""What the header of an endless stream says: sox's word for an unknown length; all readers then read to the end."""

WHOLE_WRITE_BYTES: Final = 4096
"""A kill comes between two pages of memory, never within one: so much is written whole, or not at all."""

MAX_CHANNELS: Final = 2
FILE_MODE: Final = 0o600


def wav_header(rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """The 44 bytes in front of 16-bit PCM."""
    block_bytes = channels * SAMPLE_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        rate_hz,
        rate_hz * block_bytes,
        block_bytes,
        8 * SAMPLE_BYTES,
        b"data",
        data_bytes,
    )


def read_wav_header(header: bytes) -> tuple[int, int] | None:
    """The rate and the channels, from a header as ``wav_header`` makes it of any length; None for any other bytes."""
    if len(header) != HEADER_BYTES:
        return None
    rate_hz, channels = int.from_bytes(header[24:28], "little"), int.from_bytes(header[22:24], "little")
    if rate_hz not in RATES_HZ or not 1 <= channels <= MAX_CHANNELS:
        return None
    ours = wav_header(rate_hz, channels, 0)
    return (rate_hz, channels) if header[:4] + header[8:40] == ours[:4] + ours[8:40] else None


def create_file(path: Path) -> int:
    """
    Open a new file for writing, readable by its owner alone; its descriptor.

    Raises:
        FileExistsError: the path is taken, be it by a symbolic link to nowhere.
        OSError: the file can't be made.
    """
    no_follow = getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | no_follow, FILE_MODE)


def write_all(fd: int, data: bytes) -> None:
    """
    Write everything, however many calls it takes.

    Raises:
        OSError: the disk is full, the file is gone, and so on.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_all_at(fd: int, data: bytes, offset_bytes: int) -> None:
    """
    Write everything to this place in a file, however many calls it takes.

    Raises:
        OSError: as ``write_all``.
    """
    written = os.pwrite(fd, data, offset_bytes)
    while written < len(data):
        data = data[written:]
        offset_bytes += written
        written = os.pwrite(fd, data, offset_bytes)


class WavWriter:
    """
    Writes 16-bit PCM to a new WAV file.

    Args:
        fd: a seekable file, open for writing and empty but for a header; the writer owns it from here on.
        max_data_bytes: how much audio goes into it.

    Raises:
        OSError: from the constructor and all methods; the file then holds what was appended before.
    """

    def __init__(self, fd: int, *, rate_hz: int, channels: int, max_data_bytes: int = MAX_DATA_BYTES) -> None:
        self._fd = fd
        self._rate_hz = rate_hz
        self._channels = channels
        self._max_data_bytes = max_data_bytes
        self.block_bytes = channels * SAMPLE_BYTES
        self._data_bytes = 0
        try:
            write_all_at(fd, self._header(0), 0)
        except OSError:
            os.close(fd)
            raise

    @property
    def data_bytes(self) -> int:
        """Bytes of audio in the file."""
        return self._data_bytes

    def has_room(self, more_bytes: int) -> bool:
        """Whether so much still goes into it."""
        return self._data_bytes + more_bytes <= self._max_data_bytes

    def append(self, pcm: bytes) -> None:
        """
        Add whole samples of all channels.

        Raises:
            OSError: the write failed, or the file would pass the 4 GiB that a WAV header can tell.
        """
        if not self.has_room(len(pcm)):
            raise OSError("a WAV file holds at most 4 GiB")
        if not self._data_bytes:
            first_bytes = (WHOLE_WRITE_BYTES - HEADER_BYTES) // self.block_bytes * self.block_bytes
            self._begin(pcm[:first_bytes])
            pcm = pcm[first_bytes:]
        if pcm:
            write_all_at(self._fd, pcm, HEADER_BYTES + self._data_bytes)
            write_all_at(self._fd, self._header(self._data_bytes + len(pcm)), 0)
            self._data_bytes += len(pcm)

    def trim(self) -> None:
        """Cut off what a failed append left behind the last whole one, and forget what it promised."""
        write_all_at(self._fd, self._header(self._data_bytes), 0)
        os.ftruncate(self._fd, HEADER_BYTES + self._data_bytes)

    def close(self) -> None:
        """Trim and close the file; a second time it does nothing."""
        if self._fd < 0:
            return
        try:
            self.trim()
        finally:
            # The number may be another file's a moment later.
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _begin(self, pcm: bytes) -> None:
        try:
            write_all_at(self._fd, self._header(len(pcm)) + pcm, 0)
        except OSError:
            # A header that promises more than there is is put right at once, and needs no space for it.
            self.trim()
            raise
        self._data_bytes = len(pcm)

    def _header(self, data_bytes: int) -> bytes:
        return wav_header(self._rate_hz, self._channels, data_bytes)
