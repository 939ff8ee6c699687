"""Recordings: every sample in order, a valid file whatever happens, and no call that waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import shutil
import stat
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile

from vonage_sock.audio import wav
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.wav import wav_header, write_all
from vonage_sock.call.events import (
    Event,
    Notice,
    RecordingFailed,
    RecordingRepaired,
    RecordingSaved,
    RecordingStarted,
)
from vonage_sock.clock import ManualClock
from vonage_sock.limits import KIB, Limits
from vonage_sock.media import naming, parts, recording_files
from vonage_sock.media import record as recorder_module
from vonage_sock.media.naming import RecordingPath, part_of
from vonage_sock.media.record import LOOKS_EVERY_NS, MAX_WAITING_BYTES, TURN_SINKS, Recorder, gather_ns
from vonage_sock.media.sink import UNCOUNTED_FRAMES, FileSink

PHONE = AudioFormat(8000)
PATIENCE_S = 10.0

EventT = TypeVar("EventT", bound=Event)


@dataclass
class Leg:
    """Stands for a call; it has what a recording's name may need, and nothing else."""

    id: str = "call-1"
    audio_format: AudioFormat = PHONE
    headers: dict[str, Any] = field(default_factory=dict)


class Tape:
    """A started recorder and what it told."""

    def __init__(self, path: Path | str, *, overwrite: bool = False, **options: Any) -> None:
        self.events: list[Event] = []
        self.clock = ManualClock()
        self.recorder = Recorder(
            RecordingPath(str(path), overwrite=overwrite), observer=self.events.append, clock=self.clock, **options
        )
        self.recorder.start()

    async def written(self) -> None:
        """Everything so far is on disk."""
        assert await self.recorder.finish(PATIENCE_S)

    async def stop(self) -> None:
        """The recorder's end."""
        assert await self.recorder.stop(PATIENCE_S)

    def told(self, kind: type[EventT]) -> list[EventT]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


async def record(path: Path | str, pieces: Sequence[bytes], *, channels: int = 1, **options: Any) -> Tape:
    """One recording from its beginning to its end."""
    tape = Tape(path, **options)
    sink = tape.recorder.open(Leg(), channels, None)
    for piece in pieces:
        sink.write(piece)
    sink.close()
    await tape.stop()
    return tape


def frames(count: int, *, first: int = 0) -> list[bytes]:
    """Frames at 8 kHz, each full of its own number."""
    return [np.full(160, number, "<i2").tobytes() for number in range(first, first + count)]


def read_wav(path: Path) -> tuple[int, int, bytes]:
    """Rate, channels and samples, as Python's strict reader sees them."""
    with wave.open(str(path), "rb") as reader:
        return reader.getframerate(), reader.getnchannels(), reader.readframes(reader.getnframes())


async def until_written(path: Path, pcm: bytes) -> None:
    """Wait for a recording that is still open to hold exactly this."""
    written = b""
    async with asyncio.timeout(PATIENCE_S):
        while written != pcm:
            await asyncio.sleep(0.01)
            with contextlib.suppress(FileNotFoundError):
                written = read_wav(part_of(path))[2]


async def until_taken(sink: FileSink) -> None:
    """Wait for the thread to take what the sink has gathered."""
    for _ in range(int(PATIENCE_S * 100)):
        await asyncio.sleep(0.01)
        if not sink.gathered.frames:
            return


def names(directory: Path) -> list[str]:
    """What a directory holds."""
    return sorted(path.name for path in directory.iterdir())


def files(directory: Path) -> list[Path]:
    """The files in a directory and below it."""
    return [path for path in directory.rglob("*") if path.is_file()]


def failing(number: int, *, after: int = 0, otherwise: Callable[..., Any] = print) -> Any:
    """A system call that fails so, after so many that do what is ``otherwise`` done."""
    calls = itertools.count()

    def call(*args: Any, **options: Any) -> Any:
        if next(calls) >= after:
            raise OSError(number, os.strerror(number))
        return otherwise(*args, **options)

    return call


def run_script(script: str, *args: str, **options: Any) -> subprocess.Popen[bytes]:
    """A program of its own that records."""
    return subprocess.Popen([sys.executable, "-c", PRELUDE + script, *args], stderr=subprocess.PIPE, **options)


PRELUDE = """
import asyncio, os, resource, sys
from types import SimpleNamespace
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import SystemClock
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder

def leg(name):
    return SimpleNamespace(id=name, audio_format=AudioFormat(8000), headers={})

def frame(number):
    return (number % 30000).to_bytes(2, "little") * 160

def tell(event):
    print(event.name, getattr(event, "error", ""), file=sys.stderr)
"""


async def test_a_wav_file_holds_every_sample(tmp_path: Path) -> None:
    """Bit by bit, in order, at the call's rate."""
    pieces = frames(123)

    await record(tmp_path / "a.wav", pieces)

    assert (8000, 1, b"".join(pieces)) == read_wav(tmp_path / "a.wav")


async def test_stereo_keeps_left_and_right_apart(tmp_path: Path) -> None:
    """Channels are interleaved as they came."""
    both = np.stack([np.arange(1600), -np.arange(1600)], 1).astype("<i2").tobytes()

    await record(tmp_path / "a.wav", [both[at : at + 640] for at in range(0, len(both), 640)], channels=2)

    assert (8000, 2, both) == read_wav(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("channels", "pieces", "expected"),
    [
        (1, [b"abc"], b"abc\0"),
        (1, [b"abc", b"def"], b"abcdef"),
        (2, [b"abcde", b"f", b"gh"], b"abcdefgh"),
        (2, [b"abcde"], b"abcde\0\0\0"),
        (2, [b"a", b"b"], b"ab\0\0"),
        (1, [], b""),
    ],
    ids=["odd", "odd twice", "split samples", "half a stereo sample", "a quarter at a time", "nothing"],
)
async def test_bytes_that_fill_no_sample_wait_for_the_rest(
    tmp_path: Path, channels: int, pieces: list[bytes], expected: bytes
) -> None:
    """A frame of the wrong size shifts nothing; at the end zeros complete the sample."""
    await record(tmp_path / "a.wav", pieces, channels=channels)

    assert (8000, channels, expected) == read_wav(tmp_path / "a.wav")


