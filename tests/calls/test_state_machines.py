"""
Both ends of a leg against each other, with whatever may happen between them, in any order.

A hypothesis state machine is the wire, the clock and the people: after each of its steps the invariants of a call hold.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import Ended, Event
from vonage_sock.call.machine import Abort, Close, Machine, Outgoing
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, ManualClock
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan, Platform

RATE = AudioFormat(8000)
FOREVER = 10**15
MANY = 20
TEXTS = st.sampled_from(
    [
        '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}',
        '{"event":"websocket:dtmf","digit":"5","duration":100}',
        '{"event":"websocket:dtmf","digit":[]}',
        '{"event":"websocket:cleared"}',
        '{"event":"websocket:connected","content-type":null}',
        '{"event":"websocket:notify","payload":{"vsock_played":1e3}}',
        '{"action":"clear"}',
        '{"action":"notify","payload":{"a":"\\ud800"}}',
        '{"action":"notify","payload":[]}',
        '{"event":{"event":1e999}}',
        "[" * 5000,
    ]
) | st.text(max_size=20)
SIZES = st.sampled_from([0, 1, 2, 159, 319, 320, 321, 640, 960, 70_001])


def frame(number: int) -> bytes:
    """A frame that no other number gives, without a zero in it."""
    return bytes([1 + number // 200 % 200, 1 + number % 200]) * 160


class MemorySink:
    """A recording that stays in memory."""

    def __init__(self) -> None:
        self.pcm = bytearray()

    def write(self, pcm: bytes) -> None:
        self.pcm += pcm

    def close(self) -> None:
        return


class Talker(Behaviour):
    """Lets the test have the call while there is one."""

    call: Call | None = None

    def connected(self, call: Call) -> None:
        self.call = call

    def closed(self, call: Call) -> None:
        self.call = None


class Steps:
    """Takes what was said and heard."""

    def write(self, said: bytes, heard: bytes) -> None:
        assert (320, 320) == (len(said), len(heard))


class End:
    """One machine, with what it did so far."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.messages = 0
        self.events: list[Event] = []
        self.incoming: deque[tuple[int, Outgoing]] = deque()
        self.over = False


