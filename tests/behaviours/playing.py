"""
Calls that play, in which anything may happen: made up by hypothesis, and run by any driver of machines.

What was sent, told and counted is noted with its time, so that two drivers can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hypothesis import strategies as st

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.playout import PlayoutCount
from vonage_sock.audio.source import OpenSource, Piece
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import PAYLOAD_KEY, Play, Then
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS
from vonage_sock.limits import DEFAULTS
from vonage_sock.media.reel import NO_FRAMES, FrameSource
from vonage_sock.testing import PcmSource

RATE_8K: Final = AudioFormat(8000)
FRAME_BYTES: Final = RATE_8K.frame_bytes
CONNECTED: Final = json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=8000"})
CAPACITY_FRAMES: Final = 40
"""Of the platform's buffer, so that a lead may be too long for it."""

SETTLED_NS: Final = 150 * MS
"""Until then nothing happens."""


@dataclass(frozen=True)
class File:
    """So many frames; from ``slow_from`` on, each ``piece`` of them is decoded only ``slow_ns`` after the one before."""

    letter: int
    frames: int
    piece: int
    slow_from: int
    slow_ns: int
    error: str | None
    at_hand: bool


@dataclass(frozen=True)
class Happening:
    """What is done to the call, so long after what was done before."""

    after_ns: int
    what: str
    number: int


@dataclass(frozen=True)
class Story:
    """A call."""

    files: list[File]
    happenings: list[Happening]
    lateness_ns: list[int]
    pace_ns: int
    lead_ns: int
    loop: int
    then: Then
    barge_in: bool
    echo_delay_ms: int
    ppm: int
    others: list[str]


