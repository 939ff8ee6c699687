"""
Recordings of calls, written by one thread for all of them; a second one encodes what isn't to stay WAV.

The event loop only appends to lists; the thread goes from one to the next and writes what has gathered, each recording's
every 0.04 s, or with hundreds at once every 0.3 s: each write costs the calls a moment, and there are no more than so many.
Disk trouble ends a recording, never a call: it is told as ``recording.failed``, and what was written before stays a valid
file. What an earlier run has left unfinished beside the same target is completed first of all.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from vonage_sock.audio.frames import FRAME_MS, SAMPLE_BYTES, AudioFormat
from vonage_sock.audio.wav import MAX_DATA_BYTES, WavWriter, wav_header
from vonage_sock.call.events import (
    Event,
    Notice,
    Observer,
    RecordingFailed,
    RecordingRepaired,
    RecordingSaved,
    RecordingStarted,
)
from vonage_sock.clock import MS, SECOND, Clock, SystemClock, file_stamp
from vonage_sock.errors import RecordingError
from vonage_sock.limits import DEFAULTS, MIB, Limits
from vonage_sock.media.budget import Budget
from vonage_sock.media.claims import Names, OwnNames
from vonage_sock.media.leftovers import Outcome, is_encoded, leftovers_of, repair
from vonage_sock.media.naming import RecordingPath, obstacle, part_of
from vonage_sock.media.parts import Part, make_directory, make_part
from vonage_sock.media.recording_files import ENCODINGS, EncodedFile, RawFile, RecordingFile, WavFile, stdout_file
from vonage_sock.media.sink import UNCOUNTED_FRAMES, FileSink

GATHER_NS: Final = 40 * MS
GATHER_MANY_NS: Final = 300 * MS
GATHER_EACH_NS: Final = 1 * MS
"""A thousand appends a second, until that would be too long for the last to wait."""

TURN_SINKS: Final = 16
MAX_WAITING_BYTES: Final = 64 * MIB
LOOKS_EVERY_NS: Final = 2 * SECOND
"""How often a recording's file is looked for where it should be: what is written to one that is gone is lost."""

_Job = tuple[FileSink | None, Callable[[], object]]


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


