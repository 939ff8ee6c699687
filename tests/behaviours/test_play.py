"""Play."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.behaviours.play import NOTIFY_GRACE_NS, SOURCE_RETRY_NS, Play, Then
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import Event, PlaybackCleared, PlaybackFailed, PlaybackFinished, PlaybackStarted
from vonage_sock.call.machine import Close, Outgoing
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND
from vonage_sock.testing import PcmSource

RATE_8K = AudioFormat(8000)
LEAD_NS = 5 * FRAME_NS
CLEAR = '{"action":"clear"}'


class Clip(PcmSource):
    """So many frames of one letter; may be without a length, slow, or broken at its end."""

    def __init__(
        self, name: str, frames: int, *, misses: int = 0, error: str | None = None, endless: bool = False
    ) -> None:
        super().__init__(name.encode() * 320 * frames, RATE_8K, name=name)
        self.misses = misses
        self.error = error
        self.total_frames = None if endless else frames
        self.closed = 0

    def take(self) -> bytes | None:
        """Nothing while it is slow."""
        if self.misses:
            self.misses -= 1
            return None
        return super().take()

    def ended(self) -> bool:
        """Not while it is slow."""
        return not self.misses and super().ended()

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def opener(clip: Clip) -> OpenSource:
    """Opens that clip."""
    return lambda _: clip


def opens(name: str, frames: int, **options: Any) -> OpenSource:
    """Opens a new clip each time."""
    return lambda _: Clip(name, frames, **options)


class Caller:
    """A call at 8 kHz whose timers fire on time; notes what is sent, and when."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.now = 0
        self.sent: list[tuple[int, Outgoing]] = []
        self.events: list[Event] = []
        self.call = CallSession("c1", behaviours, assumed_format=RATE_8K, now=0)
        self.text({"event": "websocket:connected", "content-type": "audio/l16;rate=8000"})

    def text(self, value: object) -> None:
        """The platform says something."""
        self.call.receive_text(json.dumps(value), self.now)
        self.take()

    def press(self, digit: str) -> None:
        """A key."""
        self.text({"event": "websocket:dtmf", "digit": digit})

    def played(self, number: int) -> None:
        """The platform has played everything up to that notify."""
        self.text({"event": "websocket:notify", "payload": {"vsock_played": number}})

    def until(self, now: int) -> None:
        """Let time pass."""
        while (deadline := self.call.next_deadline()) is not None and deadline <= now:
            self.now = max(deadline, self.now)
            self.call.handle_deadline(self.now)
            self.take()
        self.now = now

    def take(self) -> None:
        """Note what there is."""
        self.sent += [(self.now, message) for message in self.call.messages_to_send()]
        self.events += iter(self.call.next_event, None)

    @property
    def heard(self) -> str:
        """One letter per frame that was sent."""
        return "".join(chr(message[0]) for _, message in self.sent if isinstance(message, bytes))

    def times(self, of: type) -> list[int]:
        """When messages of that type left."""
        return [at for at, message in self.sent if isinstance(message, of)]

    def told(self, *of: type) -> list[tuple[str, str, object]]:
        """The playback events, in short."""
        kinds: Sequence[type] = of or (PlaybackStarted, PlaybackFinished, PlaybackCleared, PlaybackFailed)
        return [
            (event.name.removeprefix("playback."), event.file, getattr(event, "frames", getattr(event, "error", None)))
            for event in self.events
            if isinstance(event, tuple(kinds))
        ]


def play(*files: OpenSource, **options: Any) -> Play:
    """With a lead of five frames unless said otherwise."""
    return Play(files, **{"lead_ns": LEAD_NS, **options})


def test_a_file_is_sent_on_the_pacers_schedule() -> None:
    """Five frames at once, then one per 20 ms; notify comes behind the last, when the end is found."""
    caller = Caller(play(opens("a", 8)))
    caller.until(SECOND)

    assert [0] * 5 + [20 * MS, 40 * MS, 60 * MS] == caller.times(bytes)
    assert (80 * MS, '{"action":"notify","payload":{"vsock_played":1}}') == caller.sent[-1]


def test_start_and_end_are_told() -> None:
    """The start with the first frame, the end when the platform says that it was played."""
    caller = Caller(play(opens("a", 8)))
    caller.until(SECOND)
    before = caller.told()
    caller.played(1)

    assert [("started", "a", 8)] == before
    assert [PlaybackFinished(at=SECOND, call="c1", file="a", seconds=0.16, frames=8)] == caller.events[-2:-1]


def test_a_length_that_is_not_known_is_not_told() -> None:
    """A pipe has none until its end."""
    caller = Caller(play(opens("a", 3, endless=True)))
    caller.until(SECOND)
    caller.played(1)

    assert [("started", "a", None), ("finished", "a", 3)] == caller.told()
    assert next(event.seconds for event in caller.events if isinstance(event, PlaybackStarted)) is None


