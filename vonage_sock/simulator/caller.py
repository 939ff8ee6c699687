"""What a simulated caller says: a file, a tone, noise, silence, a spoken text, or the clip that comes with the package."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from vonage_sock.audio.frames import FRAME_NS, FRAMES_PER_SECOND, RATES_HZ, AudioFormat, Packetizer
from vonage_sock.audio.source import FramesSource, OpenSource, Source
from vonage_sock.clock import MS
from vonage_sock.errors import AudioFileError, UsageError
from vonage_sock.media.decode import AudioFile, pcm_blocks
from vonage_sock.simulator.leg.dtmf import KeyPress

DEFAULT_SECONDS: Final = 5.0
TONE_AMPLITUDE: Final = 8_000
NOISE_AMPLITUDE: Final = 4_000
SAY_TIMEOUT_S: Final = 20
MAX_SAY_LETTERS: Final = 2_000

_ROWS_HZ: Final = (697, 770, 852, 941)
_COLUMNS_HZ: Final = (1209, 1336, 1477)
DTMF_HZ: Final = {key: (_ROWS_HZ[at // 3], _COLUMNS_HZ[at % 3]) for at, key in enumerate("123456789*0#")}
"""The two tones of each key."""

CLIP: Final = "clip"
FORMS: Final = "a file, clip, tone:440, noise, silence or say:TEXT"

_TONE = re.compile(r"tone:(\d{1,5}(?:\.\d+)?)", re.ASCII)


def open_audio(text: str, *, seconds: float | None = None) -> OpenSource:
    """
    What ``--audio`` stands for.

    Args:
        seconds: how long a tone, noise or silence lasts; five seconds when None.

    Raises:
        UsageError: a form that isn't known, or ``say:`` without a speech synthesiser.
        AudioFileError: the file can't be played.
    """
    frames = round((DEFAULT_SECONDS if seconds is None else seconds) * FRAMES_PER_SECOND)
    if text == CLIP:
        return AudioFile.shipped_clip()
    if text == "silence":
        return lambda audio_format: FramesSource(text, itertools.repeat(audio_format.silence, frames), frames)
    if text == "noise":
        return lambda audio_format: FramesSource(text, noise(audio_format, frames), frames)
    if (match := _TONE.fullmatch(text)) is not None:
        pitch_hz = float(match[1])
        if not 0 < pitch_hz < 4_000:
            raise UsageError(f"{text}: a tone lies between 0 and 4000 Hz, half of the lowest rate")
        return lambda audio_format: FramesSource(text, tone(audio_format, frames, pitch_hz), frames)
    if text.startswith("say:"):
        return say(text.removeprefix("say:"))
    if text == "tone" or text.startswith("tone:"):
        raise UsageError(f"{text!r} isn't understood; give {FORMS}")
    return AudioFile(Path(text))


def tone(audio_format: AudioFormat, frames: int, pitch_hz: float) -> Iterator[bytes]:
    """A sine."""
    size = audio_format.frame_samples
    step = 2 * np.pi * pitch_hz / audio_format.rate_hz
    for number in range(frames):
        phase = step * np.arange(number * size, (number + 1) * size)
        yield np.rint(TONE_AMPLITUDE * np.sin(phase)).astype("<i2").tobytes()


def dtmf_tones(audio_format: AudioFormat, presses: Sequence[KeyPress]) -> Source:
    """Keys as a telephone hears them: two tones each (ITU-T Q.23), at their times."""
    frames = [audio_format.silence] * max((_last_frame(press) for press in presses), default=0)
    for press in presses:
        first, last = press.after_ns // FRAME_NS, _last_frame(press)
        frames[first:last] = _two_tones(audio_format, last - first, DTMF_HZ[press.digit])
    return FramesSource("dtmf", frames, len(frames))


def _last_frame(press: KeyPress) -> int:
    return (press.after_ns + press.duration_ms * MS) // FRAME_NS


def _two_tones(audio_format: AudioFormat, frames: int, pitches_hz: tuple[int, int]) -> Iterator[bytes]:
    both = zip(*(tone(audio_format, frames, pitch_hz) for pitch_hz in pitches_hz), strict=True)
    for low, high in both:
        # Each tone stays below half of full scale, so that the sum can't overflow.
        yield (np.frombuffer(low, "<i2") + np.frombuffer(high, "<i2")).astype("<i2").tobytes()


def noise(audio_format: AudioFormat, frames: int) -> Iterator[bytes]:
    """White noise, the same in each run, so that a call can be repeated."""
    generator = np.random.default_rng(20)
    for _ in range(frames):
        samples = generator.integers(-NOISE_AMPLITUDE, NOISE_AMPLITUDE, audio_format.frame_samples)
        yield samples.astype("<i2").tobytes()


def can_speak() -> bool:
    """Whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def say(text: str, *, voice: str | None = None) -> OpenSource:
    """
    Speak a text with espeak-ng.

    Args:
        voice: the name of one of its voices, such as ``en-us``; its default when None.

    Raises:
        UsageError: there is nothing to say, or espeak-ng isn't installed.
        AudioFileError: espeak-ng failed.
    """
    if not text.strip() or len(text) > MAX_SAY_LETTERS:
        raise UsageError(f"say: takes a text of 1 to {MAX_SAY_LETTERS} letters")
    program = shutil.which("espeak-ng")
    if program is None:
        raise UsageError("say: needs the program espeak-ng; install it, or give an audio file instead")
    with tempfile.TemporaryDirectory(prefix="vsock-") as directory:
        path = Path(directory) / "say.wav"
        try:
            subprocess.run(  # noqa: S603  (our own argument list, no shell)
                [program, "-w", str(path), "--stdin", *(() if voice is None else ("-v", voice))],
                input=text.encode(errors="replace"),
                check=True,
                capture_output=True,
                timeout=SAY_TIMEOUT_S,
            )
            spoken = {rate_hz: b"".join(pcm_blocks(path, rate_hz)) for rate_hz in RATES_HZ}
        except (subprocess.SubprocessError, OSError, soundfile.LibsndfileError) as error:
            raise AudioFileError(f"espeak-ng could not speak the text: {_why_silent(error)}") from error
    if not all(spoken.values()):
        raise AudioFileError("espeak-ng found nothing to speak in the text")
    return lambda audio_format: _spoken(spoken[audio_format.rate_hz], audio_format)


def _why_silent(error: Exception) -> str:
    match error:
        case subprocess.TimeoutExpired():
            return f"it took more than {SAY_TIMEOUT_S} s"
        case subprocess.CalledProcessError(returncode=code, stderr=bytes(stderr)):
            lines = stderr.decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"it ended with code {code}"
        case soundfile.LibsndfileError():
            return "it made no audio"
        case _:
            return str(error)


def _spoken(pcm: bytes, audio_format: AudioFormat) -> Source:
    packetizer = Packetizer(audio_format.frame_bytes)
    frames = packetizer.push(pcm)
    tail = packetizer.flush()
    if tail is not None:
        frames.append(tail)
    return FramesSource("say", frames, len(frames))
