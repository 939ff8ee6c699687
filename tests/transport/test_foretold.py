"""What is foretold goes from the driver's timer to the kernel, and nobody can tell but by what it costs."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from loops import on_both_loops
from playing import CONNECTED, FRAME_BYTES, RATE_8K, STORIES, Course, File, StandInReel, Story, Telling
from rig import MASK, MAX_BYTES, Peer, StandInPoller, StandInSocket, tcp_pair
from ways import WAYS, on

from vonage_sock.behaviours.play import Play
from vonage_sock.call.machine import Passage
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, ManualClock, SystemClock
from vonage_sock.media.reel import FrameSource
from vonage_sock.protocol.rfc6455 import Opcode, frame_of
from vonage_sock.transport.direct import DirectDriver
from vonage_sock.transport.poller import Poller

PROPERTY = settings(deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


class Silent:
    """A session that foretells nothing."""

    def __init__(self, session: CallSession) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        if name == "foretell":
            raise AttributeError(name)
        return getattr(self._session, name)


class Direct:
    """A driver whose kernel takes nothing now and then; ``asked`` is how often its machine was asked for what is due."""

    def __init__(self, session: CallSession, machine: Any, story: Story) -> None:
        self.now = 0
        self.sent: list[tuple[int, bytes]] = []
        self.told: list[Any] = []
        self._session = session
        self._clock = ManualClock(0)
        self._poller = StandInPoller(self._clock)
        self._socket = StandInSocket()
        self._noted = 0
        # Every so many writes one is taken in part, or not at all.
        every = len(story.lateness_ns) * 7
        self._socket.takes = [
            (1 << 20 if number % every else [BlockingIOError(), 100][number // every % 2]) for number in range(1, 3000)
        ]
        self._driver = DirectDriver(
            machine,
            self._poller,  # type: ignore[arg-type]
            self._socket,  # type: ignore[arg-type]
            max_message_bytes=MAX_BYTES,
            observer=self.told.append,
            ended=lambda: None,
        )
        self._driver.start()

    @property
    def wakes_at(self) -> int | None:
        """The first of its timers."""
        return min((timer.at for timer in self._poller.timers if timer.action is not None), default=None)

    def wake(self, now: int) -> None:
        """All that are due fire."""
        due = [timer for timer in self._poller.timers if timer.at <= now]
        self._poller.timers = [timer for timer in self._poller.timers if timer.at > now]
        for timer in due:
            if timer.action is not None:
                timer.action(now)
        self._note(now)

    def close(self) -> None:
        """Nothing is left open."""

    def text(self, text: str, now: int) -> None:
        """From the platform."""
        self._read(Opcode.TEXT, text.encode(), now)

    def binary(self, data: bytes, now: int) -> None:
        """From the platform."""
        self._read(Opcode.BINARY, data, now)

    def act(self, action: Callable[[int], object], now: int) -> None:
        """From outside."""
        self._clock.advance_to(now)
        self._driver.act(lambda at: (action(at), None)[1])
        self._note(now)

    def _read(self, opcode: Opcode, payload: bytes, now: int) -> None:
        self._clock.advance_to(now)
        if not self._socket.closed:
            self._socket.incoming = [frame_of(opcode, payload, mask=MASK)]
            self._driver._socket.readable(now)
        self._note(now)

    def _note(self, now: int) -> None:
        self._clock.advance_to(now)
        if self._poller.writing:
            self._driver._socket.ready(select.EPOLLOUT, now)
        taken = bytes(self._socket.taken[self._noted :])
        if taken:
            self._noted = len(self._socket.taken)
            self.sent.append((now, taken))


class Connected(Direct):
    """A driver on a real pair of sockets, whose other end reads all at once: it may send in C."""

    def __init__(self, session: CallSession, machine: Any, story: Story) -> None:
        self.now = 0
        self.sent, self.told = [], []
        self._clock = ManualClock(0)
        self._poller = StandInPoller(self._clock)
        ours, self._theirs = socket.socketpair()
        self._theirs.settimeout(0)
        self._over = False
        self._driver = DirectDriver(
            machine,
            self._poller,  # type: ignore[arg-type]
            ours,
            max_message_bytes=MAX_BYTES,
            observer=self.told.append,
            ended=self._ended,
        )
        self._driver.start()

    def _ended(self) -> None:
        self._over = True

    def close(self) -> None:
        """Nothing is left open."""
        self._driver.abort()
        self._theirs.close()

    def _read(self, opcode: Opcode, payload: bytes, now: int) -> None:
        self._clock.advance_to(now)
        if not self._over:
            self._theirs.send(frame_of(opcode, payload, mask=MASK))
            self._driver._socket.steady.readable(now)
        self._note(now)

    def _note(self, now: int) -> None:
        self._clock.advance_to(now)
        with contextlib.suppress(BlockingIOError):
            if taken := self._theirs.recv(1 << 20):
                self.sent.append((now, taken))


def course_of(story: Story, *, foretells: bool, kind: type[Direct] = Direct, way: str = "python") -> Course:
    """How a story goes on a driver's timers."""
    made: list[Direct] = []

    def driven(session: CallSession) -> Direct:
        made.append(kind(session, session if foretells else Silent(session), story))
        return made[-1]

    with on(way):
        course = Telling(story, driven).run()
    for each in made:
        each.close()
    return course


@PROPERTY
@given(story=STORIES)
def test_a_lane_sends_what_a_driver_would(story: Story) -> None:
    """Byte by byte and at the same times, whatever happens and whatever the kernel takes; and all is counted alike."""
    assert course_of(story, foretells=False) == course_of(story, foretells=True)


