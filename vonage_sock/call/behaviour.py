"""
The seam between a call and what is done in it.

A behaviour is a small synchronous object. The session calls its methods in the order in which things happen; it answers
by calling the ``Call`` it is given. Several behaviours share a call, in the order in which they were listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import Event

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ahead:
    """
    What a behaviour would send next: ``frames[first]`` at ``at``, the others before ``end`` each ``step_ns`` later.

    The frames may be a part of what others hold too; they are exact ones, and stay what they are.
    """

    frames: Sequence[bytes]
    first: int
    end: int
    at: int
    step_ns: int


class Call(Protocol):
    """What a behaviour may know and do."""

    @property
    def id(self) -> str:
        """Short, unique while the server runs, safe to show and to put into a path."""
        ...

    @property
    def audio_format(self) -> AudioFormat:
        """Rate and frame size, both ways."""
        ...

    @property
    def headers(self) -> JsonObject:
        """The NCCO's metadata, as it came: hostile until proven otherwise."""
        ...

    @property
    def now(self) -> int:
        """The time of what is being handled, in nanoseconds."""
        ...

    def send_audio(self, pcm: bytes) -> None:
        """
        Send 16-bit PCM to the caller at once, in frames of exactly 20 ms.

        Bytes that don't fill a frame wait for more; 40 ms later, or with ``flush_audio()``, they go out padded with zeros.
        After the call's end this does nothing.
        """
        ...

    def flush_audio(self) -> None:
        """Send what waits for a full frame now, padded with zeros."""
        ...

    def clear(self) -> None:
        """Make the platform drop all audio that it hasn't played yet."""
        ...

    def notify(self, payload: JsonObject) -> None:
        """Ask to be told (``notified``) when all audio sent so far has been played."""
        ...

    def close(self, code: int = 1000, *, reason: str = "") -> None:
        """End the call."""
        ...

    def fail(self, error: Exception) -> None:
        """What was to be done in this call can't go on: told as a finding, and closed with 1011."""
        ...

    def recall(self) -> None:
        """Have counted (``went``) what was sent of what was foretold; the rest is asked for again, as ``due``."""
        ...

    def emit(self, event: Event) -> None:
        """Tell the observers."""
        ...


class Behaviour:
    """
    Does nothing; override what you need.

    Which of its methods a behaviour overrides, and what the flags below say of it, is looked at once, when it is given a
    call: a frame isn't handed to who doesn't want it.
    """

    __slots__ = ()

    timed = True
    """False where ``due_at`` never gives anything but None, so that nobody need ask."""

    returns_audio = False
    """True where ``audio`` does nothing but send the frame back, so that it need not be called for each."""

    listener: Callable[[bytes], object] | None = None
    """
    What may be given each frame in place of ``audio``, from ``connected`` on; None where that must be called.

    It does as much as ``audio`` would, nothing to the call, and doesn't ask for its time.
    """

    wants_sent = True
    """False where ``sent`` does nothing, so that it need not be called."""

    audio_moves_due = True
    """False where ``due_at`` gives the same after ``audio`` as before it, so that nobody need ask after each frame."""

    def connected(self, call: Call) -> None:
        """The call has begun; its format and headers are known."""

    def audio(self, call: Call, frame: bytes) -> None:
        """20 ms of the caller, always ``frame_bytes`` long; only a call's very last may be shorter."""

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """A key was pressed."""

    def message(self, call: Call, message: object) -> None:
        """A text message of an unknown kind: JSON as its value, other text as it came."""

    def sent(self, call: Call, frame: bytes) -> None:
        """A frame is on its way to the caller, whoever sent it."""

    def cleared(self, call: Call) -> None:
        """The platform was told to drop what it had queued, whoever did it."""

    def notified(self, call: Call, payload: object) -> None:
        """The audio before a ``notify`` has been played."""

    def due_at(self) -> int | None:
        """When ``due`` wants to be called, in nanoseconds; asked after each of the others that may move it."""
        return None

    def due(self, call: Call) -> None:
        """The time has come; ``call.now`` may be later, never earlier."""

    def foretell(self, most: int) -> Ahead | None:
        """
        Up to ``most`` frames that ``due`` would send, one each time, if nothing came between; None where that isn't known.

        Where nobody else sends, hears what is sent or has deadlines, they may be sent without a call of ``due``, each within
        a step of its time. Nothing else of the behaviour is called before it was told of them by ``went``, but ``audio``,
        which calls ``Call.recall`` before it changes what was foretold. Who overrides ``due`` or ``due_at`` of a behaviour
        that foretells is called each time, unless this is overridden too.
        """
        return None

    def went(self, frames: int) -> None:
        """So many of what was foretold were sent; called once for each of them, in time for everything else."""

    def closed(self, call: Call) -> None:
        """The call is over; called once, even when ``connected`` never was."""
