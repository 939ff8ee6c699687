"""
One call of many: what it sends when it is due, and what it counts.

Most calls do as little as can be done; the first few are watched: a whole ``VonageLeg`` with its rules and its playout
buffer, which finds what is wrong and knows what the caller heard. Both say the same, and are measured in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.call.events import Event
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.call.machine import Abort, Close
from vonage_sock.clock import MS, SECOND
from vonage_sock.protocol import messages
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL, CLOSE_NO_CODE, CLOSE_NORMAL
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import HeardSink, LegPlan
from vonage_sock.simulator.load.correlation import Follower
from vonage_sock.simulator.load.framed import SILENCE, FramedFrames
from vonage_sock.simulator.load.lane import Aside, say, unread
from vonage_sock.simulator.load.marks import MARK_BYTES, POOL_FRAMES
from vonage_sock.simulator.load.meter import CallMeter
from vonage_sock.simulator.load.opening import Channel
from vonage_sock.simulator.load.tally import Book

DRAIN_NS: Final = 2 * SECOND
"""How long a call waits for what isn't back when all has been said; frames of silence push it through meanwhile."""

CALM_NS: Final = 100 * MS
"""So long all go on in silence before the first hangs up: others' last frames would wait for what that costs the server."""

UNMARKED_DRAIN_NS: Final = SECOND // 2
MAX_UNSENT_BYTES: Final = 512 * 1024
STALLED_CODE: Final = 0
"""Stands for a call that was ended since the server read nothing any more."""

FRAMES_AT_A_TIME: Final = 61
"""
So many neighbouring frames are said at any time, each by some of the calls: different ones, so that one call's audio on
another's socket is seen, and few, so that they stay in the processor's cache.
"""


class State(Enum):
    """Where a call stands."""

    SPEAKING = "speaking"
    DRAINING = "waiting for the rest"
    CLOSING = "closed by us"
    GONE = "over"


