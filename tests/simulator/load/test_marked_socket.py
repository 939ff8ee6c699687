"""A call's socket that knows what comes next, beside one that reads every message."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transport.rig import StandInPoller, StandInSocket
from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.clock import MS, ManualClock
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL, Opcode, frame_of
from vonage_sock.simulator.leg.machine import MAX_MESSAGE_BYTES
from vonage_sock.simulator.load.calls import LoadCall, State
from vonage_sock.simulator.load.framed import FramedFrames
from vonage_sock.simulator.load.marked_socket import MarkedSocket
from vonage_sock.simulator.load.marks import MarkedFrames
from vonage_sock.simulator.load.opening import DirectChannel
from vonage_sock.simulator.load.tally import Book
from vonage_sock.transport.framesocket import FrameSocket

FRAMES = FramedFrames(MarkedFrames(AudioFormat(8000), bytes(range(256)) * 10))
SAID = 12
PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""The fixture says which code is tried: it is the same for all examples."""

pytestmark = pytest.mark.usefixtures("each_lane")


class Trial:
    """A call that said ``SAID`` frames from number 0 on, whose kernel gives what the test says."""

    def __init__(self, *, marked: bool) -> None:
        self.clock = ManualClock()
        self.kernel = StandInSocket()
        self.book = Book(late_ns=20 * MS)
        self.call = LoadCall(0, 0, self.book, FRAMES, end_at=1 << 62, over=lambda _: None)
        poller = StandInPoller(self.clock)
        if marked:
            self.socket: FrameSocket = MarkedSocket(poller, self.kernel, self.call, self.call.lane, FRAMES.returned)  # type: ignore[arg-type]
        else:
            self.socket = FrameSocket(poller, self.kernel, self.call, client=True, max_message_bytes=MAX_MESSAGE_BYTES)  # type: ignore[arg-type]
        self.call.begin(DirectChannel(self.socket, FRAMES), {}, 0)
        for at in range(SAID):
            self.call.step(at * FRAME_NS, at * FRAME_NS)

    def come(self, chunks: list[bytes | OSError]) -> None:
        """The kernel gives these, one after the other."""
        for number, chunk in enumerate(chunks):
            self.kernel.incoming.append(chunk)
            while self.kernel.incoming and self.call.state is not State.GONE:
                self.socket.watcher().readable(SAID * FRAME_NS + number * MS)

    def counted(self) -> dict[str, object]:
        """All that was counted, at the end of the call."""
        self.call.meter.finish()
        return self.book.turn().to_json()


said = st.integers(0, SAID - 1).map(lambda number: FRAMES.returned[number])
others = st.sampled_from(
    [
        frame_of(Opcode.BINARY, FRAMES.plain[SAID + 5]),
        frame_of(Opcode.BINARY, FRAMES.plain[3][:100]),
        frame_of(Opcode.BINARY, FRAMES.plain[4] + FRAMES.plain[5]),
        frame_of(Opcode.BINARY, FRAMES.plain[6][:-1] + b"\x55"),
        frame_of(Opcode.BINARY, b""),
        frame_of(Opcode.TEXT, b'{"action":"clear"}'),
        frame_of(Opcode.PING, b"?"),
    ]
)
streams = st.one_of(
    st.integers(0, SAID).map(lambda count: FRAMES.returned[:count]),
    st.lists(st.one_of(said, others), max_size=SAID),
)


@PROPERTY
@given(streams, st.integers(0, 2**32))
def test_the_short_way_counts_what_the_long_way_counts(stream: list[bytes], seed: int) -> None:
    """Frames in order, lost, overtaken, doubled, changed or strange, however the network cuts them."""
    dice, chunks = random.Random(seed), [b""]
    for message in stream:
        at = dice.randrange(len(message)) if dice.random() < 0.2 else len(message)
        if dice.random() < 0.5:
            chunks.append(b"")
        chunks[-1] += message[:at]
        if at < len(message):
            chunks.append(message[at:])
    told = []
    for marked in (False, True):
        trial = Trial(marked=marked)
        trial.come([chunk for chunk in chunks if chunk])
        told.append((trial.counted(), trial.call.meter.returned_any))

    assert told[0] == told[1]


def test_frames_in_order_never_reach_the_call() -> None:
    """What the short way is for: after the first one, they are known by one comparison."""
    trial, heard = Trial(marked=True), []
    receive, trial.call.binary = trial.call.binary, lambda data, now: (heard.append(data), receive(data, now))[1]
    trial.come([*FRAMES.returned[:4], FRAMES.returned[4] + FRAMES.returned[5], *FRAMES.returned[6:SAID]])

    assert [FRAMES.plain[0]] == heard
    assert {"sent": SAID, "lost": 0} == {name: trial.counted().get(name, 0) for name in ("sent", "lost")}


@pytest.mark.parametrize("end", [b"", ConnectionResetError()])
def test_the_end_is_seen(end: bytes | OSError) -> None:
    """Whether the server's end is orderly or not; a read that finds nothing is no end."""
    trial = Trial(marked=True)
    trial.come([*FRAMES.returned[:3], BlockingIOError()])
    assert State.SPEAKING is trial.call.state
    trial.come([end])

    assert State.GONE is trial.call.state
    assert {str(CLOSE_ABNORMAL): 1} == trial.counted()["closes"]