async def test_a_raw_file_is_the_samples_alone(tmp_path: Path) -> None:
    """No header."""
    pieces = frames(12)

    await record(tmp_path / "a.raw", pieces)

    assert b"".join(pieces) == (tmp_path / "a.raw").read_bytes()


async def test_flac_is_the_same_audio_in_less_space(tmp_path: Path) -> None:
    """Lossless, and the WAV that it was made of is gone."""
    pieces = frames(200)

    await record(tmp_path / "a.flac", pieces)

    samples, rate_hz = soundfile.read(tmp_path / "a.flac", dtype="int16")
    assert (8000, b"".join(pieces)) == (rate_hz, samples.astype("<i2").tobytes())
    assert ["a.flac"] == names(tmp_path)


@pytest.mark.parametrize("suffix", ["ogg", "mp3", "OGG"])
async def test_lossy_formats_sound_the_same(tmp_path: Path, suffix: str) -> None:
    """The tone that went in comes out, as long as it was; a suffix in capitals is the same format."""
    tone = np.rint(8000 * np.sin(2 * np.pi * 440 / 8000 * np.arange(16000))).astype("<i2")

    await record(tmp_path / f"a.{suffix}", [tone.tobytes()])

    samples, rate_hz = soundfile.read(tmp_path / f"a.{suffix}", dtype="float32")
    spectrum = np.abs(np.fft.rfft(samples[4000:12000]))
    assert (8000, 440) == (rate_hz, int(spectrum.argmax()))
    assert abs(16000 - len(samples)) < 10


async def test_a_recording_is_its_owners_alone(tmp_path: Path) -> None:
    """Calls are personal: nobody else on the machine may listen."""
    await record(tmp_path / "{call}" / "{n}" / "a.flac", frames(5))

    made = [tmp_path / "call-1", tmp_path / "call-1" / "1", tmp_path / "call-1" / "1" / "a.flac"]
    assert [0o700, 0o700, 0o600] == [stat.S_IMODE(path.stat().st_mode) for path in made]


async def test_beginning_and_end_are_told_with_figures(tmp_path: Path) -> None:
    """``recording.started`` names the file, ``recording.saved`` its length."""
    path = tmp_path / "a.wav"

    tape = await record(path, [*frames(9), b"ab"])

    assert [
        RecordingStarted(at=0, call="call-1", path=str(path)),
        RecordingSaved(at=0, call="call-1", path=str(path), seconds=0.18, frames=9, bytes=44 + 9 * 320 + 2),
    ] == tape.events
    assert ([path], 0) == (tape.recorder.saved, tape.recorder.failures)


async def test_what_is_said_is_on_disk_while_the_call_goes_on(tmp_path: Path) -> None:
    """Of more calls than are written in one turn, each has its turn soon, and again."""
    tape = Tape(tmp_path / "{call}.wav")
    sinks = [tape.recorder.open(Leg(id=f"{number}"), 1, None) for number in range(2 * TURN_SINKS + 1)]
    for rounds in (1, 2):
        for sink in sinks:
            sink.write(frames(1)[0])
        for number in range(len(sinks)):
            await until_written(tmp_path / f"{number}.wav", b"".join(frames(1) * rounds))
    await tape.stop()

    assert [] == tape.told(RecordingFailed)


@pytest.mark.parametrize(("recordings", "ms"), [(1, 40), (40, 40), (100, 100), (300, 300), (900, 300)])
def test_audio_waits_for_its_turn_for_so_long(recordings: int, ms: int) -> None:
    """0.04 s, and with hundreds of recordings at once 0.3 s; never longer."""
    assert ms * 1_000_000 == gather_ns(recordings)


async def test_later_calls_get_numbered_names(tmp_path: Path) -> None:
    """The first call gets PATH, later ones ``-2``, ``-3`` …, also while they overlap."""
    tape = Tape(tmp_path / "a.wav")
    sinks = [tape.recorder.open(Leg(id=f"call-{number}"), 1, None) for number in (1, 2, 3)]
    for turn in range(20):
        for number, sink in enumerate(sinks):
            sink.write(frames(1, first=1000 * number + turn)[0])
    for sink in sinks:
        sink.close()
    await tape.stop()

    expected = [b"".join(frames(20, first=1000 * number)) for number in (0, 1, 2)]
    assert expected == [read_wav(tmp_path / name)[2] for name in ("a.wav", "a-2.wav", "a-3.wav")]


@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
async def test_nothing_is_overwritten_unasked(tmp_path: Path, suffix: str) -> None:
    """A name that is taken is left alone; the recording gets the next."""
    (tmp_path / f"a.{suffix}").write_bytes(b"precious")

    await record(tmp_path / f"a.{suffix}", frames(5))

    assert b"precious" == (tmp_path / f"a.{suffix}").read_bytes()
    assert (tmp_path / f"a-2.{suffix}").stat().st_size


@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
async def test_overwrite_replaces_what_was_there(tmp_path: Path, suffix: str) -> None:
    """Nothing of the old file is left, however long it was."""
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"old" * 100_000)

    tape = await record(path, frames(5), overwrite=True)

    assert ([path], 0) == (tape.recorder.saved, tape.recorder.failures)
    assert path.stat().st_size < 10_000


