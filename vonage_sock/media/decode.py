"""
Audio files as frames of a call's format.

A file is decoded in blocks, once for all calls that play it (``reel``), for as long as it doesn't change.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Generator, Iterator
from importlib import resources
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from vonage_sock.audio.frames import FRAMES_PER_SECOND, AudioFormat, Packetizer
from vonage_sock.audio.source import Source
from vonage_sock.errors import AudioFileError
from vonage_sock.media.reel import KEEP_FRAMES, FrameSource, PassingStore, Reel, SharedStore, has_room

FIRST_BLOCK_S: Final = 0.5
BLOCK_S: Final = 1.0
MAX_SPOOLED_BYTES: Final = 1 << 30
SPOOL_PIECE_BYTES: Final = 1 << 18
LOWEST_RATE_HZ: Final = 1_000
HIGHEST_RATE_HZ: Final = 768_000
LOUDEST: Final = 16.0
"""Full scale is 1; beyond this a sample is a mistake, and sums of such mistakes are no numbers any more."""
MISSING_S: Final = 0.1

Samples = npt.NDArray[np.float32]
Stamp = tuple[int, int, int]


class AudioFile:
    """
    A file that libsndfile can read: WAV, FLAC, OGG, MP3, AIFF and more, at any rate, mono or not.

    Raises:
        AudioFileError: it is missing, unreadable, empty, or of an unknown kind.
    """

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        self.path = path
        self.name = name or path.name
        self._reels: dict[int, tuple[Stamp | None, Reel]] = {}
        self._measured = self.stamp()
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise AudioFileError(f"{self.name}: {_why_not_a_file(path)}")
            with _ForwardFile(os.fsencode(path)) as file:
                self.rate_hz = int(file.samplerate)
                self.channels = int(file.channels)
                self.samples = int(file.frames)
        except (soundfile.LibsndfileError, OSError, TypeError, RuntimeError) as error:
            raise AudioFileError(f"{self.name}: {_why_unreadable(path, error)}") from error
        if not self.samples:
            raise AudioFileError(f"{self.name}: the file holds no audio")
        if not LOWEST_RATE_HZ <= self.rate_hz <= HIGHEST_RATE_HZ:
            raise AudioFileError(f"{self.name}: a rate of {self.rate_hz} Hz can't be converted")

    @classmethod
    def shipped_clip(cls) -> AudioFile:
        """The speech-like clip that comes with the package: about five seconds in three phrases."""
        clip = resources.files("vonage_sock") / "data" / "clip.flac"
        return cls(Path(str(clip)))

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.samples / self.rate_hz

    def __call__(self, audio_format: AudioFormat) -> Source:
        """Start to play it: a place of its own for each call, on a reel that all share."""
        stamp = self.stamp()
        rate_hz = audio_format.rate_hz
        known_stamp, reel = self._reels.get(rate_hz, (None, None))
        if reel is None or stamp != known_stamp or not reel.lasts:
            reel = self._new_reel(audio_format)
            self._reels[rate_hz] = stamp, reel
        total_frames = None
        if reel.finished and reel.error is None:
            total_frames = reel.frames
        elif stamp == self._measured:
            total_frames = -(-self.samples * rate_hz // (self.rate_hz * audio_format.frame_samples))
        return FrameSource(self.name, reel, total_frames)

    def _new_reel(self, audio_format: AudioFormat) -> Reel:
        stored_s = self.seconds - KEEP_FRAMES / FRAMES_PER_SECOND
        shared = stored_s <= 0 or has_room(round(stored_s * FRAMES_PER_SECOND) * audio_format.frame_bytes)
        store = SharedStore(audio_format.frame_bytes) if shared else PassingStore()
        return Reel(_frame_blocks(self.path, audio_format), store, self._explain)

    def _explain(self, error: Exception, begun: bool) -> str:  # noqa: FBT001  (its one caller says it in order)
        return _why_damaged(error) if begun else _why_unreadable(self.path, error)

    def stamp(self) -> Stamp | None:
        """What changes with the file; None when it is gone."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


async def ready(source: Source) -> Source:
    """The same source, once it has its first frames: for a caller who must not begin with a silence of our making."""
    if isinstance(source, FrameSource):
        await source.first_block()
    return source


def spool(stream: IO[bytes]) -> AudioFile:
    """
    Read a stream that can't be rewound, such as standard input, to its end, so that each call can play it.

    Raises:
        AudioFileError: it holds no audio of a known kind, or more than 1 GiB.
    """
    with tempfile.NamedTemporaryFile(prefix="vsock-", suffix=".audio", delete=False) as file:
        path = Path(file.name)
        try:
            _copy(stream, file)
            file.flush()
            audio = AudioFile(path, name="standard input")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    _spooled.append(path)
    return audio


