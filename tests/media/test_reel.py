"""One decoding for many calls: where its frames wait, and who may still join."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vonage_sock.audio.source import Piece, Ready
from vonage_sock.media import reel
from vonage_sock.media.reel import (
    KEEP_FRAMES,
    PIECE_FRAMES,
    SHARED_PIECE_FRAMES,
    Blocks,
    FrameSource,
    PassingStore,
    Reel,
    SharedStore,
    has_room,
)

FRAME_BYTES = 320


def frames(count: int, *, first: int = 0) -> list[bytes]:
    """Frames that hold their own number."""
    return [number.to_bytes(4, "big") * 80 for number in range(first, first + count)]


def blocks(*sizes: int, error: Exception | None = None) -> Blocks:
    """Blocks of so many frames, and what happens after the last."""
    first = 0
    for size in sizes:
        yield frames(size, first=first)
        first += size
    if error is not None:
        raise error


def explain(error: Exception, begun: bool) -> str:
    """What is told of an error."""
    return f"{error}, {'in the middle' if begun else 'at once'}"


def new_reel(*sizes: int, error: Exception | None = None, store: SharedStore | PassingStore | None = None) -> Reel:
    """A reel of such blocks."""
    return Reel(blocks(*sizes, error=error), SharedStore(FRAME_BYTES) if store is None else store, explain)


def listed(piece: Piece) -> list[bytes]:
    """The frames that it is about."""
    return list(piece.frames[piece.first : piece.end])


async def drain(source: FrameSource) -> list[bytes]:
    """All frames of a source."""
    taken = []
    while not source.ended():
        if (frame := source.take()) is None:
            await source.first_block()
        else:
            taken.append(frame)
    return taken


@pytest.fixture
def filled() -> SharedStore:
    """A store that holds 70 frames more than stay in memory."""
    store = SharedStore(FRAME_BYTES)
    for first in range(0, KEEP_FRAMES + 70, 70):
        store.add(frames(min(70, KEEP_FRAMES + 70 - first), first=first))
    return store


@pytest.mark.parametrize("at", [0, 7, KEEP_FRAMES - 3, KEEP_FRAMES, KEEP_FRAMES + 33, KEEP_FRAMES + 65])
def test_a_place_is_read_from_memory_or_from_the_disk(filled: SharedStore, at: int) -> None:
    """Exact frames either way, a few at once."""
    read = listed(filled.read(at))

    assert 0 < len(read) <= (SHARED_PIECE_FRAMES if at < KEEP_FRAMES else PIECE_FRAMES)
    assert frames(len(read), first=at) == read
    assert {bytes} == {type(frame) for frame in read}


def test_behind_the_last_frame_there_is_none(filled: SharedStore) -> None:
    """Neither from the disk nor, where there is nothing on it, from memory."""
    assert ([], []) == (listed(filled.read(filled.frames)), listed(SharedStore(FRAME_BYTES).read(0)))


class Device:
    """``os.preadv`` on a file of which the system has nothing in memory yet, or which it can't be asked about."""

    def __init__(self, answers: Iterator[OSError | int | None]) -> None:
        self._answers = answers
        self._preadv = os.preadv
        self.flags: list[int] = []

    def preadv(self, fd: int, buffers: list[bytearray], offset: int, flags: int) -> int:
        """The next answer: an error, so many bytes, or all of them."""
        self.flags.append(flags)
        answer = next(self._answers)
        if isinstance(answer, OSError):
            raise answer
        got = self._preadv(fd, buffers, offset)
        return got if answer is None else answer


