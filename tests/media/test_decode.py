"""Files to frames: whatever the format, the caller hears the whole file, once, without seams."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource, Source
from vonage_sock.errors import AudioFileError
from vonage_sock.media import decode
from vonage_sock.media.decode import AudioFile, pcm_blocks, ready, remove_spooled, spool, to_pcm16
from vonage_sock.media.reel import FrameSource

Floats = npt.NDArray[np.float64]

PHONE = AudioFormat(8000)
WIDE = AudioFormat(16000)
PATIENCE_S = 10.0
NOBODY = 65534


def speech(rate_hz: int, channels: int, seconds: float) -> Floats:
    """A rising tone in noise, another in each channel."""
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(1).standard_normal((len(at), channels))
    tones = [0.3 * np.sin(2 * np.pi * (200 + 150 * channel) * at * (1 + 0.05 * at)) for channel in range(channels)]
    return np.stack(tones, 1) + 0.1 * noise


def write_audio(
    path: Path, *, rate_hz: int = 8000, channels: int = 1, seconds: float = 1.0, kind: str = "PCM_16"
) -> Path:
    """A file of that kind; the name says the container."""
    soundfile.write(path, speech(rate_hz, channels, seconds), rate_hz, subtype=kind)
    return path


def take(source: Source) -> bytes | None:
    """The next frame, as soon as it comes; None at the end."""
    give_up_at = time.monotonic() + PATIENCE_S
    while (frame := source.take()) is None and not source.ended():
        assert isinstance(source, FrameSource)
        asyncio.run(source.first_block())
        assert time.monotonic() < give_up_at, "the decoder is stuck"
    return frame


def drain(source: Source) -> list[bytes]:
    """All frames, taken as fast as they come."""
    return list(iter(lambda: take(source), None))


@pytest.mark.parametrize("call_hz", [8000, 16000, 24000])
@pytest.mark.parametrize("channels", [1, 2], ids=["mono", "stereo"])
@pytest.mark.parametrize(
    ("suffix", "kind", "rate_hz"),
    [
        ("wav", "PCM_16", 8000),
        ("wav", "PCM_16", 16000),
        ("wav", "PCM_16", 22050),
        ("wav", "PCM_16", 44100),
        ("wav", "PCM_16", 48000),
        ("wav", "PCM_24", 48000),
        ("wav", "FLOAT", 44100),
        ("wav", "PCM_U8", 8000),
        ("wav", "ULAW", 8000),
        ("flac", "PCM_16", 44100),
        ("flac", "PCM_24", 8000),
        ("ogg", "VORBIS", 44100),
        ("mp3", "MPEG_LAYER_III", 22050),
        ("mp3", "MPEG_LAYER_III", 44100),
        ("aiff", "PCM_16", 22050),
    ],
)
def test_blocks_are_the_file_converted_in_one_piece(
    tmp_path: Path, suffix: str, kind: str, rate_hz: int, channels: int, call_hz: int
) -> None:
    """Decoding in blocks gives what one conversion of the whole file gives: same length, same place, no seam."""
    path = write_audio(tmp_path / f"a.{suffix}", rate_hz=rate_hz, channels=channels, seconds=5.13, kind=kind)
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    wanted = soxr.resample(whole.mean(axis=1), rate_hz, call_hz, quality="HQ")

    got = np.frombuffer(b"".join(pcm_blocks(path, call_hz)), "<i2") / 32768

    assert abs(len(wanted) - len(got)) <= 1
    length = min(len(wanted), len(got))
    assert np.abs(wanted[:length].clip(-1, 1) - got[:length]).max() < 2e-4


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_a_file_in_the_calls_own_format_passes_bit_by_bit(tmp_path: Path, suffix: str) -> None:
    """16-bit mono at the call's rate isn't touched by any arithmetic; only the last frame is filled."""
    samples = np.arange(-16500, 16500, dtype=np.int16)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, samples, 8000)

    frames = drain(AudioFile(path)(PHONE))

    assert {320} == {len(frame) for frame in frames}
    assert samples.astype("<i2").tobytes() + bytes(240) == b"".join(frames)


def test_what_is_no_number_or_far_too_loud_stays_where_it_is(tmp_path: Path) -> None:
    """A few broken samples of a float file neither warn nor spoil the samples a moment later."""
    clean = speech(44100, 2, 1.0).astype(np.float32) * 0.5
    broken = clean.copy()
    broken[1000] = [np.inf, -np.inf]
    broken[1001] = [np.nan, 3e38]
    broken[1002] = [3e38, 3e38]
    pcm = []
    for name, samples in (("clean", clean), ("broken", broken)):
        soundfile.write(tmp_path / f"{name}.wav", samples, 44100, subtype="FLOAT")
        pcm.append(np.frombuffer(b"".join(pcm_blocks(tmp_path / f"{name}.wav", 8000)), "<i2").astype(int))

    assert len(pcm[0]) == len(pcm[1])
    assert np.abs(pcm[0] - pcm[1])[400:].max() <= 1


@pytest.mark.parametrize(
    ("sample", "expected"),
    [(0.0, 0), (0.5, 16384), (1.0, 32767), (-1.0, -32768), (1.5, 32767), (-9.0, -32768), (np.nan, 0), (np.inf, 32767)],
)
def test_floating_point_is_clipped_not_wrapped(sample: float, expected: int) -> None:
    """Too loud is as loud as can be; no number is silence."""
    assert [expected] == np.frombuffer(to_pcm16(np.array([sample], np.float32)), "<i2").tolist()


@pytest.mark.parametrize(("rate_hz", "call_hz"), [(8000, 8000), (44100, 16000), (22050, 24000), (11025, 8000)])
def test_the_promised_number_of_frames_is_the_number_that_comes(tmp_path: Path, rate_hz: int, call_hz: int) -> None:
    """What ``playback.started`` tells is true."""
    source = AudioFile(write_audio(tmp_path / "a.wav", rate_hz=rate_hz, seconds=1.234))(AudioFormat(call_hz))

    frames = drain(source)

    assert source.total_frames == len(frames)
    assert 62 == len(frames)


def test_a_file_knows_its_duration(tmp_path: Path) -> None:
    """In seconds, whatever the number of channels."""
    assert AudioFile(write_audio(tmp_path / "a.wav", channels=2, seconds=2.5)).seconds == 2.5


def test_the_clip_comes_with_the_package() -> None:
    """The demo needs no file of the user's."""
    assert 4.0 < AudioFile.shipped_clip().seconds < 8.0


