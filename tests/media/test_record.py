"""Recordings: every sample in order, a valid file whatever happens, and no call that waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import subprocess
import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import Event, RecordingFailed, RecordingSaved, RecordingStarted
from vonage_sock.clock import ManualClock
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import MAX_WAITING_BYTES, TURN_SINKS, FileSink, Recorder, gather_ns

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

    def __init__(self, path: Path | str, *, overwrite: bool = False) -> None:
        self.events: list[Event] = []
        self.recorder = Recorder(
            RecordingPath(str(path), overwrite=overwrite), observer=self.events.append, clock=ManualClock()
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


async def record(path: Path | str, pieces: Sequence[bytes], *, channels: int = 1, overwrite: bool = False) -> Tape:
    """One recording from its beginning to its end."""
    tape = Tape(path, overwrite=overwrite)
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
            with contextlib.suppress(FileNotFoundError, EOFError):
                written = read_wav(path)[2]


async def until_taken(sink: FileSink) -> None:
    """Wait for the thread to take what the sink has gathered."""
    for _ in range(int(PATIENCE_S * 100)):
        await asyncio.sleep(0.01)
        if not sink._gathered:
            return


def names(directory: Path) -> list[str]:
    """What a directory holds."""
    return sorted(path.name for path in directory.iterdir())


def files(directory: Path) -> list[Path]:
    """The files in a directory and below it."""
    return [path for path in directory.rglob("*") if path.is_file()]


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
        (1, [], b""),
    ],
    ids=["odd", "odd twice", "split samples", "half a stereo sample", "nothing"],
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
    await record(tmp_path / "{call}" / "a.flac", frames(5))

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "call-1", tmp_path / "call-1" / "a.flac")]
    assert [0o700, 0o600] == modes


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


@pytest.mark.parametrize(("recordings", "ms"), [(1, 100), (100, 100), (200, 200), (300, 300), (900, 300)])
def test_audio_waits_for_its_turn_for_so_long(recordings: int, ms: int) -> None:
    """0.1 s, and with hundreds of recordings at once 0.3 s; never longer."""
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


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("overwrite", [False, True])
async def test_symbolic_links_are_not_followed(tmp_path: Path, suffix: str, overwrite: bool) -> None:
    """A link in the recordings' directory can't make us write elsewhere."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / f"a.{suffix}").symlink_to(target)

    await record(tmp_path / f"a.{suffix}", frames(5), overwrite=overwrite)

    assert b"precious" == target.read_bytes()


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


async def test_a_failing_encoder_leaves_the_wav(tmp_path: Path) -> None:
    """The event says where the audio is, and it is whole."""
    (tmp_path / "a.flac.part").mkdir()
    pieces = frames(50)

    tape = await record(tmp_path / "a.flac", pieces)

    assert b"".join(pieces) == read_wav(tmp_path / "a.flac.part.wav")[2]
    assert str(tmp_path / "a.flac.part.wav") in tape.told(RecordingFailed)[0].error


async def test_a_long_encoding_holds_up_no_other_recording(tmp_path: Path) -> None:
    """While one call is made into FLAC, what the others say reaches the disk."""
    os.mkfifo(tmp_path / "call-1.flac.part")
    tape = Tape(tmp_path / "{call}.flac")
    first, second = (tape.recorder.open(Leg(id=f"call-{number}"), 1, None) for number in (1, 2))
    first.write(frames(1)[0])
    first.close()
    for frame in frames(10):
        second.write(frame)
    await until_written(tmp_path / "call-2.flac.part.wav", b"".join(frames(10)))

    reader = os.open(tmp_path / "call-1.flac.part", os.O_RDONLY | os.O_NONBLOCK)
    second.close()
    await tape.stop()
    os.close(reader)
    assert [] == tape.told(RecordingFailed)


async def test_a_name_taken_while_it_was_recorded_is_left_alone(tmp_path: Path) -> None:
    """The encoder's file doesn't replace one that somebody made meanwhile."""
    tape = Tape(tmp_path / "a.flac")
    sink = tape.recorder.open(Leg(), 1, None)
    await tape.written()
    (tmp_path / "a.flac").write_bytes(b"precious")
    sink.write(frames(1)[0])
    sink.close()
    await tape.stop()

    assert b"precious" == (tmp_path / "a.flac").read_bytes()
    assert frames(1)[0] == read_wav(tmp_path / "a.flac.part.wav")[2]
    assert 1 == tape.recorder.failures


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

    assert f"File too large; what was recorded is in {tmp_path / 'a.flac.part.wav'}".encode() in stderr
    assert read_wav(tmp_path / "a.flac.part.wav")[2]


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("lines", [1, 7, 23])
async def test_a_kill_loses_nothing_that_was_handed_over(tmp_path: Path, name: str, lines: int) -> None:
    """After ``kill -9`` a strict reader finds all but the last 100 ms, bit by bit."""
    script = """
async def main():
    recorder = Recorder(RecordingPath(sys.argv[1]), observer=lambda event: None, clock=SystemClock())
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

    samples = read_wav(tmp_path / ("a.wav" if name == "a.wav" else "a.flac.part.wav"))[2]
    count = len(samples) // 320
    assert b"".join(np.full(160, number % 30000, "<i2").tobytes() for number in range(count)) == samples
    assert handed_over - 5 < count


async def test_a_pipe_or_a_link_is_not_replaced_by_an_encoded_file(tmp_path: Path) -> None:
    """It is put in place by a rename, which would take a device's place too."""
    pipe, link = tmp_path / "a.flac", tmp_path / "b.flac"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "none.flac")
    tapes = [await record(path, frames(2), overwrite=True) for path in (pipe, link)]

    assert [True, True] == [tape.recorder.failures > 0 for tape in tapes]
    assert ["isn't replaced"] * 2 == [tape.told(RecordingFailed)[0].error[-14:] for tape in tapes]
    assert (True, True) == (pipe.is_fifo(), link.is_symlink())


async def test_a_stuck_disk_costs_the_recording_not_the_memory(tmp_path: Path) -> None:
    """At 64 MiB of waiting audio the recording is given up and told, though its thread is still stuck."""
    path = tmp_path / "a.raw"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    tape = Tape(path, overwrite=True)
    sink = tape.recorder.open(Leg(), 1, None)
    second = bytes(1024 * 1024)
    sink.write(second)
    await until_taken(sink)
    for _ in range(500):
        sink.write(second)
    waiting_bytes = tape.recorder.waiting_bytes
    finished = await tape.recorder.stop(0.05)
    os.close(reader)
    await asyncio.to_thread(tape.recorder._thread.join, PATIENCE_S)

    assert ["the disk is too slow"] == [event.error for event in tape.told(RecordingFailed)]
    assert waiting_bytes <= MAX_WAITING_BYTES
    assert not finished
    assert tape.recorder.failures


async def test_what_is_not_complete_in_time_counts_as_a_failure(tmp_path: Path) -> None:
    """The exit code doesn't call a cut-off recording fine."""
    path = tmp_path / "a.raw"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    tape = Tape(path, overwrite=True)
    sink = tape.recorder.open(Leg(), 1, None)
    sink.write(bytes(10 * 1024 * 1024))
    sink.close()
    finished = await tape.recorder.stop(0.05)
    failures = tape.recorder.failures
    os.close(reader)
    await asyncio.to_thread(tape.recorder._thread.join, PATIENCE_S)

    assert (False, 1) == (finished, failures)


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