class Legs(RuleBasedStateMachine):
    """A call under a manual clock; the connection ends at once at both ends."""

    ends: tuple[End, ...] = ()

    @initialize(
        does=st.sampled_from(["echo", "talk", "play"]),
        strict=st.booleans(),
        edition=st.sampled_from(Platform),
        latency_ms=st.sampled_from([0, 1, 45]),
    )
    def begin(self, does: str, edition: Platform, latency_ms: int, *, strict: bool) -> None:
        self.clock = ManualClock()
        self.does, self.latency_ns = does, latency_ms * MS
        self.sink, self.talker = MemorySink(), Talker()
        file = FramesSource("file", (frame(number) for number in range(10**6)), 10**6)
        doing: dict[str, list[Behaviour]] = {
            "echo": [Echo()],
            "talk": [],
            "play": [Play([lambda _format: file])],
        }
        behaviours = [*doing[does], self.talker, Record(lambda *_: self.sink)]
        plan = LegPlan(audio_format=RATE, duration_ns=FOREVER, strict=strict, platform=edition)
        said = FramesSource("caller", (frame(number) for number in range(10**6)), 10**6)
        now = self.clock.now()
        self.leg = VonageLeg("c1", plan, said, now=now, heard=Steps())
        self.session = CallSession("c1", behaviours, assumed_format=RATE, now=now)
        self.platform, self.server = End(self.leg), End(self.session)
        self.ends = self.platform, self.server
        self.heard, self.talked = bytearray(), bytearray()
        self.said_bytes = self.wakes = self.woken_at = 0
        self.disturbed = self.gone = False
        self.settle()

    @rule(span_ms=st.sampled_from([0, 1, 20, 60, 400, 900]))
    def let_time_pass(self, span_ms: int) -> None:
        until = self.clock.now() + span_ms * MS
        while not self.gone and (at := self.next_at()) is not None and at <= until:
            self.clock.advance_to(max(at, self.clock.now()))
            self.wake(self.clock.now())
        self.clock.advance_to(until)

    @rule(span_ms=st.sampled_from([7, 150, 2500]))
    def stall(self, span_ms: int) -> None:
        """Nobody is woken for a while: then everything is late at once."""
        self.disturbed = True
        self.clock.advance_to(self.clock.now() + span_ms * MS)
        self.wake(self.clock.now())

    @rule(text=TEXTS, to_server=st.booleans())
    def send_any_text(self, text: str, *, to_server: bool) -> None:
        self.disturbed = True
        self.inject(self.server if to_server else self.platform, text)

    @rule(size=SIZES, to_server=st.booleans())
    def send_any_bytes(self, size: int, *, to_server: bool) -> None:
        self.disturbed = True
        self.inject(self.server if to_server else self.platform, bytes(7 for _ in range(size)))

    @rule(digits=st.text("0123456789*#", min_size=1, max_size=3))
    def press(self, digits: str) -> None:
        self.leg.send_keys([KeyPress(0, digit) for digit in digits], self.clock.now())
        self.settle()

    @precondition(lambda self: self.does == "talk" and self.talker.call is not None)
    @rule(size=SIZES)
    def talk(self, size: int) -> None:
        data = bytes(9 for _ in range(size))
        if not self.server.over:
            self.talked += data
        self.act(lambda call: call.send_audio(data))

    @precondition(lambda self: self.talker.call is not None)
    @rule(what=st.sampled_from(["flush", "clear", "notify"]))
    def command(self, what: str) -> None:
        self.disturbed = True
        self.act(lambda call: call.flush_audio())
        if what == "clear":
            self.act(lambda call: call.clear())
        elif what == "notify":
            self.act(lambda call: call.notify({"a": 1}))

    @rule(code=st.sampled_from([1000, 1001, 1011]), by_server=st.booleans())
    def hang_up(self, code: int, *, by_server: bool) -> None:
        (self.session if by_server else self.leg).close(code, now=self.clock.now())
        self.settle()

    @rule(code=st.sampled_from([1000, 1005, 1006]))
    def lose_the_connection(self, code: int) -> None:
        self.end(code)

    @invariant()
    def each_end_is_told_once_and_in_order(self) -> None:
        for end in self.ends:
            times = [event.at for event in end.events]
            assert sorted(times) == times
            assert sum(isinstance(event, Ended) for event in end.events) == self.gone

    @invariant()
    def a_file_is_heard_without_a_gap_where_nobody_disturbs(self) -> None:
        if self.ends and self.does == "play" and not self.disturbed:
            report = self.leg.report()
            assert (0, 0) == (report["overflow_frames"], report["underruns"])

    def teardown(self) -> None:
        if not self.ends:
            return
        self.end(1006)
        assert bytes(self.heard) == bytes(self.sink.pcm), "the recording holds every sample"
        assert json.dumps(self.leg.report())
        before = [end.messages for end in self.ends]
        self.act(lambda call: call.send_audio(bytes(640)))
        for end in self.ends:
            end.machine.receive_text("{}", self.clock.now())
            end.machine.receive_bytes(bytes(320), self.clock.now())
            end.machine.handle_deadline(self.clock.now())
        self.settle()
        assert before == [end.messages for end in self.ends]
        assert isinstance(self.platform.events[-1], Ended)
        assert isinstance(self.server.events[-1], Ended)

    # The wire and the clock.

    def next_at(self) -> int | None:
        times = [end.incoming[0][0] for end in self.ends if end.incoming]
        times += [at for end in self.ends if (at := end.machine.next_deadline()) is not None]
        return min(times, default=None)

    def wake(self, now: int) -> None:
        for end in self.ends:
            while not self.gone and end.incoming and end.incoming[0][0] <= now:
                self.deliver(end, end.incoming.popleft()[1])
            deadline = end.machine.next_deadline()
            if not self.gone and deadline is not None and deadline <= now:
                end.machine.handle_deadline(now)
        self.wakes = self.wakes + 1 if now == self.woken_at else 0
        self.woken_at = now
        assert self.wakes < MANY, "it spins"
        self.settle()

    def deliver(self, end: End, message: Outgoing) -> None:
        now = self.clock.now()
        match message:
            case bytes():
                if end is self.server:
                    self.heard += message
                end.machine.receive_bytes(message, now)
            case str():
                end.machine.receive_text(message, now)
            case Close(code):
                self.end(code)
            case Abort():
                self.end(1006)

    def inject(self, end: End, message: str | bytes) -> None:
        if not self.gone:
            self.deliver(end, message)
            self.settle()

    def act(self, action: Callable[[Call], None]) -> None:
        if self.talker.call is not None:
            self.session.let_pass(self.clock.now())
            action(self.talker.call)
            self.settle()

    def end(self, code: int) -> None:
        if not self.gone:
            self.gone = True
            for end in self.ends:
                end.machine.receive_close(code, "", self.clock.now())
            self.settle()

    def settle(self) -> None:
        for end, other in (self.ends, self.ends[::-1]):
            for message in end.machine.messages_to_send():
                assert not end.over, "nothing after the close"
                end.over = isinstance(message, Close | Abort)
                end.messages += 1
                other.incoming.append((self.clock.now() + self.latency_ns, message))
                if isinstance(message, bytes):
                    assert 320 == len(message), "frames of exactly 20 ms"
                    if end is self.server:
                        self.is_right(message)
            end.over = end.over or self.gone
            while (event := end.machine.next_event()) is not None:
                end.events.append(event)

    def is_right(self, sent: bytes) -> None:
        """What the server sends is what was to be sent, each sample once."""
        if self.does == "echo":
            assert self.heard[self.said_bytes : self.said_bytes + 320] == sent
        elif self.does == "play":
            assert frame(self.said_bytes // 320) == sent
        else:
            said = sent.rstrip(b"\0")
            assert self.talked[self.said_bytes : self.said_bytes + len(said)] == said, "only padding is added"
            sent = said
        self.said_bytes += len(sent)


TestLegs = Legs.TestCase
TestLegs.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
