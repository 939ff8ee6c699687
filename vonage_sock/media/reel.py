"""
A file that is decoded once for all calls that play it, however far apart they began.

Decoding goes on in a thread, a few seconds ahead of the call that is furthest. The first minute stays in memory, frame by
frame; what follows goes to a temporary file without a name, so that two hours take no more memory than two minutes. The
event loop reads from there only what the system holds in memory anyway, and asks for the rest to be fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

from vonage_sock.audio.frames import FRAMES_PER_SECOND
from vonage_sock.audio.source import Piece
from vonage_sock.audio.wav import write_all_at

LOW_WATER_FRAMES: Final = 4 * FRAMES_PER_SECOND
KEEP_FRAMES: Final = 60 * FRAMES_PER_SECOND
PIECE_FRAMES: Final = 10
"""What a call takes at once from the file: 6 kB of its memory at 16 kHz, and a system call each 0.2 s."""

SHARED_PIECE_FRAMES: Final = 2 * FRAMES_PER_SECOND
"""What it takes at once from memory, where nothing is copied; less than what the decoder is ahead."""

MAX_STORED_BYTES: Final = 1 << 30
FREE_SHARE: Final = 2
FETCH_BYTES: Final = 1 << 18

_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)
_decoders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="vsock-decode")

Blocks = Generator[list[bytes], None, None]

NO_FRAMES: Final = Piece((), 0, 0)


class Store(Protocol):
    """Where decoded frames wait. One thread adds, the event loop reads."""

    frames: int

    def add(self, block: list[bytes]) -> None:
        """
        Put frames behind the others.

        Raises:
            OSError: there is no room for them.
        """
        ...

    def read(self, at: int) -> Piece:
        """A few frames from the one with that number on; none where they can't be had without waiting."""
        ...


class SharedStore:
    """Frames that any number of calls may read, each at its own place."""

    def __init__(self, frame_bytes: int) -> None:
        self.frames = 0
        self._frame_bytes = frame_bytes
        self._kept: list[bytes] = []
        self._fd: int | None = None
        self._flags = _NOWAIT

    def add(self, block: list[bytes]) -> None:
        """Up to a minute into memory, the rest into a file."""
        room = KEEP_FRAMES - len(self._kept)
        self._kept += block[:room]
        if len(block) > room:
            self._store(b"".join(block[room:]))
        self.frames += len(block)

    def read(self, at: int) -> Piece:
        """From memory, or from the file where the system has it in memory."""
        kept = len(self._kept)
        if at < kept:
            return Piece(self._kept, at, min(at + SHARED_PIECE_FRAMES, kept))
        frames = min(PIECE_FRAMES, self.frames - at)
        if frames <= 0 or self._fd is None:
            return NO_FRAMES
        size = self._frame_bytes
        data = self._read_stored(self._fd, frames * size, (at - KEEP_FRAMES) * size)
        return _whole([data[place : place + size] for place in range(0, len(data) - size + 1, size)])

    def _store(self, pcm: bytes) -> None:
        offset_bytes = (max(self.frames, KEEP_FRAMES) - KEEP_FRAMES) * self._frame_bytes
        if offset_bytes + len(pcm) > MAX_STORED_BYTES:
            raise OSError(0, f"it takes more than {MAX_STORED_BYTES >> 30} GiB")
        if self._fd is None:
            fd, path = tempfile.mkstemp(prefix="vsock-", suffix=".pcm")
            weakref.finalize(self, os.close, fd)
            Path(path).unlink()
            self._fd = fd
        write_all_at(self._fd, pcm, offset_bytes)

    def _read_stored(self, fd: int, size: int, offset_bytes: int) -> bytes:
        buffer = bytearray(size)
        try:
            got = os.preadv(fd, [buffer], offset_bytes, self._flags)
        except BlockingIOError:
            got = 0
        except OSError:
            # A file system that can't be asked not to wait, as tmpfs, which has it all in memory.
            if not self._flags:
                raise
            self._flags = 0
            return self._read_stored(fd, size, offset_bytes)
        if got < size and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, offset_bytes, FETCH_BYTES, os.POSIX_FADV_WILLNEED)
        return bytes(buffer[:got])


class PassingStore:
    """Frames for one call alone, each of which is gone when it was read."""

    def __init__(self) -> None:
        self.frames = 0
        self._waiting: deque[bytes] = deque()

    def add(self, block: list[bytes]) -> None:
        """Into memory."""
        self._waiting.extend(block)
        self.frames += len(block)

    def read(self, at: int) -> Piece:
        """The oldest."""
        waiting = self._waiting
        return _whole([waiting.popleft() for _ in range(min(PIECE_FRAMES, len(waiting)))])