def test_files_follow_each_other_without_a_gap() -> None:
    """A playlist is one stream; each file has its own notify, and its source is closed."""
    clips = [Clip("a", 7), Clip("b", 3)]
    caller = Caller(play(*map(opener, clips)))
    caller.until(SECOND)
    caller.played(1)
    caller.played(2)

    assert "aaaaaaabbb" == caller.heard
    assert [0] * 5 + [n * FRAME_NS for n in range(1, 6)] == caller.times(bytes)
    assert [1, 1] == [clip.closed for clip in clips]
    assert ["started", "started", "finished", "finished"] == [kind for kind, _, _ in caller.told()]


def test_a_list_is_played_as_often_as_asked() -> None:
    """Opened anew each time."""
    caller = Caller(play(opens("a", 2), opens("b", 1), loop=3))
    caller.until(SECOND)

    assert "aabaabaab" == caller.heard


@pytest.mark.no_cover
def test_a_list_can_be_played_for_ever() -> None:
    """It doesn't end while the call lasts."""
    caller = Caller(play(opens("a", 2), loop=0))
    caller.until(600 * SECOND)

    assert 600 * 50 + 5 == len(caller.heard)


@pytest.mark.parametrize("loop", [0, 3])
def test_a_list_of_which_nothing_can_be_played_ends(loop: int) -> None:
    """It isn't opened again and again, and why is told."""
    caller = Caller(play(opens("a", 0, error="broken"), loop=loop, then=Then.HANGUP))
    caller.until(SECOND)

    assert [("failed", "a", "broken")] == caller.told()
    assert [Close(1000, "played to the end")] == [message for _, message in caller.sent]


def test_a_broken_file_does_not_stop_the_list() -> None:
    """The others are still played as often as asked."""
    caller = Caller(play(opens("a", 0, error="broken"), opens("b", 1), loop=2))
    caller.until(SECOND)

    assert ("bb", 2) == (caller.heard, len(caller.told(PlaybackFailed)))


def test_a_file_that_breaks_off_is_told_and_played_so_far() -> None:
    """What could be read was sent; what was not played to its end isn't told as finished."""
    caller = Caller(play(opens("a", 2, error="cut short")))
    caller.until(SECOND)
    caller.played(1)

    assert [("started", "a", 2), ("failed", "a", "cut short")] == caller.told()


def test_after_a_file_that_breaks_off_the_call_ends_when_what_was_sent_is_played() -> None:
    """``then`` waits for the platform all the same."""
    caller = Caller(play(opens("a", 2, error="cut short"), then=Then.HANGUP))
    caller.until(SECOND)
    before = list(caller.times(Close))
    caller.played(1)

    assert ([], 1) == (before, len(caller.times(Close)))


def test_a_source_that_has_nothing_ready_is_asked_again() -> None:
    """Each 5 ms; what it has then goes out, and the lead isn't more than was asked for."""
    caller = Caller(play(opens("a", 8, misses=3)))
    caller.until(SECOND)

    assert [3 * SOURCE_RETRY_NS] * 5 + [3 * SOURCE_RETRY_NS + n * FRAME_NS for n in (1, 2, 3)] == caller.times(bytes)


def test_a_source_that_stalls_for_long_is_not_caught_up_in_a_flood() -> None:
    """After ten seconds of nothing the platform is as far ahead as ever."""
    caller = Caller(play(opens("a", 500, misses=2000)))
    caller.until(10 * SECOND)

    assert [10 * SECOND] * 5 == caller.times(bytes)


@pytest.mark.parametrize(
    ("then", "last"),
    [(Then.HANGUP, [Close(1000, "played to the end")]), (Then.STAY, []), (Then.ECHO, [b"x" * 320])],
)
def test_what_follows_the_last_file(then: Then, last: list[Outgoing]) -> None:
    """Only once the platform has played it."""
    caller = Caller(play(opens("a", 8), then=then))
    caller.until(SECOND)
    caller.call.receive_bytes(b"x" * 320, caller.now)
    caller.take()
    before = len(caller.sent)
    caller.played(1)
    caller.call.receive_bytes(b"x" * 320, caller.now)
    caller.take()

    assert ("aaaaaaaa", last) == (caller.heard[:8], [message for _, message in caller.sent[before:]])


def test_with_nothing_to_play_echo_begins_at_once() -> None:
    """There is nothing to wait for."""
    caller = Caller(play(then=Then.ECHO))
    caller.call.receive_bytes(b"x" * 320, 0)
    caller.take()

    assert "x" == caller.heard


def test_the_echo_that_follows_may_come_later() -> None:
    """Each frame as long after it came as was asked for."""
    caller = Caller(play(then=Then.ECHO, echo_delay_ms=100))
    caller.call.receive_bytes(b"x" * 320, 0)
    caller.until(SECOND)

    assert [(100 * MS, b"x" * 320)] == caller.sent