async def test_overwrite_never_mixes_two_calls(tmp_path: Path) -> None:
    """Two calls of one caller at the same time get two files; so do two recorders with one path."""
    path = tmp_path / "{from}.wav"
    tapes = [Tape(path, overwrite=True), Tape(path, overwrite=True)]
    sinks = []
    for number, tape in enumerate([tapes[0], tapes[0], tapes[1]]):
        sinks.append(tape.recorder.open(Leg(id=f"call-{number}", headers={"from": "441"}), 1, None))
        await tape.written()
    for number, sink in enumerate(sinks):
        for frame in frames(10, first=100 * number):
            sink.write(frame)
        sink.close()
    for tape in tapes:
        await tape.stop()

    expected = [b"".join(frames(10, first=100 * number)) for number in (0, 1, 2)]
    assert expected == [read_wav(tmp_path / name)[2] for name in ("441.wav", "441-2.wav", "441-3.wav")]


@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
async def test_overwrite_spares_what_the_same_run_has_recorded(tmp_path: Path, suffix: str) -> None:
    """A call that had to give way to the next one's name keeps it, also when it is over before that one begins."""
    (tmp_path / f"a.{suffix}.part").symlink_to(tmp_path / "nowhere")
    (tmp_path / f"a-2.{suffix}").write_bytes(b"old")
    tape = Tape(tmp_path / f"a.{suffix}", overwrite=True)
    for number in (1, 2):
        sink = tape.recorder.open(Leg(id=f"call-{number}"), 1, None)
        sink.write(frames(number)[0])
        sink.close()
        await tape.written()
    await tape.stop()

    assert [tmp_path / f"a-{number}.{suffix}" for number in (2, 3)] == tape.recorder.saved
    assert b"old" != (tmp_path / f"a-2.{suffix}").read_bytes()


async def test_overwrite_spares_what_the_same_run_could_not_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The WAV that is left of it has a name that another recorder may be about to replace."""
    monkeypatch.setattr(recording_files, "encode", failing(errno.EIO))
    await record(tmp_path / "a.flac", frames(1), overwrite=True)

    other = await record(tmp_path / "a.wav", frames(2), overwrite=True)

    assert [tmp_path / "a-2.wav"] == other.recorder.saved
    assert frames(1)[0] == read_wav(tmp_path / "a.wav")[2]


async def test_phrases_end_the_name_with_their_number(tmp_path: Path) -> None:
    """``out-001.wav``, and ``out-2-001.wav`` for the second call."""
    tape = Tape(tmp_path / "out.wav")
    for call, phrase in (("call-1", 1), ("call-1", 2), ("call-2", 1)):
        sink = tape.recorder.open(Leg(id=call), 1, phrase)
        sink.write(frames(1, first=phrase)[0])
        sink.close()
    await tape.stop()

    assert ["out-001.wav", "out-002.wav", "out-2-001.wav"] == names(tmp_path)


@pytest.mark.parametrize(
    "caller",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "\u202e\x1b[2J",
        "..",
        "",
        "x" * 10_000,
        ["..", 1],
        {"/": "/"},
        None,
        10**400,
    ],
    ids=["up", "root", "nul", "control", "dots", "empty", "long", "list", "object", "null", "number"],
)
async def test_a_hostile_caller_never_leaves_the_directory(tmp_path: Path, caller: object) -> None:
    """What came from outside may name a file, never a place."""
    home = tmp_path / "home"
    home.mkdir()
    tape = Tape(home / "{from}" / "{from}-{to}.wav")
    tape.recorder.open(Leg(headers={"from": caller, "to": caller}), 1, None).close()
    await tape.stop()

    made = files(tmp_path)
    assert ([], 1) == (tape.told(RecordingFailed), len(made))
    assert home == made[0].parent.parent
    assert made[0].name.isascii()
    assert made[0].name.isprintable()


@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["a.{}", "a.{}.part"])
async def test_symbolic_links_are_not_followed(tmp_path: Path, name: str, suffix: str, overwrite: bool) -> None:
    """A link in the recordings' directory can't make us write elsewhere; the call is recorded under the next name."""
    target, link = tmp_path / "target", tmp_path / name.format(suffix)
    target.write_bytes(b"precious")
    link.symlink_to(target)

    tape = await record(tmp_path / f"a.{suffix}", frames(5), overwrite=overwrite)

    assert (b"precious", True) == (target.read_bytes(), link.is_symlink())
    assert [tmp_path / f"a-2.{suffix}"] == tape.recorder.saved
    assert [f"{link} is a symbolic link, which a recording never follows; the recording gets another name"] == [
        event.message for event in tape.told(Notice)
    ]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.symlink_to("/nowhere"), "is a symbolic link, which a recording never follows"),
        (os.mkfifo, "is no regular file, and isn't replaced"),
        (Path.mkdir, "is no regular file, and isn't replaced"),
    ],
    ids=["link", "pipe", "directory"],
)
async def test_what_is_no_file_is_not_replaced_and_told(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    """``--overwrite`` is about recordings; where something else stands the recording gets another name, and says so."""
    make(tmp_path / "a.wav")

    tape = await record(tmp_path / "a.wav", frames(5), overwrite=True)

    assert [f"{tmp_path / 'a.wav'} {words}; the recording gets another name"] == [
        event.message for event in tape.told(Notice)
    ]
    assert [tmp_path / "a-2.wav"] == tape.recorder.saved


async def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """What a call names below the given directory is no way out of it."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "441").symlink_to(elsewhere)
    tape = Tape(home / "{from}" / "a.wav")
    tape.recorder.open(Leg(headers={"from": "441"}), 1, None).close()
    await tape.stop()

    assert ["is a symbolic link, which a recording never follows"] == [
        event.error.removeprefix(f"{home / '441'} ") for event in tape.told(RecordingFailed)
    ]
    assert [] == files(elsewhere)


async def test_a_format_in_a_placeholder_is_carried_out(tmp_path: Path) -> None:
    """``{n:03d}`` gives names that sort."""
    await record(tmp_path / "{n:03d}.wav", frames(1))

    assert (tmp_path / "001.wav").exists()


