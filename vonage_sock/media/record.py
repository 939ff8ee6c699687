"""
Recordings of calls, written by one thread for all of them; a second one encodes what isn't to stay WAV.

The event loop only appends to lists; the thread goes from one to the next and writes what has gathered, each recording's
every 0.1 s, or with hundreds at once every 0.3 s: each write costs the calls a moment, and there are no more than so many.
Disk trouble ends a recording, never a call: it is told as ``recording.failed``, and what was written before stays a valid
file.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import stat
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from vonage_sock.audio.frames import FRAME_MS, SAMPLE_BYTES, AudioFormat
from vonage_sock.audio.wav import WavWriter, create_file
from vonage_sock.call.events import Event, Observer, RecordingFailed, RecordingSaved, RecordingStarted
from vonage_sock.clock import MS, SECOND, Clock, file_stamp
from vonage_sock.errors import RecordingError
from vonage_sock.media.naming import RecordingPath, path_while_recording
from vonage_sock.media.recording_files import ENCODINGS, EncodedFile, RawFile, RecordingFile, WavFile, stdout_file

GATHER_NS: Final = 100 * MS
GATHER_MANY_NS: Final = 300 * MS
GATHER_EACH_NS: Final = 1 * MS
"""A thousand appends a second, until that would be too long for the last to wait."""

TURN_SINKS: Final = 16
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
UNCOUNTED_FRAMES: Final = 16
"""More than gathers between two turns: only what waits in a sink beyond it counts towards the limit of them all."""

DIRECTORY_MODE: Final = 0o700


class Recorded(Protocol):
    """The call that a recording belongs to."""

    @property
    def id(self) -> str:
        """Safe to put into a name."""
        ...

    @property
    def audio_format(self) -> AudioFormat:
        """The rate of what is written."""
        ...

    @property
    def headers(self) -> dict[str, Any]:
        """Where ``from`` and ``to`` may stand."""
        ...


class Names(Protocol):
    """Numbers recordings, and knows which names are being written to: ``--overwrite`` must not mix two calls."""

    def next_recording(self) -> int:
        """The number of one more recording, from 1 on."""
        ...

    def claim(self, path: Path) -> bool:
        """Take a name for the time in which it is written; False where somebody has it. In any thread."""
        ...

    def release(self, path: Path) -> None:
        """Others may take the name."""
        ...


class OwnNames:
    """For all that one process records."""

    _claimed: ClassVar[set[Path]] = set()
    _lock: ClassVar = threading.Lock()

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def next_recording(self) -> int:
        """The number of one more recording."""
        return next(self._numbers)

    def claim(self, path: Path) -> bool:
        """Take a name."""
        with self._lock:
            if (whole := path.absolute()) in self._claimed:
                return False
            self._claimed.add(whole)
            return True

    def release(self, path: Path) -> None:
        """Others may take the name."""
        self._claimed.discard(path.absolute())


class Recorder:
    """
    Makes a sink for each call or phrase.

    Args:
        path: where to; the suffix chooses the format.
        observer: told of what becomes of each recording, on the event loop that ``start`` was called in.
        names: shared by all that record to the same place; this process's own, when left out.
    """

    def __init__(self, path: RecordingPath, *, observer: Observer, clock: Clock, names: Names | None = None) -> None:
        self._path = path
        self._observer = observer
        self._clock = clock
        self._names = names or OwnNames()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._encodings: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="vsock-record", daemon=True)
        # A long call takes many seconds to encode, and what others record must be on disk meanwhile.
        self._encoder = threading.Thread(target=self._encode, name="vsock-encode", daemon=True)
        self._sinks: deque[FileSink] = deque()
        self._numbers: dict[str, int] = {}
        self._stdout_taken = False
        # Each has one writer: the event loop and the thread.
        self._counted_in_bytes = 0
        self._counted_out_bytes = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.saved: list[Path] = []
        self.failures = 0

    def start(self) -> None:
        """Start the threads; events go to the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._encoder.start()

    def open(self, call: Recorded, channels: int, phrase: int | None) -> FileSink:
        """A sink for this call; the file itself is made by the thread."""
        if (number := self._numbers.get(call.id)) is None:
            number = self._numbers[call.id] = self._names.next_recording()
        values = {
            "call": call.id,
            "from": call.headers.get("from", "unknown"),
            "to": call.headers.get("to", "unknown"),
            "time": file_stamp(self._clock.wall_ns()),
            "n": number,
        }
        sink = FileSink(self, call.id, call.audio_format, channels)
        self._jobs.put((sink, lambda: self._begin(sink, values, number, phrase)))
        return sink

    async def finish(self, timeout_s: float) -> bool:
        """Wait until everything handed over so far is on disk; False when that took too long."""
        if not self._thread.is_alive():
            return True
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        signal: _Job = (None, lambda: loop.call_soon_threadsafe(done.set))
        self._jobs.put((None, self._write_all))
        self._jobs.put((None, lambda: self._encodings.put(signal)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), timeout_s)
        return done.is_set()

    async def stop(self, timeout_s: float) -> bool:
        """``finish``, and end the threads; a recording that isn't complete by then counts as a failure."""
        finished = await self.finish(timeout_s)
        if not finished:
            self.failures += 1
        self._jobs.put((None, lambda: self._encodings.put(None)))
        self._jobs.put(None)
        return finished

    # For the sinks.

    @property
    def waiting_bytes(self) -> int:
        """How much a disk that lags has let gather."""
        return self._counted_in_bytes - self._counted_out_bytes

    def has_room(self, sink: FileSink, more_bytes: int) -> bool:
        """Whether a sink of which much waits may take more: a disk that lags loses the recording, not the memory."""
        if sink.failed:
            return False
        if self.waiting_bytes + more_bytes > MAX_WAITING_BYTES:
            # Told from here, since the thread may never come back from the disk.
            self._report_failure(sink, "the disk is too slow")
            self._jobs.put((sink, lambda: self._abandon(sink)))
            return False
        sink.counted_bytes += more_bytes
        self._counted_in_bytes += more_bytes
        return True

    def complete(self, sink: FileSink) -> None:
        """No more audio will come."""
        self._jobs.put((sink, lambda: self._end(sink)))

    # In the threads.

    def _write(self) -> None:
        """Jobs at once, and in between the sinks in turn."""
        turn_at = 0
        while True:
            wait_s = max(0, turn_at - self._clock.now()) / SECOND if self._sinks else None
            try:
                job = self._jobs.get(timeout=wait_s)
            except queue.Empty:
                turn_at = self._clock.now() + self._write_some()
                continue
            if job is None:
                return
            self._do(*job)

    def _encode(self) -> None:
        while (job := self._encodings.get()) is not None:
            self._do(*job)

    def _do(self, sink: FileSink | None, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001  (one recording's trouble must not end the others)
            if sink is not None:
                self._give_up(sink, error)

    def _write_some(self) -> int:
        """Write the next few; after how many nanoseconds it is the turn of those that follow."""
        count = len(self._sinks)
        turn = min(count, TURN_SINKS)
        for sink in [self._sinks[number] for number in range(turn)]:
            self._sinks.rotate(-1)
            self._do(sink, partial(self._write_gathered, sink))
        return gather_ns(count) * turn // count

    def _write_all(self) -> None:
        for sink in list(self._sinks):
            self._do(sink, partial(self._write_gathered, sink))

    def _write_gathered(self, sink: FileSink) -> None:
        frames, counted_bytes = sink.take()
        self._counted_out_bytes += counted_bytes
        # In pieces, so that a disk that fills up takes what it can.
        for at in range(0, len(frames), UNCOUNTED_FRAMES):
            if sink.file is not None:
                sink.file.append(b"".join(frames[at : at + UNCOUNTED_FRAMES]))

    def _begin(self, sink: FileSink, values: dict[str, object], number: int, phrase: int | None) -> None:
        sink.path = Path(self._path.template)
        sink.file = self._open_file(sink, values, number, phrase)
        sink.path = sink.file.path
        self._sinks.append(sink)
        self._tell(RecordingStarted(at=self._clock.now(), call=sink.call, path=str(sink.path)))

    def _end(self, sink: FileSink) -> None:
        self._forget(sink)
        self._write_gathered(sink)
        if isinstance(sink.file, EncodedFile):
            self._encodings.put((sink, lambda: self._complete(sink)))
        else:
            self._complete(sink)

    def _complete(self, sink: FileSink) -> None:
        file = sink.file
        if file is None:
            return
        try:
            path, size_bytes = file.complete()
        finally:
            self._release(sink)
        if not self._path.is_stdout:
            path.stat()  # somebody may have removed it, and nobody should look for it in vain
        self.saved.append(path)
        seconds = file.data_bytes / (sink.channels * SAMPLE_BYTES) / sink.audio_format.rate_hz
        self._tell(
            RecordingSaved(
                at=self._clock.now(),
                call=sink.call,
                path=str(path),
                seconds=round(seconds, 3),
                frames=-(-round(seconds * 1000) // FRAME_MS),
                bytes=size_bytes,
            )
        )

    def _give_up(self, sink: FileSink, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(sink.file, EncodedFile):
            reason = f"{reason}; what was recorded is in {sink.file.wav.path}"
        self._abandon(sink)
        self._report_failure(sink, reason or type(error).__name__)

    def _abandon(self, sink: FileSink) -> None:
        self._forget(sink)
        self._counted_out_bytes += sink.take()[1]
        file = self._release(sink)
        if file is not None:
            with contextlib.suppress(OSError):
                file.abandon()

    def _forget(self, sink: FileSink) -> None:
        with contextlib.suppress(ValueError):
            self._sinks.remove(sink)

    def _release(self, sink: FileSink) -> RecordingFile | None:
        # A file is completed or abandoned once: the number of its descriptor may be a caller's socket a moment later.
        file, sink.file = sink.file, None
        if file is not None:
            self._names.release(sink.path)
        return file

    def _open_file(self, sink: FileSink, values: dict[str, object], number: int, phrase: int | None) -> RecordingFile:
        rate_hz, channels = sink.audio_format.rate_hz, sink.channels
        if self._path.is_stdout:
            if self._stdout_taken:
                raise RecordingError("standard output holds one recording, and another call has it")
            self._stdout_taken = True
            return stdout_file(rate_hz, channels)
        for path in self._path.candidates(values, number=number, phrase=phrase):
            _make_directory(path.parent)
            if not self._names.claim(path):
                continue
            try:
                return self._make_file(path, rate_hz, channels)
            except FileExistsError:
                self._names.release(path)
            except BaseException:
                self._names.release(path)
                raise
        raise RecordingError("every name is taken")

    def _make_file(self, path: Path, rate_hz: int, channels: int) -> RecordingFile:
        overwrite, suffix = self._path.overwrite, self._path.suffix
        if suffix not in ENCODINGS:
            fd = create_file(path, overwrite=overwrite)
            if suffix == ".raw":
                return RawFile(path, fd)
            return WavFile(path, WavWriter(fd, rate_hz=rate_hz, channels=channels))
        if not overwrite and path.exists():
            raise FileExistsError
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            # It is put in place by a rename, which would take that of a device too.
            raise RecordingError(f"{path} is no regular file, and isn't replaced")
        work_path = path_while_recording(path)
        writer = WavWriter(create_file(work_path, overwrite=overwrite), rate_hz=rate_hz, channels=channels)
        return EncodedFile(path, WavFile(work_path, writer), overwrite=overwrite)

    # In either.

    def _report_failure(self, sink: FileSink, reason: str) -> None:
        with self._lock:
            if sink.failed:
                return
            sink.failed = True
            sink.uncounted_frames = 0
            self.failures += 1
        self._tell(RecordingFailed(at=self._clock.now(), call=sink.call, path=str(sink.path), error=reason))

    def _tell(self, event: Event) -> None:
        # The loop may be gone when the program was stopped hard; nobody is left to tell then.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._observer, event)


def gather_ns(recordings: int) -> int:
    """How long audio waits in memory for its turn where so many recordings are made at once."""
    return min(max(recordings * GATHER_EACH_NS, GATHER_NS), GATHER_MANY_NS)


class FileSink:
    """A ``Sink`` for one call or phrase. ``write`` and ``close`` are the event loop's, the rest is the thread's."""

    def __init__(self, recorder: Recorder, call: str, audio_format: AudioFormat, channels: int) -> None:
        self.call = call
        self.audio_format = audio_format
        self.channels = channels
        self.file: RecordingFile | None = None
        self.path = Path()
        self.failed = False
        self.uncounted_frames = UNCOUNTED_FRAMES
        self.counted_bytes = 0
        self._recorder = recorder
        self._gathered: list[bytes] = []
        self._counted_out_bytes = 0

    def write(self, pcm: bytes) -> None:
        """Add 16-bit PCM, channels interleaved."""
        gathered = self._gathered
        if len(gathered) < self.uncounted_frames or self._recorder.has_room(self, len(pcm)):
            gathered.append(pcm)

    def close(self) -> None:
        """The recording is complete."""
        self._recorder.complete(self)

    def take(self) -> tuple[list[bytes], int]:
        """What has gathered, and how much of it was counted; the event loop may be adding to it meanwhile."""
        counted_bytes = self.counted_bytes - self._counted_out_bytes
        self._counted_out_bytes += counted_bytes
        # Each of these is one step to the other thread, and what it adds in between stays.
        frames = self._gathered[:]
        del self._gathered[: len(frames)]
        return frames, counted_bytes


_Job = tuple[FileSink | None, Callable[[], object]]


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except FileExistsError as error:
        # Unlike a file's name that is taken, another number won't help.
        raise RecordingError(f"{directory} isn't a directory") from error
