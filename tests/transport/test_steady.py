"""The shortest way of a socket's frames, in C and in Python: nobody can tell one from the other but by what it costs."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rig import MASK, MAX_BYTES, StandInPoller
from ways import WAYS, on

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, ManualClock
from vonage_sock.protocol.rfc6455 import FrameReader, Opcode, frame_of
from vonage_sock.transport.direct import DirectDriver

RATE = AudioFormat(8000)
SIZE = RATE.frame_bytes
CONNECTED = frame_of(
    Opcode.TEXT, b'{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}', mask=b"\x01\x02\x03\x04"
)
FRAMES = [bytes([number, 255 - number] * (SIZE // 2)) for number in range(1, 100)]
PROPERTY = settings(deadline=None, database=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])


def masked(payload: bytes, opcode: Opcode = Opcode.BINARY, mask: bytes = MASK) -> bytes:
    """As the platform sends it."""
    return frame_of(opcode, payload, mask=mask)


class Kept:
    """A recording in memory, which can be told to fail."""

    def __init__(self, frames: list[bytes], fails_at: int) -> None:
        self._frames, self._fails_at = frames, fails_at

    def write(self, pcm: bytes) -> None:
        """Keep it."""
        self._frames.append(pcm)
        if len(self._frames) == self._fails_at:
            raise OSError("the disk is full")

    def close(self) -> None:
        """Nothing is to be completed."""


class Marker(Behaviour):
    """Answers a key with a frame, closes at 0, and returns audio by itself at 1."""

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """As it says."""
        if digit == "0":
            call.close()
        elif digit == "2":
            call.send_message({"event": "long", "text": "x" * 9000})
        else:
            call.send_audio(digit.encode() * SIZE)


class Line:
    """A call's driver on a real pair of sockets, at a time that stands still between its steps."""

    def __init__(self, behaviours: list[Behaviour], *, mirrored: bool, early: bytes = b"") -> None:
        self.clock = ManualClock(0)
        self.poller = StandInPoller(self.clock)
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(0)
        self.session = CallSession("c1", behaviours, assumed_format=RATE, now=0)
        self.told: list[Any] = []
        self.sent = b""
        self.ended = 0
        self.driver = DirectDriver(
            self.session,
            self.poller,  # type: ignore[arg-type]
            self.ours,
            max_message_bytes=MAX_BYTES,
            observer=self.told.append,
            ended=self._end,
            mirror=self.session.mirror() if mirrored else None,
            early=early,
        )
        self.frames = self.driver._socket
        self.driver.start()

    def _end(self) -> None:
        self.ended += 1

    @property
    def is_open(self) -> bool:
        """The poller would tell of it."""
        return not self.ended

    def come(self, data: bytes) -> None:
        """The platform sends this, and it is read as far as it is there."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self.theirs.sendall(data)
        while self.is_open and select.select([self.ours], [], [], 0)[0]:
            self._guarded(lambda: self.frames.watcher().readable(self.clock.now()))
            self.read()

    def read(self) -> None:
        """The platform reads, and what waited goes on."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while data := self.theirs.recv(1 << 16):
                self.sent += data
        if self.is_open and self.poller.writing:
            self._guarded(lambda: self.frames.watcher().ready(select.EPOLLOUT, self.clock.now()))

    def wait(self, span_ns: int) -> None:
        """Time passes; each timer has its turn at its time."""
        until = self.clock.now() + span_ns
        for _ in range(400):
            timers = [timer for timer in self.poller.timers if timer.action is not None and timer.at <= until]
            if not timers:
                break
            timer = min(timers, key=lambda timer: timer.at)
            self.poller.timers.remove(timer)
            self.clock.advance_to(max(timer.at, self.clock.now()))
            action = timer.action
            assert action is not None
            action(max(timer.at, self.clock.now()))
        self.clock.advance_to(until)

    def _guarded(self, step: Any) -> None:
        # As the poller does.
        try:
            step()
        except Exception as error:
            self.told.append(repr(error))
            self.frames.watcher().abort()

    def story(self) -> list[object]:
        """All that can be seen from outside."""
        for _ in range(20):
            self.read()
        seen = self.session.stats(self.clock.now())
        steady = self.frames.steady
        state = [steady.heard_at, self.frames.unsent_bytes, self.ended]
        self.frames.abort()
        self.theirs.close()
        return [self.sent, self.told, seen, state, self.session.state]


