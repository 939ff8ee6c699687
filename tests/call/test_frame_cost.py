"""
What a frame costs a call, counted and not timed, so that it is the same on every machine.

The bounds are what was counted, and a tenth: who goes beyond one has put something on the path of each frame.
"""

from __future__ import annotations

import gc
import itertools
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import audio_streams as streams
import pytest
from ways import WAYS, on

import vonage_sock
from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import FindingRaised
from vonage_sock.call.session import CallSession
from vonage_sock.call.stats import TIMES_AT_ONCE
from vonage_sock.limits import DEFAULTS

pytestmark = pytest.mark.no_cover  # it counts by tracing, and other tests take each branch of what it counts

RATE_16K = AudioFormat(16000)
CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'
FRAMES = streams.frames(streams.speech(16000, seconds=10), 640)[:500]
WARM = 7500
COUNTED = 2500
"""Whole rounds of all that is done now and then: what is noted is judged each 25 frames, and samples each 250."""

SESSIONS = 20


class NoFile:
    """A recording that is thrown away."""

    def write(self, pcm: bytes) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing is to be completed."""


def endless(_: AudioFormat) -> FramesSource:
    """A file that is longer than any of these calls."""
    return FramesSource("endless", itertools.cycle(FRAMES), 1 << 40)


BEHAVIOURS: dict[str, Callable[[], list[Behaviour]]] = {
    "nothing": list,
    "echo": lambda: [Echo()],
    "echo, by the mirror": lambda: [Echo()],
    "record": lambda: [Record(lambda *_: NoFile())],
    "echo and record": lambda: [Record(lambda *_: NoFile()), Echo()],
    "echo and record, by the mirror": lambda: [Record(lambda *_: NoFile()), Echo()],
    "play": lambda: [Play([endless])],
}
if "c" in WAYS:
    BEHAVIOURS |= {f"{kind} in C": made for kind, made in BEHAVIOURS.items() if "mirror" in kind}


class Driven:
    """A call in which a frame comes each 20 ms, and whose driver looks before it asks."""

    def __init__(self, kind: str) -> None:
        self._session = CallSession("c1", BEHAVIOURS[kind](), assumed_format=RATE_16K, now=0, limits=DEFAULTS)
        self._session.receive_text(CONNECTED, 0)
        with on("c" if "in C" in kind else "python"):
            self._mirror = self._session.mirror() if "mirror" in kind else None
        self._number = 0
        self._deadline: int | None = None
        self.sent = 0

    @property
    def findings(self) -> list[FindingRaised]:
        """What was wrong."""
        return self._session.findings.all()

    def run(self, frames: int) -> None:
        """So many more frames, 0 to 3 ms late."""
        session, mirror = self._session, self._mirror
        for number in range(self._number, self._number + frames):
            now = number * FRAME_NS + number * 7919 % 3_000_000
            while self._deadline is not None and self._deadline <= now:
                session.handle_deadline(self._deadline)
                self._settle()
            if mirror is None:
                session.receive_bytes(FRAMES[number % 500], now)
            elif mirror.takes(FRAMES[number % 500], now):
                self.sent += 1
                if len(mirror.times) < TIMES_AT_ONCE:
                    continue
                mirror.settle(now)
            self._settle()
        self._number += frames

    def _settle(self) -> None:
        session = self._session
        if session.outbox:
            self.sent += len(session.messages_to_send())
        while session.untold:
            session.next_event()
        if session.deadline_changed:
            self._deadline = session.next_deadline()


def calls_of(action: Callable[[], None]) -> int:
    """How many functions were called in it, those of C too."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    gc.collect()
    gc.disable()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        ("nothing", 6.4),
        ("echo", 15.4),
        ("echo, by the mirror", 6.9),
        ("record", 8.6),
        ("echo and record", 17.8),
        ("echo and record, by the mirror", 9.5),
        ("play", 28.0),
    ],
)
def test_the_calls_of_functions_for_a_frame_are_few(kind: str, bound: float) -> None:
    """All that is on: statistics, findings, the model of the platform's buffer, and the test's own driver."""
    driven = Driven(kind)
    driven.run(WARM)

    assert bound >= calls_of(lambda: driven.run(COUNTED)) / COUNTED


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_a_frame_leaves_nothing_in_memory(kind: str) -> None:
    """After thousands of frames a call has as many objects as before them."""
    ours = [tracemalloc.Filter(inclusive=True, filename_pattern=f"{Path(vonage_sock.__file__).parent}/*")]

    def blocks() -> int:
        gc.collect()
        return sum(item.count for item in tracemalloc.take_snapshot().filter_traces(ours).statistics("filename"))

    tracemalloc.start()
    try:
        driven = Driven(kind)
        driven.run(WARM)
        before = blocks()
        driven.run(2 * COUNTED)
        after = blocks()
    finally:
        tracemalloc.stop()

    assert before == after
    assert driven.findings == []


def test_a_call_takes_less_than_6_kib_besides_its_last_frames() -> None:
    """With its echo, its inspector, its statistics and its findings, after a minute of speech."""
    Driven("echo").run(WARM)
    gc.collect()
    tracemalloc.start()
    try:
        calls = [Driven("echo") for _ in range(SESSIONS)]
        for call in calls:
            call.run(WARM + 20)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] / SESSIONS
    finally:
        tracemalloc.stop()

    assert 6 * 1024 >= used
