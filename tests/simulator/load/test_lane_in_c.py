"""The lane in C beside the one in Python: whatever happens, both say, hear and count the same."""

from __future__ import annotations

import contextlib
import gc
import random
import select
import socket
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.rig import StandInPoller, StandInSocket, tcp_pair
from vonage_sock import native
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import MS, ManualClock
from vonage_sock.simulator.load import lane, marks, tally
from vonage_sock.simulator.load.calls import LoadCall, State
from vonage_sock.simulator.load.framed import FramedFrames
from vonage_sock.simulator.load.lane import Aside, lane_of, say
from vonage_sock.simulator.load.marked_socket import MarkedSocket
from vonage_sock.simulator.load.marks import POOL_FRAMES, MarkedFrames
from vonage_sock.simulator.load.opening import DirectChannel
from vonage_sock.simulator.load.tally import Book
from vonage_sock.transport.steady import BUFFER

FRAMES = FramedFrames(MarkedFrames(AudioFormat(8000), bytes(range(256)) * 10))
BUILT = native.frames
BOTH = [None] if BUILT is None else [None, BUILT]
"""What is chosen from: where nothing was built, Python is compared with itself."""

TOLD = ("number", "oldest", "expected", "idle", "last_ns", "jitter_16", "read_bytes", "frame_bytes")


@contextlib.contextmanager
def chosen(frames: Any) -> Iterator[None]:
    """Meanwhile this is what calls get."""
    before, native.frames = native.frames, frames  # type: ignore[misc]
    try:
        yield
    finally:
        native.frames = before  # type: ignore[misc]


class Trial:
    """A call whose kernel is a stand-in or the real one."""

    def __init__(self, kernel: Any, first: int = 0) -> None:
        self.kernel = kernel
        self.book = Book(late_ns=20 * MS)
        self.call = LoadCall(0, 0, self.book, FRAMES, end_at=1 << 62, over=lambda _: None)
        self.lane = self.call.lane
        self.poller = StandInPoller(ManualClock())
        self.socket = MarkedSocket(self.poller, kernel, self.call, self.lane, FRAMES.returned)  # type: ignore[arg-type]
        self.call.begin(DirectChannel(self.socket, FRAMES), {}, 0)
        self.call.meter.begin(first)

    def told(self) -> dict[str, object]:
        """All that can be seen of the call."""
        seen = {name: getattr(self.lane, name) for name in TOLD}
        seen["waiting"] = [self.lane.waiting[at] for at in range(len(self.lane.waiting))]
        seen["own"] = self.lane.sock is self.kernel
        seen["state"], seen["unsent"] = self.call.state, self.socket.unsent_bytes
        return seen | self.book.tally.to_json()


frames = st.integers(-1, 8).map(lambda number: FRAMES.returned[number])
steps = st.one_of(
    st.tuples(st.just("say"), st.integers(1, 3)),
    st.tuples(st.just("come"), st.lists(frames, min_size=1, max_size=30).map(b"".join), st.integers(0, 700)),
    st.tuples(st.just("come"), st.binary(max_size=40), st.integers(0, 40)),
    st.tuples(st.just("wrong"), st.sampled_from([BlockingIOError, InterruptedError, ConnectionResetError])),
    st.tuples(st.just("takes"), st.one_of(st.integers(0, 400), st.sampled_from([BlockingIOError, BrokenPipeError]))),
    st.tuples(st.just("ready"), st.sampled_from([select.EPOLLIN, select.EPOLLOUT, select.EPOLLIN | select.EPOLLOUT])),
    st.tuples(st.just("next")),
)


def live(trial: Trial, life: list[tuple[Any, ...]]) -> list[dict[str, object]]:
    """Let all of it happen; what was told after each step."""
    told, now = [], 0
    for what, *how in life:
        now += 7 * MS
        if what == "say":
            for _ in range(how[0]):
                say([trial.lane], now)
        elif what == "takes":
            trial.kernel.takes.append(how[0] if isinstance(how[0], int) else how[0]())
        elif what == "ready":
            trial.lane.ready(how[0], now)
        elif what == "next":
            trial.lane.returned_next(now)
        else:
            trial.kernel.incoming += [how[0]()] if what == "wrong" else [how[0][: how[1]], how[0][how[1] :]]
            trial.kernel.incoming[:] = [chunk for chunk in trial.kernel.incoming if chunk != b""]
            while trial.kernel.incoming and trial.call.state is not State.GONE:
                trial.lane.readable(now)
        told.append(trial.told())
    return told


