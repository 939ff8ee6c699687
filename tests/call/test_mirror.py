"""The shortest way of a frame, beside the way through session and behaviour."""

from __future__ import annotations

from collections.abc import Callable

import audio_streams as streams
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ways import WAYS, on

from vonage_sock import native
from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import Event
from vonage_sock.call.machine import Close, Outgoing
from vonage_sock.call.mirror import OFF, Mirror
from vonage_sock.call.session import CallSession
from vonage_sock.call.stats import LEVEL_WINDOW_FRAMES, TIMES_AT_ONCE
from vonage_sock.clock import MS, SECOND
from vonage_sock.limits import DEFAULTS

RATE = AudioFormat(8000)
SIZE = RATE.frame_bytes
CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}'
FRAMES = [frame for frame in streams.frames(streams.speech(8000, seconds=4), SIZE) if len(frame) == SIZE]


class Kept:
    """A recording in memory."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames

    def write(self, pcm: bytes) -> None:
        """Keep it."""
        self._frames.append(pcm)

    def close(self) -> None:
        """Nothing is to be completed."""


class Marker(Behaviour):
    """Sends a frame of its own at a key, and notes each frame that it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def audio(self, call: Call, frame: bytes) -> None:
        """Note it."""
        self.heard.append(frame)

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """Answer with one frame, or close."""
        if digit == "0":
            call.close()
        else:
            call.send_audio(digit.encode() * SIZE)


class Driven:
    """A session, and all that came out of it; with a mirror, by the rules of who has a socket."""

    def __init__(self, *, mirrored: str | None, recorded: bool) -> None:
        self.recorded: list[bytes] = []
        behaviours = [Record(lambda *_: Kept(self.recorded)), Echo()] if recorded else [Echo()]
        self.session = CallSession("c1", behaviours, assumed_format=RATE, now=0, limits=DEFAULTS)
        self.sent: list[Outgoing] = []
        self.events: list[Event] = []
        self.marker = Marker()
        self.mirror: Mirror | None = None
        self.short = 0
        self._open = True
        if mirrored is not None:
            with on(mirrored):
                self.mirror = self.session.mirror()
            settle = self.mirror.settle
            self.mirror.settle = lambda now: (settle(now), self._duties())[1]

    def settle(self, now: int) -> None:
        """Before anything else."""
        if self.mirror is not None and self.mirror.due:
            self.mirror.settle(now)

    def do(self, verb: str, what: object, now: int) -> None:
        """One step, and what follows from it."""
        if not self._open:
            return
        if verb == "bytes" and self.mirror is not None and isinstance(what, bytes) and self.mirror.takes(what, now):
            self.sent.append(what)
            self.short += 1
            if self.mirror.full:
                self.mirror.settle(now)
            return
        self.settle(now)
        self._verbs()[verb](what, now)
        self._duties()

    def end(self, now: int) -> None:
        """The socket is gone."""
        self.settle(now)
        self.session.receive_close(1000, "", now)
        self._duties()

    def _verbs(self) -> dict[str, Callable[[object, int], object]]:
        session = self.session
        return {
            "bytes": session.receive_bytes,  # type: ignore[dict-item]
            "text": session.receive_text,  # type: ignore[dict-item]
            "join": lambda first, now: (session.let_pass(now), session.join(self.marker, first=bool(first))),
            "leave": lambda _, now: (session.let_pass(now), session.leave(self.marker)),
            "send": lambda frame, now: (session.let_pass(now), session.send_audio(frame)),  # type: ignore[arg-type]
            "clear": lambda _, now: (session.let_pass(now), session.clear()),
            "stats": lambda _, now: self.events.append(session.stats(now)),
            "due": lambda _, now: self._due(now),
        }

    def _due(self, now: int) -> None:
        deadline = self.session.next_deadline()
        if deadline is not None and deadline <= now:
            self.session.handle_deadline(now)

    def _duties(self) -> None:
        self.sent += self.session.messages_to_send()
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
        self._open = self._open and not any(isinstance(item, Close) for item in self.sent)


usual = st.integers(1, 60).map(lambda count: ("frames", count))
others = st.sampled_from(
    [
        ("bytes", FRAMES[0][:100]),
        ("bytes", FRAMES[1] + FRAMES[2]),
        ("bytes", FRAMES[3][:-1]),
        ("bytes", b"RIFF" + FRAMES[4][4:]),
        ("bytes", b"\xff\xf3" + FRAMES[5][2:]),
        ("bytes", b""),
        ("text", '{"event":"websocket:dtmf","digit":"5","duration":100}'),
        ("text", '{"event":"websocket:dtmf","digit":"0","duration":100}'),
        ("text", CONNECTED),
        ("text", "?"),
        ("join", True),
        ("join", False),
        ("leave", None),
        ("send", FRAMES[6]),
        ("send", FRAMES[7][:50]),
        ("clear", None),
        ("stats", None),
        ("due", None),
        ("burst", 150),
    ]
)
steps = st.lists(st.tuples(st.one_of(usual, usual, others), st.integers(0, 60 * MS)), max_size=20)


