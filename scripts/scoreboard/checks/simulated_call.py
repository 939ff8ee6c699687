"""Two hours of call in some seconds: our session under a clock that is moved by hand, with its real behaviours."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Iterator
from typing import Final

from rows import Row
from running import Bench, rss_bytes

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND

NAME: Final = "simulated_call"
PROMISE: Final = "2 simulated hours of echo and of playing: 360,000 frames each, and memory grows ≤ 2 MiB"
QUICK: Final = False
ALONE: Final = False

FRAME_NS: Final = 20 * MS
FRAMES: Final = 2 * 3600 * 50
WARM: Final = 5 * 60 * 50
BEGINS_AT: Final = 35 * 3600 * SECOND
"""Late enough that the times of the call pass 37 hours."""

GOAL_MIB: Final = 2.0
MIB: Final = 1 << 20
CONNECTED: Final = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'
SPOKEN: Final = tuple(os.urandom(640) for _ in range(500))


def run(_bench: Bench) -> Iterator[Row]:
    """What comes in is what an echo sends; a file that never ends is sent as fast as it is heard."""
    kinds: dict[str, tuple[Behaviour, int]] = {"echo": (Echo(), 0), "play": (Play([endless]), 150)}
    for name, (behaviour, ahead) in kinds.items():
        frames, same, grown = called(behaviour, echo=name == "echo")
        fits = FRAMES <= frames <= FRAMES + ahead and same
        yield Row(f"{name}: frames", f"{FRAMES:,}", f"{frames:,}{'' if same else ', not the same'}", ok=fits)
        yield Row("  memory", f"≤ +{GOAL_MIB:.0f} MiB", f"+{grown:.2f} MiB", ok=grown <= GOAL_MIB)


def endless(_: AudioFormat) -> FramesSource:
    """A file longer than the call."""
    return FramesSource("endless", itertools.cycle(SPOKEN), 1 << 40)


def called(behaviour: Behaviour, *, echo: bool) -> tuple[int, bool, float]:
    """How many frames were sent, whether they were those that came, and by how many MiB memory grew."""
    now = BEGINS_AT
    session = CallSession("c1", [behaviour], assumed_format=AudioFormat(16000), now=now, remote="")
    session.receive_text(CONNECTED, now)
    sent, same, before = 0, True, 0
    for number in range(FRAMES):
        if number == WARM:
            gc.collect()
            before = rss_bytes(os.getpid())
        due = BEGINS_AT + (number + 1) * FRAME_NS
        while (deadline := session.next_deadline()) is not None and deadline <= due:
            now = max(now, deadline)
            session.handle_deadline(now)
            sent += drained(session, None)[0]
        now = due
        session.receive_bytes(SPOKEN[number % len(SPOKEN)], now)
        count, equal = drained(session, SPOKEN[number % len(SPOKEN)] if echo else None)
        sent, same = sent + count, same and equal
    gc.collect()
    return sent, same, (rss_bytes(os.getpid()) - before) / MIB


def drained(session: CallSession, expected: bytes | None) -> tuple[int, bool]:
    """What a driver would do: how many frames were to be sent, and whether they are as expected."""
    messages = [message for message in session.messages_to_send() if isinstance(message, bytes)]
    while session.next_event() is not None:
        pass
    return len(messages), expected is None or messages == [expected]
