"""The crash-safe WAV writer."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio import wav
from vonage_sock.audio.wav import (
    HEADER_BYTES,
    MAX_DATA_BYTES,
    WavWriter,
    create_file,
    read_wav_header,
    wav_header,
    write_all,
)

PROPERTY = settings(deadline=None, database=None, max_examples=80)


class Killed(BaseException):
    """Stands for the kill signal: nothing in the writer handles it."""


class DyingDisk:
    """
    ``os.write`` and ``os.pwrite`` that take samples in small pieces, and so many bytes of them until the process is gone.

    A header goes out whole or not at all, as the kernel does with so few bytes.
    """

    def __init__(self, bytes_left: int, *, piece_bytes: int) -> None:
        self._left = bytes_left
        self._piece_bytes = piece_bytes
        self._pwrite = os.pwrite

    def write(self, fd: int, data: memoryview) -> int:
        """Write what is still allowed, where the file stands."""
        written = self.pwrite(fd, data, os.lseek(fd, 0, os.SEEK_CUR))
        os.lseek(fd, written, os.SEEK_CUR)
        return written

    def pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        """Write what is still allowed, to this place."""
        if not self._left:
            raise Killed
        if bytes(data[:4]) == b"RIFF":
            return self._pwrite(fd, data, offset)
        written = self._pwrite(fd, data[: min(self._piece_bytes, self._left)], offset)
        self._left -= written
        return written


def read_wav(path: Path) -> tuple[int, int, bytes]:
    """Rate, channels and samples, as Python's strict reader sees them."""
    with wave.open(str(path), "rb") as reader:
        assert reader.getsampwidth() == 2
        return reader.getframerate(), reader.getnchannels(), reader.readframes(reader.getnframes())


def test_the_header_is_what_a_strict_reader_expects() -> None:
    """Rate, channels, width and length are read back by another implementation."""
    with wave.open(io.BytesIO(wav_header(24000, 2, 8) + bytes(8))) as reader:
        params = reader.getparams()

    assert (2, 2, 24000, 2) == params[:4]


def test_the_header_counts_bytes_a_second_and_bytes_a_sample() -> None:
    """Players that seek go by these two fields."""
    header = wav_header(8000, 2, 0)

    assert (32000, 4) == (int.from_bytes(header[28:32], "little"), int.from_bytes(header[32:34], "little"))


def test_the_largest_file_fits_its_header() -> None:
    """No field overflows at the limit, and the limit is the largest for which that holds."""
    assert len(wav_header(8000, 1, MAX_DATA_BYTES)) == HEADER_BYTES
    assert 0xFFFFFFFF == MAX_DATA_BYTES + HEADER_BYTES


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """A recording is nobody else's business."""
    os.close(create_file(tmp_path / "a.wav"))

    assert 0o600 == stat.S_IMODE((tmp_path / "a.wav").stat().st_mode)


def test_a_file_is_never_overwritten_unasked(tmp_path: Path) -> None:
    """What was there stays as it was."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        create_file(path)

    assert b"precious" == path.read_bytes()


def test_a_symbolic_link_is_never_followed(tmp_path: Path) -> None:
    """A link in a shared directory can't make us overwrite another file."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(target)

    with pytest.raises(FileExistsError):
        create_file(tmp_path / "link")

    assert b"precious" == target.read_bytes()


