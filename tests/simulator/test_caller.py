"""What a simulated caller says."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.clock import MS
from vonage_sock.errors import AudioFileError, ExitCode, UsageError
from vonage_sock.media.decode import AudioFile
from vonage_sock.media.reel import FrameSource
from vonage_sock.simulator import caller
from vonage_sock.simulator.caller import MAX_SAY_LETTERS, can_speak, dtmf_tones, open_audio, say
from vonage_sock.simulator.leg.dtmf import KeyPress

PHONE = AudioFormat(8000)
RATES = pytest.mark.parametrize(
    "audio_format", [AudioFormat(hz) for hz in (8000, 16000, 24000)], ids=lambda f: f"{f.rate_hz}"
)


def samples_of(opener: OpenSource, audio_format: AudioFormat = PHONE) -> npt.NDArray[np.int16]:
    """All that is said; each frame has the right size."""
    source = opener(audio_format)
    frames = []
    while not source.ended():
        frame = source.take()
        if frame is not None:
            frames.append(frame)
        elif isinstance(source, FrameSource):
            asyncio.run(source.first_block())
    assert source.total_frames == len(frames)
    assert {audio_format.frame_bytes} >= {len(frame) for frame in frames}
    return np.frombuffer(b"".join(frames), "<i2")


@RATES
@pytest.mark.parametrize("pitch_hz", [440, 1000, 3999])
def test_a_tone_has_its_pitch_at_each_rate(audio_format: AudioFormat, pitch_hz: int) -> None:
    """One line in the spectrum, without a seam between frames."""
    samples = samples_of(open_audio(f"tone:{pitch_hz}", seconds=1.0), audio_format).astype(float)

    spectrum = np.abs(np.fft.rfft(samples))
    others = np.delete(spectrum, pitch_hz)
    assert pitch_hz == spectrum.argmax()
    assert others.max() < spectrum.max() / 1000


@RATES
def test_silence_is_zeros(audio_format: AudioFormat) -> None:
    """Digital silence, as long as asked for."""
    samples = samples_of(open_audio("silence", seconds=0.5), audio_format)

    assert (audio_format.rate_hz // 2, 0) == (len(samples), np.abs(samples).max())


def test_noise_is_the_same_in_each_call() -> None:
    """A call can be repeated bit by bit; the noise itself never repeats."""
    opener = open_audio("noise", seconds=1.0)
    first, second = samples_of(opener), samples_of(opener)

    assert first.tolist() == second.tolist()
    assert first[:4000].tolist() != first[4000:].tolist()
    assert abs(first.mean()) < 100
    assert 2000 < first.std() < 2600


@pytest.mark.parametrize("text", ["silence", "noise", "tone:440"])
def test_what_has_no_length_lasts_five_seconds(text: str) -> None:
    """Unless --duration says how long."""
    assert 5 * 8000 == len(samples_of(open_audio(text)))


def test_the_clip_is_the_packages_own() -> None:
    """The default needs no file."""
    assert len(samples_of(open_audio("clip"))) > 4 * 8000


@pytest.mark.parametrize("name", ["question.wav", "tone.wav", "tones.flac", "noise.wav", "say.wav"])
def test_a_file_is_a_file_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Only the exact words stand for something else."""
    monkeypatch.chdir(tmp_path)
    soundfile.write(name, np.arange(800, dtype=np.int16), 8000)

    opener = open_audio(name)

    assert isinstance(opener, AudioFile)
    assert list(range(800)) == samples_of(opener).tolist()


@pytest.mark.parametrize("text", ["tone", "tone:", "tone:high", "tone:-1", "tone:1e3", "tone:\u0664\u0664\u0660"])
def test_a_tone_that_is_not_understood_is_told_with_all_forms(text: str) -> None:
    """The sentence lists what can be given."""
    with pytest.raises(UsageError, match="a file, clip, tone:440, noise, silence or say:TEXT"):
        open_audio(text)


@pytest.mark.parametrize("text", ["tone:0", "tone:4000", "tone:99999"])
def test_a_tone_that_no_line_carries_is_refused(text: str) -> None:
    """Half of the lowest rate is the limit."""
    with pytest.raises(UsageError, match="between 0 and 4000 Hz"):
        open_audio(text)


def test_a_missing_file_is_an_unusable_one() -> None:
    """A typing error in a word ends here too."""
    with pytest.raises(AudioFileError, match=r"^silense: no such file$") as caught:
        open_audio("silense")

    assert ExitCode.AUDIO_FILE == caught.value.exit_code


@pytest.fixture
def espeak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for espeak-ng is looked for; the only program on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "espeak-ng"


def install(espeak: Path, body: str) -> None:
    """Make the stand-in: a Python script that is given the options ``-w FILE --stdin``."""
    espeak.write_text(f"#!{sys.executable}\nimport sys, wave\nout = sys.argv[2]\n{body}")
    espeak.chmod(0o755)