def test_a_key_drops_what_was_to_be_echoed_later() -> None:
    """The caller's old words don't come behind the file."""
    caller = Caller(play(then=Then.ECHO, echo_delay_ms=100, on_dtmf={"1": opens("b", 1)}))
    caller.call.receive_bytes(b"x" * 320, 0)
    caller.press("1")
    caller.until(SECOND)
    caller.played(1)
    caller.until(2 * SECOND)

    assert "b" == caller.heard


def test_one_more_file_can_be_added_while_another_plays() -> None:
    """It comes behind it, and the call is busy until it was played."""
    behaviour = play(opens("a", 3))
    caller = Caller(behaviour)
    caller.until(10 * MS)
    behaviour.add(caller.call, opens("b", 2))
    caller.until(SECOND)
    busy = [behaviour.busy]
    caller.played(2)
    busy.append(behaviour.busy)

    assert ("aaabb", [True, False]) == (caller.heard, busy)


@pytest.mark.parametrize(("frames", "ends_at"), [(3, 3 * FRAME_NS), (50, 50 * FRAME_NS)])
def test_without_an_answer_the_end_is_two_seconds_after_all_was_played(frames: int, ends_at: int) -> None:
    """A platform of 2021 doesn't know ``notify``."""
    caller = Caller(play(opens("a", frames), then=Then.HANGUP))
    caller.until(60 * SECOND)

    assert [ends_at + NOTIFY_GRACE_NS] == caller.times(Close)
    assert ("finished", "a", frames) == caller.told()[-1]


def test_the_first_answers_of_a_list_do_not_end_it() -> None:
    """The last file is still playing."""
    caller = Caller(play(opens("a", 3), opens("b", 100), then=Then.HANGUP))
    caller.until(200 * MS)
    caller.played(1)
    caller.until(SECOND)

    assert ([], ("finished", "a", 3)) == (caller.times(Close), caller.told()[-1])


@pytest.mark.parametrize("payload", [None, "x", {}, {"vsock_played": "1"}, {"vsock_played": 0}, {"other": 1}])
def test_other_peoples_notifies_mean_nothing(payload: object) -> None:
    """Only the number of a file that was sent ends it."""
    caller = Caller(play(opens("a", 8), then=Then.HANGUP))
    caller.until(SECOND)
    caller.text({"event": "websocket:notify", "payload": payload})

    assert ([], []) == (caller.times(Close), caller.told(PlaybackFinished))


def test_a_stray_answer_does_not_end_a_call_that_plays_nothing() -> None:
    """An answer to what was cut off comes late; it is nobody's end."""
    caller = Caller(play(then=Then.HANGUP))
    caller.played(1)

    assert [] == caller.sent


def test_a_key_plays_its_file() -> None:
    """At once where nothing plays; echo stops for it and begins again after it."""
    caller = Caller(play(on_dtmf={"1": opens("b", 2)}, then=Then.ECHO))
    caller.press("1")
    caller.until(SECOND)
    caller.call.receive_bytes(b"x" * 320, caller.now)
    caller.played(1)
    caller.call.receive_bytes(b"y" * 320, caller.now)
    caller.take()

    assert "bby" == caller.heard


def test_a_key_without_a_file_does_nothing() -> None:
    """The file plays on."""
    caller = Caller(play(opens("a", 8), on_dtmf={"1": opens("b", 2)}))
    caller.press("2")
    caller.until(SECOND)

    assert "aaaaaaaa" == caller.heard


def test_without_barge_in_a_keys_file_comes_after_what_plays() -> None:
    """It waits its turn, before the list is played again."""
    caller = Caller(play(opens("a", 8), loop=2, on_dtmf={"1": opens("b", 2)}))
    caller.press("1")
    caller.until(SECOND)

    assert "aaaaaaaabbaaaaaaaa" == caller.heard


def test_with_barge_in_a_key_cuts_off_what_plays() -> None:
    """Cleared first; the key's file starts anew with a burst; the old one is told with what was sent of it."""
    clip = Clip("a", 100)
    caller = Caller(play(opener(clip), loop=0, on_dtmf={"1": opens("b", 6)}, barge_in=True))
    caller.until(50 * MS)
    caller.press("1")
    caller.until(5 * SECOND)

    assert "aaaaaaabbbbbb" == caller.heard
    assert [(50 * MS, CLEAR), *[(50 * MS, b"b" * 320)] * 5, (70 * MS, b"b" * 320)] == caller.sent[7:14]
    assert [("started", "a", 100), ("cleared", "a", 7), ("started", "b", 6)] == caller.told()[:3]
    assert clip.closed == 1