class LoadCall:
    """
    A call that is only measured.

    Args:
        end_at: when it has said all.
        over: called once, when the socket is gone.
    """

    __slots__ = (
        "_book",
        "_channel",
        "_end_at",
        "_frames",
        "_over",
        "_turns_end_at",
        "binary",
        "lane",
        "meter",
        "number",
        "slot",
        "state",
    )

    def __init__(
        self, number: int, slot: int, book: Book, frames: FramedFrames, *, end_at: int, over: Callable[[LoadCall], None]
    ) -> None:
        self.number = number
        self.slot = slot
        self.meter = CallMeter(book, frames.marked)
        self.binary: Callable[[bytes, int], None] = self.meter.received
        """Audio came."""

        self.lane = self.meter.lane
        """What it says and hears as long as all is as usual."""

        self.lane.check = self._check
        self.state = State.SPEAKING
        self._book = book
        self._frames = frames
        self._end_at = end_at
        self._turns_end_at = 0
        """When its turns aren't the usual ones any more."""

        self._over = over
        self._channel: Channel | None = None

    def begin(self, channel: Channel, headers: messages.JsonObject, first_at: int) -> None:
        """The socket is open; the first frame is due at ``first_at``."""
        self._use(channel, first_at)
        channel.send(messages.connected_text(self._frames.marked.audio_format, headers))

    @property
    def is_steady(self) -> bool:
        """Its lane may take its turns, until it has said all: nobody need be asked when one of its frames comes."""
        return self.lane.long_way is not None

    def _use(self, channel: Channel, first_at: int) -> None:
        self._channel = channel
        self.meter.begin((first_at // FRAME_NS + self.number % FRAMES_AT_A_TIME) % POOL_FRAMES)
        self.lane.framed = channel.prepared
        if self.lane.long_way is None:
            self.lane.sock = Aside(channel.send_prepared, unread)
        self._turns_end_at = self._end_at

    def step(self, due_at: int, now: int) -> None:
        """20 ms have passed."""
        if due_at >= self._turns_end_at:
            self._wind_up(due_at, now)
        else:
            say((self.lane,), now)
            self._book.tally.sent += 1

    @property
    def metered(self) -> CallMeter | None:
        """Frames that come back concern the meter alone."""
        return self.meter

    def stop(self, now: int) -> None:
        """Hang up as soon as what was said is back."""
        self._end_at = min(self._end_at, now)
        self._turns_end_at = min(self._turns_end_at, now)

    def text(self, text: str, now: int) -> None:
        """Commands change nothing here."""

    def gone(self, code: int, reason: str, now: int) -> None:
        """The socket is over."""
        if self.state is State.GONE:
            return
        by_us = self.state is State.CLOSING
        self.state = State.GONE
        if not by_us:
            self._dropped(code)
        self.meter.finish()
        self._finish(code, reason, now)
        self._over(self)

    def _dropped(self, code: int) -> None:
        tally = self.meter.book.tally
        tally.drop(code)
        if (rule := _CLOSE_FINDINGS.get(code)) is not None:
            tally.find(rule, CATALOGUE[rule].level.value, CATALOGUE[rule].message)

    def _finish(self, code: int, reason: str, now: int) -> None:
        """For calls that know more."""

    def _check(self, now: int) -> None:
        """What is looked at now and then."""
        self.meter.forget()
        if self._channel is not None and self._channel.unsent_bytes > MAX_UNSENT_BYTES:
            self._give_up(self._channel)

    def _wind_up(self, due_at: int, now: int) -> None:
        if self._channel is None or self.state in (State.CLOSING, State.GONE):
            return
        self.state = State.DRAINING
        if self._is_drained(due_at):
            self.state = State.CLOSING
            self._channel.close(CLOSE_NORMAL)
        elif self.meter.returned_any:
            self._channel.send_prepared(self.lane.framed[SILENCE])

    def _is_drained(self, due_at: int) -> bool:
        meter = self.meter
        if not meter.waits:
            return not meter.returned_any or due_at >= self._end_at + CALM_NS
        if due_at >= self._end_at + DRAIN_NS:
            return True
        if meter.returned_any:
            return False
        # Audio without marks is counted by its length, to which nothing may be added; a server that is silent stays so.
        return not meter.unmarked_bytes or due_at >= self._end_at + UNMARKED_DRAIN_NS

    def _give_up(self, channel: Channel) -> None:
        self.state = State.CLOSING
        self._turns_end_at = 0
        self.meter.book.tally.drop(STALLED_CODE)
        channel.abort()


_CLOSE_FINDINGS: Final = {CLOSE_ABNORMAL: "VS308", CLOSE_NO_CODE: "VS309"}


class _Script:
    """So many of the marked frames, from one of them on, as a ``Source``; it may be told that it is over before."""

    name = "load"
    error: str | None = None
    total_frames: int | None = None

    def __init__(self, frames: FramedFrames, first: int, count: int) -> None:
        self._frames = frames.marked.frames
        self._next = first
        self._left = count

    def end(self) -> None:
        """Nothing more is to be said."""
        self._left = 0

    def take(self) -> bytes | None:
        """The next one."""
        if self.ended():
            return None
        frame = self._frames[self._next]
        self._next = (self._next + 1) % POOL_FRAMES
        self._left -= 1
        return frame

    def ended(self) -> bool:
        """All has been said."""
        return self._left <= 0

    def close(self) -> None:
        """Nothing to release."""


class WatchedCall(LoadCall):
    """
    A call in which findings are looked for.

    Args:
        heard: takes what the caller heard.
        observe: told of the leg's events.
        follow: also compare changed audio with what was said.
    """

    __slots__ = ("_ended", "_first_at", "_follower", "_heard", "_leg", "_observe", "_script")

    def __init__(
        self,
        number: int,
        slot: int,
        book: Book,
        frames: FramedFrames,
        *,
        end_at: int,
        over: Callable[[LoadCall], None],
        heard: HeardSink | None = None,
        observe: Callable[[Event], None] | None = None,
        follow: bool = False,
    ) -> None:
        super().__init__(number, slot, book, frames, end_at=end_at, over=over)
        self._heard = heard
        self._observe = observe
        self._follower = Follower(frames.marked) if follow else None
        self._script = _Script(frames, 0, 0)
        self._leg: VonageLeg | None = None
        self._first_at = 0
        self._ended: tuple[int, str, int] | None = None
        self.binary = self._heard_binary

    @property
    def metered(self) -> CallMeter | None:
        """The leg hears all."""
        return None

    @property
    def follower(self) -> Follower | None:
        """What was said and heard, where that was kept."""
        return self._follower

    def begin(self, channel: Channel, headers: messages.JsonObject, first_at: int) -> None:
        """The leg's steps are the call's."""
        self._use(channel, first_at)
        self._first_at = first_at
        # As many as have their turn until the end, also where a stall has several of them take it at once.
        self._script = _Script(self._frames, self.lane.number, -((first_at - self._end_at) // FRAME_NS))
        # Its silence after the last word goes on until we hang up.
        plan = LegPlan(audio_format=self._frames.marked.audio_format, headers=headers, duration_ns=1 << 62)
        self._leg = VonageLeg(f"call-{self.number + 1}", plan, self._script, now=first_at, heard=self._heard)
        self._settle(self._leg, channel, first_at)

    def step(self, due_at: int, now: int) -> None:
        """One frame goes out, one is heard."""
        if self._leg is not None and self._channel is not None and self.state not in (State.CLOSING, State.GONE):
            self._step(self._leg, self._channel, due_at, now)

    def _step(self, leg: VonageLeg, channel: Channel, due_at: int, now: int) -> None:
        if due_at >= self._end_at:
            self.state = State.DRAINING
            self._script.end()
            if self._is_drained(due_at):
                self.state = State.CLOSING
                leg.close(CLOSE_NORMAL, now)
                self._settle(leg, channel, now)
                return
            if not self.meter.returned_any:
                return
        leg.handle_deadline(max(now, due_at))
        self._settle(leg, channel, now)
        if channel.unsent_bytes > MAX_UNSENT_BYTES:
            self._give_up(channel)

    def _heard_binary(self, data: bytes, now: int) -> None:
        self.meter.received(data, now)
        if self._follower is not None:
            self._follower.received(data, now)
        if self._leg is not None and self._channel is not None:
            self._leg.receive_bytes(data, now)
            self._settle(self._leg, self._channel, now)

    def text(self, text: str, now: int) -> None:
        """A command came."""
        if self._leg is not None and self._channel is not None:
            self._leg.receive_text(text, now)
            self._settle(self._leg, self._channel, now)

    def _dropped(self, code: int) -> None:
        self.meter.book.tally.drop(code)

    def _finish(self, code: int, reason: str, now: int) -> None:
        self._ended = code, reason, max(now, self._first_at)

    def conclude(self) -> None:
        """Judge the call; once all calls are over, since that takes long enough to make others late."""
        leg = self._leg
        if leg is None or self._ended is None:
            return
        leg.receive_close(*self._ended)
        self._tell(leg)
        tally = self.meter.book.tally
        tally.watched += 1
        for found in leg.findings.all():
            tally.find(found.code, found.level, found.message, count=found.count)

    def _settle(self, leg: VonageLeg, channel: Channel, now: int) -> None:
        numbers = self._frames.marked.numbers
        for message in leg.messages_to_send():
            match message:
                case bytes() if (number := numbers.get(message[:MARK_BYTES])) is not None:
                    channel.send_prepared(channel.prepared[number])
                    self.meter.sent(now)
                    if self._follower is not None:
                        self._follower.sent(number, now)
                case bytes() | str():
                    channel.send(message)
                case Close(code, _):
                    self.state = State.CLOSING
                    channel.close(code)
                case Abort():
                    self.state = State.CLOSING
                    channel.abort()
        self._tell(leg)

    def _tell(self, leg: VonageLeg) -> None:
        while (event := leg.next_event()) is not None:
            if self._observe is not None:
                self._observe(event)