SPEAK = """
with wave.open(out, "wb") as file:
    file.setparams((1, 2, 22050, 0, "NONE", ""))
    file.writeframes(bytes(2) * 2205 * len(sys.stdin.buffer.read()))
"""


def test_a_text_is_spoken_at_the_calls_rate(espeak: Path) -> None:
    """Each letter of the stand-in takes a tenth of a second."""
    install(espeak, SPEAK)
    opener = open_audio("say:hello")

    assert [4000, 8000, 12000] == [len(samples_of(opener, AudioFormat(hz))) for hz in (8000, 16000, 24000)]


@pytest.mark.parametrize("text", ["say:-f/etc/passwd", "say:$(reboot)", "say:\udcff"])
def test_a_text_is_never_an_option(espeak: Path, text: str) -> None:
    """It goes through standard input, whatever is in it."""
    install(espeak, 'assert sys.argv[1::2] == ["-w", "--stdin"]\n' + SPEAK)

    assert len(samples_of(open_audio(text)))


def test_a_voice_can_be_asked_for(espeak: Path) -> None:
    """By its name, as the program's own option."""
    install(espeak, 'assert sys.argv[3:] == ["--stdin", "-v", "en-us"]\n' + SPEAK)

    assert len(samples_of(say("hello", voice="en-us")))


def test_whether_it_can_speak_is_whether_the_program_is_there(espeak: Path) -> None:
    """A program of that name on the path."""
    before = can_speak()
    install(espeak, SPEAK)

    assert (False, True) == (before, can_speak())


def test_without_espeak_the_error_says_what_to_do(espeak: Path) -> None:
    """Nothing that pip can't install is needed for anything else."""
    with pytest.raises(UsageError, match="install it, or give an audio file instead"):
        open_audio("say:hello")


@pytest.mark.parametrize("text", ["", "  ", "x" * (MAX_SAY_LETTERS + 1)], ids=["empty", "blank", "too long"])
def test_a_text_has_a_length_that_can_be_spoken(espeak: Path, text: str) -> None:
    """Neither nothing nor a book."""
    with pytest.raises(UsageError, match=f"1 to {MAX_SAY_LETTERS} letters"):
        open_audio(f"say:{text}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('sys.exit("noise first\\nno such voice")', "no such voice$"),
        ("sys.exit(3)", "it ended with code 3$"),
        ("sys.stdin.read()", "it made no audio$"),
        ('sys.stdin.read(); open(out, "w").write("not audio")', "it made no audio$"),
        (SPEAK.replace("* len", "* 0 * len"), "nothing to speak"),
    ],
    ids=["words", "code", "no file", "no audio", "no samples"],
)
def test_a_synthesiser_that_fails_is_told_in_a_sentence(espeak: Path, body: str, words: str) -> None:
    """No command line, no traceback: what it said, or what it did."""
    install(espeak, body)

    with pytest.raises(AudioFileError, match=words):
        open_audio("say:hello")


def test_a_synthesiser_that_hangs_is_ended(espeak: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever for a word."""
    monkeypatch.setattr(caller, "SAY_TIMEOUT_S", 0.5)
    install(espeak, "import signal\nsignal.pause()")

    with pytest.raises(AudioFileError, match=r"it took more than 0.5 s$"):
        open_audio("say:hello")


def test_a_program_that_cannot_run_is_told(espeak: Path) -> None:
    """A file of that name that isn't a program."""
    espeak.write_bytes(b"\x7fnot a program")
    espeak.chmod(0o755)

    with pytest.raises(AudioFileError, match="Exec format error"):
        open_audio("say:hello")


def test_errors_of_the_synthesiser_do_not_leave_files(
    espeak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is spoken stands in memory, and its file is gone."""
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    install(espeak, SPEAK)

    open_audio("say:hello")

    assert [] == list((tmp_path / "temp").iterdir())


@RATES
def test_keys_sound_as_two_tones(audio_format: AudioFormat) -> None:
    """Those of ITU-T Q.23, each for its time and silence between."""
    presses = [KeyPress(0, "1", 100), KeyPress(200 * MS, "#", 100)]
    samples = samples_of(lambda wanted: dtmf_tones(wanted, presses), audio_format).astype(float)
    parts = np.split(samples, 3)
    peaks = [
        {round(float(hz)) for hz in np.argsort(np.abs(np.fft.rfft(part)))[-2:] * audio_format.rate_hz / len(part)}
        for part in (parts[0], parts[2])
    ]

    assert 0.3 == len(samples) / audio_format.rate_hz
    assert not parts[1].any()
    assert [{700, 1210}, {940, 1480}] == peaks
    assert 8_000 < np.abs(samples).max() <= 16_000


def test_no_key_makes_no_sound() -> None:
    """A pause alone."""
    assert 0 == dtmf_tones(PHONE, []).total_frames