class StandInReel:
    """A reel whose frames come as the story says."""

    def __init__(self, file: File, now: Callable[[], int]) -> None:
        self._file = file
        self._now = now
        self._opened_at = now()
        self.all_frames = [bytes([file.letter, number % 251]) * (FRAME_BYTES // 2) for number in range(file.frames)]
        self.error = file.error
        self.readers = 0

    @property
    def frames(self) -> int:
        file, passed_ns = self._file, self._now() - self._opened_at
        return min(file.frames, file.slow_from + passed_ns * file.piece // file.slow_ns)

    def read(self, at: int) -> Piece:
        end = min(at + self._file.piece, self.frames)
        return Piece(self.all_frames, at, end) if at < end else NO_FRAMES

    def ended(self, at: int) -> bool:
        return at >= self._file.frames

    def join(self) -> None:
        self.readers += 1

    def leave(self) -> None:
        self.readers -= 1


class Meddler(Behaviour):
    """Hears the caller, and does something to the call at each ninth frame."""

    timed = False

    def __init__(self, play: Play, spare: OpenSource, what: str) -> None:
        self._play = play
        self._spare = spare
        self._what = what
        self._heard = 0

    def audio(self, call: Call, frame: bytes) -> None:
        """Meddle."""
        self._heard += 1
        if self._heard % 9:
            return
        match self._what:
            case "sends":
                call.send_audio(b"m" * FRAME_BYTES)
            case "sends a half":
                call.send_audio(b"h" * (FRAME_BYTES // 2))
            case "cuts off" if self._heard > 90:
                self._play.cut_off(call)
            case "adds":
                self._play.add(call, self._spare)
            case "clears" if self._heard > 90:
                call.clear()
            case "notifies":
                call.notify({"heard": self._heard})
            case "flushes and sends":
                call.flush_audio()
                call.send_audio(b"f" * FRAME_BYTES)
            case "closes" if self._heard > 120:
                call.close()
            case "fails" if self._heard > 120:
                raise ValueError(self._what)


class Listener(Behaviour):
    """Wants to know of each frame that is sent."""

    timed = False

    def __init__(self) -> None:
        self.heard = 0

    def sent(self, call: Call, frame: bytes) -> None:
        """Count it."""
        self.heard += 1


class Runner(Protocol):
    """A driver in a test's hands."""

    now: int
    sent: list[tuple[int, bytes]]
    told: list[Any]

    @property
    def wakes_at(self) -> int | None:
        """What it waits for."""
        ...

    def wake(self, now: int) -> None:
        """Time has come to ``now``, which isn't earlier than what it waits for."""
        ...

    def text(self, text: str, now: int) -> None:
        """From the platform."""
        ...

    def binary(self, data: bytes, now: int) -> None:
        """From the platform."""
        ...

    def act(self, action: Callable[[int], object], now: int) -> None:
        """From outside."""
        ...


@dataclass
class Course:
    """A story as it went."""

    noted: list[object] = field(default_factory=list)
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)


class Telling:
    """Runs a story with one driver."""

    def __init__(self, story: Story, new_runner: Callable[[CallSession], Runner]) -> None:
        self._story = story
        self._now = 0
        self._openers = [self._opener(file) for file in story.files]
        self.play = Play(
            self._openers,
            loop=story.loop,
            pace_ns=story.pace_ns,
            lead_ns=story.lead_ns,
            then=story.then,
            on_dtmf={"1": self._openers[-1]},
            barge_in=story.barge_in,
            echo_delay_ms=story.echo_delay_ms,
        )
        behaviours = [self.play, *map(self._other, story.others)]
        self.session = CallSession("c1", behaviours, assumed_format=RATE_8K, now=0, limits=DEFAULTS)
        self.session._playout = PlayoutCount(CAPACITY_FRAMES)
        self._joined: list[Behaviour] = []
        self._runner = new_runner(self.session)
        self.course = Course(sent=self._runner.sent, told=self._runner.told)

    def run(self) -> Course:
        """From its beginning to a while after its last happening, and then to its end."""
        runner = self._runner
        runner.text(CONNECTED, 0)
        at = SETTLED_NS
        for number in range(2):
            for happening in self._story.happenings:
                at += happening.after_ns
                self._until(at)
                self._happen(happening, number)
        self._until(at + 500 * MS)
        self.course.noted.append(self.session.stats(self._now))
        runner.act(lambda now: self.session.close(1000, now), self._now)
        runner.act(lambda now: self.session.receive_close(1000, "", now), self._now)
        self._note()
        return self.course

    def _until(self, at: int) -> None:
        late = self._story.lateness_ns
        while (wakes_at := self._runner.wakes_at) is not None:
            wakes_at += late[wakes_at // MS % len(late)]
            if wakes_at >= at:
                break
            self._now = max(self._now, wakes_at)
            self._runner.wake(self._now)
        self._now = max(self._now, at)

    def _note(self) -> None:
        session = self.session
        self.course.noted.append((self._now, session.queued_frames, session.state, self.play.busy))
        self.course.noted.append([(found.code, found.at) for found in session.findings.all()])
        self.course.noted.append(session.stats(self._now))
        heard = [behaviour.heard for behaviour in session.behaviours if isinstance(behaviour, Listener)]
        self.course.noted.append(heard)

    def _happen(self, happening: Happening, number: int) -> None:
        runner, now = self._runner, self._now
        match happening.what:
            case "audio":
                frame_ns = 20 * MS * (1_000_000 + self._story.ppm) // 1_000_000
                for _ in range(happening.number * 40):
                    self._until(self._now + frame_ns)
                    runner.binary(b"\1\2" * (FRAME_BYTES // 2), self._now)
            case "odd audio":
                runner.binary(b"\1\2" * (happening.number + 1), now)
            case "digit":
                runner.text(json.dumps({"event": "websocket:dtmf", "digit": str(happening.number % 3)}), now)
            case "played":
                payload = {PAYLOAD_KEY: happening.number}
                runner.text(json.dumps({"event": "websocket:notify", "payload": payload}), now)
            case "text":
                runner.text("what?", now)
            case "look":
                self._note()
            case "close" if not number:
                pass
            case what:
                runner.act(lambda now: self._do(what, happening.number, now), now)

    def _do(self, what: str, number: int, now: int) -> None:
        """From outside."""
        session, play = self.session, self.play
        if number % 2:
            session.let_pass(now)
        match what:
            case "clear":
                session.clear()
            case "notify":
                session.notify({"number": number})
            case "send":
                session.send_audio(b"s" * (FRAME_BYTES // 2 * number))
            case "flush":
                session.flush_audio()
            case "add":
                play.add(session, self._openers[0])
            case "cut off":
                play.cut_off(session)
            case "join":
                self._joined.append(Echo(delay_ms=100) if number % 2 else Listener())
                session.join(self._joined[-1], first=number > 2)
            case "leave":
                session.leave(self._joined.pop() if self._joined else play)
            case "close":
                session.close()

    def _opener(self, file: File) -> OpenSource:
        def opened(audio_format: AudioFormat) -> FrameSource | PcmSource:
            if file.at_hand:
                return FrameSource(chr(file.letter), StandInReel(file, lambda: self._now), file.frames)  # type: ignore[arg-type]
            return PcmSource(bytes([file.letter]) * FRAME_BYTES * file.frames, audio_format, name=chr(file.letter))

        return opened

    def _other(self, what: str) -> Behaviour:
        return Listener() if what == "listens" else Meddler(self.play, self._openers[0], what)


FILES: Final = st.builds(
    File,
    letter=st.integers(97, 122),
    frames=st.one_of(st.integers(100, 400), st.integers(100, 400), st.integers(0, 60)),
    piece=st.one_of(st.just(50), st.integers(1, 60)),
    slow_from=st.one_of(st.just(400), st.integers(0, 300)),
    slow_ns=st.integers(MS, 400 * MS),
    error=st.sampled_from([None, None, None, "broken"]),
    at_hand=st.sampled_from([True] * 9 + [False]),
)
GENTLE: Final = [
    "audio",
    "audio",
    "wait",
    "wait",
    "odd audio",
    "played",
    "text",
    "notify",
    "send",
    "flush",
    "look",
    "look",
]
ROUGH: Final = ["digit", "digit", "clear", "add", "add", "cut off", "join", "join", "leave", "close"]
HAPPENINGS: Final = st.builds(
    Happening,
    after_ns=st.one_of(st.integers(300 * MS, 1500 * MS), st.integers(0, 100 * MS), st.integers(0, 3 * MS)),
    what=st.one_of(st.sampled_from(GENTLE), st.sampled_from(GENTLE), st.sampled_from(ROUGH)),
    number=st.integers(0, 4),
)
LATENESS: Final = st.one_of(
    st.integers(0, MS), st.integers(0, MS), st.integers(0, 45 * MS), st.sampled_from([0, 18_500_000, 20 * MS, 300 * MS])
)
MEDDLING: Final = [
    *("sends", "sends a half", "flushes and sends", "cuts off", "adds", "clears", "notifies", "closes", "fails"),
    "listens",
]
STORIES: Final = st.builds(
    Story,
    files=st.lists(FILES, min_size=1, max_size=3),
    happenings=st.lists(HAPPENINGS, min_size=1, max_size=12),
    lateness_ns=st.lists(LATENESS, min_size=1, max_size=30),
    pace_ns=st.one_of(st.just(18_500_000), st.sampled_from([20 * MS, 19 * MS, 21 * MS]), st.integers(0, 30 * MS)),
    lead_ns=st.one_of(st.just(2000 * MS), st.sampled_from([800 * MS, 400 * MS, 60 * MS]), st.integers(0, 1500 * MS)),
    loop=st.sampled_from([2, 0, 1]),
    then=st.sampled_from(Then),
    barge_in=st.booleans(),
    echo_delay_ms=st.sampled_from([0, 0, 60]),
    ppm=st.integers(-500, 500),
    others=st.one_of(
        st.just([]),
        st.lists(st.sampled_from(MEDDLING), min_size=1, max_size=1),
    ),
)