def make_directory(path: Path) -> None:
    """A folder with a name like a file's."""
    path.mkdir()


def make_nothing(path: Path) -> None:
    """No file."""


def make_text(path: Path) -> None:
    """A file that isn't audio."""
    path.write_text("this is not audio, " * 50)


def make_no_samples(path: Path) -> None:
    """A proper header, and nothing behind it."""
    soundfile.write(path, np.zeros(0, np.int16), 8000)


def make_slow(path: Path) -> None:
    """A rate that no resampler takes."""
    soundfile.write(path, np.zeros(100, np.int16), 100)


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (make_nothing, "a.wav", "no such file"),
        (make_directory, "a.wav", "a directory"),
        (os.mkfifo, "a.wav", "a pipe"),
        (Path.touch, "a.wav", "the file is empty"),
        (make_text, "a.wav", "not an audio file"),
        (make_text, "a.raw", "raw audio doesn't tell its rate"),
        (make_no_samples, "a.wav", "no audio"),
        (make_slow, "a.wav", "100 Hz"),
        (make_nothing, "a" * 300, "File name too long"),
    ],
)
def test_an_unusable_file_is_told_before_any_call(
    tmp_path: Path, make: Callable[[Path], None], name: str, words: str
) -> None:
    """One sentence with the file's name and what is wrong with it."""
    path = tmp_path / name
    make(path)

    with pytest.raises(AudioFileError) as caught:
        AudioFile(path)

    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything; be nobody meanwhile."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("locked", "words"), [("file", "you may not read this file"), ("directory", "Permission denied")]
)
def test_a_file_that_may_not_be_read_is_told_as_such(locked: str, words: str) -> None:
    """Whether the file or its directory is in the way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = write_audio(folder / "a.wav")
        (path if locked == "file" else folder).chmod(0)

        with unprivileged(), pytest.raises(AudioFileError) as caught:
            AudioFile(path)
        folder.chmod(0o755)

    assert f"a.wav: {words}" == str(caught.value)


@pytest.mark.parametrize(
    ("suffix", "kind"), [("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", "MPEG_LAYER_III")], ids=["flac", "ogg", "mp3"]
)
def test_damage_in_the_middle_ends_the_file_with_a_reason(tmp_path: Path, suffix: str, kind: str) -> None:
    """What lies before the damage is played, the rest is told as an error, and nothing raises."""
    path = write_audio(tmp_path / f"a.{suffix}", rate_hz=16000, seconds=20.0, kind=kind)
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(good[:middle] + bytes(5000) + good[middle + 5000 :])

    source = AudioFile(path)(WIDE)
    frames = drain(source)

    assert source.error is not None
    assert "the file is damaged" in source.error
    assert 400 < len(frames) < 1000


def test_a_file_that_went_away_is_told_by_the_call_that_misses_it(tmp_path: Path) -> None:
    """A playlist may lose a file while the server runs."""
    file = AudioFile(write_audio(tmp_path / "a.wav"))
    file.path.unlink()

    source = file(PHONE)

    assert [] == drain(source)
    assert source.error == "no such file"


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose decoding has begun."""
    begun: list[Path] = []

    def note(path: Path, rate_hz: int) -> Iterator[bytes]:
        begun.append(path)
        return pcm_blocks(path, rate_hz)

    monkeypatch.setattr(decode, "pcm_blocks", note)
    return begun