class Recorder:
    """
    Makes a sink for each call or phrase.

    Args:
        path: where to; the suffix chooses the format.
        observer: told of what becomes of each recording, on the event loop that ``start`` was called in.
        names: shared by all that record to the same place; this process's own, when left out.
        limits: of which it keeps those that are about recordings.
        max_file_bytes: of audio in a WAV; what goes beyond is in the next file.
    """

    def __init__(
        self,
        path: RecordingPath,
        *,
        observer: Observer,
        clock: Clock | None = None,
        names: Names | None = None,
        limits: Limits = DEFAULTS,
        max_file_bytes: int = MAX_DATA_BYTES,
    ) -> None:
        self._path = path
        self._observer = observer
        self._clock = clock = clock or SystemClock()
        self._names = names or OwnNames()
        self._max_file_bytes = max_file_bytes
        self._budget = Budget(limits, directory=None if path.is_stdout else path.root, names=self._names)
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
        # Before any recording of its own, so that the names are free that these are to have.
        self._jobs.put((None, self._complete_leftovers))

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
            waiting = f"{self.waiting_bytes / MIB:.0f} MiB wait for it"
            self._fail(sink, f"the disk is too slow: {waiting}, and what comes from here on is lost")
            self._jobs.put((sink, lambda: self._end_slow(sink)))
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
            self._append(sink, b"".join(frames[at : at + UNCOUNTED_FRAMES]))

    def _append(self, sink: FileSink, pcm: bytes) -> None:
        if sink.file is None:
            return
        now = self._clock.now()
        if now >= sink.looks_at:
            sink.looks_at = now + LOOKS_EVERY_NS
            sink.file.check()
        if why := self._budget.spend(sink.call, len(pcm), now):
            raise RecordingError(why)
        if not sink.file.has_room(len(pcm)):
            self._go_on_elsewhere(sink, sink.file)
        sink.file.append(pcm)

    def _begin(self, sink: FileSink, values: dict[str, object], number: int, phrase: int | None) -> None:
        sink.path = Path(self._path.template)
        if why := self._budget.lack(self._clock.now()):
            raise RecordingError(why)
        if not self._path.is_stdout:
            sink.names = self._path.candidates(values, number=number, phrase=phrase)
        sink.file, sink.path = self._open_file(sink)
        sink.looks_at = self._clock.now() + LOOKS_EVERY_NS
        self._sinks.append(sink)
        self._tell(RecordingStarted(at=self._clock.now(), call=sink.call, path=str(sink.path)))

    def _go_on_elsewhere(self, sink: FileSink, full: RecordingFile) -> None:
        path = sink.path
        sink.file, sink.path = self._open_file(sink)
        self._notice("info", f"{path} is as large as a WAV file can be; the recording goes on in {sink.path}")
        self._tell(RecordingStarted(at=self._clock.now(), call=sink.call, path=str(sink.path)))
        self._hand_over(sink, full, path)

    def _end(self, sink: FileSink) -> None:
        self._forget(sink)
        self._write_gathered(sink)
        # A file is completed or abandoned once: the number of its descriptor may be a caller's socket a moment later.
        file, sink.file = sink.file, None
        if file is not None:
            self._hand_over(sink, file, sink.path)

    def _hand_over(self, sink: FileSink, file: RecordingFile, path: Path) -> None:
        if isinstance(file, EncodedFile):
            self._encodings.put((None, lambda: self._complete(sink, file, path)))
        else:
            self._complete(sink, file, path)

    def _complete(self, sink: FileSink, file: RecordingFile, path: Path) -> None:
        try:
            done, size_bytes = file.complete()
        except Exception as error:  # noqa: BLE001  (whatever it is, the audio must not be lost)
            self._tell_failure(sink.call, path, _reason(error) + self._put_away(sink, file, path))
            return
        self._release(path, done)
        if done != path:
            self._notice("warning", f"{path} was taken while it was recorded; the recording is {done}")
        self.saved.append(done)
        seconds = _seconds(sink, file)
        self._tell(
            RecordingSaved(
                at=self._clock.now(),
                call=sink.call,
                path=str(done),
                seconds=round(seconds, 3),
                frames=-(-round(seconds * 1000) // FRAME_MS),
                bytes=size_bytes,
            )
        )

    def _give_up(self, sink: FileSink, error: Exception) -> None:
        self._fail(sink, _reason(error) + self._end_early(sink))

    def _end_slow(self, sink: FileSink) -> None:
        """End a recording for which too much waits: that is still written, if it takes as long as it may."""
        with contextlib.suppress(OSError, RecordingError):
            self._write_gathered(sink)
        self._end_early(sink)

    def _end_early(self, sink: FileSink) -> str:
        """End a recording in the middle of the call; where it is, to go on a sentence."""
        self._forget(sink)
        self._counted_out_bytes += sink.take()[1]
        file, sink.file = sink.file, None
        return "" if file is None else self._put_away(sink, file, sink.path)

    def _put_away(self, sink: FileSink, file: RecordingFile, path: Path) -> str:
        done = file.abandon()
        self._release(path, done)
        return "" if done is None else f"; the {_seconds(sink, file):.2f} s before are in {done}"

    def _release(self, path: Path, done: Path | None) -> None:
        """Give back the name that was wanted; the one that was got stays claimed where the next call might replace it."""
        if done is not None and not self._path.overwrite:
            self._names.release(done)
        if done != path:
            self._names.release(path)

    def _forget(self, sink: FileSink) -> None:
        with contextlib.suppress(ValueError):
            self._sinks.remove(sink)

    def _open_file(self, sink: FileSink) -> tuple[RecordingFile, Path]:
        rate_hz, channels = sink.audio_format.rate_hz, sink.channels
        if self._path.is_stdout:
            if self._stdout_taken:
                raise RecordingError("standard output holds one recording, and another call has it")
            self._stdout_taken = True
            return stdout_file(rate_hz, channels), Path(self._path.template)
        for path in sink.names:
            make_directory(path.parent, self._path.root)
            if not self._names.claim(path):
                continue
            try:
                # A piece beyond the first replaces nothing: it may be what another call has just left.
                overwrite = self._path.overwrite and sink.file is None
                if self._is_free(path, overwrite=overwrite):
                    return self._make_file(path, rate_hz, channels, overwrite=overwrite), path
            except FileExistsError:
                pass
            except BaseException:
                self._names.release(path)
                raise
            self._names.release(path)
        raise RecordingError("every name is taken")

    def _is_free(self, path: Path, *, overwrite: bool) -> bool:
        for name, replaced in ((path, overwrite), (part_of(path), False)):
            if why := obstacle(name, overwrite=replaced):
                self._notice("warning", f"{name} {why}; the recording gets another name")
                return False
        return overwrite or not path.exists()

    def _make_file(self, path: Path, rate_hz: int, channels: int, *, overwrite: bool) -> RecordingFile:
        suffix = self._path.suffix
        fd = make_part(path, b"" if suffix == ".raw" else wav_header(rate_hz, channels, 0))
        part = Part(path, fd, overwrite=overwrite, names=self._names)
        if suffix == ".raw":
            return RawFile(part, fd)
        writer = WavWriter(fd, rate_hz=rate_hz, channels=channels, max_data_bytes=self._max_file_bytes)
        return EncodedFile(part, writer) if suffix in ENCODINGS else WavFile(part, writer)

    def _complete_leftovers(self) -> None:
        encoded = []
        for part in leftovers_of(self._path):
            if is_encoded(part):
                encoded.append(part)
            else:
                self._complete_leftover(part)
        if encoded:
            # It may take minutes, for which neither a call nor the end of the program waits.
            work = partial(self._complete_all, encoded)
            threading.Thread(target=work, name="vsock-repair", daemon=True).start()

    def _complete_all(self, parts: list[Path]) -> None:
        for part in parts:
            self._complete_leftover(part)

    def _complete_leftover(self, part: Path) -> None:
        done = repair(part, names=self._names)
        if done is None:
            return
        if done.outcome is Outcome.FAILED:
            self._notice("warning", f"{part}, left by an earlier run, can't be completed: {done.error}")
        if done.path is not None:
            seconds = None if done.seconds is None else round(done.seconds, 3)
            self._tell(
                RecordingRepaired(
                    at=self._clock.now(), path=str(done.path), part=str(part), seconds=seconds, bytes=done.bytes
                )
            )

    # In either.

    def _fail(self, sink: FileSink, reason: str) -> None:
        """The recording goes no further; told once."""
        with self._lock:
            if sink.failed:
                return
            sink.failed = True
            sink.gathered.uncounted_frames = 0
        self._tell_failure(sink.call, sink.path, reason)

    def _tell_failure(self, call: str, path: Path, reason: str) -> None:
        with self._lock:
            self.failures += 1
        self._tell(RecordingFailed(at=self._clock.now(), call=call, path=str(path), error=reason))

    def _notice(self, level: str, message: str) -> None:
        self._tell(Notice(at=self._clock.now(), level=level, message=message))

    def _tell(self, event: Event) -> None:
        # The loop may be gone when the program was stopped hard; nobody is left to tell then.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._observer, event)


def gather_ns(recordings: int) -> int:
    """How long audio waits in memory for its turn where so many recordings are made at once."""
    return min(max(recordings * GATHER_EACH_NS, GATHER_NS), GATHER_MANY_NS)


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def _seconds(sink: FileSink, file: RecordingFile) -> float:
    return file.data_bytes / (sink.channels * SAMPLE_BYTES) / sink.audio_format.rate_hz
