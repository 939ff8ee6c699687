"""
The direct driver under whatever a kernel, a peer, a clock and a call may do, in any order.

A hypothesis state machine is all four. What the driver wrote is read by the websockets library, which knows nothing of us.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Callable

from echoes import EchoMachine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from malformed import binary_frame, text_frame
from rig import StandInPoller, StandInSocket
from websockets.frames import Frame
from websockets.protocol import Protocol, Side, State

from vonage_sock.call.events import Event
from vonage_sock.call.machine import Abort
from vonage_sock.clock import MS, ManualClock
from vonage_sock.transport.direct import DirectDriver
from vonage_sock.transport.framesocket import FrameSocket


class Deadlines(EchoMachine):
    """Echoes, wants to be woken now and then, and counts how often it was told of the end."""

    deadline_changed = True

    def __init__(self) -> None:
        super().__init__()
        self.deadline: int | None = None
        self.ends = 0
        self.latest = 0

    def receive_bytes(self, data: bytes, now: int) -> None:
        self._see(now)
        super().receive_bytes(data, now)

    def receive_text(self, text: str, now: int) -> None:
        self._see(now)
        super().receive_text(text, now)

    def receive_close(self, code: int, reason: str, now: int) -> None:
        self._see(now)
        super().receive_close(code, reason, now)
        self.ends += 1

    def next_deadline(self) -> int | None:
        return self.deadline

    def handle_deadline(self, now: int) -> None:
        self._see(now)
        assert self.deadline is not None
        assert self.deadline <= now, "not before its time"
        self.deadline = None
        self.outbox.append(b"due")

    def _see(self, now: int) -> None:
        assert not self.ends, "nothing after the end"
        assert self.latest <= now, "time doesn't go back"
        self.latest = now


class Connection(RuleBasedStateMachine):
    """One connection, whose kernel and peer are the test."""

    driver: DirectDriver | None = None

    @initialize()
    def begin(self) -> None:
        self.clock = ManualClock()
        self.poller, self.sock, self.machine = StandInPoller(self.clock), StandInSocket(), Deadlines()
        self.reader = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
        self.ended = self.read_bytes = 0
        self.frames: list[Frame] = []
        self.driver = DirectDriver(
            self.machine,
            self.poller,  # type: ignore[arg-type]
            self.sock,  # type: ignore[arg-type]
            max_message_bytes=1 << 17,
            observer=self._told,
            ended=self._end,
        )
        self.driver.start()

    @rule(
        data=st.one_of(
            st.binary(max_size=60),
            st.sampled_from([binary_frame(bytes(640)), text_frame("hello"), binary_frame(b"")]),
            st.sampled_from([binary_frame(bytes(640)) * 12, b"\x89\x80mask", b"\x88\x80mask", b"\x81\xfe"]),
        ),
        cut=st.integers(0, 9),
    )
    def receive(self, data: bytes, cut: int) -> None:
        """Bytes come in one piece or two."""
        for part in (data[:cut], data[cut:]):
            if part and self.poller.watched:
                self.sock.incoming.append(part)
                while self.sock.incoming and self.poller.watched:
                    self.driver_socket.readable(self.clock.now())

    @rule(error=st.sampled_from([ConnectionResetError(), BlockingIOError(), TimeoutError(), b""]))
    def fail(self, error: OSError | bytes) -> None:
        if self.poller.watched:
            self.sock.incoming.append(error)
            self.driver_socket.readable(self.clock.now())

    @rule(takes=st.sampled_from([[0], [1], [7, 0], [BlockingIOError()], [BrokenPipeError()], [3, BlockingIOError()]]))
    def be_slow(self, takes: list[int | OSError]) -> None:
        """The kernel takes that of what is sent next."""
        self.sock.takes += takes

    @rule()
    def take_more(self) -> None:
        if self.poller.writing and self.poller.watched:
            self.driver_socket.ready(select.EPOLLOUT, self.clock.now())

    @rule(span_ms=st.sampled_from([1, 20, 500, 2000, 6000, 30_000]))
    def let_time_pass(self, span_ms: int) -> None:
        self.clock.advance_to(self.clock.now() + span_ms * MS)
        now = self.clock.now()
        for _ in range(50):
            due = [timer for timer in self.poller.timers if timer.at <= now]
            self.poller.timers = [timer for timer in self.poller.timers if timer.at > now]
            if not due:
                return
            for timer in due:
                if timer.action is not None:
                    timer.action(now)
        raise AssertionError("timers that never end")

    @rule(size=st.sampled_from([0, 1, 320, 640, 70_000]))
    def say(self, size: int) -> None:
        self.act(lambda _now: self.machine.outbox.append(bytes(size)))

    @rule(in_ms=st.sampled_from([0, 20, 700]))
    def want_to_be_woken(self, in_ms: int) -> None:
        def want(now: int) -> None:
            self.machine.deadline = now + in_ms * MS

        self.act(want)

    @rule(code=st.sampled_from([1000, 1001, 1011]))
    def close(self, code: int) -> None:
        if self.driver is not None:
            self.driver.close(code)

    @rule()
    def abort(self) -> None:
        self.act(lambda _now: self.machine.outbox.append(Abort()))

    @invariant()
    def what_was_written_is_a_websockets(self) -> None:
        if self.driver is None:
            return
        new = bytes(self.sock.taken[self.read_bytes :])
        self.read_bytes += len(new)
        if new:
            self.reader.receive_data(new)
            self.frames += [event for event in self.reader.events_received() if isinstance(event, Frame)]
        assert self.reader.parser_exc is None
        kinds = [frame.opcode for frame in self.frames]
        assert 8 not in kinds[:-1], "nothing after the close frame"
        assert all(
            len(frame.data) >= 2 and struct.unpack("!H", frame.data[:2])[0] >= 1000
            for frame in self.frames
            if frame.opcode == 8
        )

    @invariant()
    def the_end_is_told_once_and_leaves_nothing(self) -> None:
        if self.driver is not None:
            assert self.machine.ends == self.ended == self.sock.closed
            assert bool(self.poller.watched) != self.sock.closed

    def teardown(self) -> None:
        if self.driver is not None:
            self.driver.abort()
            self.the_end_is_told_once_and_leaves_nothing()
            assert self.sock.closed

    @property
    def driver_socket(self) -> FrameSocket:
        return self.driver._socket

    def act(self, action: Callable[[int], object]) -> None:
        if self.driver is not None:
            self.driver.act(action)

    def _told(self, event: Event) -> None:
        raise AssertionError(event)

    def _end(self) -> None:
        self.ended += 1


TestConnection = Connection.TestCase
TestConnection.settings = settings(
    max_examples=50,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