async def test_a_directory_removed_under_the_recording_is_told(tmp_path: Path) -> None:
    """A file that is gone isn't reported as saved."""
    home = tmp_path / "home"
    home.mkdir()
    tape = Tape(home / "a.wav")
    sink = tape.recorder.open(Leg(), 1, None)
    await tape.written()
    shutil.rmtree(home)
    sink.close()
    await tape.stop()

    assert ["No such file or directory"] == [event.error for event in tape.told(RecordingFailed)]
    assert ([], 1) == (tape.recorder.saved, tape.recorder.failures)


@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
async def test_a_file_that_is_gone_is_told_while_the_call_goes_on(tmp_path: Path, suffix: str) -> None:
    """Within seconds, not an hour later when the call ends; one in its place isn't touched."""
    tape = Tape(tmp_path / f"{{call}}.{suffix}")
    gone, replaced = (tape.recorder.open(Leg(id=name), 1, None) for name in ("gone", "replaced"))
    await tape.written()
    (tmp_path / f"gone.{suffix}.part").unlink()
    (tmp_path / f"replaced.{suffix}.part").unlink()
    (tmp_path / f"replaced.{suffix}.part").write_bytes(b"precious")
    tape.clock.advance_to(LOOKS_EVERY_NS)
    for sink in (gone, replaced):
        sink.write(frames(1)[0])
    await tape.stop()

    assert ["No such file or directory", f"{tmp_path / f'replaced.{suffix}.part'} was replaced by another file"] == [
        event.error for event in tape.told(RecordingFailed)
    ]
    assert b"precious" == (tmp_path / f"replaced.{suffix}.part").read_bytes()


@pytest.mark.parametrize("unnamed", [True, False], ids=["unnamed files", "no unnamed files"])
async def test_a_failing_encoder_leaves_the_wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unnamed: bool) -> None:
    """The event says where the audio is, and it is whole; nothing else is left."""
    pieces = frames(50)
    monkeypatch.setattr(recording_files, "encode", failing(errno.EIO))
    if not unnamed:
        monkeypatch.delattr(parts.os, "O_TMPFILE", raising=False)

    tape = await record(tmp_path / "a.flac", pieces)

    assert b"".join(pieces) == read_wav(tmp_path / "a.wav")[2]
    assert f"; the 1.00 s before are in {tmp_path / 'a.wav'}" in tape.told(RecordingFailed)[0].error
    assert ["a.wav"] == names(tmp_path)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
@pytest.mark.parametrize("system", ["unnamed first", "no unnamed files", "no way to name them"])
async def test_an_encoder_touches_nobodys_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, system: str
) -> None:
    """Whatever stands beside the recording stays as it is, also while it is named like a file of the encoder's."""
    (tmp_path / f"a.{suffix}.encoding").write_bytes(b"precious")
    if system == "no unnamed files":
        monkeypatch.delattr(parts.os, "O_TMPFILE", raising=False)
    if system == "no way to name them":
        monkeypatch.setattr(recording_files, "name_unnamed", failing(errno.ENOENT))

    tape = await record(tmp_path / f"a.{suffix}", frames(5))

    assert ([tmp_path / f"a.{suffix}"], []) == (tape.recorder.saved, tape.told(RecordingFailed))
    assert b"precious" == (tmp_path / f"a.{suffix}.encoding").read_bytes()
    assert [f"a.{suffix}", f"a.{suffix}.encoding"] == names(tmp_path)


async def test_an_encoding_has_no_name_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill in the middle of it leaves the part alone."""
    seen: list[str] = []

    def encode(*args: Any) -> None:
        plain_encode(*args)
        seen.extend(names(tmp_path))

    plain_encode = recording_files.encode
    monkeypatch.setattr(recording_files, "encode", encode)

    await record(tmp_path / "a.flac", frames(5))

    assert (["a.flac.part"], ["a.flac"]) == (seen, names(tmp_path))


async def test_a_long_encoding_holds_up_no_other_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one call is made into FLAC, what the others say reaches the disk."""
    go_on = threading.Event()

    def encode(*args: Any) -> None:
        assert go_on.wait(PATIENCE_S)
        plain_encode(*args)

    plain_encode = recording_files.encode
    monkeypatch.setattr(recording_files, "encode", encode)
    tape = Tape(tmp_path / "{call}.flac")
    first, second = (tape.recorder.open(Leg(id=f"call-{number}"), 1, None) for number in (1, 2))
    first.write(frames(1)[0])
    first.close()
    for frame in frames(10):
        second.write(frame)
    await until_written(tmp_path / "call-2.flac", b"".join(frames(10)))

    go_on.set()
    second.close()
    await tape.stop()
    assert [] == tape.told(RecordingFailed)


