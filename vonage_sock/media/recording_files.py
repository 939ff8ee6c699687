"""
The files that recordings become: WAV and bare PCM as they grow, FLAC, OGG and MP3 at the end.

Each is completed, or else abandoned: then what it holds is whole, under a name that says so where that can be. Everything
here blocks, and is called in a recorder's threads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from pathlib import Path
from typing import Final

import soundfile

from vonage_sock.audio.frames import SAMPLE_BYTES
from vonage_sock.audio.wav import HEADER_BYTES, STREAMING_DATA_BYTES, WavWriter, create_file, wav_header, write_all
from vonage_sock.errors import RecordingError
from vonage_sock.media.naming import part_of
from vonage_sock.media.parts import Part, name_unnamed, open_unnamed

ENCODE_BLOCK_SAMPLES: Final = 16_384
ENCODINGS: Final = {".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", "MPEG_LAYER_III")}
ENCODING_SUFFIX: Final = ".encoding"
"""Behind the name of a file that is being made of its part, and before what makes that nobody else's."""

NO_PATH: Final = Path("-")


class WavFile:
    """A WAV file in the making; without a part it is standard output."""

    def __init__(self, part: Part | None, writer: WavWriter) -> None:
        self._part = part
        self._writer = writer
        self._block_bytes = writer.block_bytes
        self._rest = b""

    @property
    def data_bytes(self) -> int:
        """Bytes of audio in the file."""
        return self._writer.data_bytes

    def has_room(self, more_bytes: int) -> bool:
        """Whether so much more goes into it."""
        return self._writer.has_room(len(self._rest) + more_bytes + self._block_bytes)

    def check(self) -> None:
        """
        Is the file still there?

        Raises:
            OSError, RecordingError: it isn't.
        """
        if self._part is not None:
            self._part.check()

    def append(self, pcm: bytes) -> None:
        """Add PCM of any length. Bytes that don't fill a sample of all channels wait for the rest."""
        if self._rest or len(pcm) % self._block_bytes:
            pcm = self._rest + pcm
            whole = len(pcm) - len(pcm) % self._block_bytes
            pcm, self._rest = pcm[:whole], pcm[whole:]
        if pcm:
            self._writer.append(pcm)

    def settle(self) -> int:
        """Make the audio whole: a sample that is short of bytes is filled with zeros. The file's size in bytes."""
        if self._rest:
            self.append(bytes(self._block_bytes - len(self._rest)))
        self._writer.trim()
        return HEADER_BYTES + self.data_bytes

    def complete(self) -> tuple[Path, int]:
        """
        Finish; the file and its size in bytes.

        Raises:
            OSError, RecordingError: it can't be; it is to be abandoned.
        """
        size_bytes = self.settle()
        path = NO_PATH if self._part is None else self._part.finish()
        self.close()
        return path, size_bytes

    def abandon(self, path: Path | None = None) -> Path | None:
        """Finish with what there is, as ``path`` where that is another name; where it is now, if there is anything."""
        with contextlib.suppress(OSError):
            self._writer.trim()
        # A disk that takes nothing more may still take a name, and what was written before is valid.
        done = None if self._part is None else _put_away(self._part, path, empty=not self.data_bytes)
        with contextlib.suppress(OSError):
            self.close()
        return done

    def close(self) -> None:
        """Close the file as it is."""
        self._writer.close()


