"""Records each call into a file, after the caller was told so."""

from __future__ import annotations

import contextlib
import math
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from vonage_sock import AsyncCall, Record, Recorder, RecordingPath, Server

from program import run, settings, show, stopped

CONSENT = "This call is recorded. If you do not agree, please hang up now."
"""Spoken by Vonage before it opens the socket: not a word is recorded before it is over."""

NAME = "{time}-{from}.wav"
"""It may hold {call} {from} {to} {time} {n}, and end in .wav, .flac, .ogg, .mp3 or .raw."""

END_KEY = "#"
BEEP_HZ, BEEP_S = 1000, 0.2
PATIENCE_S = 10


def beep(rate_hz: int) -> bytes:
    """The tone after which the caller speaks, as 16-bit PCM."""
    samples = (8000 * math.sin(2 * math.pi * BEEP_HZ * at / rate_hz) for at in range(int(BEEP_S * rate_hz)))
    return b"".join(struct.pack("<h", round(sample)) for sample in samples)


async def attend(call: AsyncCall) -> None:
    """Beep, then wait until the caller hangs up or presses the key that ends the recording."""
    await call.play(beep(call.audio_format.rate_hz))
    while await call.next_digit() not in (END_KEY, None):
        pass


@contextlib.asynccontextmanager
async def recording_server(directory: Path, **config: Any) -> AsyncIterator[Server]:
    """A server that records into this directory; when the block is left, every file is complete."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  (before there are calls)
    recorder = Recorder(RecordingPath(str(directory / NAME)), observer=show)
    recorder.start()
    try:
        async with Server(
            attend,
            behaviours=lambda: [Record(recorder.open, stereo=True)],
            observers=[show],
            greeting=CONSENT,
            **config,
        ) as server:
            yield server
    finally:
        await recorder.stop(PATIENCE_S)


async def main() -> None:
    """Serve."""
    directory = Path(os.environ.get("RECORDINGS") or "recordings")
    async with recording_server(directory, **settings()):
        await stopped()


if __name__ == "__main__":
    run(main())
