"""What a person does in a call that is going on."""

from __future__ import annotations

import json

from tests.behaviours.test_play import RATE_8K, opens
from tests.behaviours.test_record import Shelf
from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.behaviours import by_hand
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Event, PlaybackCleared, PlaybackFinished
from vonage_sock.call.machine import Close
from vonage_sock.call.session import CallSession
from vonage_sock.protocol.messages import NOTIFY

CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}'
LEAD_NS = 3 * FRAME_NS


class Caller:
    """A call at 8 kHz: it says a frame of the letter s every 20 ms, and answers what it is asked."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.call = CallSession("c1", behaviours, assumed_format=RATE_8K, now=0)
        self.now = 0
        self.heard = ""
        self.events: list[Event] = []
        self.closed = False
        self.call.receive_text(CONNECTED, 0)

    def steps(self, count: int) -> str:
        """What comes back in that many frames' time, a letter each."""
        before = len(self.heard)
        for _ in range(count):
            self.call.receive_bytes(b"s" * 320, self.now)
            self._settle()
            until = self.now + FRAME_NS
            while (due_at := self.call.next_deadline()) is not None and due_at < until:
                self.now = max(self.now, due_at)
                self.call.handle_deadline(self.now)
                self._settle()
            self.now = until
        return self.heard[before:]

    def play(self, name: str, frames: int) -> None:
        """By hand."""
        self.call.let_pass(self.now)
        by_hand.play(self.call, opens(name, frames), pace_ns=FRAME_NS, lead_ns=LEAD_NS)
        self._settle()

    def _settle(self) -> None:
        for message in self.call.messages_to_send():
            match message:
                case bytes():
                    self.heard += chr(message[0])
                case Close():
                    self.closed = True
                case str() if "notify" in message:
                    self.call.receive_text(json.dumps({**json.loads(message), "event": NOTIFY}), self.now)
        while (event := self.call.next_event()) is not None:
            self.events.append(event)

    def told(self, kind: type[Event]) -> int:
        """How many events of a kind there were."""
        return sum(isinstance(event, kind) for event in self.events)


def test_an_echo_waits_for_the_end_of_a_file() -> None:
    """Both at once would be a frame too many for each that is played; then it goes on."""
    caller = Caller(Echo())
    before = caller.steps(3)
    caller.play("p", 6)

    after = caller.steps(12)

    assert ("sss", "pppppp", set("s")) == (before, after[:6], set(after[6:]))
    assert 1 == caller.told(PlaybackFinished)


def test_a_delayed_echo_keeps_its_delay() -> None:
    """What a file replaced comes back as it was."""
    caller = Caller(Echo(delay_ms=40))
    caller.steps(1)
    caller.play("p", 2)
    caller.steps(8)
    (player,) = caller.call.behaviours

    assert isinstance(player, Play)
    assert (40, "s") == (player._echo.delay_ms, caller.heard[-1])


def test_a_file_comes_behind_what_is_playing_and_before_what_follows_it() -> None:
    """The list of --play goes on with it, and --then hangup hangs up behind it."""
    caller = Caller(Play([opens("a", 8)], lead_ns=LEAD_NS, pace_ns=FRAME_NS, then=Then.HANGUP))
    first = caller.steps(2)
    caller.play("b", 4)
    rest = caller.steps(20)

    assert "a" * 8 + "bbbb" == first + rest
    assert caller.closed


def test_two_files_follow_each_other() -> None:
    """One player, however often a key is pressed."""
    caller = Caller()
    caller.play("a", 3)
    caller.play("b", 3)

    assert "aaabbb" == caller.steps(10)
    assert 1 == len(caller.call.behaviours)


def test_clearing_drops_what_plays_and_the_echo_goes_on() -> None:
    """The call doesn't end for it, though --then hangup would at the file's end."""
    echoed, hung_up = Caller(Echo()), Caller(Play([opens("a", 50)], lead_ns=LEAD_NS, then=Then.HANGUP))
    echoed.play("p", 50)
    for caller in (echoed, hung_up):
        caller.steps(3)
        by_hand.clear(caller.call)
    after = echoed.steps(3), hung_up.steps(3)

    assert ("sss", "") == after
    assert not hung_up.closed
    assert 1 == echoed.told(PlaybackCleared) == hung_up.told(PlaybackCleared)


def test_clearing_without_a_player_is_told_to_the_platform() -> None:
    """An echo that waits on the way is dropped with it."""
    caller = Caller(Echo(delay_ms=60))
    caller.steps(2)
    by_hand.clear(caller.call)

    assert ['{"action":"clear"}'] == caller.call.messages_to_send()
    assert "" == caller.steps(1)


def test_a_recording_begins_and_ends_in_the_middle_of_a_call() -> None:
    """It holds what came between the two, and a second one is a file of its own."""
    shelf, caller = Shelf(), Caller(Echo())
    caller.steps(2)
    for _ in range(2):
        by_hand.start_recording(caller.call, lambda _: Record(shelf.open))
        by_hand.start_recording(caller.call, lambda _: Record(shelf.open))
        recorded = by_hand.is_recorded(caller.call)
        caller.steps(3)
        by_hand.stop_recording(caller.call)
        caller.steps(1)

    assert recorded
    assert [(b"s" * 960, 1)] * 2 == [(sink.pcm, sink.closed) for sink in shelf.sinks]
    assert not by_hand.is_recorded(caller.call)


def test_a_recording_from_the_beginning_is_completed_by_the_same_key() -> None:
    """It isn't begun a second time by the call's end."""
    shelf = Shelf()
    caller = Caller(Record(shelf.open), Echo())
    caller.steps(2)
    by_hand.stop_recording(caller.call)
    by_hand.stop_recording(caller.call)
    caller.call.receive_close(1000, "", caller.now)

    assert [(b"s" * 640, 1)] == [(sink.pcm, sink.closed) for sink in shelf.sinks]


def test_a_stereo_recording_in_the_middle_knows_what_the_platform_still_plays() -> None:
    """What was sent before is silence in it, for as long as it is heard; what is sent then stands where it is heard."""
    shelf, caller = Shelf(), Caller(Play([opens("p", 10)], pace_ns=0, lead_ns=20 * FRAME_NS))
    caller.steps(1)
    queued = caller.call.queued_frames
    by_hand.start_recording(caller.call, lambda frames: Record(shelf.open, stereo=True, queued_frames=frames))
    caller.play("b", 1)
    caller.steps(queued + 3)
    right = shelf.sinks[0].pcm[2::4]
    heard = [right[at : at + 160][:1] for at in range(0, len(right), 160)]

    assert 8 <= queued <= 10
    assert [b"\0"] * queued + [b"b", b"\0"] == heard[: queued + 2]