@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
async def test_a_name_taken_while_it_was_recorded_is_left_alone(
    tmp_path: Path, suffix: str, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording gets the next name, and that is told; also where the disk knows no links."""

    def refuse(source: object, *_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "not here")

    tape = Tape(tmp_path / f"a.{suffix}")
    sink = tape.recorder.open(Leg(), 1, None)
    await tape.written()
    (tmp_path / f"a.{suffix}").write_bytes(b"precious")
    if not links:
        monkeypatch.setattr(parts.os, "link", refuse)
    sink.write(frames(1)[0])
    sink.close()
    await tape.stop()

    taken, given = tmp_path / f"a.{suffix}", tmp_path / f"a-2.{suffix}"
    assert b"precious" == taken.read_bytes()
    assert [f"{taken} was taken while it was recorded; the recording is {given}"] == [
        event.message for event in tape.told(Notice)
    ]
    assert ([str(given)], [taken.name, given.name]) == (
        [event.path for event in tape.told(RecordingSaved)],
        sorted(names(tmp_path), reverse=True),
    )


@pytest.mark.parametrize("suffix", ["wav", "flac"])
async def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path: Path, suffix: str) -> None:
    """With ``--overwrite`` too there is a whole recording at every moment."""
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"old")
    tape = Tape(path, overwrite=True)
    sink = tape.recorder.open(Leg(), 1, None)
    sink.write(frames(1)[0])
    await tape.written()
    before = path.read_bytes()
    sink.close()
    await tape.stop()

    assert b"old" == before
    assert frames(1)[0] == soundfile.read(path, dtype="int16")[0].astype("<i2").tobytes()
    assert [path.name] == names(tmp_path)


async def test_a_long_call_goes_on_in_the_next_file(tmp_path: Path) -> None:
    """Before a WAV is full the next one begins: no sample is missing or twice, and each piece is told."""
    pieces = frames(100)

    tape = await record(tmp_path / "a.wav", pieces, max_file_bytes=40 * 320)

    read = [read_wav(tmp_path / name)[2] for name in ("a.wav", "a-2.wav", "a-3.wav")]
    assert b"".join(pieces) == b"".join(read)
    assert all(0 < len(samples) <= 40 * 320 for samples in read)
    assert [3, 3] == [len(tape.told(kind)) for kind in (RecordingStarted, RecordingSaved)]
    assert "a.wav is as large as a WAV file can be; the recording goes on in" in tape.told(Notice)[0].message
    assert ["a-2.wav", "a-3.wav", "a.wav"] == names(tmp_path)


async def test_a_long_call_replaces_no_other_in_its_next_file(tmp_path: Path) -> None:
    """``--overwrite`` or not: what stands there may be what another call has just left."""
    (tmp_path / "a-2.flac").write_bytes(b"precious")

    tape = await record(tmp_path / "a.flac", frames(60), max_file_bytes=40 * 320, overwrite=True)

    assert b"precious" == (tmp_path / "a-2.flac").read_bytes()
    assert {tmp_path / "a.flac", tmp_path / "a-3.flac"} == set(tape.recorder.saved)


async def test_a_call_over_its_bound_keeps_what_was_recorded(tmp_path: Path) -> None:
    """The file is complete up to there, one line says so, and other calls are recorded as before."""
    tape = Tape(tmp_path / "{call}.wav", limits=Limits(recording_bytes_per_call=64 * KIB))
    long, short = (tape.recorder.open(Leg(id=name), 1, None) for name in ("long", "short"))
    for number in range(300):
        long.write(frames(1, first=number)[0])
    for frame in frames(5):
        short.write(frame)
    for sink in (long, short):
        sink.close()
    await tape.stop()

    written = read_wav(tmp_path / "long.wav")[2]
    assert b"".join(frames(300))[: len(written)] == written
    assert 64 * KIB - 16 * 320 < len(written) <= 64 * KIB
    assert [("long", "one call may take 65,536 bytes (--max-recording-bytes)")] == [
        (event.call, event.error.split(";")[0]) for event in tape.told(RecordingFailed)
    ]
    assert b"".join(frames(5)) == read_wav(tmp_path / "short.wav")[2]


@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
async def test_a_used_up_bound_makes_no_files(tmp_path: Path, suffix: str) -> None:
    """Neither the call that finds it out leaves an empty one, nor do those that follow; each is told, without 0.00 s."""
    limits = Limits(recording_bytes_per_call=64 * KIB, recording_bytes_in_all=64 * KIB)
    tape = Tape(tmp_path / f"{{call}}.{suffix}", limits=limits)
    for number, count in enumerate([204, 1, 1]):
        sink = tape.recorder.open(Leg(id=f"call-{number}"), 1, None)
        for frame in frames(count):
            sink.write(frame)
        sink.close()
        await tape.written()
    await tape.stop()

    assert [f"call-0.{suffix}"] == names(tmp_path)
    assert [f"call-{number}.{suffix}" for number in (0, 1)] == [
        Path(event.path).name for event in tape.told(RecordingStarted)
    ]
    assert [
        (f"call-{number}", "all recordings may take 65,536 bytes (--max-recordings-bytes)") for number in (1, 2)
    ] == [(event.call, event.error) for event in tape.told(RecordingFailed)]


async def test_a_recording_that_failed_before_any_audio_is_removed_and_no_file_of_anybody_else(tmp_path: Path) -> None:
    """What has taken its place meanwhile stays."""
    tape = Tape(tmp_path / "a.wav")
    sink = tape.recorder.open(Leg(), 1, None)
    await tape.written()
    part_of(tmp_path / "a.wav").unlink()
    part_of(tmp_path / "a.wav").write_bytes(b"precious")
    sink.close()
    await tape.stop()

    assert b"precious" == part_of(tmp_path / "a.wav").read_bytes()
    assert [f"{part_of(tmp_path / 'a.wav')} was replaced by another file"] == [
        event.error for event in tape.told(RecordingFailed)
    ]


async def test_nothing_is_recorded_where_the_disk_is_to_stay_free(tmp_path: Path) -> None:
    """A call then makes no file at all."""
    tape = await record(tmp_path / "a.wav", frames(1), limits=Limits(free_disk_floor_bytes=1 << 50))

    assert [] == names(tmp_path)
    assert [True] == [event.error.startswith("No space left on device but") for event in tape.told(RecordingFailed)]


async def test_what_an_earlier_run_left_is_completed_first(tmp_path: Path) -> None:
    """The next start gives it its name, tells it, and spares it, also with ``--overwrite``."""
    pcm = b"".join(frames(3))
    for name in ("a.wav", "a-2.raw", "b.wav"):
        (tmp_path / f"{name}.part").write_bytes(wav_header(8000, 1, 0) + pcm)

    tape = await record(tmp_path / "a.wav", frames(1), overwrite=True)

    assert pcm == read_wav(tmp_path / "a.wav")[2]
    assert [
        RecordingRepaired(
            at=0, path=str(tmp_path / "a.wav"), part=str(tmp_path / "a.wav.part"), seconds=0.06, bytes=1004
        )
    ] == tape.told(RecordingRepaired)
    assert ["a-2.raw.part", "a-2.wav", "a.wav", "b.wav.part"] == names(tmp_path)


async def test_what_an_earlier_run_left_to_encode_holds_nobody_up(tmp_path: Path) -> None:
    """Encoding takes its time, in a thread of its own."""
    (tmp_path / "a.flac.part").write_bytes(wav_header(8000, 1, 0) + b"".join(frames(3)))
    (tmp_path / "a-3.flac.part").write_bytes(b"")
    tape = Tape(tmp_path / "a.flac")
    await tape.written()
    repairing = [thread for thread in threading.enumerate() if thread.name == "vsock-repair"]
    for thread in repairing:
        await asyncio.to_thread(thread.join, PATIENCE_S)
    await tape.stop()

    assert b"".join(frames(3)) == soundfile.read(tmp_path / "a.flac", dtype="int16")[0].astype("<i2").tobytes()
    assert ["a.flac"] == names(tmp_path)


async def test_what_an_earlier_run_left_and_cannot_be_completed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays what it is, for whoever puts the disk right."""
    part = tmp_path / "a.wav.part"
    part.write_bytes(wav_header(8000, 1, 0))
    monkeypatch.setattr(parts.os, "link", failing(errno.EIO))
    tape = Tape(tmp_path / "a.wav")
    await tape.stop()

    assert [f"{part}, left by an earlier run, can't be completed: Input/output error"] == [
        event.message for event in tape.told(Notice)
    ]
    assert part.exists()


async def test_one_recording_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    """A directory that can't be made is one call's trouble."""
    (tmp_path / "bad").write_bytes(b"")
    tape = Tape(tmp_path / "{from}" / "a.wav")
    for caller in ("bad", "good"):
        sink = tape.recorder.open(Leg(id=caller, headers={"from": caller}), 1, None)
        sink.write(frames(1)[0])
        sink.close()
    await tape.stop()

    assert ["bad"] == [event.call for event in tape.told(RecordingFailed)]
    assert ["good"] == [event.call for event in tape.told(RecordingSaved)]


async def test_a_full_disk_ends_the_recording_with_a_valid_file(tmp_path: Path) -> None:
    """The event has the system's words, the file has what was written, and other recordings go on."""
    script = """
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
async def main():
    recorder = Recorder(RecordingPath(sys.argv[1]), observer=tell, clock=SystemClock())
    recorder.start()
    for name, count in (("long", 100), ("short", 10)):
        sink = recorder.open(leg(name), 1, None)
        for number in range(count):
            sink.write(frame(number))
        sink.close()
    await recorder.stop(10)
    sys.exit(recorder.failures)
asyncio.run(main())
"""
    with run_script(script, str(tmp_path / "{call}.wav")) as program:
        _, stderr = program.communicate(timeout=PATIENCE_S)

    written = read_wav(tmp_path / "long.wav")[2]
    assert 1 == program.returncode
    assert b"recording.failed File too large" in stderr
    assert b"".join(frames(len(written) // 320)) == written
    assert 0 < len(written) <= 10_000
    assert b"".join(frames(10)) == read_wav(tmp_path / "short.wav")[2]


async def test_a_full_disk_tells_where_an_unfinished_flac_is(tmp_path: Path) -> None:
    """What could be recorded stands in a WAV, and the event names it."""
    script = """
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
async def main():
    recorder = Recorder(RecordingPath(sys.argv[1]), observer=tell, clock=SystemClock())
    recorder.start()
    sink = recorder.open(leg("a"), 1, None)
    for number in range(100):
        sink.write(frame(number))
    sink.close()
    await recorder.stop(10)
asyncio.run(main())
"""
    with run_script(script, str(tmp_path / "a.flac")) as program:
        _, stderr = program.communicate(timeout=PATIENCE_S)

    assert b"File too large; the 0." in stderr
    assert f" s before are in {tmp_path / 'a.wav'}".encode() in stderr
    assert read_wav(tmp_path / "a.wav")[2]
    assert ["a.wav"] == names(tmp_path)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("lines", [1, 7, 23])
async def test_a_kill_loses_nothing_that_was_handed_over(tmp_path: Path, name: str, lines: int) -> None:
    """After ``kill -9`` a strict reader finds all but the last 100 ms, bit by bit."""
    script = """
async def main():
    recorder = Recorder(RecordingPath(sys.argv[1]), observer=lambda event: None)
    recorder.start()
    sink = recorder.open(leg("a"), 1, None)
    number = 0
    while True:
        for _ in range(7):
            sink.write(frame(number))
            number += 1
        await recorder.finish(10)
        print(number, flush=True)
asyncio.run(main())
"""
    with run_script(script, str(tmp_path / name), stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        handed_over = [int(program.stdout.readline()) for _ in range(lines)][-1]
        program.kill()

    samples = read_wav(part_of(tmp_path / name))[2]
    count = len(samples) // 320
    assert b"".join(np.full(160, number % 30000, "<i2").tobytes() for number in range(count)) == samples
    assert handed_over - 5 < count


class StuckDisk:
    """Takes what is written to a raw file only when it is let to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fault: OSError | None = None) -> None:
        self.go_on = threading.Event()
        self._fault = fault
        self._write_all = recording_files.write_all
        monkeypatch.setattr(recording_files, "write_all", self)

    def __call__(self, fd: int, data: bytes) -> None:
        """``write_all``."""
        assert self.go_on.wait(PATIENCE_S)
        if self._fault is not None:
            raise self._fault
        self._write_all(fd, data)


async def test_a_stuck_disk_costs_the_recording_not_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 64 MiB of waiting audio the recording ends, told at once; what waited is written when the disk is back."""
    disk = StuckDisk(monkeypatch)
    tape = Tape(tmp_path / "a.raw")
    sink = tape.recorder.open(Leg(), 1, None)
    second = bytes(1024 * 1024)
    sink.write(second)
    await until_taken(sink)
    for _ in range(500):
        sink.write(second)
    waiting_bytes = tape.recorder.waiting_bytes
    finished = await tape.recorder.stop(0.05)
    disk.go_on.set()
    await asyncio.to_thread(tape.recorder._thread.join, PATIENCE_S)

    assert ["the disk is too slow: 64 MiB wait for it, and what comes from here on is lost"] == [
        event.error for event in tape.told(RecordingFailed)
    ]
    assert waiting_bytes <= MAX_WAITING_BYTES < (tmp_path / "a.raw").stat().st_size
    assert not finished
    assert tape.recorder.failures


async def test_what_is_not_complete_in_time_counts_as_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code doesn't call a cut-off recording fine."""
    disk = StuckDisk(monkeypatch)
    tape = Tape(tmp_path / "a.raw")
    sink = tape.recorder.open(Leg(), 1, None)
    sink.write(bytes(1024))
    sink.close()
    finished = await tape.recorder.stop(0.05)
    failures = tape.recorder.failures
    disk.go_on.set()
    await asyncio.to_thread(tape.recorder._thread.join, PATIENCE_S)

    assert (False, 1) == (finished, failures)


async def test_a_slow_disk_that_then_fails_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One recording fails once, whatever else befalls it."""
    disk = StuckDisk(monkeypatch, fault=OSError(errno.EIO, "Input/output error"))
    tape = Tape(tmp_path / "a.raw")
    sink = tape.recorder.open(Leg(), 1, None)
    sink.write(bytes(2))
    await until_taken(sink)
    for _ in range(UNCOUNTED_FRAMES):
        sink.write(bytes(2))
    sink.write(bytes(MAX_WAITING_BYTES + 2))
    disk.go_on.set()
    await tape.stop()

    assert (1, 1) == (tape.recorder.failures, len(tape.told(RecordingFailed)))


async def test_a_recording_that_cannot_begin_leaves_its_name_to_others(tmp_path: Path) -> None:
    """The trouble of one moment takes nothing from the next call, and what came in meanwhile is nobody's."""
    home = tmp_path / "home"
    home.mkdir()
    tape = Tape(home / "a.wav")
    home.rmdir()
    sink = tape.recorder.open(Leg(), 1, None)
    await tape.written()
    sink.gathered.frames.append(frames(1)[0])
    sink.close()
    await tape.written()
    home.mkdir()

    await tape.stop()
    assert ["No such file or directory"] == [event.error for event in tape.told(RecordingFailed)]
    assert [home / "a.wav"] == (await record(home / "a.wav", frames(1))).recorder.saved


async def test_there_is_an_end_to_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory full of every name makes a failure, not a search for ever."""
    (tmp_path / "a.wav").touch()
    monkeypatch.setattr(naming, "MAX_SAME_NAME", 1)

    tape = await record(tmp_path / "a.wav", frames(1))

    assert ["every name is taken"] == [event.error for event in tape.told(RecordingFailed)]


async def test_what_goes_wrong_beside_the_recordings_ends_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a leftover that another program completes at the same time."""
    (tmp_path / "a.wav.part").write_bytes(wav_header(8000, 1, 0))
    monkeypatch.setattr(recorder_module, "repair", lambda *_, **__: None)
    tape = Tape(tmp_path / "a.wav")
    tape.recorder._jobs.put((None, failing(errno.EIO)))
    sink = tape.recorder.open(Leg(), 1, None)
    sink.close()
    await tape.stop()

    assert ([tmp_path / "a-2.wav"], []) == (tape.recorder.saved, tape.told(RecordingRepaired))


@pytest.mark.parametrize("suffix", ["wav", "raw", "flac"])
async def test_a_disk_that_fails_in_the_end_leaves_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """It is valid, and the event says where it is."""
    monkeypatch.setattr(parts.os, "link", failing(errno.EIO, after=1, otherwise=os.link))

    tape = await record(tmp_path / f"a.{suffix}", frames(5))

    part = tmp_path / f"a.{suffix}.part"
    assert [f"Input/output error; the 0.10 s before are in {part}"] == [
        event.error for event in tape.told(RecordingFailed)
    ]
    assert part.read_bytes().endswith(b"".join(frames(5)))
    assert [part.name] == names(tmp_path)


async def test_a_disk_that_takes_nothing_more_may_take_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before the fault is a whole recording, though not even its header can be written again."""
    tape = Tape(tmp_path / "a.wav")
    sink = tape.recorder.open(Leg(), 1, None)
    sink.write(frames(1)[0])
    await tape.written()
    monkeypatch.setattr(wav, "write_all_at", failing(errno.EIO))
    sink.write(frames(1, first=1)[0])
    sink.close()
    await tape.stop()

    assert [f"Input/output error; the 0.02 s before are in {tmp_path / 'a.wav'}"] == [
        event.error for event in tape.told(RecordingFailed)
    ]
    assert frames(1)[0] == read_wav(tmp_path / "a.wav")[2]


async def test_a_raw_file_that_the_disk_cut_ends_with_a_whole_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a failed write left of the last one is cut off."""

    def fail(fd: int, data: bytes) -> None:
        os.write(fd, data[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(recording_files, "write_all", fail)

    await record(tmp_path / "a.raw", frames(1, first=7))

    assert b"\7\0" == (tmp_path / "a.raw").read_bytes()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (soundfile.LibsndfileError(2), "it could not be made: "),
        (AssertionError("short"), "it could not be made: short"),
    ],
    ids=["of the library", "of its wrapper"],
)
async def test_an_encoder_at_a_loss_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """In its words, and the audio is in a WAV."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(soundfile.SoundFile, "write", fail)

    tape = await record(tmp_path / "a.ogg", frames(5))

    assert tape.told(RecordingFailed)[0].error.startswith(words)
    assert b"".join(frames(5)) == read_wav(tmp_path / "a.wav")[2]


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
@pytest.mark.parametrize("pieces", [1, 5000])
async def test_a_disk_that_fills_up_while_encoding_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, pieces: int
) -> None:
    """Libsndfile itself wouldn't tell where that strikes in the last few bytes; the WAV is kept, and heard of."""
    tape = Tape(tmp_path / f"a.{suffix}")
    sink = tape.recorder.open(Leg(), 1, None)
    for frame in frames(pieces):
        sink.write(frame)
    await tape.written()
    monkeypatch.setattr(recording_files, "write_all", failing(errno.ENOSPC, after=1, otherwise=write_all))
    sink.close()
    await tape.stop()

    assert [True] == [event.error.startswith("No space left on device; the ") for event in tape.told(RecordingFailed)]
    assert b"".join(frames(pieces)) == read_wav(tmp_path / "a.wav")[2]
    assert ["a.wav"] == names(tmp_path)


def test_standard_output_takes_one_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of its own gets a true header, anything else a stream's; what can't be written is told."""
    plain_dup = os.dup
    made: list[Any] = []
    own_path, shared_path, full_path = tmp_path / "own", tmp_path / "shared", Path("/dev/full")
    with own_path.open("wb") as own, shared_path.open("ab") as shared, full_path.open("wb") as full:
        for file in (own, shared):
            monkeypatch.setattr(recording_files.os, "dup", lambda _, file=file: plain_dup(file.fileno()))
            made.append(recording_files.stdout_file(8000, 1))
            made[-1].check()
            made[-1].append(b"abcd")
        paths = [file.complete()[0] for file in made]
        monkeypatch.setattr(recording_files.os, "dup", lambda _: plain_dup(full.fileno()))
        with pytest.raises(OSError, match="No space"):
            recording_files.stdout_file(8000, 1)
        abandoned = [file.abandon() for file in made]

    assert ([Path("-")] * 2, [None] * 2) == (paths, abandoned)
    assert wav_header(8000, 1, 4) + b"abcd" == own_path.read_bytes()
    assert wav_header(8000, 1, 0x7FFFF000) + b"abcd" == shared_path.read_bytes()


async def test_a_second_call_has_no_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and the first goes on."""
    fd = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    monkeypatch.setattr(recording_files.os, "dup", lambda _: fd)  # the recorder closes it
    tape = Tape("-")
    sinks = [tape.recorder.open(Leg(id=name), 1, None) for name in ("one", "two")]
    for sink in sinks:
        sink.write(frames(1)[0])
        sink.close()
    await tape.stop()

    assert ["two"] == [event.call for event in tape.told(RecordingFailed)]
    assert frames(1)[0] == read_wav(tmp_path / "out")[2]


def test_a_recorder_that_was_never_started_tells_nobody(tmp_path: Path) -> None:
    """But its bounds hold, and the failure counts."""
    told: list[Event] = []
    recorder = Recorder(RecordingPath(str(tmp_path / "a.wav")), observer=told.append, clock=ManualClock())
    sink = recorder.open(Leg(), 1, None)
    for _ in range(UNCOUNTED_FRAMES):
        sink.write(bytes(2))
    sink.write(bytes(MAX_WAITING_BYTES + 2))

    assert ([], 1) == (told, recorder.failures)


async def test_a_recorder_without_recordings_stops_at_once(tmp_path: Path) -> None:
    """Nothing to wait for, and no file that nobody asked for."""
    tape = Tape(tmp_path / "a.wav")

    await tape.stop()

    assert [] == names(tmp_path)


async def test_a_recorder_that_was_never_started_has_nothing_to_finish(tmp_path: Path) -> None:
    """A server that couldn't listen stops its recorder all the same."""
    recorder = Recorder(RecordingPath(str(tmp_path / "a.wav")), observer=print, clock=ManualClock())

    assert await recorder.stop(PATIENCE_S)


TO_STDOUT = """
async def main():
    recorder = Recorder(RecordingPath("-"), observer=tell, clock=SystemClock())
    recorder.start()
    for name in sys.argv[1:]:
        sink = recorder.open(leg(name), 1, None)
        for number in range(20):
            sink.write(frame(number))
        sink.close()
    await recorder.stop(10)
    sys.exit(recorder.failures)
asyncio.run(main())
"""


def test_a_pipe_gets_a_wav_stream_without_an_end() -> None:
    """Tools such as sox read such a stream to its end; the second call of it has nowhere to go."""
    with run_script(TO_STDOUT, "one", "two", stdout=subprocess.PIPE) as program:
        stdout, stderr = program.communicate(timeout=PATIENCE_S)

    assert (b"RIFF", b"".join(frames(20))) == (stdout[:4], stdout[44:])
    assert 0x7FFFF000 == int.from_bytes(stdout[40:44], "little")
    assert b"recording.failed standard output holds one recording" in stderr
    assert 1 == program.returncode


def test_a_redirected_file_gets_a_true_header(tmp_path: Path) -> None:
    """``vsock record - > a.wav`` makes the file that ``vsock record a.wav`` makes."""
    with (tmp_path / "a.wav").open("wb") as out, run_script(TO_STDOUT, "one", stdout=out) as program:
        program.communicate(timeout=PATIENCE_S)

    assert (8000, 1, b"".join(frames(20))) == read_wav(tmp_path / "a.wav")


def test_an_appended_file_keeps_what_it_had(tmp_path: Path) -> None:
    """With ``>>`` nothing in front is touched."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"precious")
    with path.open("ab") as out, run_script(TO_STDOUT, "one", stdout=out) as program:
        program.communicate(timeout=PATIENCE_S)

    assert b"precious" + b"RIFF" == path.read_bytes()[:12]
    assert b"".join(frames(20)) == path.read_bytes()[8 + 44 :]


def test_a_closed_pipe_ends_the_recording_only() -> None:
    """The reader's going away is told as a failure, without a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    with run_script(TO_STDOUT, "one", stdout=writer) as program:
        os.close(writer)
        _, stderr = program.communicate(timeout=PATIENCE_S)

    assert (1, b"recording.failed Broken pipe\n") == (program.returncode, stderr)
