"""
A WAV file that strict readers accept at every moment, also after the process was killed.

Samples are appended first, then the header is rewritten in one write: it never promises more than the file holds, and
what a kill leaves behind it is at most one append that readers don't see. No buffering here: a caller that wants fewer
system calls hands over larger pieces.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from vonage_sock.audio.frames import SAMPLE_BYTES

HEADER_BYTES: Final = 44
MAX_DATA_BYTES: Final = 0xFFFFFFFF - HEADER_BYTES
STREAMING_DATA_BYTES: Final = 0x7FFFF000
"""What the header of an endless stream says: sox's word for an unknown length; all readers then read to the end."""

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


def create_file(path: Path, *, overwrite: bool) -> int:
    """
    Open a new file for writing, readable by its owner alone; its descriptor.

    Raises:
        FileExistsError: the path is taken, and ``overwrite`` is off.
        OSError: the file can't be made; a symbolic link is never followed.
    """
    no_follow = getattr(os, "O_NOFOLLOW", 0)
    binary = getattr(os, "O_BINARY", 0)
    exclusive = os.O_TRUNC if overwrite else os.O_EXCL
    return os.open(path, os.O_WRONLY | os.O_CREAT | exclusive | no_follow | binary, FILE_MODE)


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
        fd: an empty, seekable file, open for writing; the writer owns it from here on.

    Raises:
        OSError: from the constructor, ``append`` and ``close``; the file then holds what was appended before.
    """

    def __init__(self, fd: int, *, rate_hz: int, channels: int) -> None:
        self._fd = fd
        self._rate_hz = rate_hz
        self._channels = channels
        self.block_bytes = channels * SAMPLE_BYTES
        self._data_bytes = 0
        try:
            write_all_at(fd, wav_header(rate_hz, channels, 0), 0)
        except OSError:
            os.close(fd)
            raise

    @property
    def data_bytes(self) -> int:
        """Bytes of audio in the file."""
        return self._data_bytes

    def append(self, pcm: bytes) -> None:
        """
        Add whole samples of all channels.

        Raises:
            OSError: the write failed, or the file would pass the 4 GiB that a WAV header can tell.
        """
        if self._data_bytes + len(pcm) > MAX_DATA_BYTES:
            raise OSError("a WAV file holds at most 4 GiB")
        write_all_at(self._fd, pcm, HEADER_BYTES + self._data_bytes)
        data_bytes = self._data_bytes + len(pcm)
        write_all_at(self._fd, wav_header(self._rate_hz, self._channels, data_bytes), 0)
        self._data_bytes = data_bytes

    def close(self) -> None:
        """Cut off what a failed append left behind the last whole one, and close the file."""
        try:
            os.ftruncate(self._fd, HEADER_BYTES + self._data_bytes)
        finally:
            os.close(self._fd)