def test_write_all_goes_on_after_a_short_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given."""
    monkeypatch.setattr(wav.os, "write", DyingDisk(10**6, piece_bytes=3).write)
    fd = create_file(tmp_path / "a")
    write_all(fd, bytes(range(100)))
    os.close(fd)

    assert bytes(range(100)) == (tmp_path / "a").read_bytes()


def test_a_new_recording_is_a_valid_file_at_once(tmp_path: Path) -> None:
    """A call in which nobody speaks leaves an empty WAV, not an empty file."""
    writer = WavWriter(create_file(tmp_path / "a.wav"), rate_hz=8000, channels=1)
    read = read_wav(tmp_path / "a.wav")
    writer.close()

    assert (8000, 1, b"") == read
    assert read == read_wav(tmp_path / "a.wav")


def test_the_file_is_complete_after_each_append(tmp_path: Path) -> None:
    """Who reads while the call goes on finds all that was appended."""
    writer = WavWriter(create_file(tmp_path / "a.wav"), rate_hz=16000, channels=2)
    expected = b""
    for number in range(5):
        pcm = bytes([number]) * 640
        expected += pcm
        writer.append(pcm)

        assert (16000, 2, expected) == read_wav(tmp_path / "a.wav")
    writer.close()

    assert len(expected) == writer.data_bytes
    assert HEADER_BYTES + len(expected) == (tmp_path / "a.wav").stat().st_size


def test_a_file_beyond_4_gib_is_refused_and_stays_valid(tmp_path: Path) -> None:
    """The header can't tell more; what was written before stays, and a smaller piece still fits."""
    writer = WavWriter(create_file(tmp_path / "a.wav"), rate_hz=8000, channels=1)
    writer.append(b"ab")
    writer._data_bytes = MAX_DATA_BYTES - 3

    with pytest.raises(OSError, match="4 GiB"):
        writer.append(b"cdef")

    writer._data_bytes = 2
    writer.close()
    assert (8000, 1, b"ab") == read_wav(tmp_path / "a.wav")


def test_a_constructor_that_fails_closes_the_file() -> None:
    """A full device: the error comes out and no descriptor is left open."""
    fd = os.open("/dev/full", os.O_WRONLY)

    with pytest.raises(OSError, match="space") as caught:
        WavWriter(fd, rate_hz=8000, channels=1)

    assert errno.ENOSPC == caught.value.errno
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


def test_a_header_and_the_first_samples_come_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has audio never has a header that tells of none, which some readers take for an endless stream."""
    told = []
    pwrite = os.pwrite

    def note(fd: int, data: bytes, offset: int) -> int:
        written = pwrite(fd, data, offset)
        content = (tmp_path / "a.wav").read_bytes()
        told.append((len(data), int.from_bytes(content[40:44], "little") > 0, len(content) > HEADER_BYTES))
        return written

    monkeypatch.setattr(wav.os, "pwrite", note)
    writer = WavWriter(create_file(tmp_path / "a.wav"), rate_hz=8000, channels=2)
    writer.append(bytes(range(250)) * 40)
    writer.close()

    assert (bytes(range(250)) * 40) == read_wav(tmp_path / "a.wav")[2]
    assert [(44, False, False), (4096, True, True)] == told[:2]


def test_first_samples_that_do_not_fit_leave_an_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header that promised them is taken back at once."""
    pwrite = os.pwrite

    def fail(fd: int, data: bytes, offset: int) -> int:
        if len(data) > HEADER_BYTES:
            pwrite(fd, data[:100], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(fd, data, offset)

    monkeypatch.setattr(wav.os, "pwrite", fail)
    writer = WavWriter(create_file(tmp_path / "a.wav"), rate_hz=8000, channels=1)

    with pytest.raises(OSError, match="No space"):
        writer.append(bytes(320))

    assert wav_header(8000, 1, 0) == (tmp_path / "a.wav").read_bytes()
    writer.close()


def test_closing_twice_closes_once(tmp_path: Path) -> None:
    """The number of the descriptor may be somebody else's by then."""
    writer = WavWriter(create_file(tmp_path / "a.wav"), rate_hz=8000, channels=1)
    writer.close()
    other = os.open(tmp_path / "a.wav", os.O_RDONLY)
    writer.close()

    assert os.fstat(other).st_size == HEADER_BYTES
    os.close(other)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (24000, 2)])