def has_room(stored_bytes: int) -> bool:
    """Whether so much may go to the disk for temporary files, of which others want some too."""
    try:
        free_bytes = shutil.disk_usage(tempfile.gettempdir()).free
    except OSError:
        return False
    return stored_bytes <= MAX_STORED_BYTES and stored_bytes * FREE_SHARE <= free_bytes


class Reel:
    """
    One run of the decoder through a file.

    Args:
        blocks: what the decoder gives; closed by the reel.
        explain: makes half a sentence of what it raised, told whether any frame came before.
    """

    def __init__(self, blocks: Blocks, store: Store, explain: Callable[[Exception, bool], str]) -> None:
        self.error: str | None = None
        self.finished = False
        self.lasts = isinstance(store, SharedStore)
        self._blocks = blocks
        self._store = store
        self._explain = explain
        self._readers = 0
        self._job = _decoders.submit(self._decode_block)

    @property
    def frames(self) -> int:
        """Frames decoded so far."""
        return self._store.frames

    def read(self, at: int) -> Piece:
        """A few frames from the one with that number on; none when there are none yet, or no more."""
        if not self.finished and self._store.frames - at < LOW_WATER_FRAMES and self._job.done():
            self._job = _decoders.submit(self._decode_block)
        return self._store.read(at)

    def ended(self, at: int) -> bool:
        """No frame with that number will come."""
        return self.finished and at >= self._store.frames

    def join(self) -> None:
        """One more reads it."""
        self._readers += 1

    def leave(self) -> None:
        """One reads it no more; a file that nobody plays to its end isn't decoded to its end."""
        self._readers -= 1
        if not self._readers and not self.finished:
            self.lasts = False
            self.finished = True
            # After the job, since a generator can't be closed while it runs.
            self._job.add_done_callback(lambda _: self._blocks.close())

    async def block_under_way(self) -> None:
        """Wait until the block that is being decoded is there."""
        await _until_done(self._job)

    def _decode_block(self) -> None:
        try:
            block = next(self._blocks, None)
        except Exception as error:  # noqa: BLE001  (whatever a file makes its decoder do, it ends this file only)
            begun = self._store.frames > 0
            self._finish(self._explain(error, begun), lasts=begun)
            return
        if self.finished:
            return
        if block is None:
            self._finish(None)
            return
        try:
            self._store.add(block)
        except OSError as error:
            self._finish(_why_no_room(error), lasts=False)

    def _finish(self, error: str | None, *, lasts: bool = True) -> None:
        self._blocks.close()
        self.error = error
        self.lasts = self.lasts and lasts
        self.finished = True


class FrameSource:
    """
    A ``Source`` that is ``Ready`` too: one call's place on a reel.

    ``take`` gives None while the decoder, or the disk, is behind; ``ended`` tells that from the end.
    """

    def __init__(self, name: str, reel: Reel, total_frames: int | None) -> None:
        self.name = name
        self.total_frames = total_frames
        self._reel = reel
        self._at = 0
        self._frames, self._next, self._end = NO_FRAMES
        self._closed = False
        reel.join()

    @property
    def error(self) -> str | None:
        """Why it ended before its end; half a sentence."""
        return self._reel.error

    def take(self) -> bytes | None:
        """The next frame."""
        number = self._next
        if number == self._end:
            self.at_hand()
            number = self._next
            if number == self._end:
                return None
        self._next = number + 1
        return self._frames[number]

    def at_hand(self) -> Piece:
        """What it has of the reel, and if that is nothing, as much as is there without waiting."""
        if self._next == self._end and not self._closed:
            self._frames, self._next, self._end = self._reel.read(self._at)
            self._at += self._end - self._next
        return Piece(self._frames, self._next, self._end)

    def skip(self, frames: int) -> None:
        """So many of what is at hand count as taken."""
        self._next += frames

    def ended(self) -> bool:
        """No frame will come any more."""
        return self._next == self._end and (self._closed or self._reel.ended(self._at))

    def close(self) -> None:
        """Give up the place; when it was the last, decoding stops after the block that is under way."""
        self._frames, self._next, self._end = NO_FRAMES
        if not self._closed:
            self._closed = True
            self._reel.leave()

    async def first_block(self) -> None:
        """Wait until there is a frame, if one is being decoded."""
        if self._closed or self._reel.frames <= self._at:
            await self._reel.block_under_way()


def _whole(frames: list[bytes]) -> Piece:
    return Piece(frames, 0, len(frames))


async def _until_done(job: Future[None]) -> None:
    # Unlike a wrapped future, this one isn't cancelled for all calls when one of them is.
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def tell(_: Future[None]) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    job.add_done_callback(tell)
    await done.wait()


def _why_no_room(error: OSError) -> str:
    return (
        f"it can't be kept decoded in {tempfile.gettempdir()} ({error.strerror or error}); make room there, or name "
        "another directory in TMPDIR"
    )