def test_what_is_not_in_memory_is_fetched_meanwhile(filled: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop doesn't wait for a disk: there is no frame yet, then some, then all."""
    device = Device(iter([BlockingIOError(), 3 * FRAME_BYTES + 5, None]))
    monkeypatch.setattr(reel.os, "preadv", device.preadv)
    read = [listed(filled.read(KEEP_FRAMES)) for _ in range(3)]

    assert [0, 3, PIECE_FRAMES] == [len(piece) for piece in read]
    assert frames(3, first=KEEP_FRAMES) == read[1]


def test_a_disk_in_memory_is_just_read(filled: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tmpfs can't be asked not to wait; it is asked once."""
    device = Device(iter([OSError("not supported"), None, None]))
    monkeypatch.setattr(reel.os, "preadv", device.preadv)
    filled._flags = 8
    read = [listed(filled.read(KEEP_FRAMES)) for _ in range(2)]

    assert [PIECE_FRAMES] * 2 == [len(piece) for piece in read]
    assert [8, 0, 0] == device.flags


def test_a_disk_that_fails_is_no_silence(filled: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes out, and ends the call that it belongs to."""
    monkeypatch.setattr(reel.os, "preadv", Device(iter([OSError("broken"), OSError("broken")])).preadv)
    filled._flags = 8

    with pytest.raises(OSError, match="broken"):
        filled.read(KEEP_FRAMES)


def test_what_is_stored_has_no_name_and_goes_with_the_last_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays behind on the disk, not after a kill either."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = SharedStore(FRAME_BYTES)
    store.add(frames(KEEP_FRAMES + 1))
    fd = store._fd
    assert fd is not None
    seen = list(tmp_path.iterdir())
    del store

    assert [] == seen
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


def test_what_passes_is_read_once() -> None:
    """A call that has its decoding for itself needs no memory of what it played."""
    store = PassingStore()
    store.add(frames(PIECE_FRAMES + 2))

    assert [PIECE_FRAMES, 2, 0] == [len(listed(store.read(0))) for _ in range(3)]


@pytest.mark.parametrize(
    ("free", "wanted", "expected"),
    [(100, 50, True), (100, 51, False), (1 << 50, 1 << 30, True), (1 << 50, 2 << 30, False)],
)
def test_at_most_half_of_what_is_free_is_taken(
    monkeypatch: pytest.MonkeyPatch, free: int, wanted: int, expected: bool
) -> None:
    """And never more than 1 GiB, nine hours at 16 kHz."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(free, 0, free))  # type: ignore[attr-defined]

    assert expected == has_room(wanted)


def test_without_a_directory_for_temporary_files_there_is_no_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A container may have none."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))

    assert not has_room(1)


async def test_many_read_one_reel_each_at_its_own_place() -> None:
    """All frames, in order, for each."""
    shared = new_reel(25, 50, 50)
    sources = [FrameSource("a", shared, None) for _ in range(3)]
    await sources[1].first_block()
    sources[1].take()
    plays = [await drain(source) for source in sources]

    assert [frames(125), frames(124, first=1), frames(125)] == plays
    assert (True, None) == (shared.lasts, sources[0].error)


@pytest.mark.parametrize(
    ("sizes", "error", "told", "lasts"),
    [([25], ValueError("bad"), "bad, in the middle", True), ([], ValueError("bad"), "bad, at once", False)],
    ids=["damage", "unreadable"],
)
async def test_damage_stays_and_what_could_not_be_opened_is_tried_again(
    sizes: list[int], error: Exception, told: str, lasts: bool
) -> None:
    """Damage is the file's; a file that couldn't be opened may be there for the next call."""
    shared = new_reel(*sizes, error=error)
    source = FrameSource("a", shared, None)

    assert frames(sum(sizes)) == await drain(source)
    assert (told, lasts) == (source.error, shared.lasts)


async def test_a_disk_that_fills_up_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who plays so far hears what there is; the next call begins anew."""
    store = SharedStore(FRAME_BYTES)
    monkeypatch.setattr(reel, "MAX_STORED_BYTES", 10 * FRAME_BYTES)
    shared = new_reel(KEEP_FRAMES, 10, 1, store=store)
    source = FrameSource("a", shared, None)

    assert KEEP_FRAMES + 10 == len(await drain(source))
    assert "name another directory in TMPDIR" in str(source.error)
    assert not shared.lasts


async def test_the_last_to_leave_stops_the_decoder() -> None:
    """Not the first; and who comes then needs another reel."""
    shared = new_reel(*[50] * 100)
    sources = [FrameSource("a", shared, None) for _ in range(2)]
    sources[0].close()
    sources[0].close()
    lasted = shared.lasts
    sources[1].close()
    await shared.block_under_way()

    assert [True, False] == [lasted, shared.lasts]
    assert all(source.ended() and source.take() is None for source in sources)
    assert shared.frames < 5000


async def test_who_stops_waiting_stops_nobody_else() -> None:
    """A call that is hung up while it waits for the first block leaves the others theirs."""
    shared = new_reel(25)
    sources = [FrameSource("a", shared, None) for _ in range(2)]
    waiting = asyncio.create_task(sources[0].first_block())
    await asyncio.sleep(0)
    waiting.cancel()
    await sources[1].first_block()

    assert frames(1)[0] == sources[1].take()


async def test_what_is_at_hand_is_shared_and_can_be_skipped() -> None:
    """No frame is copied for a call, and none is given twice or left out."""
    shared = new_reel(125)
    source, other = (FrameSource("a", shared, None) for _ in range(2))
    await source.first_block()
    first = source.take()
    piece, theirs = source.at_hand(), other.at_hand()
    source.skip(30)
    rest = await drain(source)

    assert isinstance(source, Ready)
    assert piece.frames is theirs.frames
    assert frames(99, first=1) == listed(piece)
    assert [*frames(1), *frames(94, first=31)] == [first, *rest]
    source.close()
    assert ([], None, True) == (listed(source.at_hand()), source.take(), source.ended())