pieces = st.one_of(
    st.integers(1, 60).map(lambda count: [masked(FRAMES[number % 99]) for number in range(count)]),
    st.integers(1, 60).map(lambda count: [b"".join(masked(FRAMES[number % 99]) for number in range(count))]),
    st.lists(
        st.sampled_from(
            [
                masked(FRAMES[5], mask=b"\xff\x00\x80\x7f"),
                masked(FRAMES[6][:100]),
                masked(b"RIFF" + FRAMES[7][4:]),
                masked(b"\xff\xf3" + FRAMES[8][2:]),
                masked(b""),
                masked(FRAMES[1] + FRAMES[2]),
                masked(b"?", Opcode.PING),
                masked(b'{"event":"websocket:dtmf","digit":"1","duration":100}', Opcode.TEXT),
                masked(b'{"event":"websocket:dtmf","digit":"2","duration":100}', Opcode.TEXT),
                masked(b'{"event":"websocket:dtmf","digit":"0","duration":100}', Opcode.TEXT),
                masked(b"\x03\xe8", Opcode.CLOSE),
                b"\x02\x81" + MASK + b"a",
                b"\x80\x81" + MASK + b"b",
                b"\x82\x02ab",
                masked(bytes(9000)),
            ]
        ),
        max_size=4,
    ),
)
steps = st.lists(
    st.one_of(
        pieces.map(lambda data: ("come", b"".join(data) if len(data) < 8 else data)),
        pieces.map(lambda data: ("come", data)),
        st.tuples(st.just("come"), st.binary(max_size=12).map(lambda data: [data]), st.just(None)).map(lambda t: t[:2]),
        st.tuples(st.just("cut"), st.integers(1, 2000)),
        st.tuples(st.just("wait"), st.integers(0, 80 * MS)),
        st.tuples(st.just("close"), st.none()),
    ),
    max_size=14,
)


def play_out(way: str, story: list[tuple[str, Any]], kind: str) -> list[object]:
    """What is seen of a call that goes like this."""
    recorded: list[bytes] = []
    behaviours: list[Behaviour] = [Echo(), Marker()] if "marked" in kind else [Echo()]
    if "recorded" in kind:
        behaviours.insert(0, Record(lambda *_: Kept(recorded, 40 if "fails" in kind else 0)))
    with on(way):
        line = Line(behaviours, mirrored="plain" not in kind, early=CONNECTED + masked(FRAMES[0]))
        for action in line.poller.soon:
            action()
        held = b""
        for verb, what in story:
            if not line.is_open:
                break
            if verb == "come":
                for data in [what] if isinstance(what, bytes) else what:
                    line.come(held + data)
                    held = b""
                    line.wait(FRAME_NS)
            elif verb == "cut":
                data = masked(FRAMES[what % 99])
                line.come(data[: what % len(data)])
                held = data[what % len(data) :]
            elif verb == "wait":
                line.wait(what)
            else:
                line.driver.close()
        seen = [*line.story(), recorded]
        # Whether the frame at which a recording fails still goes back depends on how many were read with it.
        return (
            [recorded, seen[-2], [getattr(event, "code", type(event).__name__) for event in line.told]]
            if "fails" in kind
            else seen
        )


@PROPERTY
@given(steps, st.sampled_from(["echo", "marked", "recorded", "recorded fails", "plain"]))
@example([("come", [b"".join(masked(frame) for frame in FRAMES)])] * 2, "echo")
@example([("come", [b"".join(masked(frame) for frame in FRAMES)])] * 2, "recorded")
def test_both_ways_lead_to_the_same(story: list[tuple[str, Any]], kind: str) -> None:
    """What is sent, told, counted and recorded, however bytes come, and however slowly they are taken."""
    first, *others = [play_out(way, story, kind) for way in WAYS]

    assert all(first == other for other in others)
    assert first


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recorded", [False, True])
def test_frames_come_back_in_order_however_many_are_read_at_once(way: str, recorded: bool) -> None:
    """One by one, some together, and many more than are read at once."""
    kept: list[bytes] = []
    with on(way):
        line = Line([Record(lambda *_: Kept(kept, 0)), Echo()] if recorded else [Echo()], mirrored=True)
        line.come(CONNECTED)
        for count in (1, 1, 1, 2, 12, 13, 40, 1, 97):
            line.come(b"".join(masked(frame) for frame in FRAMES[:count]))
            line.wait(FRAME_NS)
            for _ in range(20):
                line.read()
        line.read()
        back = [message.data for message in FrameReader(masked=False, max_message_bytes=MAX_BYTES).feed(line.sent)]  # type: ignore[union-attr]
        seen = line.session.stats(line.clock.now())
        line.story()
    expected = [frame for count in (1, 1, 1, 2, 12, 13, 40, 1, 97) for frame in FRAMES[:count]]

    assert expected == back
    assert (expected if recorded else []) == kept
    assert (len(expected), len(expected)) == (seen.frames_in, seen.frames_out)


@pytest.mark.parametrize("way", WAYS)
def test_what_has_ended_reads_and_sends_nothing_of_another_s(way: str) -> None:
    """The system gives the number of a closed socket to the next one."""
    with on(way):
        line = Line([Echo()], mirrored=True)
        line.come(CONNECTED + masked(FRAMES[0]))
        number = line.ours.fileno()
        line.frames.abort()
        others = [socket.socketpair() for _ in range(3)]
        ours, theirs = next(pair for pair in others if pair[0].fileno() == number)
        theirs.send(masked(FRAMES[1]))
        line.frames.steady.readable(0)
        sent = line.frames.steady.send_plain(FRAMES[2])
        waiting = select.select([ours], [], [], 0)[0], select.select([theirs], [], [], 0)[0]
        for one in (*(end for pair in others for end in pair), line.theirs):
            one.close()

    assert ([ours], []) == waiting
    assert not sent
    assert 1 == line.ended