@PROPERTY
@given(story=STORIES)
def test_a_lane_in_c_sends_what_one_in_python_does(story: Story) -> None:
    """Each to a socket of the kernel, whatever happens in the call."""
    first, *others = [course_of(story, foretells=True, kind=Connected, way=way) for way in WAYS]

    assert all(first == other for other in others)
    assert first == course_of(story, foretells=False, kind=Connected)


class Foretelling(CallSession):
    """Counts how often it is asked for what is due."""

    asked = 0

    def handle_deadline(self, now: int) -> None:
        self.asked += 1
        super().handle_deadline(now)


@on_both_loops
async def test_a_file_goes_over_a_real_socket_frame_by_frame() -> None:
    """In order, each once, with what was sent between them; and the machine is asked for few."""
    clock = SystemClock()
    reel = StandInReel(File(97, 200, 50, 200, MS, None, at_hand=True), clock.now)
    play = Play([lambda _: FrameSource("a", reel, 200)], pace_ns=4 * MS, lead_ns=60_000 * MS)  # type: ignore[arg-type]
    session = Foretelling("c1", [play], assumed_format=RATE_8K, now=clock.now())
    poller = Poller(clock)
    ours, theirs = tcp_pair()
    peer = Peer(theirs)
    driver = DirectDriver(
        session, poller, ours, max_message_bytes=MAX_BYTES, observer=lambda _event: None, ended=lambda: None
    )
    driver.start()
    await peer.send(CONNECTED)
    begun = await peer.messages(60)
    driver.act(lambda now: (session.let_pass(now), session.notify({"here": 1}), None)[2])
    rest = await peer.messages(142)
    stats = session.stats(clock.now())
    poller.close()
    theirs.close()
    audio = [message for message in (*begun, *rest) if len(message) == FRAME_BYTES]

    assert reel.all_frames == audio
    assert 2 == len(begun) + len(rest) - len(audio)
    assert (200, True) == (stats.frames_out, session.asked < 60)


class Scheduled:
    """A machine that foretells three frames; ``times`` is when it was moved or one was sent."""

    outbox = untold = ()
    deadline_changed = True

    def __init__(self) -> None:
        self.times: list[int] = []
        self.moved: list[int] = []
        self.deadline = 10 * MS

    def foretell(self, passage: Passage) -> bool:
        passage.frames, passage.end, passage.left = [b"a", b"b", b"c"], 3, 3
        passage.at, passage.step_ns, passage.times = self.deadline, 20 * MS, self.times
        return True

    def next_deadline(self) -> int:
        return self.deadline

    def handle_deadline(self, now: int) -> None:
        self.deadline = now + 20 * MS
        self.moved.append(now)

    def receive_bytes(self, data: bytes, now: int) -> None:
        self.moved.append(now)


def scheduled() -> tuple[Scheduled, StandInPoller, StandInSocket, DirectDriver]:
    """A driver whose machine's first deadline was met."""
    machine, poller, sock = Scheduled(), StandInPoller(ManualClock(0)), StandInSocket()
    driver = DirectDriver(
        machine,  # type: ignore[arg-type]
        poller,  # type: ignore[arg-type]
        sock,  # type: ignore[arg-type]
        max_message_bytes=MAX_BYTES,
        observer=lambda _event: None,
        ended=lambda: None,
    )
    driver._socket.send(b"z")
    driver.start()
    fire(poller, 10 * MS)
    return machine, poller, sock, driver


def fire(poller: StandInPoller, now: int) -> None:
    """The driver's timer, which is the last that was armed."""
    action = poller.timers[-1].action
    assert action is not None
    action(now)


def test_time_never_goes_back_behind_a_lane() -> None:
    """A timer that woke early sent a frame as of its time; a message right behind it is no earlier."""
    machine, poller, _, driver = scheduled()
    fire(poller, 30 * MS)
    driver.binary(b"x", 29 * MS)

    assert [30 * MS] == machine.times
    assert [10 * MS, 30 * MS] == machine.moved


def test_a_lane_gives_way_to_what_was_done_to_the_call() -> None:
    """Who acted on the call did so later than those timers began that are under way: the driver puts that right."""
    machine, poller, _, driver = scheduled()
    poller.clock.advance_to(31 * MS)  # type: ignore[attr-defined]
    driver.act(lambda _now: None)
    fire(poller, 30 * MS)

    assert [] == machine.times
    assert [10 * MS, 31 * MS] == machine.moved


@pytest.mark.parametrize("late_ms", [19.9, 20])
def test_a_lane_sends_one_frame_at_a_time(late_ms: float) -> None:
    """Where two are due, the machine is asked: it may have to begin anew."""
    machine, poller, sock, _ = scheduled()
    fire(poller, round((30 + late_ms) * MS))

    assert (late_ms < 20) == bool(machine.times) == sock.taken.endswith(b"a")
    assert 2 - (late_ms < 20) == len(machine.moved)


def test_a_cancelled_lane_sends_nothing() -> None:
    """A deadline that comes before it takes its place."""
    machine, poller, _, driver = scheduled()
    lane = poller.timers[-1]
    machine.deadline = 15 * MS
    driver.act(lambda _now: None)

    assert lane.action is None
    assert [15 * MS] == [timer.at for timer in poller.timers[-1:]]


def test_a_frame_that_is_foretold_costs_few_calls() -> None:
    """Counted from the timer to the kernel, the test's own poller and kernel left out."""
    machine, poller, *_ = scheduled()
    calls = 0

    def count(frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call") and not frame.f_code.co_filename.endswith("rig.py")

    sys.setprofile(count)
    try:
        fire(poller, 30 * MS)
    finally:
        sys.setprofile(None)

    assert [30 * MS] == machine.times
    assert 8 >= calls
