"""What tests of a whole call share: time that passes without waiting, and a sink that keeps frames."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from vonage_sock.clock import SECOND, ManualClock


@dataclass
class Stopwatch:
    """A clock that only a pause moves; it leaves out that real pauses are late."""

    clock: ManualClock = field(default_factory=ManualClock)

    async def pause(self, seconds: float) -> None:
        """Let the time be over."""
        self.clock.advance_to(self.clock.now() + round(seconds * SECOND))
        await asyncio.sleep(0)


@dataclass
class Kept:
    """A sink that keeps what it is given."""

    said: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)

    def write(self, said: bytes, heard: bytes) -> None:
        """One step."""
        self.said.append(said)
        self.heard.append(heard)
