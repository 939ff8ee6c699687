"""
The files that recordings become: WAV and bare PCM as they grow, FLAC, OGG and MP3 at the end.

Everything here blocks, and is called in a recorder's threads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import soundfile

from vonage_sock.audio.wav import HEADER_BYTES, STREAMING_DATA_BYTES, WavWriter, create_file, wav_header, write_all
from vonage_sock.errors import RecordingError

ENCODE_BLOCK_SAMPLES: Final = 16_384
ENCODINGS: Final = {".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", "MPEG_LAYER_III")}


class WavFile:
    """A WAV file in the making. Bytes that don't fill a sample of all channels wait for the rest."""

    def __init__(self, path: Path, writer: WavWriter) -> None:
        self.path = path
        self._writer = writer
        self._block_bytes = writer.block_bytes
        self._rest = b""

    @property
    def data_bytes(self) -> int:
        """Bytes of audio in the file."""
        return self._writer.data_bytes

    def append(self, pcm: bytes) -> None:
        """Add PCM of any length."""
        if self._rest or len(pcm) % self._block_bytes:
            pcm = self._rest + pcm
            whole = len(pcm) - len(pcm) % self._block_bytes
            pcm, self._rest = pcm[:whole], pcm[whole:]
        if pcm:
            self._writer.append(pcm)

    def complete(self) -> tuple[Path, int]:
        """Finish; the file and its size in bytes. A sample that is short of bytes is filled with zeros."""
        try:
            if self._rest:
                self.append(bytes(self._block_bytes - len(self._rest)))
        finally:
            self._writer.close()
        return self.path, HEADER_BYTES + self._writer.data_bytes

    def abandon(self) -> None:
        """Finish with what there is."""
        self._writer.close()


class RawFile:
    """Bare PCM: a file without a header, or a stream that has one already."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.data_bytes = 0
        self._fd = fd

    def append(self, pcm: bytes) -> None:
        """Add PCM of any length."""
        write_all(self._fd, pcm)
        self.data_bytes += len(pcm)

    def complete(self) -> tuple[Path, int]:
        """Finish; the file and the bytes of audio in it."""
        os.close(self._fd)
        return self.path, self.data_bytes

    def abandon(self) -> None:
        """Finish with what there is."""
        os.close(self._fd)


@dataclass(slots=True)
class EncodedFile:
    """FLAC, OGG or MP3: recorded as WAV beside it and encoded at the end, so that a kill loses nothing."""

    path: Path
    wav: WavFile
    overwrite: bool

    @property
    def data_bytes(self) -> int:
        """Bytes of audio recorded."""
        return self.wav.data_bytes

    def append(self, pcm: bytes) -> None:
        """Add PCM of any length."""
        self.wav.append(pcm)

    def complete(self) -> tuple[Path, int]:
        """
        Encode and remove the WAV.

        Raises:
            RecordingError: the encoder failed; the WAV stays.
        """
        wav_path, _ = self.wav.complete()
        part = self.path.with_name(self.path.name + ".part")
        try:
            encode(wav_path, part, self.path.suffix.lower())
            if self.overwrite:
                part.replace(self.path)
            else:
                # A link fails where the name was taken meanwhile; a rename would overwrite.
                os.link(part, self.path)
                part.unlink()
        except (OSError, soundfile.LibsndfileError) as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise RecordingError(f"{error}; the audio is whole in {wav_path}") from error
        wav_path.unlink()
        return self.path, self.path.stat().st_size

    def abandon(self) -> None:
        """Leave the WAV with what there is."""
        self.wav.abandon()


RecordingFile = WavFile | RawFile | EncodedFile


def encode(wav_path: Path, path: Path, suffix: str) -> None:
    """
    Make a FLAC, OGG or MP3 file of a WAV file, block by block.

    Raises:
        OSError, soundfile.LibsndfileError: the file can't be written.
    """
    container, subtype = ENCODINGS[suffix]
    os.close(create_file(path, overwrite=True))
    with (
        soundfile.SoundFile(os.fsencode(wav_path)) as wav,
        soundfile.SoundFile(
            os.fsencode(path), "w", wav.samplerate, wav.channels, format=container, subtype=subtype
        ) as out,
    ):
        while len(block := wav.read(ENCODE_BLOCK_SAMPLES, dtype="int16")):
            out.write(block)


def stdout_file(rate_hz: int, channels: int) -> WavFile | RawFile:
    """
    Standard output as a recording: with a true header where it is a file, and one without an end where it is a pipe.

    Raises:
        OSError: it is closed, or full.
    """
    fd = os.dup(1)
    path = Path("-")
    appending = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
    if stat.S_ISREG(os.fstat(fd).st_mode) and not appending and not os.lseek(fd, 0, os.SEEK_CUR):
        return WavFile(path, WavWriter(fd, rate_hz=rate_hz, channels=channels))
    try:
        write_all(fd, wav_header(rate_hz, channels, STREAMING_DATA_BYTES))
    except OSError:
        os.close(fd)
        raise
    return RawFile(path, fd)