def told(
    mirrored: str | None, story: list[tuple[tuple[str, object], int]], *, recorded: bool = False
) -> tuple[Driven, list[object]]:
    """All that can be seen of a call."""
    driven, now, number = Driven(mirrored=mirrored, recorded=recorded), 0, 0
    driven.do("text", CONNECTED, now)
    for (verb, what), wait_ns in story:
        now += wait_ns
        if verb not in ("frames", "burst"):
            driven.do(verb, what, now)
            continue
        for _ in range(what):  # type: ignore[call-overload]
            now += FRAME_NS if verb == "frames" else MS
            number += 1
            driven.do("bytes", FRAMES[number % len(FRAMES)], now)
    driven.settle(now)
    stats = driven.session.stats(now)
    driven.end(now)
    return driven, [driven.sent, driven.events, driven.marker.heard, driven.recorded, stats, driven.session.state]


@given(steps, st.booleans())
def test_the_shortest_way_leads_to_the_same(story: list[tuple[tuple[str, object], int]], recorded: bool) -> None:
    """What is sent, told, recorded and counted, whatever else happens in a call."""
    expected = told(None, story, recorded=recorded)[1]

    assert [expected] * len(WAYS) == [told(way, story, recorded=recorded)[1] for way in WAYS]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recorded", [False, True])
def test_frames_of_an_echo_take_the_shortest_way(recorded: bool, way: str) -> None:
    """What it is for: all but what is odd, and recorded ones too."""
    story: list[tuple[tuple[str, object], int]] = [(("frames", 100), 0), (("bytes", FRAMES[0][:100]), 0)]
    driven, _ = told(way, story, recorded=recorded)

    assert 100 == driven.short
    assert (101 if recorded else 0) == len(driven.recorded)


class Deaf(Echo):
    """An echo of another kind."""

    def audio(self, call: Call, frame: bytes) -> None:
        """Answer with silence."""
        call.send_audio(bytes(len(frame)))


class Listener(Record):
    """A recorder of another kind."""

    def audio(self, call: Call, frame: bytes) -> None:
        """Close the call where it is quiet."""
        if not any(frame):
            call.close()


def no_file(*_: object) -> Kept:
    """A recording that is thrown away."""
    return Kept([])


@pytest.mark.parametrize(
    "behaviours",
    [
        [],
        [Deaf()],
        [Echo(delay_ms=100)],
        [Echo(), Echo()],
        [Echo(), Marker()],
        [Record(no_file)],
        [Record(no_file, stereo=True), Echo()],
        [Record(no_file, split=True), Echo()],
        [Listener(no_file), Echo()],
    ],
    ids=["none", "another", "delayed", "two", "beside", "recorded alone", "in stereo", "in phrases", "by another"],
)
def test_nobody_is_passed_over(behaviours: list[Behaviour]) -> None:
    """Only where one behaviour does nothing but return audio need none be asked."""
    session = CallSession("c1", behaviours, assumed_format=RATE, now=0)
    mirror = session.mirror()
    session.receive_text(CONNECTED, 0)

    assert OFF == mirror.size
    assert not mirror.takes(FRAMES[0], 0)


@pytest.mark.parametrize("way", WAYS)
def test_time_does_not_go_back(way: str) -> None:
    """A timer that woke early was handled at its deadline; what comes before that goes the long way."""
    session = CallSession("c1", [Echo()], assumed_format=RATE, now=0)
    with on(way):
        mirror = session.mirror()
    session.receive_text(CONNECTED, 0)
    mirror.not_before = SECOND

    assert [False, True] == [mirror.takes(FRAMES[0], SECOND - 1), mirror.takes(FRAMES[0], SECOND)]


def test_there_is_one_mirror() -> None:
    """Whoever asks again gets the same."""
    session = CallSession("c1", [Echo()], assumed_format=RATE, now=0)

    assert session.mirror() is session.mirror()


class Full(Kept):
    """A recording for which there is no room after three frames."""

    def write(self, pcm: bytes) -> None:
        """Keep it."""
        super().write(pcm)
        if len(self._frames) == 3:
            raise OSError("no space is left")


@pytest.mark.parametrize("way", WAYS)
def test_what_fails_at_a_frame_ends_the_call(way: str) -> None:
    """As it does on the long way, and with the frame at which it was; whoever has the socket is to see to that at once."""
    frames: list[bytes] = []
    session = CallSession("c1", [Record(lambda *_: Full(frames)), Echo()], assumed_format=RATE, now=0)
    with on(way):
        mirror = session.mirror()
    session.receive_text(CONNECTED, 0)
    taken = [mirror.takes(frame, number * FRAME_NS) and not mirror.full for number, frame in enumerate(FRAMES[:3])]
    due = mirror.due
    mirror.settle(2 * FRAME_NS)

    assert [True, True, False] == taken
    assert (True, False) == (due, mirror.due)
    assert FRAMES[:3] == frames
    assert [("VS307", 3)] == [(found.code, found.first_frame) for found in session.findings.all()]
    assert any(isinstance(message, Close) for message in session.messages_to_send())


def test_both_ways_reckon_with_the_same() -> None:
    """What is written down twice, in C and in Python, is the same."""
    ours = [native.frames.TIMES_AT_ONCE, native.frames.LEVEL_WINDOW_FRAMES] if native.frames else []

    assert [TIMES_AT_ONCE, LEVEL_WINDOW_FRAMES][: len(ours)] == ours
    assert len(WAYS) - 1 == len(ours) // 2