@given(st.lists(steps, max_size=40), st.sampled_from([0, POOL_FRAMES - 3]))
def test_both_tell_the_same_of_every_life(life: list[tuple[Any, ...]], first: int) -> None:
    """Frames in order or not, in pieces or several at once, and a kernel that takes little or breaks."""
    told = []
    for built in BOTH:
        with chosen(built):
            trial = Trial(StandInSocket(), first)
            told.append((live(trial, life), len(trial.kernel.taken)))

    assert told[0] == told[-1]


def arrive(trial: Trial, own: socket.socket, now: int) -> None:
    """Read until nothing is left."""
    while trial.call.state is not State.GONE and select.select([own], [], [], 0)[0]:
        trial.lane.readable(now)


@given(st.lists(st.one_of(frames, st.binary(min_size=1, max_size=20)), max_size=40), st.integers(0, 2**32))
def test_both_read_the_same_from_the_kernel(stream: list[bytes], seed: int) -> None:
    """Whatever the other side sends, and however it is cut."""
    told = []
    for built in BOTH:
        dice, (peer, own) = random.Random(seed), socket.socketpair()
        with chosen(built), peer, own:
            trial, now = Trial(own), 0
            for _ in range(12):
                say([trial.lane], now)
            data = b"".join([FRAMES.returned[0], *stream])
            while data:
                size, now = dice.choice([1, 7, 324, 324, 648, 20_000]), now + MS
                peer.sendall(data[:size])
                data = data[size:]
                arrive(trial, own, now)
            told.append(trial.told())

    assert told[0] == told[-1]


@pytest.fixture(params=BOTH, ids=["python", "c"][: len(BOTH)])
def either(request: pytest.FixtureRequest) -> Iterator[None]:
    """One, and then the other."""
    with chosen(request.param):
        yield


@pytest.mark.usefixtures("either")
def test_a_full_kernel_gets_all_when_it_has_room() -> None:
    """What is written in part goes on where it stopped."""
    own, peer = tcp_pair(small=True)
    with peer, own:
        trial, got, said = Trial(own), bytearray(), 300
        for _ in range(said):
            say([trial.lane], 0)
        waited = trial.socket.unsent_bytes
        peer.settimeout(10)
        while b"".join(FRAMES.framed[:said]) != got[-said * len(FRAMES.framed[0]) :]:
            trial.lane.ready(select.EPOLLOUT, 0)
            got += peer.recv(1 << 16)

    assert waited > 0
    assert said == len(trial.lane.waiting)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("reset", [False, True])
def test_the_end_of_a_connection_ends_the_call(reset: bool) -> None:
    """What was said into it harms nobody, and nothing is written to its number any more."""
    own, peer = tcp_pair()
    trial = Trial(own)
    say([trial.lane], 0)
    peer.sendall(FRAMES.returned[0])
    select.select([own], [], [], 10)
    trial.lane.readable(MS)
    had_it = trial.lane.sock is own
    if reset:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    peer.close()
    select.select([own], [], [], 10)
    for _ in range(3):
        say([trial.lane], MS)
    trial.lane.readable(2 * MS)
    while trial.call.state is not State.GONE:
        trial.lane.readable(2 * MS)
    number = own.fileno()
    say([trial.lane], 3 * MS)

    assert had_it
    assert -1 == number
    assert isinstance(trial.lane.sock, Aside)


@pytest.mark.usefixtures("either")
def test_a_socket_that_gives_what_nobody_asked_for_is_refused() -> None:
    """A number that can't be is no number of bytes that are there."""
    book_lane = lane_of(Book(late_ns=0))
    book_lane.expect(FRAMES.returned)
    book_lane.framed = [b"x"]
    book_lane.sock = Aside(lambda _: "many", lambda _buffer, _size: "much")  # type: ignore[arg-type,return-value]

    with pytest.raises(TypeError):
        book_lane.readable(0)
    book_lane.number = 5
    with pytest.raises(IndexError):
        say([book_lane], 0)


