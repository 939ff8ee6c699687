"""
What is wrong with the samples of a stream: another byte order, a shifted byte, clipping, only silence, a file.

Samples are looked at half a second at a time, and after the first half minute only now and then; sooner by who looks at a
part of them and found nothing to suspect. Most audio is plainly right and costs one look; the other readings of the bytes
are only tried where it isn't.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from vonage_sock.audio.frames import FRAMES_PER_SECOND, SAMPLE_BYTES, AudioFormat
from vonage_sock.call import filehead
from vonage_sock.call.found import Found

BATCHES_PER_SECOND: Final = 2
BATCH_FRAMES: Final = FRAMES_PER_SECOND // BATCHES_PER_SECOND
ALL_BATCHES: Final = 60
ONE_BATCH_OF: Final = 10
CALM_BATCHES: Final = 6
"""In a row, with sound in them, after which a part of the samples is looked at in one batch of as many."""

AUDIBLE_RMS: Final = 100.0
SMOOTH: Final = 0.7
SMOOTHER_BY: Final = 0.35
VOTES_NEEDED: Final = 2
VOTES_NEEDED_AGAINST: Final = 6
"""In a row, where other audio of the same sender was plainly right."""

FULL_SCALE: Final = 32767
CLIPPED_RUN: Final = 4
CLIPPED_SHARE: Final = 0.005
SILENCE_NEEDED_S: Final = 2

Samples = npt.NDArray[np.float32]


class ContentJudge:
    """
    Judges samples (VS104, VS105, VS107, VS109, VS110, VS111).

    Args:
        look_at_frames: how many of the last frames of each half second are looked at; who looks at less than all of them
            can't say that there was only silence, and doesn't.
    """

    __slots__ = (
        "_batch_bytes",
        "_batches",
        "_bytes",
        "_calm",
        "_clipped",
        "_foreign",
        "_found",
        "_head",
        "_kept_bytes",
        "_parts",
        "_plain",
        "_rate_hz",
        "_sampled",
        "_samples",
        "_silence",
        "_smoother",
        "_sound",
        "_told",
        "_total_bytes",
        "_votes",
        "_window_bytes",
    )

    def __init__(self, audio_format: AudioFormat, look_at_frames: int) -> None:
        self._rate_hz = audio_format.rate_hz
        self._batch_bytes = BATCH_FRAMES * audio_format.frame_bytes
        self._window_bytes = look_at_frames * audio_format.frame_bytes
        self._parts: list[bytes] = []
        self._kept_bytes = 0
        self._bytes = 0
        self._batches = 0
        self._total_bytes = 0
        self._calm = 0
        self._sampled = look_at_frames < BATCH_FRAMES
        self._sound = self._sampled
        self._silence = b""
        self._plain = False
        self._votes: dict[str, int] = {}
        self._smoother = 0.0
        self._clipped = 0
        self._samples = 0
        self._told: frozenset[str] = frozenset()
        self._found: list[Found] = []
        self._foreign = False
        self._head: bytes | None = None

    @property
    def reads_on(self) -> bool:
        """What began in the last messages may be an MP3: each that follows has to be seen."""
        return self._head is not None

    def message(self, data: bytes, *, first: bool) -> list[Found]:
        """Take a message, the first after a pause or not; what is sure by now."""
        if first or data[:2] in filehead.BEGINNINGS:
            self._begin(data, first=first)
        if self._head is not None:
            self._look_for_mp3(data)
        if not self._sound:
            self._listen(data)
        self._keep(data)
        self._bytes += len(data)
        if self._bytes >= self._batch_bytes:
            self._look(self._parts)
        return self._take() if self._found else []

    def frames(self, size: int, latest: Sequence[bytes]) -> list[Found]:
        """Take whole frames of so many bytes together, of which these are the last; what is sure by now."""
        self._bytes += size
        if self._bytes < self._batch_bytes:
            return []
        self._look(latest)
        return self._take() if self._found else []

    def finish(self, latest: Sequence[bytes]) -> list[Found]:
        """What the whole of it says, its last frames among it."""
        self._look(self._parts or latest)
        seconds = self._total_bytes / SAMPLE_BYTES / self._rate_hz
        if not self._sound and not self._foreign and seconds >= SILENCE_NEEDED_S:
            self._tell("VS110", seconds=round(seconds, 1))
        return self._take()

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._parts.append(data)
        self._kept_bytes += len(data)
        while self._sampled and self._kept_bytes - len(self._parts[0]) >= self._window_bytes:
            self._kept_bytes -= len(self._parts.pop(0))

    def _take(self) -> list[Found]:
        found, self._found = self._found, []
        return found

    def _tell(self, code: str, **numbers: object) -> None:
        if code not in self._told:
            self._told |= {code}
            self._found.append(Found(code, numbers))

    def _begin(self, data: bytes, *, first: bool) -> None:
        kind = data[:4]
        if kind in filehead.COMPRESSED or data.startswith(filehead.ID3):
            self._foreign = True
            self._tell("VS105", kind=filehead.COMPRESSED.get(kind, "MP3"))
        elif kind in filehead.HEADERS:
            self._tell("VS104", kind=filehead.HEADERS[kind])
        elif first:
            self._head = b""

    def _look_for_mp3(self, data: bytes) -> None:
        head = (self._head or b"") + data
        if len(head) >= filehead.MP3_HEAD_BYTES and filehead.mp3_frame_bytes(head[: filehead.MP3_HEAD_BYTES]) is None:
            self._head = None
        elif len(head) <= filehead.MP3_NEEDED_BYTES:
            self._head = head
        else:
            self._head = None
            if filehead.is_mp3(head):
                self._foreign = True
                self._tell("VS105", kind="MP3")

    def _listen(self, data: bytes) -> None:
        if len(data) != len(self._silence):
            self._silence = bytes(len(data))
        self._sound = data != self._silence

    def _look(self, latest: Sequence[bytes]) -> None:
        self._total_bytes += self._bytes
        self._bytes = 0
        self._batches += 1
        if not self._foreign and self._is_to_be_looked_at():
            self._judge(b"".join(latest))
        if self._parts:
            self._parts = []
            self._kept_bytes = 0

    def _is_to_be_looked_at(self) -> bool:
        if self._batches > ALL_BATCHES:
            return self._batches % ONE_BATCH_OF == 0
        return not self._sampled or self._calm < CALM_BATCHES or self._batches % CALM_BATCHES == 0

    def _judge(self, pcm: bytes) -> None:
        raw = np.frombuffer(pcm, "<i2", len(pcm) // SAMPLE_BYTES)
        samples = raw.astype(np.float32)
        energy = float(samples.dot(samples))
        if not energy:
            return
        self._samples += len(raw)
        if energy > (CLIPPED_RUN - 1) * FULL_SCALE * FULL_SCALE:
            self._count_clipped(raw)
        if self._clipped:
            self._judge_clipping()
        if energy >= AUDIBLE_RMS * AUDIBLE_RMS * len(raw):
            self._vote(pcm, samples)
        self._calm = 0 if self._clipped or self._votes else self._calm + 1

    def _count_clipped(self, samples: npt.NDArray[np.int16]) -> None:
        for full in (samples >= FULL_SCALE, samples <= -FULL_SCALE):
            if np.count_nonzero(full) >= CLIPPED_RUN:
                run = full[: 1 - CLIPPED_RUN].copy()
                for shift in range(1, CLIPPED_RUN):
                    run &= full[shift : len(full) - CLIPPED_RUN + 1 + shift]
                self._clipped += int(np.count_nonzero(run))

    def _judge_clipping(self) -> None:
        share = self._clipped / self._samples
        if share >= CLIPPED_SHARE and self._samples >= self._rate_hz and not self._votes:
            self._tell("VS109", percent=round(100 * share, 1))

    def _vote(self, pcm: bytes, plain: Samples) -> None:
        plainly = _smoothness(plain)
        if plainly is None:
            return
        if plainly > SMOOTH:
            self._plain = True
            if self._votes:
                self._votes = {}
            return
        readings = {"VS107": _reading(pcm, ">i2", 0), "VS111": _reading(pcm, "<i2", 1)}
        wanted = max(SMOOTH, plainly + SMOOTHER_BY)
        if all((smooth := _smoothness(samples)) is None or smooth < wanted for samples in readings.values()):
            return
        # Either reading of either fault is smooth; the right one is the smoother, by the noise of a wrong low byte.
        bends = {code: _bend(samples) for code, samples in readings.items()}
        code = min(bends, key=lambda name: bends[name])
        votes = self._votes[code] = self._votes.get(code, 0) + 1
        self._smoother = max(self._smoother, _bend(plain) / max(bends[code], 1e-3))
        if votes >= (VOTES_NEEDED_AGAINST if self._plain else VOTES_NEEDED):
            self._tell(code, times=round(self._smoother))


def _reading(pcm: bytes, kind: str, skip: int) -> Samples:
    count = (len(pcm) - skip) // SAMPLE_BYTES
    return np.frombuffer(pcm, kind, count, skip).astype(np.float32)


def _smoothness(samples: Samples) -> float | None:
    """How much neighbouring samples agree, 1 at most; None when it is too quiet to say."""
    samples = samples - np.add.reduce(samples) / len(samples)
    energy = float(samples.dot(samples))
    if energy < AUDIBLE_RMS * AUDIBLE_RMS * len(samples):
        return None
    return float(samples[1:].dot(samples[:-1])) / energy


def _bend(samples: Samples) -> float:
    return float(np.abs(np.diff(samples, 2)).mean()) if len(samples) > 2 else 0.0
