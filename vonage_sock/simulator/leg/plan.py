"""What the caller and the platform do on a leg."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.playout import (
    BUFFER_FRAMES_2021,
    BUFFER_FRAMES_CURRENT,
)
from vonage_sock.protocol import messages
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.script import Script


class Platform(Enum):
    """Which edition of the platform to be."""

    CURRENT = "current"
    Y2021 = "2021"

    @property
    def buffer_frames(self) -> int:
        """How many frames wait to be played at most."""
        return BUFFER_FRAMES_CURRENT if self is Platform.CURRENT else BUFFER_FRAMES_2021

    @property
    def knows_commands(self) -> bool:
        """Whether ``clear`` and ``notify`` are understood; before 2022 all text was ignored."""
        return self is Platform.CURRENT


class HeardSink(Protocol):
    """Takes what was said and heard in each 20 ms; must not block or raise."""

    def write(self, said: bytes, heard: bytes) -> None:
        """One step: two whole frames."""
        ...


class Patch(Protocol):
    """Lies between the caller and the socket: somebody may be muted, or hear something else."""

    @property
    def busy(self) -> bool:
        """There is still something to hear, for which the leg must stay."""
        ...

    def to_server(self, frame: bytes) -> bytes:
        """What is sent for a frame that the caller says."""
        ...

    def from_server(self, frame: bytes | None) -> bytes | None:
        """What the caller hears for a frame that is played."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlan:
    """
    What the caller does.

    Args:
        duration_ns: how long the leg lasts, with silence after its audio; None ends it when its audio has been sent and what
            it was sent has been played, but for silence: that goes out, and may come back, until the end.
        strict: drop the connection on a message of the wrong size, as Vonage's servers do; else re-frame it.
        script: leads the caller, in place of its source; it says, too, when the caller leaves.
    """

    audio_format: AudioFormat
    headers: messages.JsonObject = field(default_factory=dict)
    key_presses: tuple[KeyPress, ...] = ()
    duration_ns: int | None = None
    platform: Platform = Platform.CURRENT
    strict: bool = False
    script: Script | None = None