def test_a_header_of_ours_is_known_again(rate_hz: int, channels: int) -> None:
    """Of a file of any length; of any other header nothing is known."""
    assert (rate_hz, channels) == read_wav_header(wav_header(rate_hz, channels, 1234))
    assert [None, None, None] == [
        read_wav_header(other)
        for other in (b"RIFF", wav_header(rate_hz, 3, 0), wav_header(rate_hz, channels, 0)[:-8] + b"LIST1234")
    ]


def test_close_closes_the_file_even_when_it_cannot_be_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes out and no descriptor is left open."""

    def fail(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    fd = create_file(tmp_path / "a.wav")
    writer = WavWriter(fd, rate_hz=8000, channels=1)
    monkeypatch.setattr(wav.os, "ftruncate", fail)

    with pytest.raises(OSError, match="input/output"):
        writer.close()

    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


@PROPERTY
@given(
    pieces=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    killed_after=st.integers(1, 700),
    piece_bytes=st.integers(1, 100),
)
def test_the_file_is_readable_after_a_kill_in_the_middle_of_a_write(
    pieces: list[int], killed_after: int, piece_bytes: int
) -> None:
    """Cut off at any byte: a strict reader finds the whole pieces, exact, and nothing of the one that was cut."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "a.wav"
        fd = create_file(path)
        patch.setattr(wav.os, "pwrite", DyingDisk(killed_after, piece_bytes=piece_bytes).pwrite)
        expected = b""
        try:
            writer = WavWriter(fd, rate_hz=8000, channels=1)
            for number, samples in enumerate(pieces):
                piece = bytes([number]) * (2 * samples)
                writer.append(piece)
                expected += piece
        except Killed:
            pass
        os.close(fd)

        assert (8000, 1, expected) == read_wav(path)


@PROPERTY
@given(pieces=st.lists(st.integers(1, 40), min_size=1, max_size=8), killed_at_write=st.integers(1, 17))
def test_the_file_is_readable_after_a_kill_between_any_two_writes(pieces: list[int], killed_at_write: int) -> None:
    """The header never promises more than the file holds, and what it promises is exact."""
    calls = 0
    pwrite = os.pwrite

    def count(fd: int, data: memoryview, offset: int) -> int:
        nonlocal calls
        calls += 1
        if calls > killed_at_write:
            raise Killed
        return pwrite(fd, data, offset)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "a.wav"
        fd = create_file(path)
        patch.setattr(wav.os, "pwrite", count)
        expected = b""
        try:
            writer = WavWriter(fd, rate_hz=8000, channels=1)
            for number, samples in enumerate(pieces):
                piece = bytes([number]) * (2 * samples)
                writer.append(piece)
                expected += piece
        except Killed:
            pass
        os.close(fd)

        assert (8000, 1, expected) == read_wav(path)


FILL_A_DISK = """
import resource, sys
from pathlib import Path
from vonage_sock.audio.wav import WavWriter, create_file

resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
writer = WavWriter(create_file(Path(sys.argv[1])), rate_hz=8000, channels=1)
failed = 0
for number in range(10):
    try:
        writer.append(bytes([number]) * 640)
    except OSError:
        failed += 1
    assert Path(sys.argv[1]).stat().st_size <= 5_000
if sys.argv[2] == "close":
    writer.close()
print(failed, writer.data_bytes)
"""


@pytest.mark.parametrize(("end", "size"), [("close", 44 + 7 * 640), ("die", 5000)])
def test_a_full_disk_leaves_a_valid_file(tmp_path: Path, end: str, size: int) -> None:
    """Seven of ten pieces fit. The reader finds exactly these, whether the program lived to close the file or not."""
    path = tmp_path / "a.wav"
    done = subprocess.run(
        [sys.executable, "-c", FILL_A_DISK, str(path), end], capture_output=True, text=True, check=True, timeout=50
    )

    assert "3 4480" == done.stdout.strip()
    assert size == path.stat().st_size
    assert (8000, 1, b"".join(bytes([number]) * 640 for number in range(7))) == read_wav(path)