def test_barge_in_reaches_what_was_sent_and_not_yet_played() -> None:
    """The platform still plays it, although nothing more is to be sent."""
    caller = Caller(play(opens("a", 3), on_dtmf={"1": opens("b", 1)}, barge_in=True))
    caller.until(10 * MS)
    caller.press("1")
    caller.until(SECOND)

    assert ("aaab", [("cleared", "a", 3)]) == (caller.heard, caller.told(PlaybackCleared))


@pytest.mark.parametrize(
    ("then", "last"), [(Then.HANGUP, [CLEAR, Close(1000, "played to the end")]), (Then.STAY, [CLEAR])]
)
def test_barge_in_with_another_key_is_the_end_of_playing(then: Then, last: list[Outgoing]) -> None:
    """What follows the last file follows now."""
    caller = Caller(play(opens("a", 100), then=then, barge_in=True))
    caller.until(50 * MS)
    caller.press("9")
    caller.until(10 * SECOND)

    assert last == [message for _, message in caller.sent[7:]]


def test_barge_in_clears_nothing_where_nothing_plays() -> None:
    """No command without a reason."""
    caller = Caller(play(on_dtmf={"1": opens("b", 1)}, barge_in=True))
    caller.press("1")
    caller.until(SECOND)

    assert CLEAR not in [message for _, message in caller.sent]


def test_a_clear_by_somebody_else_cuts_off_the_files() -> None:
    """What had been sent is told, nothing more is sent, and the answers to old notifies mean nothing."""
    caller = Caller(play(opens("a", 3), opens("b", 100), then=Then.HANGUP))
    caller.until(50 * MS)
    caller.call.clear()
    caller.until(5 * SECOND)
    caller.played(1)

    assert ("aaabbbb", []) == (caller.heard, caller.times(Close))
    assert [("cleared", "a", 3), ("cleared", "b", 4)] == caller.told(PlaybackCleared)


def test_a_clear_where_nothing_plays_is_not_told_as_one_of_a_file() -> None:
    """There is nothing to cut off."""
    caller = Caller(play())
    caller.call.clear()
    caller.take()

    assert ([CLEAR], []) == ([message for _, message in caller.sent], caller.told())


class ClearsAtFourth(Behaviour):
    """Clears in the middle of a burst."""

    def __init__(self) -> None:
        self.count = 0

    def sent(self, call: Call, frame: bytes) -> None:
        """At the fourth frame."""
        self.count += 1
        if self.count == 4:
            call.clear()


def test_a_clear_in_the_middle_of_a_burst_ends_it() -> None:
    """Nothing of the burst comes after it, and a key can start anew."""
    caller = Caller(play(opens("a", 100), on_dtmf={"1": opens("b", 6)}), ClearsAtFourth())
    caller.until(50 * MS)
    caller.press("1")
    caller.until(SECOND)

    assert "aaaabbbbbb" == caller.heard
    assert [50 * MS] * 5 + [70 * MS] == caller.times(bytes)[4:]


def test_the_end_of_the_call_cuts_off_what_plays() -> None:
    """What was sent and isn't known to have been heard is told as cleared; sources are closed."""
    clip = Clip("b", 100)
    caller = Caller(play(opens("a", 3), opener(clip)))
    caller.until(50 * MS)
    caller.call.receive_close(1000, "", caller.now)
    caller.take()

    assert [("cleared", "a", 3), ("cleared", "b", 4)] == caller.told(PlaybackCleared)
    assert (1, 0) == (clip.closed, len(caller.times(Close)))


def test_a_file_of_which_nothing_was_sent_is_not_told_as_cleared() -> None:
    """Nobody heard of it."""
    caller = Caller(play(opens("a", 3, misses=10)))
    caller.until(10 * MS)
    caller.call.receive_close(1000, "", caller.now)
    caller.take()

    assert [] == caller.told()


def test_a_second_file_soon_after_the_first_keeps_the_schedule() -> None:
    """The platform hasn't run dry yet, so the lead isn't built anew on top of it."""
    caller = Caller(play(opens("a", 10), on_dtmf={"1": opens("b", 10)}))
    caller.until(150 * MS)
    caller.press("1")
    caller.until(SECOND)

    assert 20 == len(caller.heard)
    assert [number * FRAME_NS - LEAD_NS for number in range(14, 21)] == caller.times(bytes)[13:]


def test_the_schedule_goes_by_the_platforms_clock() -> None:
    """A minute of frames that come 200 ppm too slowly; from then on ours leave as much apart as those."""
    caller = Caller(play(opens("a", 6000)))
    for number in range(1, 3001):
        caller.until(number * (FRAME_NS + 4000))
        caller.call.receive_bytes(b"x" * 320, caller.now)
    caller.until(70 * SECOND)
    times = caller.times(bytes)

    assert 3000 < (times[-1] - times[-251]) / 250 - FRAME_NS < 7000