class BoomError(Exception):
    """Raised on purpose."""


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("where", ["check", "keep_unsent", "take"])
def test_what_is_raised_on_the_long_way_is_not_swallowed(where: str) -> None:
    """The poller drops the connection then."""

    def fail(*_: object) -> None:
        raise BoomError

    long_way: Any = type("LongWay", (), {"keep_unsent": fail, "take": fail})()
    book_lane = lane_of(Book(late_ns=0))
    book_lane.framed, book_lane.long_way = [b"abcd"], long_way
    if where == "check":
        book_lane.check = fail
    book_lane.sock = Aside(lambda _: 2 if where == "keep_unsent" else 4, lambda _buffer, _size: 3)

    with pytest.raises(BoomError):
        book_lane.readable(0) if where == "take" else say([book_lane], 0)


times = st.integers(-(2**63), 2**63 - 1)
acts = st.one_of(
    st.tuples(st.just("append"), times),
    st.tuples(st.just("append"), st.just(-1)),
    st.tuples(st.just("popleft")),
    st.tuples(st.just("count"), st.just(-1)),
    st.tuples(st.just("__len__")),
    st.tuples(st.just("__bool__")),
    st.tuples(st.just("__getitem__"), st.integers(-12, 12)),
    st.tuples(st.just("__setitem__"), st.integers(-12, 12), times),
    st.tuples(st.just("clear")),
)


def outcome(act: Callable[..., object], *how: object) -> object:
    """What it gives, or what it raises."""
    try:
        return act(*how)
    except IndexError:
        return IndexError


@given(st.lists(acts, max_size=60))
def test_times_are_a_deque(life: list[tuple[Any, ...]]) -> None:
    """As far as a lane and its meter use one."""
    told = []
    for kept in (deque[int](), lane_of(Book(0)).waiting):
        told.append([])
        for name, *how in life:
            act = {"__bool__": bool, "__len__": len}.get(name)
            told[-1].append(outcome(act, kept) if act else outcome(getattr(kept, name), *how))
        told[-1].append([kept[at] for at in range(len(kept))])

    assert told[0] == told[1]


@given(st.integers(-(2**62), 2**62))
def test_both_count_a_time_in_the_same_bucket(span_ns: int) -> None:
    """However long it is."""
    told = []
    for built in BOTH:
        with chosen(built):
            book = Book(late_ns=20 * MS)
            counted = lane_of(book)
            counted.waiting.append(0)
            counted.expected = 0
            told.append((counted.returned_next(span_ns), book.tally.to_json()))

    assert told[0] == told[-1]


@pytest.mark.usefixtures("either")
def test_a_call_that_is_over_leaves_nothing() -> None:
    """Its lane and its socket know each other, and go together."""
    trial = Trial(StandInSocket())
    gone = weakref.ref(trial.kernel)
    say([trial.lane], 0)
    del trial
    gc.collect()

    assert gone() is None


@pytest.mark.usefixtures("either")
def test_frames_leave_nothing_behind() -> None:
    """What all calls share is let go of as often as it is taken."""
    peer, own = socket.socketpair()
    with peer, own:
        trial = Trial(own, first=0)
        shared = (FRAMES.framed[7], FRAMES.returned[7], FRAMES.returned, FRAMES.framed, trial.book, own, trial.lane)
        before: list[int] = []
        for now in range(3 * POOL_FRAMES):
            say([trial.lane], now)
            peer.send(FRAMES.returned[now % POOL_FRAMES])
            trial.lane.readable(now)
            peer.recv(1 << 16)
            if now == POOL_FRAMES + 9:
                before = [sys.getrefcount(item) for item in shared]
        after = [sys.getrefcount(item) for item in shared]

    assert before == after
    assert 3 * POOL_FRAMES == trial.book.tally.returned


NUMBERS = {"MAX_WAITING": lane, "CHECK_EVERY": lane, "JITTER_SHARE_BITS": lane, "POOL_FRAMES": marks} | dict.fromkeys(
    ("FINE_BITS", "SUB_BITS"), tally
)


@pytest.mark.usefixtures("either")
def test_both_know_the_same_numbers() -> None:
    """What stands in two places is the same in both."""
    known = {name: getattr(native.frames or module, name) for name, module in NUMBERS.items()}

    assert known == {name: getattr(module, name) for name, module in NUMBERS.items()}
    assert len(BUFFER) == lane_of(Book(0)).read_bytes