class RawFile:
    """Bare PCM: a file without a header, or a stream that has one already."""

    def __init__(self, part: Part | None, fd: int) -> None:
        self.data_bytes = 0
        self._part = part
        self._fd = fd

    def has_room(self, more_bytes: int) -> bool:
        """It has no header that could be too small for it."""
        return True

    def check(self) -> None:
        """
        Is the file still there?

        Raises:
            OSError, RecordingError: it isn't.
        """
        if self._part is not None:
            self._part.check()

    def append(self, pcm: bytes) -> None:
        """Add PCM of any length."""
        write_all(self._fd, pcm)
        self.data_bytes += len(pcm)

    def complete(self) -> tuple[Path, int]:
        """
        Finish; the file and the bytes of audio in it.

        Raises:
            OSError, RecordingError: it can't be; it is to be abandoned.
        """
        path = NO_PATH if self._part is None else self._part.finish()
        self.close()
        return path, self.data_bytes

    def abandon(self) -> Path | None:
        """Finish with the whole samples that there are; where they are now, if there are any."""
        done = None
        if self._part is not None:
            size_bytes = 0
            with contextlib.suppress(OSError):
                size_bytes = os.fstat(self._fd).st_size
                os.ftruncate(self._fd, size_bytes - size_bytes % SAMPLE_BYTES)
            done = _put_away(self._part, None, empty=size_bytes < SAMPLE_BYTES and not self.data_bytes)
        with contextlib.suppress(OSError):
            self.close()
        return done

    def close(self) -> None:
        """Close the file as it is; a second time it does nothing."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class EncodedFile:
    """FLAC, OGG or MP3: recorded as WAV and encoded at the end, so that a kill loses nothing."""

    def __init__(self, part: Part, writer: WavWriter) -> None:
        self._part = part
        self._wav = WavFile(part, writer)

    @property
    def data_bytes(self) -> int:
        """Bytes of audio recorded."""
        return self._wav.data_bytes

    def has_room(self, more_bytes: int) -> bool:
        """Whether so much more goes into the WAV."""
        return self._wav.has_room(more_bytes)

    def check(self) -> None:
        """
        Is the WAV still there?

        Raises:
            OSError, RecordingError: it isn't.
        """
        self._wav.check()

    def append(self, pcm: bytes) -> None:
        """Add PCM of any length."""
        self._wav.append(pcm)

    def complete(self) -> tuple[Path, int]:
        """
        Encode and remove the WAV; the file and its size in bytes.

        Raises:
            OSError, RecordingError: the encoder failed; the WAV is to be abandoned.
        """
        self._wav.settle()
        result = encode_part(self._part)
        self._wav.close()
        return result

    def abandon(self) -> Path | None:
        """Leave the WAV, under a name that says what it is; where it is now, if anywhere."""
        return self._wav.abandon(self._part.path.with_suffix(".wav"))


RecordingFile = WavFile | RawFile | EncodedFile


def encode_part(part: Part) -> tuple[Path, int]:
    """
    Make of a whole WAV, which is a part, the file that it is the part of, and remove it; that file and its size.

    Raises:
        OSError, RecordingError: it can't be made; the part stays.
    """
    part.check()
    # Not a name that could be guessed: what stands there may be somebody's.
    work_path = part.path.with_name(f"{part.path.name}{ENCODING_SUFFIX}-{secrets.token_hex(8)}")
    if (fd := _encode_unnamed(part, work_path)) is None:
        fd = _encode_named(part, work_path)
    try:
        path = part.place(work_path, fd)
        size_bytes = os.fstat(fd).st_size
    except BaseException:
        with contextlib.suppress(OSError):
            work_path.unlink()
        raise
    finally:
        os.close(fd)
    with contextlib.suppress(OSError):
        part_of(part.path).unlink()
    return path, size_bytes


def _encode_unnamed(part: Part, work_path: Path) -> int | None:
    """It gets its name when it is whole, so that a kill before leaves nothing; None where that can't be done."""
    if (fd := open_unnamed(work_path.parent)) is None:
        return None
    try:
        encode(part_of(part.path), fd, part.path.suffix.lower())
        with contextlib.suppress(OSError):
            name_unnamed(fd, work_path)
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _encode_named(part: Part, work_path: Path) -> int:
    fd = create_file(work_path)
    try:
        encode(part_of(part.path), fd, part.path.suffix.lower())
    except BaseException:
        os.close(fd)
        with contextlib.suppress(OSError):
            work_path.unlink()
        raise
    return fd


def encode(wav_path: Path, fd: int, suffix: str) -> None:
    """
    Write a WAV file as FLAC, OGG or MP3 to an empty one, block by block.

    Raises:
        OSError, RecordingError: the file can't be written, or the encoder is at a loss.
    """
    container, subtype = ENCODINGS[suffix]
    disk = _Disk(fd)
    try:
        with (
            soundfile.SoundFile(os.fsencode(wav_path)) as wav,
            soundfile.SoundFile(disk, "w", wav.samplerate, wav.channels, format=container, subtype=subtype) as out,
        ):
            while disk.fault is None and len(block := wav.read(ENCODE_BLOCK_SAMPLES, dtype="int16")):
                out.write(block)
    except (soundfile.LibsndfileError, AssertionError) as error:
        raise disk.fault or RecordingError(f"it could not be made: {error}") from error
    if disk.fault is not None:
        raise disk.fault


class _Disk:
    """
    A file as libsndfile writes it, which keeps what went wrong.

    The library's own files don't tell that a disk was full where that struck in the last few bytes.
    """

    def __init__(self, fd: int) -> None:
        self.fault: OSError | None = None
        self._fd = fd

    def write(self, data: bytes) -> int:
        """All of it, or none."""
        try:
            write_all(self._fd, data)
        except OSError as error:
            self.fault = self.fault or error
            return 0
        return len(data)

    def seek(self, offset_bytes: int, whence: int) -> int:
        """As in any file."""
        return os.lseek(self._fd, offset_bytes, whence)

    def tell(self) -> int:
        """As in any file."""
        return os.lseek(self._fd, 0, os.SEEK_CUR)


def stdout_file(rate_hz: int, channels: int) -> WavFile | RawFile:
    """
    Standard output as a recording: with a true header where it is a file, and one without an end where it is a pipe.

    Raises:
        OSError: it is closed, or full.
    """
    fd = os.dup(1)
    appending = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
    if stat.S_ISREG(os.fstat(fd).st_mode) and not appending and not os.lseek(fd, 0, os.SEEK_CUR):
        return WavFile(None, WavWriter(fd, rate_hz=rate_hz, channels=channels))
    try:
        write_all(fd, wav_header(rate_hz, channels, STREAMING_DATA_BYTES))
    except OSError:
        os.close(fd)
        raise
    return RawFile(None, fd)


def _put_away(part: Part, path: Path | None, *, empty: bool) -> Path | None:
    with contextlib.suppress(OSError, RecordingError):
        if not empty:
            return part.finish(path)
    with contextlib.suppress(OSError, RecordingError):
        part.check()
        if not empty:
            return part_of(part.path)
        part_of(part.path).unlink()
    return None