def _copy(stream: IO[bytes], file: IO[bytes]) -> None:
    left = MAX_SPOOLED_BYTES
    while piece := stream.read(SPOOL_PIECE_BYTES):
        left -= len(piece)
        if left < 0:
            raise AudioFileError(
                f"standard input: more than {MAX_SPOOLED_BYTES >> 30} GiB, and no end; write it to a file and play that"
            )
        file.write(piece)


_spooled: list[Path] = []


def remove_spooled() -> None:
    """Delete what ``spool`` wrote."""
    while _spooled:
        _spooled.pop().unlink(missing_ok=True)


def pcm_blocks(path: Path, rate_hz: int) -> Iterator[bytes]:
    """
    A file as 16-bit mono PCM of that rate, in blocks, the first one short.

    A file that has this format already passes through bit by bit; any other goes through floating point, the mean of its
    channels, and soxr's HQ resampler.

    Raises:
        soundfile.LibsndfileError: the file can't be read any further.
        AudioFileError: it ends before its end.
    """
    with _ForwardFile(os.fsencode(path)) as file:
        if file.samplerate == rate_hz and file.channels == 1 and file.subtype == "PCM_16":
            for block in _blocks(file, "int16"):
                yield block.astype("<i2").tobytes()
        else:
            yield from _converted_blocks(file, rate_hz)
        file.check_complete()


def to_pcm16(samples: Samples) -> bytes:
    """Floating point from -1 to 1 as 16-bit PCM; what is louder is clipped, what isn't a number is silence."""
    scaled = np.rint(np.nan_to_num(samples, posinf=1.0, neginf=-1.0) * 32768.0)
    pcm: bytes = np.clip(scaled, -32768, 32767).astype("<i2").tobytes()
    return pcm


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """
    A file that is read from its beginning to its end.

    Told that the file can seek, soundfile seeks after each block to where it is already; libmpg123 then forgets what the
    last MP3 frame left for the next, which is a click at every seam.
    """

    samples_read = 0

    def seekable(self) -> bool:
        """Not for us."""
        return False

    def check_complete(self) -> None:
        """
        Compare what was read with what the header promised; an MP3 often has only an estimate.

        Raises:
            AudioFileError: there was less.
        """
        missing = self.frames - self.samples_read
        if self.format != "MP3" and missing > MISSING_S * self.samplerate:
            missing_s, promised_s = missing / self.samplerate, self.frames / self.samplerate
            raise AudioFileError(f"the file is damaged ({missing_s:.1f} s of {promised_s:.1f} s are missing)")


def _blocks(file: _ForwardFile, dtype: str) -> Iterator[npt.NDArray[Any]]:
    length = round(FIRST_BLOCK_S * file.samplerate)
    while len(block := file.read(length, dtype=dtype, always_2d=True)):
        file.samples_read += len(block)
        yield block
        length = round(BLOCK_S * file.samplerate)


def _converted_blocks(file: _ForwardFile, rate_hz: int) -> Iterator[bytes]:
    resampler = None
    if file.samplerate != rate_hz:
        resampler = soxr.ResampleStream(file.samplerate, rate_hz, 1, dtype="float32", quality="HQ")
    for block in _blocks(file, "float32"):
        # Before the filter: there, one sample that isn't a number would silence all those around it.
        sane = np.clip(np.nan_to_num(block), -LOUDEST, LOUDEST)
        mono = sane.mean(axis=1, dtype=np.float32)
        yield to_pcm16(mono if resampler is None else resampler.resample_chunk(mono))
    if resampler is not None:
        yield to_pcm16(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


def _frame_blocks(path: Path, audio_format: AudioFormat) -> Generator[list[bytes], None, None]:
    packetizer = Packetizer(audio_format.frame_bytes)
    for pcm in pcm_blocks(path, audio_format.rate_hz):
        yield packetizer.push(pcm)
    tail = packetizer.flush()
    if tail is not None:
        yield [tail]


def _why_unreadable(path: Path, error: Exception) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return "no such file"
    except OSError as reason:
        return reason.strerror or str(reason)
    if not stat.S_ISREG(status.st_mode):
        return _why_not_a_file(path)
    if not os.access(path, os.R_OK, effective_ids=True):
        return "you may not read this file"
    if not status.st_size:
        return "the file is empty"
    if path.suffix.lower() == ".raw":
        return "raw audio doesn't tell its rate; convert it, for instance with sox -t raw -r 16000 -e signed -b 16 -c 1"
    if isinstance(error, soundfile.LibsndfileError):
        return f"not an audio file that can be read ({_library_words(error)})"
    return str(error) or type(error).__name__


def _why_damaged(error: Exception) -> str:
    if isinstance(error, soundfile.LibsndfileError):
        return f"the file is damaged ({_library_words(error)})"
    return str(error) or type(error).__name__


def _library_words(error: soundfile.LibsndfileError) -> str:
    words: str = error.error_string
    return words.removeprefix("Error : ").rstrip(".")


def _why_not_a_file(path: Path) -> str:
    if path.is_dir():
        return "this is a directory, not an audio file"
    return "this is a pipe or a device, which can be read only once; feed it to standard input and play -"
