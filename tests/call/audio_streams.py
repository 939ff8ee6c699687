"""Streams of audio, good and bad: bytes and their times, as one side of a leg could send them."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import soxr

import vonage_sock
from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.clock import MS, SECOND

Message = tuple[int, bytes]

CLIP = Path(vonage_sock.__file__).parent / "data" / "clip.flac"


@functools.cache
def speech(rate_hz: int, *, seconds: float = 8.0, gain: float = 1.0) -> bytes:
    """The package's clip, repeated to this length."""
    samples, source_hz = soundfile.read(CLIP, dtype="float32")
    samples = soxr.resample(samples, source_hz, rate_hz)
    samples = np.resize(samples, round(seconds * rate_hz)) * gain
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def tone(rate_hz: int, pitch_hz: float, *, seconds: float = 8.0, amplitude: int = 8000) -> bytes:
    """A sine."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.rint(amplitude * np.sin(2 * np.pi * pitch_hz * times)).astype("<i2").tobytes()


def noise(rate_hz: int, amplitude: int, *, seconds: float = 8.0, seed: int = 1) -> bytes:
    """White noise."""
    samples = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, round(seconds * rate_hz))
    return samples.astype("<i2").tobytes()


def silence(rate_hz: int, *, seconds: float = 8.0) -> bytes:
    """Zeros."""
    return bytes(2 * round(seconds * rate_hz))


def swapped(pcm: bytes) -> bytes:
    """Big-endian."""
    return np.frombuffer(pcm, "<i2").byteswap().tobytes()


def mu_law_like(pcm: bytes) -> bytes:
    """As from a telephone: few levels, most of them low, no resolution below 8."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    return (np.sign(samples) * (np.abs(samples) >> 3 << 3)).astype("<i2").tobytes()


def encoded(pcm: bytes, rate_hz: int, kind: str, subtype: str | None = None) -> bytes:
    """A file of this kind."""
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(pcm, "<i2"), rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def frames(pcm: bytes, size: int) -> list[bytes]:
    """Cut, and the last filled with zeros."""
    return [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]


def paced(messages: Iterable[bytes], every_ns: int = FRAME_NS, *, start: int = 0) -> list[Message]:
    """One message each so many nanoseconds."""
    return [(start + number * every_ns, message) for number, message in enumerate(messages)]


def jittered(messages: list[Message], spread_ns: int, *, seed: int = 3) -> list[Message]:
    """Each up to this much later, in order."""
    lateness = np.random.default_rng(seed).integers(0, spread_ns, len(messages))
    latest = 0
    result: list[Message] = []
    for (at, message), late in zip(messages, lateness, strict=True):
        latest = max(latest, at + int(late))
        result.append((latest, message))
    return result


def with_stalls(messages: list[Message], every_ns: int, length_ns: int) -> list[Message]:
    """A stall now and then; what was due in it comes at its end."""
    return [(at if at % every_ns >= length_ns else at - at % every_ns + length_ns, message) for at, message in messages]


