"""A call's steady state, on a kernel that does as it is told."""

from __future__ import annotations

import select

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transport.rig import StandInPoller, StandInSocket
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import MS, ManualClock
from vonage_sock.simulator.load.calls import MAX_UNSENT_BYTES, STALLED_CODE, LoadCall, State
from vonage_sock.simulator.load.framed import FramedFrames
from vonage_sock.simulator.load.lane import CHECK_EVERY, MAX_WAITING, lane_of, say
from vonage_sock.simulator.load.marked_socket import MarkedSocket
from vonage_sock.simulator.load.marks import POOL_FRAMES, MarkedFrames
from vonage_sock.simulator.load.opening import DirectChannel
from vonage_sock.simulator.load.tally import Book

FRAMES = FramedFrames(MarkedFrames(AudioFormat(8000), bytes(range(256)) * 10))
PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""The fixture says which code is tried: it is the same for all examples."""

pytestmark = pytest.mark.usefixtures("each_lane")


class Trial:
    """A call on its lane, whose first frame has number ``first``."""

    def __init__(self, first: int = 0) -> None:
        self.kernel = StandInSocket()
        self.book = Book(late_ns=20 * MS)
        self.call = LoadCall(0, 0, self.book, FRAMES, end_at=1 << 62, over=lambda _: None)
        self.lane = self.call.lane
        poller = StandInPoller(ManualClock())
        self.socket = MarkedSocket(poller, self.kernel, self.call, self.lane, FRAMES.returned)  # type: ignore[arg-type]
        self.call.begin(DirectChannel(self.socket, FRAMES), {}, 0)
        self.call.meter.begin(first)
        self.kernel.taken.clear()

    def say(self, frames: int) -> None:
        """So many, one after the other."""
        for _ in range(frames):
            say([self.lane], 0)

    def write_on(self) -> None:
        """The kernel takes what waits."""
        while self.socket.unsent:
            self.lane.ready(select.EPOLLOUT, 0)

    def come(self, *chunks: bytes | OSError) -> None:
        """The kernel gives these."""
        self.kernel.incoming += chunks
        while self.kernel.incoming:
            self.lane.readable(MS)


@PROPERTY
@given(st.lists(st.one_of(st.integers(0, 400), st.just(BlockingIOError()), st.just(InterruptedError())), max_size=12))
def test_frames_reach_the_kernel_whole_and_in_order_however_little_it_takes(takes: list[int | OSError]) -> None:
    """What it doesn't take waits, and what is said meanwhile stands behind it."""
    trial = Trial()
    trial.kernel.takes = takes
    for _ in range(6):
        trial.say(1)
        trial.lane.ready(select.EPOLLOUT, 0)
    trial.kernel.takes = []
    trial.write_on()

    assert b"".join(FRAMES.framed[:6]) == trial.kernel.taken
    assert 6 == len(trial.lane.waiting)


def test_the_lane_has_the_kernel_to_itself_while_all_is_usual() -> None:
    """From the first frame that comes back, until something waits or comes in pieces; and again after that."""
    trial, own = Trial(), []
    for step in (
        lambda: trial.say(3),
        lambda: trial.come(FRAMES.returned[0]),
        lambda: trial.come(FRAMES.returned[1][:50]),
        lambda: trial.come(FRAMES.returned[1][50:]),
        lambda: (trial.kernel.takes.append(7), trial.say(1)),
        trial.write_on,
        lambda: trial.socket.close(1000),
    ):
        step()
        own.append(trial.lane.sock is trial.kernel)

    assert [False, True, False, True, False, True, False] == own
    assert 2 == trial.book.tally.returned


def test_a_frame_after_the_end_goes_nowhere() -> None:
    """The socket may be gone before its call's next turn."""
    trial = Trial()
    trial.say(2)
    trial.come(FRAMES.returned[0])
    trial.lane.abort()
    said = bytes(trial.kernel.taken)
    trial.say(1)

    assert said == trial.kernel.taken
    assert State.GONE is trial.call.state


def test_a_connection_that_breaks_as_we_write_ends_when_it_is_read() -> None:
    """What came before the break may still be there."""
    trial = Trial()
    trial.say(2)
    trial.come(FRAMES.returned[0])
    trial.kernel.takes = [BrokenPipeError()]
    trial.say(1)
    before = trial.call.state
    trial.come(FRAMES.returned[1], ConnectionResetError())

    assert State.SPEAKING is before
    assert State.GONE is trial.call.state
    assert 2 == trial.book.tally.returned


def test_numbers_begin_anew_behind_the_last() -> None:
    """What is said goes round, and so does what is expected."""
    trial = Trial(first=POOL_FRAMES - 2)
    trial.say(4)
    trial.come(*FRAMES.returned[POOL_FRAMES - 2 : POOL_FRAMES], *FRAMES.returned[:2])

    assert b"".join([*FRAMES.framed[POOL_FRAMES - 2 : POOL_FRAMES], *FRAMES.framed[:2]]) == trial.kernel.taken
    assert (2, 2, 4) == (trial.lane.number, trial.lane.expected, trial.book.tally.returned)


def test_what_a_silent_server_owes_is_bounded() -> None:
    """After ten seconds a frame is lost."""
    trial = Trial()
    trial.say(MAX_WAITING + 100)

    assert (MAX_WAITING, 100) == (len(trial.lane.waiting), trial.book.tally.lost)


def test_a_server_that_reads_nothing_is_given_up() -> None:
    """What waits for it is bounded."""
    trial = Trial()
    trial.kernel.takes = [BlockingIOError()] * 10_000
    frames = MAX_UNSENT_BYTES // len(FRAMES.framed[0])
    trial.say(frames)
    before = trial.call.state
    trial.say(CHECK_EVERY + 1)

    assert State.SPEAKING is before
    assert State.GONE is trial.call.state
    assert {str(STALLED_CODE): 1} == trial.book.tally.closes


SILENT = FRAMES.framed[-1]


@pytest.mark.parametrize(
    ("takes", "waits", "taken"),
    [(BlockingIOError(), len(SILENT), SILENT), (7, len(SILENT) - 7, SILENT), (BrokenPipeError(), 0, b"")],
)
def test_silence_that_the_kernel_does_not_take_harms_no_other_call(
    takes: OSError | int, waits: int, taken: bytes
) -> None:
    """At the end of all calls, when one turn is taken for many of them: it waits, or is let go of with its connection."""
    trial = Trial()
    trial.say(2)
    trial.come(FRAMES.returned[0])
    trial.call.stop(0)
    trial.kernel.taken.clear()
    trial.kernel.takes = [takes]
    trial.call.step(MS, MS)
    waited = trial.socket.unsent_bytes
    trial.write_on()

    assert (waits, taken) == (waited, bytes(trial.kernel.taken))
    assert State.DRAINING is trial.call.state


@pytest.mark.parametrize("events", [select.EPOLLIN, select.EPOLLOUT])
def test_a_lane_without_a_socket_does_nothing(events: int) -> None:
    """Before its call is open, and where its frames come by another way."""
    lane = lane_of(Book(late_ns=20 * MS))
    lane.readable(0)
    lane.ready(events, 0)
    lane.abort()

    assert not lane.waiting
    assert -1 == lane.expected
