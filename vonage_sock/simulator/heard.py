"""What a simulated caller said and heard, as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.record import MONO, STEREO, Sink, interleave
from vonage_sock.call.events import Connected, Ended, Event, Observer
from vonage_sock.clock import Clock
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder
from vonage_sock.simulator.telling import CALL_ID


@dataclass(frozen=True, slots=True)
class _Leg:
    id: str
    audio_format: AudioFormat
    headers: dict[str, Any]


class HeardRecording:
    """
    A ``HeardSink`` that writes files, of a whole call or of one leg.

    A whole call goes from ``begin`` to ``end``. For a leg alone it has to be an observer too, since the format is known
    only when the leg is connected.

    Args:
        mono: for what was heard.
        stereo: for what was said (left) and heard (right).
    """

    def __init__(
        self,
        mono: RecordingPath | None,
        stereo: RecordingPath | None,
        *,
        observer: Observer,
        clock: Clock,
        call_id: str = CALL_ID,
    ) -> None:
        self._call_id = call_id
        self._recorders = [
            (channels, Recorder(path, observer=observer, clock=clock))
            for channels, path in ((MONO, mono), (STEREO, stereo))
            if path is not None
        ]
        self._sinks: list[tuple[int, Sink]] = []
        self._whole_call = False

    @property
    def wanted(self) -> bool:
        """Whether there is any file to write."""
        return bool(self._recorders)

    @property
    def failures(self) -> int:
        """Files that could not be written."""
        return sum(recorder.failures for _, recorder in self._recorders)

    def start(self) -> None:
        """Start the writing threads."""
        for _, recorder in self._recorders:
            recorder.start()

    def observe(self, event: Event) -> None:
        """Begin the files with a leg and complete them with it, unless they are of a whole call."""
        if self._whole_call:
            return
        match event:
            case Connected(call=str(call), rate_hz=rate_hz, headers=headers):
                self._open(_Leg(call, AudioFormat(rate_hz), headers))
            case Ended():
                self._close()

    def begin(self, audio_format: AudioFormat, headers: dict[str, Any]) -> None:
        """A call of many parts begins; its files go on from one leg to the next."""
        self._whole_call = True
        self._open(_Leg(self._call_id, audio_format, headers))

    def end(self) -> None:
        """The call is over."""
        self._whole_call = False
        self._close()

    def _open(self, leg: _Leg) -> None:
        self._sinks = [(channels, recorder.open(leg, channels, None)) for channels, recorder in self._recorders]

    def _close(self) -> None:
        for _, sink in self._sinks:
            sink.close()
        self._sinks = []

    def write(self, said: bytes, heard: bytes) -> None:
        """One step of 20 ms."""
        for channels, sink in self._sinks:
            sink.write(heard if channels == MONO else interleave(said, heard))

    async def stop(self, timeout_s: float) -> None:
        """Wait until everything is on disk."""
        for _, recorder in self._recorders:
            await recorder.stop(timeout_s)