def in_bursts(messages: list[bytes], count: int, *, period_ns: int | None = None) -> list[Message]:
    """So many at once, and then a pause; in real time unless told otherwise."""
    period_ns = count * FRAME_NS if period_ns is None else period_ns
    return [(number // count * period_ns, message) for number, message in enumerate(messages)]


def with_pauses(messages: list[bytes], talk: int, pause_ns: int) -> list[Message]:
    """Utterances of so many frames in real time, and pauses between them."""
    return [(number * FRAME_NS + number // talk * pause_ns, message) for number, message in enumerate(messages)]


def sped(messages: list[bytes], lead: int, pace_ns: int) -> list[Message]:
    """As vsock play: a burst, then a pace until some frames ahead, then real time."""
    result: list[Message] = []
    at = 0
    for number, message in enumerate(messages):
        at = max(at + pace_ns, (number - lead) * FRAME_NS) if number > 5 else 0
        result.append((at, message))
    return result


def soxr_through(pcm: bytes, rate_hz: int) -> bytes:
    """Telephone speech at 8 kHz, resampled to a leg's rate."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    return (soxr.resample(samples, 8000, rate_hz).clip(-1, 1) * 32767).astype("<i2").tobytes()


def good(rate_hz: int) -> dict[str, list[Message]]:
    """Streams with nothing wrong in them."""
    size = AudioFormat(rate_hz).frame_bytes
    talk = frames(speech(rate_hz), size)
    noisy = (np.frombuffer(speech(rate_hz), "<i2") // 2 + np.frombuffer(noise(rate_hz, 2000), "<i2")).astype("<i2")
    return {
        "speech": paced(talk),
        "quiet speech": paced(frames(speech(rate_hz, gain=0.02), size)),
        "very quiet speech": paced(frames(speech(rate_hz, gain=0.002), size)),
        "speech at full level": paced(frames(speech(rate_hz, gain=0.99), size)),
        "speech of a telephone": paced(frames(mu_law_like(speech(rate_hz)), size)),
        "speech in noise": paced(frames(noisy.tobytes(), size)),
        "narrow speech": paced(frames(soxr_through(speech(8000), rate_hz), size)),
        "speech then silence": paced(talk + frames(silence(rate_hz), size)),
        "silence then speech": paced(frames(silence(rate_hz), size) + talk),
        "speech with jitter": jittered(paced(talk), 15 * MS),
        "speech with much jitter": jittered(paced(talk), 90 * MS),
        "speech over a bad network": with_stalls(paced(talk), 2 * SECOND, 250 * MS),
        "speech with hiccups": with_stalls(paced(talk), SECOND, 95 * MS),
        "utterances": with_pauses(talk, 75, 700 * MS),
        "short utterances": with_pauses(talk, 20, 300 * MS),
        "words": with_pauses(talk, 5, 80 * MS),
        "one short utterance": paced(talk[:20]),
        "one frame": paced(talk[:1]),
        "a file at once": [(0, frame) for frame in talk],
        "answers at once": in_bursts(talk, 100, period_ns=3 * SECOND),
        "twice as fast": paced(talk, 10 * MS),
        "played by vsock": sped(talk, 100, 18_500_000),
        "18 ms": paced(talk, 18 * MS),
        "19.9 ms": paced(talk, 19_900_000),
        "20.1 ms": paced(talk, 20_100_000),
        **{f"tone of {hz} Hz": paced(frames(tone(rate_hz, hz), size)) for hz in (50, 440, 1000, 3000, 3999)},
        "full-scale tone": paced(frames(tone(rate_hz, 440, amplitude=32767), size)),
        "quiet tone": paced(frames(tone(rate_hz, 440, amplitude=150), size)),
        **{f"noise of {peak}": paced(frames(noise(rate_hz, peak), size)) for peak in (1, 3, 50, 300, 4000, 32000)},
        "a ramp": paced([bytes(range(160)) * (size // 160)] * 300),
    }


def bad(rate_hz: int) -> dict[str, tuple[list[Message], list[str]]]:
    """Streams with one thing wrong, and the codes that say so."""
    size = AudioFormat(rate_hz).frame_bytes
    pcm = speech(rate_hz)
    talk = frames(pcm, size)
    mp3 = encoded(pcm, rate_hz, "MP3", "MPEG_LAYER_III")
    result: dict[str, tuple[list[Message], list[str]]] = {
        "byte-swapped": (paced(frames(swapped(pcm), size)), ["VS107"]),
        "byte-swapped, quiet": (paced(frames(swapped(speech(rate_hz, gain=0.2)), size)), ["VS107"]),
        "byte-swapped, one second": (paced(frames(swapped(pcm)[: rate_hz * 4], size)), ["VS107"]),
        "byte-swapped in bursts": (in_bursts(frames(swapped(pcm), size), 100), ["VS107"]),
        "shifted by a byte": (paced(frames(b"\0" + pcm, size)), ["VS111"]),
        "shifted by a byte, quiet": (paced(frames(b"\0" + speech(rate_hz, gain=0.2), size)), ["VS111"]),
        "a WAV file": (paced(frames(encoded(pcm, rate_hz, "WAV"), size)), ["VS104"]),
        "a WAV file after a pause": (
            paced(talk) + paced(frames(encoded(pcm, rate_hz, "WAV"), size), start=10 * SECOND),
            ["VS104"],
        ),
        "an AU file": (paced(frames(encoded(pcm, rate_hz, "AU", "PCM_16"), size)), ["VS104", "VS107"]),
        "a FLAC file": (paced(frames(encoded(pcm, rate_hz, "FLAC"), size)), ["VS105"]),
        "an Ogg file": (paced(frames(encoded(pcm, rate_hz, "OGG", "VORBIS"), size)), ["VS105"]),
        "an MP3 file": (paced(frames(mp3, size)), ["VS105"]),
        "an MP3 file with ID3": (paced(frames(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + mp3, size)), ["VS105"]),
        "clipped": (paced(frames(speech(rate_hz, gain=20), size)), ["VS109"]),
        "only silence": (paced(frames(silence(rate_hz), size)), ["VS110"]),
        "nothing at all": ([], ["VS207"]),
        "sleep(0.02)": (paced(talk, 21 * MS), ["VS204"]),
        "sleep(0.02), busy": (jittered(paced(talk, 22 * MS), 8 * MS), ["VS204"]),
        "a long file at once": ([(0, frame) for frame in frames(speech(rate_hz, seconds=40), size)], ["VS205"]),
        "100 ms at once": (in_bursts(talk, 5), ["VS206"]),
        "250 ms at once": (in_bursts(talk, 12), ["VS206"]),
    }
    for other_hz in (8000, 16000, 24000):
        other = AudioFormat(other_hz).frame_bytes
        if other_hz == rate_hz:
            continue
        pieces = frames(speech(other_hz), other)
        result[f"frames of {other_hz} Hz"] = (paced(pieces), ["VS108"])
        result[f"frames of {other_hz} Hz, with jitter"] = (jittered(paced(pieces), 15 * MS), ["VS108"])
        if other_hz < rate_hz:
            recut = frames(speech(other_hz), size)
            result[f"{other_hz} Hz, cut for the leg"] = (paced(recut, FRAME_NS * size // other), ["VS108"])
    return result
