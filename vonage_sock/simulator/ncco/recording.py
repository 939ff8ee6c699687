"""What an NCCO's ``record`` writes: a file of our own naming, whose length and size the platform's webhook tells."""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.record import MONO, STEREO, Sink, interleave
from vonage_sock.call.events import Observer
from vonage_sock.clock import Clock, iso_utc
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder
from vonage_sock.simulator.telling import CALL_ID

FORMATS: Final = ("mp3", "wav", "ogg")
WRITE_WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class _Named:
    id: str
    audio_format: AudioFormat
    headers: dict[str, Any]


class Recordings:
    """
    The files of one call.

    Args:
        directory: where they go; a new one among the temporary files when None, made with the first.
    """

    def __init__(self, directory: Path | None, *, observer: Observer, clock: Clock, call_id: str = CALL_ID) -> None:
        self._call_id = call_id
        self._directory = directory
        self._observer = observer
        self._clock = clock

    def start(self, audio_format: AudioFormat, *, suffix: str, both_sides: bool, stereo: bool) -> Recording:
        """
        Begin a file.

        Args:
            suffix: one of ``FORMATS``; any other becomes the first.
            both_sides: what the caller hears is in it too, mixed or, with ``stereo``, on the right.
        """
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="vsock-recordings-"))
        name = f"recording.{suffix if suffix in FORMATS else FORMATS[0]}"
        template = str(self._directory / name).replace("{", "{{").replace("}", "}}")
        recorder = Recorder(RecordingPath(template), observer=self._observer, clock=self._clock)
        recorder.start()
        sink = recorder.open(_Named(self._call_id, audio_format, {}), STEREO if stereo else MONO, None)
        return Recording(recorder, sink, self._clock, both_sides=both_sides, stereo=stereo)


class Recording:
    """One file in the making; a ``HeardSink``."""

    def __init__(self, recorder: Recorder, sink: Sink, clock: Clock, *, both_sides: bool, stereo: bool) -> None:
        self.uuid = str(uuid.uuid4())
        self._recorder = recorder
        self._both_sides = both_sides
        self._stereo = stereo
        self._started_wall_ns = clock.wall_ns()
        self._steps = 0
        self._sink = sink

    def write(self, said: bytes, heard: bytes) -> None:
        """One step."""
        self._steps += 1
        if self._stereo:
            self._sink.write(interleave(said, heard if self._both_sides else bytes(len(said))))
        else:
            self._sink.write(_mixed(said, heard) if self._both_sides else said)

    async def finish(self) -> dict[str, object] | None:
        """What the webhook tells of the file; None when it couldn't be written."""
        self._sink.close()
        await self._recorder.stop(WRITE_WAIT_S)
        if self._recorder.failures or not self._recorder.saved:
            return None
        path = self._recorder.saved[0].absolute()
        return {
            "start_time": iso_utc(self._started_wall_ns),
            "recording_url": path.as_uri(),
            "size": path.stat().st_size,
            "recording_uuid": self.uuid,
            "end_time": iso_utc(self._started_wall_ns + self._steps * FRAME_NS),
        }


def _mixed(said: bytes, heard: bytes) -> bytes:
    total = np.frombuffer(said, "<i2").astype(np.int32) + np.frombuffer(heard, "<i2")
    pcm: bytes = np.clip(total, -32768, 32767).astype("<i2").tobytes()
    return pcm