@pytest.mark.parametrize("seconds", [1, 75])
def test_a_file_is_decoded_once_for_all_calls(tmp_path: Path, decodings: list[Path], seconds: int) -> None:
    """Whether they begin together, while it is being decoded, or when that is long over; whatever its length."""
    file = AudioFile(write_audio(tmp_path / "a.wav", rate_hz=8000, seconds=seconds + 0.01))
    whole, second = file(PHONE), file(PHONE)
    some = [second.take() for _ in range(20)]
    frames = drain(whole)
    third = file(PHONE)

    assert [file.path] == decodings
    assert seconds * 50 + 1 == len(frames) == third.total_frames
    assert frames == drain(third)
    assert frames[len(some) - some.count(None) :] == drain(second)


def test_calls_far_apart_share_one_decoding(tmp_path: Path, decodings: list[Path]) -> None:
    """A call that begins a minute and a half behind another is given the same frames, from memory and from the disk."""
    file = AudioFile(write_audio(tmp_path / "a.wav", seconds=100))
    first = file(PHONE)
    head = [frame for frame in (take(first) for _ in range(90 * 50)) if frame is not None]
    second = file(PHONE)

    assert head + drain(first) == drain(second)
    assert [file.path] == decodings


def test_a_file_that_no_room_is_left_for_is_decoded_for_each_call(
    tmp_path: Path, decodings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full or missing disk for temporary files costs the sharing, not the playing."""
    monkeypatch.setattr(decode, "has_room", lambda _stored_bytes: False)
    file = AudioFile(write_audio(tmp_path / "a.wav", seconds=70))
    plays = [drain(file(PHONE)) for _ in range(2)]

    assert plays[0] == plays[1]
    assert [3500, 2] == [len(plays[0]), len(decodings)]


def test_damage_is_told_to_every_call_that_reaches_it(tmp_path: Path, decodings: list[Path]) -> None:
    """Also to those that begin when it is known, with one decoding for them all."""
    path = write_audio(tmp_path / "a.flac", rate_hz=16000, seconds=20.0)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    file = AudioFile(path)
    sources = [file(WIDE), file(WIDE)]
    plays = [drain(source) for source in sources]
    sources.append(file(WIDE))
    plays.append(drain(sources[2]))

    assert 1 == len({str(source.error) for source in sources})
    assert "the file is damaged" in str(sources[0].error)
    assert plays[0] == plays[1] == plays[2] != []
    assert [path] == decodings


def test_what_nobody_plays_to_its_end_is_begun_anew(tmp_path: Path, decodings: list[Path]) -> None:
    """A decoding that was given up isn't shared by those who come after."""
    file = AudioFile(write_audio(tmp_path / "a.wav", seconds=20))
    file(PHONE).close()

    assert 1000 == len(drain(file(PHONE)))
    assert 2 == len(decodings)


def test_each_rate_is_kept_for_itself(tmp_path: Path) -> None:
    """A call at 16 kHz isn't given the frames of one at 8 kHz."""
    file = AudioFile(write_audio(tmp_path / "a.wav"))
    drain(file(PHONE))

    assert {640} == {len(frame) for frame in drain(file(WIDE))}


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """What goes beyond a minute is on the disk, in a file without a name."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8000 * 60 * 6, np.int16), 8000)
    source = AudioFile(path)(PHONE)
    tracemalloc.start()
    while not source.ended():
        take(source)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 60 * 50 * 320 * 2.5


def test_a_replaced_file_is_decoded_anew(tmp_path: Path) -> None:
    """Who exchanges a file while the server runs hears the new one in the next call, with no wrong length told."""
    file = AudioFile(write_audio(tmp_path / "a.wav", seconds=1.0))
    drain(file(PHONE))
    write_audio(file.path, seconds=3.0)

    source = file(PHONE)

    assert source.total_frames is None
    assert 150 == len(drain(source))


def test_a_file_replaced_while_it_is_decoded_is_not_kept(tmp_path: Path) -> None:
    """The old frames don't pass for the new file's."""
    file = AudioFile(write_audio(tmp_path / "a.wav", seconds=10.0))
    source = file(PHONE)
    asyncio.run(ready(source))  # type: ignore[arg-type]
    other = write_audio(tmp_path / "b.wav", seconds=2.0)
    other.replace(file.path)
    drain(source)

    assert 100 == len(drain(file(PHONE)))


async def test_a_ready_source_has_its_first_frame(tmp_path: Path) -> None:
    """Who waits for ``ready`` never begins with a silence of our making."""
    source = await ready(AudioFile(write_audio(tmp_path / "a.flac", rate_hz=48000, channels=2))(WIDE))

    assert source.take() is not None


async def test_what_is_in_memory_is_always_ready() -> None:
    """A tone or a kept file has nothing to wait for."""
    source = FramesSource("memory", [b"\0" * 320], 1)

    assert source is await ready(source)


def test_a_closed_source_gives_nothing_and_lets_go_of_its_file(tmp_path: Path) -> None:
    """At a hang-up decoding stops after the block under way, and no descriptor stays open."""
    file = AudioFile(write_audio(tmp_path / "a.flac", seconds=30.0))
    sources = [file(WIDE) for _ in range(20)]

    for source in sources:
        source.close()
    for source in sources:
        assert isinstance(source, FrameSource)
        asyncio.run(source.first_block())

    assert all(source.take() is None and source.ended() for source in sources)
    assert [] == [fd for fd in Path("/proc/self/fd").iterdir() if _target(fd) == str(file.path)]


def _target(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except OSError:
        return ""


def test_many_calls_decode_at_once_without_loss(tmp_path: Path) -> None:
    """Fifty calls share a few threads, and each is given every frame in order."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.arange(8000 * 9, dtype=np.int16), 8000)
    sources = [AudioFile(path)(PHONE) for _ in range(50)]

    plays = [b"".join(drain(source)) for source in sources]

    assert {np.arange(8000 * 9, dtype="<i2").tobytes()} == set(plays)


def test_a_long_file_is_decoded_a_few_seconds_ahead_only(tmp_path: Path) -> None:
    """A source that nobody takes from stops reading, so that a long file needs no more memory than a short one."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8000 * 600, np.int16), 8000)
    source = AudioFile(path)(PHONE)
    assert isinstance(source, FrameSource)
    for _ in range(10):
        asyncio.run(source.first_block())
        source.take()

    assert source._reel.frames < 50 * 10


def test_a_program_ends_at_once_with_decoders_at_work(tmp_path: Path) -> None:
    """The decoders' threads hold up no exit."""
    path = write_audio(tmp_path / "a.flac", rate_hz=48000, channels=2, seconds=30.0)
    script = (
        "import sys; from pathlib import Path; from vonage_sock.media.decode import AudioFile;"
        "from vonage_sock.audio.frames import AudioFormat;"
        "kept = [AudioFile(Path(sys.argv[1]))(AudioFormat(16000)) for _ in range(20)]"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=False, timeout=PATIENCE_S, capture_output=True
    )

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)


def test_standard_input_is_read_once_and_played_often(tmp_path: Path) -> None:
    """A pipe can't be rewound, so its audio is put aside until the program ends."""
    path = write_audio(tmp_path / "a.flac")

    file = spool(io.BytesIO(path.read_bytes()))
    plays = [drain(file(PHONE)), drain(file(WIDE))]
    remove_spooled()

    assert [50, 50] == [len(frames) for frames in plays]
    assert "standard input" == file.name
    assert not file.path.exists()


def test_a_stream_without_audio_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names standard input, and what was put aside is gone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(AudioFileError, match=r"^standard input: the file is empty$"):
        spool(io.BytesIO())

    assert [] == list(tmp_path.iterdir())


def test_decoding_happens_in_threads_of_its_own(tmp_path: Path) -> None:
    """The event loop never waits for a disk or a codec."""
    drain(AudioFile(write_audio(tmp_path / "a.wav"))(PHONE))

    assert any(thread.name.startswith("vsock-decode") for thread in threading.enumerate())
