"""
What each worker is in the middle of, from the events that it told: what its death takes with it.

Rule: whoever was told that something began is told that it ended. A call that was lost has what was known of it last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vonage_sock.call.events import (
    Connected,
    DtmfPressed,
    Ended,
    Event,
    RecordingFailed,
    RecordingSaved,
    RecordingStarted,
    StatsUpdated,
)
from vonage_sock.clock import SECOND
from vonage_sock.media.naming import part_of
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL

WHY: Final = "its worker died"
MAX_DIGITS_KEPT: Final = 1000


@dataclass(slots=True)
class LiveCall:
    """A call, as far as it is known; the frames are those of its last statistics."""

    began_at: int
    frames_in: int = 0
    frames_out: int = 0
    digits: str = ""


@dataclass(slots=True)
class Worker:
    """The live calls of a worker, and the recordings that aren't complete, each with its call."""

    calls: dict[str, LiveCall] = field(default_factory=dict)
    recordings: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """What a worker's death took: the ids of its calls, and the events that say so."""

    calls: tuple[str, ...]
    events: tuple[Event, ...]


class Living:
    """What all workers are in the middle of."""

    def __init__(self, workers: int) -> None:
        self._workers = [Worker() for _ in range(workers)]

    def note(self, slot: int, event: Event) -> None:
        """A worker told this."""
        worker = self._workers[slot]
        match event:
            case RecordingStarted(path=path):
                worker.recordings[path] = event.call
            case RecordingSaved(path=path) | RecordingFailed(path=path):
                _forget(worker.recordings, path, event.call)
            case Ended(call=str(call)):
                worker.calls.pop(call, None)
            case Connected(call=str(call), at=at):
                worker.calls.setdefault(call, LiveCall(at))
            case StatsUpdated(call=str(call)) if call in worker.calls:
                live = worker.calls[call]
                live.frames_in, live.frames_out = event.frames_in, event.frames_out
                live.began_at = event.at - round(event.duration_s * SECOND)
            case DtmfPressed(call=str(call), digit=digit) if call in worker.calls:
                live = worker.calls[call]
                live.digits = (live.digits + digit)[:MAX_DIGITS_KEPT]

    def slot_of(self, call: str) -> int | None:
        """Which worker has this call; None where it has ended."""
        return next((slot for slot, worker in enumerate(self._workers) if call in worker.calls), None)

    def completes(self, slot: int) -> bool:
        """Whether a worker has recordings that aren't complete."""
        return bool(self._workers[slot].recordings)

    def lose(self, slot: int, now: int) -> Lost:
        """A worker died at ``now``."""
        worker, self._workers[slot] = self._workers[slot], Worker()
        failed: list[Event] = [
            RecordingFailed(at=now, call=call, path=path, error=f"{WHY}; what was recorded is in {part_of(Path(path))}")
            for path, call in worker.recordings.items()
        ]
        ended = [_end_of(call, live, now) for call, live in worker.calls.items()]
        return Lost(tuple(worker.calls), (*failed, *ended))


def _forget(recordings: dict[str, str | None], path: str, call: str | None) -> None:
    if path not in recordings:
        # It was saved under another name, since the wanted one was taken meanwhile.
        path = next((wanted for wanted, whose in recordings.items() if whose == call), path)
    recordings.pop(path, None)


def _end_of(call: str, live: LiveCall, now: int) -> Ended:
    return Ended(
        at=now,
        call=call,
        duration_s=round((now - live.began_at) / SECOND, 3),
        frames_in=live.frames_in,
        frames_out=live.frames_out,
        dtmf=live.digits,
        close_code=CLOSE_ABNORMAL,
        close_reason=WHY,
        closed_by="network",
    )
