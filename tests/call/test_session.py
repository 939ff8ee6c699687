"""Our server's end of a leg."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import audio_streams as streams
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Ahead, Behaviour, Call
from vonage_sock.call.events import Connected, DtmfPressed, Ended, Event, FindingRaised, MessageReceived
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Close, Outgoing
from vonage_sock.call.session import (
    HOLD_MAX_BYTES,
    HOLD_NS,
    MAX_DIGITS_KEPT,
    TAIL_WAIT_NS,
    TOLD_OF_PLATFORM,
    CallSession,
    State,
)
from vonage_sock.clock import MS, SECOND
from vonage_sock.limits import Limits
from vonage_sock.testing import PcmSource

PROPERTY = settings(deadline=None, database=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
RATE_8K = AudioFormat(8000)
CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}'
FRAME = bytes(range(160)) * 2
OTHER = FRAME[::-1]


class Diary(Behaviour):
    """Notes what it is told, in order; asks for one wake-up."""

    def __init__(self, *, due_at: int | None = None) -> None:
        self.notes: list[object] = []
        self.wake_at = due_at

    def connected(self, call: Call) -> None:
        self.notes.append(("connected", call.audio_format.rate_hz, call.headers))

    def audio(self, call: Call, frame: bytes) -> None:
        self.notes.append(frame)

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        self.notes.append(("digit", digit, duration_ms))

    def message(self, call: Call, message: object) -> None:
        self.notes.append(("message", message))

    def sent(self, call: Call, frame: bytes) -> None:
        self.notes.append(("sent", frame))

    def cleared(self, call: Call) -> None:
        self.notes.append("cleared")

    def notified(self, call: Call, payload: object) -> None:
        self.notes.append(("notified", payload))

    def due_at(self) -> int | None:
        return self.wake_at

    def due(self, call: Call) -> None:
        self.notes.append(("due", call.now))
        self.wake_at = None

    def closed(self, call: Call) -> None:
        self.notes.append("closed")


class Faulty(Behaviour):
    """Raises in one of its hooks."""

    def __init__(self, hook: str) -> None:
        self._hook = hook

    def connected(self, call: Call) -> None:
        self._fail_in("connected")

    def audio(self, call: Call, frame: bytes) -> None:
        self._fail_in("audio")

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        self._fail_in("digit")

    def message(self, call: Call, message: object) -> None:
        self._fail_in("message")

    def sent(self, call: Call, frame: bytes) -> None:
        self._fail_in("sent")

    def cleared(self, call: Call) -> None:
        self._fail_in("cleared")

    def notified(self, call: Call, payload: object) -> None:
        self._fail_in("notified")

    def due_at(self) -> int | None:
        return 10

    def due(self, call: Call) -> None:
        self._fail_in("due")

    def closed(self, call: Call) -> None:
        self._fail_in("closed")

    def _fail_in(self, hook: str) -> None:
        if hook == self._hook:
            raise RuntimeError("oh dear")


class HangsUpAtFirstFrameSent(Behaviour):
    """Closes the call as soon as a frame is on its way."""

    def sent(self, call: Call, frame: bytes) -> None:
        call.close(reason="enough")


def session(*behaviours: Behaviour, connected: bool = True) -> CallSession:
    """A call at 8 kHz that starts at 0, its first message read and its first event taken."""
    call = CallSession("c1", behaviours, assumed_format=RATE_8K, now=0, remote="10.0.0.1")
    if connected:
        call.receive_text(CONNECTED, 0)
        call.next_event()
    return call


def events(call: CallSession) -> list[Event]:
    """All events that weren't taken yet."""
    return list(iter(call.next_event, None))


def findings(call: CallSession) -> list[str]:
    """The codes of all findings so far."""
    return [finding.code for finding in call.findings.all()]


def test_connected_tells_format_and_metadata() -> None:
    """The content type is the call's own, whatever was assumed; the other keys are the NCCO's headers."""
    diary = Diary()
    call = session(diary, connected=False)
    call.receive_text('{"event":"websocket:connected","content-type":"audio/l16;rate=16000","a":[1]}', 5)

    assert [("connected", 16000, {"a": [1]})] == diary.notes
    assert [
        Connected(
            at=5,
            call="c1",
            content_type="audio/l16;rate=16000",
            rate_hz=16000,
            headers={"a": [1]},
            remote="10.0.0.1",
        )
    ] == events(call)
    assert (State.OPEN, "c1") == (call.state, call.id)


def test_the_first_message_of_2018_connects_too() -> None:
    """A content type without an event is enough."""
    call = session(connected=False)
    call.receive_text(' {"content-type":"audio/l16;rate=24000","app":"x"}', 0)

    assert (24000, {"app": "x"}, []) == (call.audio_format.rate_hz, call.headers, findings(call))


def test_an_unusable_content_type_is_an_error_and_the_call_goes_on() -> None:
    """The assumed rate is used and said."""
    call = session(connected=False)
    call.receive_text('{"event":"websocket:connected","content-type":"audio/l16;rate=44100"}', 0)
    finding, connected = events(call)

    assert isinstance(finding, FindingRaised)
    assert ("VS304", "error", True) == (finding.code, finding.level, "44100" in finding.message)
    assert isinstance(connected, Connected)
    assert (8000, "audio/l16;rate=44100") == (connected.rate_hz, connected.content_type)


def test_a_second_connected_message_changes_nothing() -> None:
    """It is noted and shown like any other message."""
    call = session()
    call.receive_text('{"event":"websocket:connected","content-type":"audio/l16;rate=16000","a":1}', 1)

    assert (["VS303"], 8000, {}) == (findings(call), call.audio_format.rate_hz, call.headers)
    assert {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "a": 1} == next(
        event.message for event in events(call) if isinstance(event, MessageReceived)
    )


def test_audio_before_connected_is_held_and_not_lost() -> None:
    """It reaches the behaviours in order, once the format is known."""
    diary = Diary()
    call = session(diary, connected=False)
    call.receive_bytes(FRAME, 0)
    call.receive_bytes(OTHER, 1)
    before = list(diary.notes)
    call.receive_text(CONNECTED, 2)
    call.receive_bytes(FRAME, 3)

    assert [] == before
    assert [("connected", 8000, {}), FRAME, OTHER, FRAME] == diary.notes
    assert [] == findings(call)
    assert call.next_deadline() is None


def test_audio_before_connected_is_cut_by_the_rate_that_comes() -> None:
    """Messages of 16 kHz are whole frames, although 8 kHz was assumed when they came."""
    diary = Diary()
    call = session(diary, connected=False)
    call.receive_bytes(FRAME + OTHER, 0)
    call.receive_text(CONNECTED.replace("8000", "16000"), 2)

    assert FRAME + OTHER == diary.notes[-1]
    assert [] == findings(call)


def test_after_half_a_second_without_connected_the_rate_is_assumed() -> None:
    """Counted from the first audio; what was held is handed over, and the missing message noted."""
    diary = Diary()
    call = session(diary, connected=False)
    call.receive_bytes(FRAME, 7)
    call.receive_bytes(OTHER, 8)
    due_at = call.next_deadline()
    call.handle_deadline(7 + HOLD_NS - 1)
    early = list(diary.notes)
    call.handle_deadline(7 + HOLD_NS)

    assert (7 + HOLD_NS, []) == (due_at, early)
    assert [("connected", 8000, {}), FRAME, OTHER] == diary.notes
    assert ["VS302"] == findings(call)


def test_a_connected_message_after_that_is_a_second_one() -> None:
    """The format can't change in the middle of a call."""
    call = session(connected=False)
    call.receive_bytes(FRAME, 0)
    call.handle_deadline(HOLD_NS)
    call.receive_text(CONNECTED.replace("8000", "16000"), SECOND)

    assert ["VS302", "VS303"] == findings(call)
    assert 8000 == call.audio_format.rate_hz


def test_no_more_than_a_quarter_mebibyte_is_held() -> None:
    """A flood before connected doesn't fill the memory, and nothing of it is lost."""
    diary = Diary()
    call = session(diary, connected=False)
    call.receive_bytes(bytes(HOLD_MAX_BYTES), 0)
    held = len(diary.notes)
    call.receive_bytes(FRAME, 0)

    assert (0, State.OPEN) == (held, call.state)
    assert (
        bytes(HOLD_MAX_BYTES // 320 * 320)
        == b"".join(note for note in diary.notes if isinstance(note, bytes))[: HOLD_MAX_BYTES // 320 * 320]
    )
    assert (HOLD_MAX_BYTES + 320) // 320 == sum(isinstance(note, bytes) for note in diary.notes)


def test_held_audio_reaches_the_behaviours_when_the_socket_closes_first() -> None:
    """A recording has it; nothing can be answered any more."""
    diary = Diary()
    call = session(diary, Echo(), connected=False)
    call.receive_bytes(FRAME, 0)
    call.receive_close(1006, "", 1)

    assert [("connected", 8000, {}), FRAME, "closed"] == diary.notes
    assert [] == call.messages_to_send()


def test_a_call_closed_before_connected_stays_closed() -> None:
    """Held audio and a late first message still reach the behaviours; nothing follows our close frame."""
    diary = Diary()
    call = session(diary, Echo(), connected=False)
    call.receive_bytes(FRAME, 0)
    call.close(1001, 1)
    call.handle_deadline(HOLD_NS)
    call.receive_bytes(OTHER, HOLD_NS)

    assert [("connected", 8000, {}), FRAME, OTHER] == diary.notes
    assert ([Close(1001)], State.CLOSING) == (call.messages_to_send(), call.state)


def test_connected_after_our_close_is_no_fault() -> None:
    """The two may cross on the wire."""
    call = session(Echo(), connected=False)
    call.close(1001, 1)
    call.receive_text(CONNECTED, 2)

    assert ([], [Close(1001)]) == (findings(call), call.messages_to_send())


def test_messages_of_any_size_become_exact_frames() -> None:
    """Re-framed in order, and the first odd one noted."""
    diary = Diary()
    call = session(diary)
    call.receive_bytes(FRAME[:100], 0)
    call.receive_bytes(FRAME[100:] + OTHER, 1)

    assert [FRAME, OTHER] == diary.notes[1:]
    assert ["VS102"] == findings(call)


def test_a_whole_frame_in_a_shifted_stream_is_no_new_fault() -> None:
    """Its size is right; it is cut anew all the same."""
    diary = Diary()
    call = session(diary)
    call.receive_bytes(FRAME[:100], 0)
    call.receive_bytes(FRAME[100:] + OTHER[:100], 1)
    call.receive_bytes(OTHER[100:] + FRAME[:100], 1)

    assert [FRAME, OTHER] == diary.notes[1:]
    assert [("VS102", 1)] == [(finding.code, finding.count) for finding in call.findings.all()]


def test_an_odd_number_of_bytes_is_a_fault_of_its_own() -> None:
    """Every later sample may be shifted."""
    call = session()
    call.receive_bytes(FRAME[:99], 0)

    assert ["VS103", "VS102"] == findings(call)


def test_an_incomplete_last_frame_is_handed_over_as_it_is() -> None:
    """A recording holds every sample, and none that never came."""
    diary = Diary()
    call = session(diary)
    call.receive_bytes(FRAME + OTHER[:100], 0)
    call.receive_close(1000, "", 1)

    assert [FRAME, OTHER[:100], "closed"] == diary.notes[1:]


def test_an_answer_to_the_last_part_of_a_frame_is_not_sent() -> None:
    """The socket is gone when it is handed over."""
    call = session(Echo())
    call.receive_bytes(FRAME[:200], 0)
    call.receive_close(1000, "", 1)

    assert ([], None) == (call.messages_to_send(), call.next_deadline())


def test_a_frame_is_sent_as_it_is() -> None:
    """The very object, without a copy."""
    call = session()
    call.send_audio(FRAME)

    assert call.messages_to_send()[0] is FRAME


def test_messages_are_given_once() -> None:
    """The driver may ask as often as it likes."""
    call = session()
    call.send_audio(FRAME)

    assert [[FRAME], [], []] == [call.messages_to_send() for _ in range(3)]


def test_audio_of_any_length_goes_out_in_exact_frames() -> None:
    """The rest waits 40 ms for more and is then padded with silence."""
    call = session()
    call.let_pass(3)
    call.send_audio(FRAME + OTHER[:100])
    sent = call.messages_to_send()
    due_at = call.next_deadline()
    call.handle_deadline(3 + TAIL_WAIT_NS - 1)
    early = call.messages_to_send()
    call.handle_deadline(3 + TAIL_WAIT_NS)

    assert ([FRAME], [], 3 + TAIL_WAIT_NS) == (sent, early, due_at)
    assert [OTHER[:100] + bytes(220)] == call.messages_to_send()
    assert call.next_deadline() is None


def test_what_waits_is_completed_by_what_comes() -> None:
    """No padding in the middle of a stream, not even before a piece of exactly one frame."""
    call = session()
    call.send_audio(FRAME[:100])
    call.send_audio(FRAME[100:] + OTHER[:100])
    call.send_audio(OTHER[100:] + FRAME[:100])

    assert [FRAME, OTHER] == call.messages_to_send()
    call.send_audio(FRAME[100:])
    assert ([FRAME], None) == (call.messages_to_send(), call.next_deadline())


def test_flush_sends_what_waits() -> None:
    """At once, once, padded."""
    call = session()
    call.send_audio(FRAME[:2])
    call.flush_audio()
    call.flush_audio()

    assert ([FRAME[:2] + bytes(318)], None) == (call.messages_to_send(), call.next_deadline())


def test_notify_comes_behind_all_audio_sent_so_far() -> None:
    """What waits for a full frame goes out before it."""
    call = session()
    call.send_audio(FRAME[:2])
    call.notify({"id": 1})

    assert [FRAME[:2] + bytes(318), '{"action":"notify","payload":{"id":1}}'] == call.messages_to_send()


def test_clear_drops_what_waits_and_tells_the_behaviours() -> None:
    """The platform is told, and the part of a frame is gone."""
    diary = Diary()
    call = session(diary)
    call.send_audio(FRAME[:2])
    call.clear()
    call.send_audio(OTHER)

    assert (['{"action":"clear"}', OTHER], None) == (call.messages_to_send(), call.next_deadline())
    assert ["cleared", ("sent", OTHER)] == diary.notes[1:]


def test_clear_empties_the_modelled_buffer() -> None:
    """The depth that is shown falls to nothing."""
    call = session()
    for _ in range(10):
        call.send_audio(FRAME)
    before = call.stats(0).depth_ms
    call.clear()

    assert (180.0, 0.0) == (before, call.stats(0).depth_ms)


def test_the_modelled_buffer_drains_with_time() -> None:
    """Ten frames sent at once: after 100 ms, five have begun to play and one more begins."""
    call = session()
    for _ in range(10):
        call.send_audio(FRAME)

    assert 80.0 == call.stats(5 * FRAME_NS).depth_ms


def test_more_audio_than_the_platform_can_hold_is_a_finding() -> None:
    """From 3,072 waiting frames on, the platform loses what comes next."""
    call = session()
    for _ in range(3073):
        call.send_audio(FRAME)
    before = findings(call)
    call.send_audio(FRAME)

    assert [[], ["VS202"]] == [before, findings(call)]


def test_close_sends_what_waits_first_and_only_once() -> None:
    """The last word is a close frame."""
    call = session()
    call.send_audio(FRAME[:2])
    call.close(1001, 5, reason="bye")
    call.close(1000, 6)

    assert [FRAME[:2] + bytes(318), Close(1001, "bye")] == call.messages_to_send()
    assert (State.CLOSING, 5) == (call.state, 5)


def test_nothing_is_sent_after_close() -> None:
    """No audio, no commands, whoever asks for it."""
    call = session(Echo())
    call.close(1000, 0)
    call.messages_to_send()
    call.receive_bytes(FRAME, 1)
    call.send_audio(FRAME)
    call.send_audio(FRAME[:2])
    call.flush_audio()
    call.clear()
    call.notify({})
    call.close()

    assert ([], None) == (call.messages_to_send(), call.next_deadline())


def test_what_comes_after_our_close_is_still_heard() -> None:
    """A recording is complete up to the other side's close frame."""
    diary = Diary()
    call = session(diary)
    call.close(1000, 0)
    call.receive_bytes(FRAME, 1)
    call.receive_text('{"event":"websocket:dtmf","digit":"1","duration":5}', 2)

    assert [FRAME, ("digit", "1", 5)] == diary.notes[1:]


def test_a_call_that_is_closed_at_its_own_frame_sends_nothing_more() -> None:
    """The rest of a longer piece isn't sent behind the close frame."""
    call = session(HangsUpAtFirstFrameSent())
    call.send_audio(FRAME * 3)

    assert [FRAME, Close(1000, "enough")] == call.messages_to_send()


def test_a_call_that_is_closed_at_its_last_frame_is_closed_once() -> None:
    """Flushing at the close and closing at the flush make one close frame."""
    call = session(HangsUpAtFirstFrameSent())
    call.send_audio(FRAME[:2])
    call.close(1001, 1)

    assert [FRAME[:2] + bytes(318), Close(1000, "enough")] == call.messages_to_send()


def test_nothing_is_heard_after_the_end() -> None:
    """Once closed, a call is closed; observers are told once."""
    diary = Diary(due_at=5)
    call = session(diary)
    call.receive_close(1000, "", 1)
    events(call)
    diary.notes.clear()
    call.receive_bytes(FRAME, 2)
    call.receive_text(CONNECTED, 3)
    call.receive_close(1006, "", 4)
    call.handle_deadline(5)
    call.close(1000, 6)

    assert ([], [], []) == (diary.notes, events(call), call.messages_to_send())
    assert (None, State.CLOSED) == (call.next_deadline(), call.state)


def test_the_end_tells_what_the_call_was() -> None:
    """Counts, digits, duration, and how it was closed."""
    call = session(Echo())
    call.receive_bytes(FRAME, 0)
    call.receive_bytes(FRAME + FRAME, MS)
    call.receive_text('{"event":"websocket:dtmf","digit":"1","duration":5}', 2)
    call.receive_text('{"event":"websocket:dtmf","digit":"#","duration":5}', 2)
    call.receive_close(1000, "bye", 1_234_567_890)

    assert events(call)[-1] == Ended(
        at=1_234_567_890,
        call="c1",
        duration_s=1.235,
        frames_in=3,
        frames_out=3,
        dtmf="1#",
        close_code=1000,
        close_reason="bye",
        closed_by="platform",
    )


@pytest.mark.parametrize(
    ("ours", "code", "closed_by"),
    [(False, 1000, "platform"), (False, 1006, "network"), (True, 1000, "server"), (True, 1006, "server")],
)
def test_who_closed_the_call_is_told(*, ours: bool, code: int, closed_by: str) -> None:
    """The network, when there was neither our close frame nor theirs."""
    call = session()
    if ours:
        call.close(1000, 1)
    call.receive_close(code, "", 2)
    ended = events(call)[-1]

    assert isinstance(ended, Ended)
    assert closed_by == ended.closed_by


def test_findings_seen_again_are_told_with_their_count_at_the_end() -> None:
    """Before the last event of the call."""
    call = session()
    for _ in range(3):
        call.receive_text("x", 1)
    call.receive_close(1000, "", 2)
    told = events(call)

    assert [1, 3] == [event.count for event in told if isinstance(event, FindingRaised)]
    assert isinstance(told[-1], Ended)


def test_a_key_press_is_told_to_observers_and_behaviours() -> None:
    """With its duration, where the platform said one."""
    diary = Diary()
    call = session(diary)
    call.receive_text('{"event":"websocket:dtmf","digit":"7","duration":180}', 3)
    call.receive_text('{"digit":"8"}', 4)

    assert [("digit", "7", 180), ("digit", "8", None)] == diary.notes[1:]
    assert [
        DtmfPressed(at=3, call="c1", digit="7", duration_ms=180),
        DtmfPressed(at=4, call="c1", digit="8", duration_ms=None),
    ] == events(call)


def test_the_number_of_digits_kept_is_bounded() -> None:
    """A platform gone mad doesn't fill the memory."""
    call = session()
    for _ in range(MAX_DIGITS_KEPT + 5):
        call.receive_text('{"digit":"8"}', 4)
    call.receive_close(1000, "", 5)
    ended = events(call)[-1]

    assert isinstance(ended, Ended)
    assert "8" * MAX_DIGITS_KEPT == ended.dtmf


@pytest.mark.parametrize(
    ("text", "note", "message", "codes"),
    [
        ('{"event":"x","a":1}', ("message", {"event": "x", "a": 1}), {"event": "x", "a": 1}, []),
        ("oops", ("message", "oops"), "oops", ["VS301"]),
        (
            '{"event":"websocket:notify","payload":[1]}',
            ("notified", [1]),
            {"event": "websocket:notify", "payload": [1]},
            [],
        ),
    ],
    ids=["unknown", "not JSON", "notify"],
)
def test_any_other_text_is_told_whole(text: str, note: object, message: object, codes: list[str]) -> None:
    """To the behaviours and to the observers."""
    diary = Diary()
    call = session(diary)
    call.receive_text(text, 1)

    assert (note, codes) == (diary.notes[-1], findings(call))
    assert MessageReceived(at=1, call="c1", message=message) == events(call)[-1]


def test_cleared_is_told_to_the_observers() -> None:
    """The behaviours know since the command was sent."""
    diary = Diary()
    call = session(diary)
    call.receive_text('{"event":"websocket:cleared"}', 1)

    assert [MessageReceived(at=1, call="c1", message={"event": "websocket:cleared"})] == events(call)
    assert "cleared" not in diary.notes


def test_the_next_deadline_is_the_earliest() -> None:
    """Of all behaviours and what waits for a full frame."""
    call = session(Diary(due_at=50 * MS), Diary(), Diary(due_at=60 * MS))
    before = call.next_deadline()
    call.send_audio(FRAME[:2])

    assert [50 * MS, TAIL_WAIT_NS] == [before, call.next_deadline()]


def test_only_behaviours_that_are_due_are_woken() -> None:
    """Each by its own time, and all that are due."""
    diaries = [Diary(due_at=at) for at in (10, 20, 30)]
    call = session(*diaries)
    call.handle_deadline(20)

    assert [[("due", 20)], [("due", 20)], []] == [diary.notes[1:] for diary in diaries]


def test_behaviours_are_not_woken_before_connected() -> None:
    """There is no call yet in which they could do anything."""
    diary = Diary(due_at=10)
    call = session(diary, connected=False)
    call.handle_deadline(20)

    assert ([], None) == (diary.notes, call.next_deadline())


def test_a_behaviour_is_told_what_others_send() -> None:
    """Every frame on its way to the caller, in order."""
    diary = Diary()
    call = session(diary, Echo())
    call.receive_bytes(FRAME, 1)

    assert [FRAME, ("sent", FRAME)] == diary.notes[1:]


@pytest.mark.parametrize(
    "hook", ["connected", "audio", "digit", "message", "sent", "cleared", "notified", "due", "closed"]
)
def test_a_fault_in_a_behaviour_ends_its_call_and_is_told(hook: str) -> None:
    """The others are still told everything; nothing is raised."""
    diary = Diary()
    call = session(Faulty(hook), diary, connected=False)
    call.receive_text(CONNECTED, 0)
    call.receive_bytes(FRAME, 1)
    call.receive_text('{"digit":"1"}', 2)
    call.receive_text("{}", 3)
    call.receive_text('{"event":"websocket:notify","payload":{}}', 4)
    call.send_audio(FRAME[:2])
    call.flush_audio()
    call.clear()
    call.handle_deadline(10)
    last = call.messages_to_send()[-1:]
    call.receive_close(1000, "", 20)

    assert ["VS307"] == findings(call)
    assert isinstance(call.failure, Exception)
    assert "RuntimeError: oh dear" in call.findings.all()[0].message
    assert ['{"action":"clear"}' if hook == "closed" else Close(1011, "internal error")] == last
    assert "closed" == diary.notes[-1]


def test_a_fault_in_the_question_when_it_is_due_ends_the_call_too() -> None:
    """``due_at`` is somebody else's code as well."""

    class Timeless(Behaviour):
        """Doesn't know its own time."""

        def due_at(self) -> int | None:
            raise RuntimeError("what time is it?")

    call = session(Timeless())

    assert None is call.next_deadline()
    assert [Close(1011, "internal error")] == call.messages_to_send()


def test_a_fault_at_the_last_frame_closes_the_call_once() -> None:
    """Flushing at the close fails; there is one close frame."""
    call = session(Faulty("sent"))
    call.send_audio(FRAME[:2])
    call.close(1000, 1)

    assert [Close(1011, "internal error")] == call.messages_to_send()[1:]


def test_statistics_tell_where_the_call_stands() -> None:
    """Under the call's id, with both directions."""
    call = session(Echo())
    for number in range(50):
        call.receive_bytes(FRAME, number * FRAME_NS)
    stats = call.stats(SECOND)

    assert ("c1", 50, 50, 50.0) == (stats.call, stats.frames_in, stats.frames_out, stats.rate_in_hz)


CHUNKS = st.lists(st.binary(min_size=1, max_size=1000), max_size=12)


@PROPERTY
@given(CHUNKS)
def test_echo_is_the_input_in_order_for_any_chunking(chunks: list[bytes]) -> None:
    """Whatever sizes the messages have, what goes back is what came, in whole frames."""
    call = session(Echo())
    for chunk in chunks:
        call.receive_bytes(chunk, 0)
    frames = call.messages_to_send()
    whole = b"".join(chunks)

    assert whole[: len(whole) // 320 * 320] == b"".join(frame for frame in frames if isinstance(frame, bytes))
    assert {320} | {len(frame) for frame in frames if isinstance(frame, bytes)} == {320}


@PROPERTY
@given(CHUNKS)
def test_audio_is_padded_at_the_tail_only(chunks: list[bytes]) -> None:
    """What a behaviour sends in any pieces arrives in order, with silence behind the last."""
    call = session()
    for chunk in chunks:
        call.send_audio(chunk)
    call.flush_audio()
    whole = b"".join(chunks)

    assert whole + bytes(-len(whole) % 320) == b"".join(
        frame for frame in call.messages_to_send() if isinstance(frame, bytes)
    )


class MemorySink:
    """A recording that stays in memory."""

    def __init__(self) -> None:
        self.pcm = b""
        self.closed = False

    def write(self, pcm: bytes) -> None:
        """Add it."""
        self.pcm += pcm

    def close(self) -> None:
        """Note that it is complete."""
        self.closed = True


@PROPERTY
@given(chunks=CHUNKS, connected_after=st.integers(0, 14), closed_by_us=st.booleans())
def test_a_recording_holds_every_sample_in_order(
    chunks: list[bytes], connected_after: int, *, closed_by_us: bool
) -> None:
    """Whatever sizes, and wherever the first message comes, if it comes at all."""
    sink = MemorySink()
    call = session(Record(lambda *_: sink), connected=False)
    for number, chunk in enumerate(chunks):
        if number == connected_after:
            call.receive_text(CONNECTED, 0)
        call.receive_bytes(chunk, number)
    if closed_by_us:
        call.close(1001, 50)
    call.receive_close(1000, "", 50)

    assert b"".join(chunks) == sink.pcm
    assert bool(chunks) or not sink.closed


TEXTS = st.sampled_from(
    [
        CONNECTED,
        CONNECTED.replace("8000", "24000"),
        '{"event":"websocket:connected","content-type":null}',
        '{"event":"websocket:dtmf","digit":"1"}',
        '{"event":"websocket:dtmf","digit":"2"}',
        '{"event":"websocket:notify","payload":{"vsock_played":1}}',
        '{"event":"websocket:notify","payload":{"vsock_played":1e3}}',
        '{"event":"websocket:cleared"}',
        "[" * 5000,
        "\ud800",
    ]
) | st.text(max_size=20)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), TEXTS),
        st.tuples(st.just("bytes"), st.sampled_from([0, 1, 160, 319, 320, 640, 960, 70_000])),
        st.tuples(st.just("time"), st.sampled_from([0, 20, 40, 500, 3000])),
        st.tuples(st.just("close"), st.sampled_from([1000, 1001])),
        st.tuples(st.just("gone"), st.sampled_from([1000, 1005, 1006])),
    ),
    max_size=25,
)


def take(call: CallSession, step: tuple[str, object], now: int) -> int:
    """Do what one step says; the time after it."""
    match step:
        case "text", str(text):
            call.receive_text(text, now)
        case "bytes", int(size):
            call.receive_bytes(bytes(size), now)
        case "time", int(span_ms):
            now += span_ms * MS
            deadline = call.next_deadline()
            if deadline is not None and deadline <= now:
                call.handle_deadline(now)
        case "close", int(code):
            call.close(code, now)
        case "gone", int(code):
            call.receive_close(code, "", now)
    return now


def run(call: CallSession, steps: Sequence[tuple[str, object]]) -> list[list[Outgoing]]:
    """What the call sends in each step."""
    sent: list[list[Outgoing]] = []
    now = 0
    for step in steps:
        now = take(call, step, now)
        if step[0] == "gone":
            sent.append([Close(0)])
        sent.append(call.messages_to_send())
        events(call)
    return sent


@PROPERTY
@given(steps=STEPS, then=st.sampled_from(Then), delay_ms=st.sampled_from([0, 30]))
def test_whatever_happens_nothing_raises_and_nothing_follows_the_close(
    steps: list[tuple[str, object]], then: Then, delay_ms: int
) -> None:
    """Any text, bytes of any size, closes and wake-ups in any order; every frame has the exact size."""
    play = Play(
        [lambda audio_format: PcmSource(FRAME * 9, audio_format)],
        then=then,
        on_dtmf={"1": lambda audio_format: PcmSource(OTHER * 50, audio_format)},
        barge_in=True,
    )
    record = Record(lambda *_: MemorySink(), stereo=True)
    call = session(Echo(delay_ms=delay_ms), play, record, connected=False)
    sent = [message for step in run(call, steps) for message in step]

    ends = [number for number, message in enumerate(sent) if isinstance(message, Close)]
    if ends:
        assert {Close(0)} | set(sent[ends[0] + 1 :]) == {Close(0)}
    assert {call.audio_format.frame_bytes} | {len(message) for message in sent if isinstance(message, bytes)} == {
        call.audio_format.frame_bytes
    }
    assert "VS307" not in findings(call)
    assert all(json.loads(message) for message in sent if isinstance(message, str))


def test_what_is_wrong_with_the_platform_s_audio_is_noted() -> None:
    """The same catalogue serves both ends."""
    call = session()
    call.receive_bytes(b"RIFF" + bytes(316), 1)

    assert ["VS104"] == findings(call)


def test_a_silent_caller_is_nothing_odd() -> None:
    """Digital silence from the platform is a muted phone."""
    call = session()
    for number in range(300):
        call.receive_bytes(bytes(320), number * FRAME_NS)
    call.receive_close(1000, "", 6 * SECOND)

    assert [] == findings(call)


def test_a_platform_that_sends_no_audio_is_noted() -> None:
    """After five seconds."""
    call = session()
    call.receive_close(1000, "", 6 * SECOND)

    assert ["VS207"] == findings(call)


def said_of(rate_hz: int, messages: list[streams.Message]) -> list[str]:
    """The codes for a stream that the platform sends."""
    call = CallSession("c1", [], assumed_format=AudioFormat(rate_hz), now=0)
    call.receive_text(CONNECTED.replace("8000", str(rate_hz)), 0)
    for at, message in messages:
        call.receive_bytes(message, at)
    call.receive_close(1000, "", messages[-1][0] if messages else 8 * SECOND)
    return sorted(findings(call))


@pytest.mark.parametrize(("rate_hz", "name"), [(hz, name) for hz in (8000, 16000, 24000) for name in streams.good(hz)])
def test_right_audio_of_the_platform_gives_nothing(rate_hz: int, name: str) -> None:
    """A fifth of the samples is looked at; no false alarm in it."""
    assert [] == said_of(rate_hz, streams.good(rate_hz)[name])


@pytest.mark.parametrize(("rate_hz", "name"), [(hz, name) for hz in (8000, 16000, 24000) for name in streams.bad(hz)])
def test_wrong_audio_of_the_platform_is_told_as_a_server_s_is(rate_hz: int, name: str) -> None:
    """As far as it is told of the platform at all, beside the sizes of its messages."""
    messages, expected = streams.bad(rate_hz)[name]
    told = [code for code in said_of(rate_hz, messages) if code not in ("VS102", "VS103")]

    assert [code for code in expected if code in TOLD_OF_PLATFORM] == told


def test_a_file_that_begins_with_a_pause_is_read_on_message_by_message() -> None:
    """An MP3 is known by several frames of its own; audio that only looks like its first is handed over all the same."""
    diary = Diary()
    call = session(diary)
    sync = b"\xff\xfb\x90\0" + bytes(316)
    for number in range(60):
        call.receive_bytes(sync if number == 0 else OTHER, number * FRAME_NS)

    assert ([sync] + [OTHER] * 59, []) == (diary.notes[1:], findings(call))


def test_what_was_sent_is_counted_at_a_wakeup_at_the_latest() -> None:
    """A call in which nothing comes in notices all the same that the platform's buffer is full."""
    call = session()
    for _ in range(3100):
        call.send_audio(FRAME)
    before = events(call)
    call.handle_deadline(1)

    assert ([], ["VS202"]) == (before, [event.code for event in events(call) if isinstance(event, FindingRaised)])


def test_a_driver_sees_at_a_glance_that_there_is_nothing_to_do() -> None:
    """Whatever happens: nothing to send, to tell or to arm where the signs say so."""
    call = session(Echo(delay_ms=40), Diary(due_at=3 * SECOND))
    call.messages_to_send()
    deadline = call.next_deadline()
    signs = [(bool(call.outbox), bool(call.untold), call.deadline_changed)]
    call.receive_bytes(FRAME, 0)
    signs.append((bool(call.outbox), bool(call.untold), call.deadline_changed))
    armed = call.next_deadline()
    call.handle_deadline(40 * MS)
    signs.append((bool(call.outbox), bool(call.untold), call.deadline_changed))

    assert [(False, False, False), (False, False, True), (True, False, True)] == signs
    assert (3 * SECOND, 40 * MS, 3 * SECOND) == (deadline, armed, call.next_deadline())


@PROPERTY
@given(steps=STEPS, delay_ms=st.sampled_from([0, 30]))
def test_the_signs_are_never_wrong(steps: list[tuple[str, object]], delay_ms: int) -> None:
    """Who looks before he asks misses nothing."""
    call = session(Play([], then=Then.ECHO), Echo(delay_ms=delay_ms), connected=False)
    now, known = 0, call.next_deadline()
    for step in steps:
        now = take(call, step, now)
        assert call.deadline_changed or known == call.next_deadline()
        known = call.next_deadline()
        assert bool(call.outbox) == bool(call.messages_to_send())
        assert bool(call.untold) == bool(events(call))


@pytest.mark.parametrize("text", ["QUJD" * 100, json.dumps({"event": "media", "media": {"payload": "QUJD" * 100}})])
def test_audio_as_text_is_noted(text: str) -> None:
    """A platform, or a test program, that speaks another protocol."""
    call = session()
    call.receive_text(text, 1)

    assert ["VS106"] == findings(call)


@pytest.mark.parametrize(
    ("code", "finding", "said"),
    [(1009, "VS112", "larger than 128 kB"), (1007, "VS311", "closed with 1007: not UTF-8")],
)
def test_a_platform_that_breaks_websocket_itself_is_a_finding(code: int, finding: str, said: str) -> None:
    """An error: too large a message apart from all else; the call counts as closed by us."""
    call = session(Echo())
    call.receive_violation(code, "not UTF-8", 1)
    call.receive_close(code, "not UTF-8", 2)
    (found,) = call.findings.all()
    ended = [event for event in iter(call.next_event, None) if isinstance(event, Ended)]

    assert (finding, "error") == (found.code, found.level)
    assert said in found.message
    assert ["server"] == [event.closed_by for event in ended]


def test_what_the_socket_saw_is_a_finding() -> None:
    """With its numbers; reserved bits that are told as compression aren't told again as a broken rule."""
    end = CallSession("c1", [], assumed_format=RATE_8K, now=0)
    end.receive_found(Found("VS313", {"size": 640, "fragments": 2}), 1)
    end.receive_found(Found("VS314", {"reason": "a frame with reserved bits set"}), 2)
    end.receive_violation(1002, "reserved bits must be 0", 3)

    assert ["VS313", "VS314"] == [finding.code for finding in end.findings.all()]
    assert "a message of 640 bytes came in 2 fragments" == end.findings.all()[0].message


def test_the_first_of_several_failures_is_kept() -> None:
    """The others are often its consequences."""
    call = session()
    first = ValueError("first")
    assert call.failure is None
    call.fail(first)
    call.fail(ValueError("second"))

    assert first is call.failure


# Limits.

FEW = Limits(messages_per_s=100, messages_burst=200, first_message_s=2)


def limited(*behaviours: Behaviour, connected: bool = True) -> CallSession:
    """A call that takes little."""
    call = CallSession("c1", behaviours, assumed_format=RATE_8K, now=0, limits=FEW)
    if connected:
        call.receive_text(CONNECTED, 0)
    return call


@pytest.mark.parametrize(
    "message",
    [FRAME, b"", b"1", FRAME * 2, '{"event":"x"}', "oops"],
    ids=["frames", "empty", "tiny", "two", "text", "bad"],
)
def test_more_messages_than_may_come_end_the_call(message: str | bytes) -> None:
    """Whatever they hold, a flood is closed with 1008, told once with its numbers, and not heard any more."""
    diary = Diary()
    call = limited(diary)
    for number in range(2000):
        if isinstance(message, str):
            call.receive_text(message, number * MS)
        else:
            call.receive_bytes(message, number * MS)
    heard = len(diary.notes)
    call.receive_close(1008, "", 3 * SECOND)
    told = [event for event in events(call) if isinstance(event, FindingRaised) and event.code == "VS325"]

    assert [Close(1008, "more than 100 messages a second for long")] == call.messages_to_send()[-1:]
    assert [
        "too many messages came: more than 100 a second for long, and 200 at once: the socket was closed with 1008"
    ] == [event.message for event in told]
    assert heard <= 600


@pytest.mark.parametrize("every_ns", [10 * MS, 20 * MS])
def test_a_rate_that_may_be_lasts_for_ever(every_ns: int) -> None:
    """Neither the usual one nor the highest that may be is ever closed."""
    call = limited()
    for number in range(5000):
        call.receive_bytes(FRAME, number * every_ns)

    assert State.OPEN is call.state


def test_what_piled_up_while_all_stood_still_may_come_at_once() -> None:
    """A minute of a stopped program or a broken line brings 3,000 frames in one go: nobody's fault."""
    call = limited()
    for number in range(500):
        call.receive_bytes(FRAME, number * FRAME_NS)
    for number in range(3000):
        call.receive_bytes(FRAME, 70 * SECOND + number * MS // 100)
    for number in range(500):
        call.receive_bytes(FRAME, 71 * SECOND + number * FRAME_NS)

    assert State.OPEN is call.state


def test_a_socket_that_says_nothing_is_closed() -> None:
    """After the time that it has for its first message, with 1008; it is told once."""
    diary = Diary()
    call = limited(diary, connected=False)

    assert 2 * SECOND == call.next_deadline()
    call.handle_deadline(2 * SECOND)
    call.receive_close(1008, "", 3 * SECOND)
    assert [Close(1008, "no message within 2 s")] == call.messages_to_send()
    assert "VS326" in findings(call)
    assert call.next_deadline() is None


@pytest.mark.parametrize("message", [FRAME, CONNECTED, "oops"], ids=["audio", "connected", "nonsense"])
def test_a_socket_that_says_anything_is_not_closed_for_silence(message: str | bytes) -> None:
    """Audio before the format is held, and what isn't JSON is told of: both are a first message."""
    call = limited(connected=False)
    if isinstance(message, str):
        call.receive_text(message, 1)
    else:
        call.receive_bytes(message, 1)
    call.handle_deadline(2 * SECOND)

    assert [] == call.messages_to_send()


@pytest.mark.parametrize("end", ["ours", "theirs"])
def test_a_call_that_is_over_waits_for_no_first_message(end: str) -> None:
    """Who closes a silent socket for another reason says that one."""
    call = limited(connected=False)
    if end == "ours":
        call.close(1001, 1)
    else:
        call.receive_close(1000, "", 1)
    call.handle_deadline(3 * SECOND)

    assert "VS326" not in call.findings


def test_too_many_frames_of_the_wire_are_told_as_what_they_are() -> None:
    """The socket was closed for pings that no message shows."""
    call = limited()
    call.receive_violation(1008, "too many", SECOND)
    call.receive_close(1008, "too many", SECOND)
    told = [event.message for event in events(call) if isinstance(event, FindingRaised) and event.code == "VS325"]

    assert 1 == len(told)
    assert told[0].startswith("too many pings, pongs and fragments came: more than 100 a second")


def test_what_is_not_json_is_shown_once_and_counted() -> None:
    """Behaviours are told each time; whoever watches isn't shown the same fault for each message."""
    diary = Diary()
    call = session(diary)
    for number in range(20):
        call.receive_text(f"oops {number}", number * SECOND)
    call.receive_close(1000, "", 21 * SECOND)
    told = events(call)

    assert ["oops 0"] == [event.message for event in told if isinstance(event, MessageReceived)]
    assert [1, 20] == [event.count for event in told if isinstance(event, FindingRaised) and event.code == "VS301"]
    assert 20 == sum(note[0] == "message" for note in diary.notes if isinstance(note, tuple))


def test_json_may_be_as_deep_as_the_limit_says() -> None:
    """Deeper is no JSON to us, and the socket stays."""
    call = CallSession("c1", [], assumed_format=RATE_8K, now=0, limits=Limits(json_depth=3))
    call.receive_text('{"a":{"b":{}}}', 1)
    call.receive_text('{"a":{"b":{"c":{}}}}', 2)

    assert ["VS301"] == [event.code for event in events(call) if isinstance(event, FindingRaised)]
    assert [] == call.messages_to_send()


def test_a_flood_before_any_format_is_no_call() -> None:
    """What was held of it is never heard, and no format is assumed for it."""
    diary = Diary()
    call = limited(diary, connected=False)
    for _ in range(300):
        call.receive_bytes(b"", 1)
    call.receive_close(1008, "", 2)

    assert (["closed"], "VS302" in call.findings) == (diary.notes, False)


def test_a_behaviour_that_joins_an_open_call_is_connected_at_once() -> None:
    """Before the others if it is to be; what came before is not its business."""
    diaries = Diary(), Diary()
    call = CallSession("c1", [diaries[0]], assumed_format=RATE_8K, now=0)
    call.receive_text(CONNECTED, 0)
    call.receive_bytes(FRAME, 0)
    call.join(diaries[1], first=True)
    call.receive_bytes(OTHER, 0)

    assert [("connected", 8000, {}), OTHER] == diaries[1].notes
    assert (diaries[1], diaries[0]) == call.behaviours


def test_a_behaviour_that_joins_early_is_connected_with_the_others() -> None:
    """Once, when the format is known; and one that comes too late for anything isn't taken."""
    diary, late = Diary(due_at=7), Diary()
    call = CallSession("c1", [], assumed_format=RATE_8K, now=0)
    call.join(diary)
    call.receive_text(CONNECTED, 5)
    due_at = call.next_deadline()
    call.close(now=6)
    call.join(late)

    assert (7, [("connected", 8000, {})]) == (due_at, diary.notes)
    assert (diary,) == call.behaviours


def test_a_behaviour_that_leaves_is_closed_alone() -> None:
    """The call goes on without it, and its end is no second end for it."""
    diaries = Diary(), Diary()
    call = CallSession("c1", diaries, assumed_format=RATE_8K, now=0)
    call.receive_text(CONNECTED, 0)
    call.leave(diaries[0])
    call.leave(diaries[0])
    call.receive_bytes(FRAME, 0)
    call.receive_close(1000, "", 0)

    assert [("connected", 8000, {}), "closed"] == diaries[0].notes
    assert [("connected", 8000, {}), FRAME, "closed"] == diaries[1].notes


def test_what_a_joining_behaviour_raises_ends_its_call() -> None:
    """As what any behaviour raises."""
    call = CallSession("c1", [], assumed_format=RATE_8K, now=0)
    call.receive_text(CONNECTED, 0)
    call.join(Faulty("connected"))

    assert [Close(1011, "internal error")] == call.messages_to_send()


def test_what_the_platform_has_yet_to_play_is_known() -> None:
    """By the playout model, at the time of what is being handled."""
    call = CallSession("c1", [], assumed_format=RATE_8K, now=0)
    call.receive_text(CONNECTED, 0)
    call.send_audio(FRAME * 5)
    at_once = call.queued_frames
    call.let_pass(3 * FRAME_NS)

    assert (4, 1) == (at_once, call.queued_frames)


class Seer(Behaviour):
    """Foretells what the test says; ``went_by`` are the frames that it was told of."""

    def __init__(self, ahead: Ahead | Exception | None) -> None:
        self._ahead = ahead
        self.due_next: int | None = 10
        self.went_by: list[int] = []

    def due_at(self) -> int | None:
        return self.due_next

    def due(self, call: Call) -> None:
        self.due_next = None

    def foretell(self, most: int) -> Ahead | None:
        if isinstance(self._ahead, Exception):
            raise self._ahead
        return self._ahead

    def went(self, frames: int) -> None:
        self.went_by.append(frames)
        if frames == 5:
            raise ValueError(frames)


class Dueful(Seer):
    """Has something else to do when it is due."""

    def due(self, call: Call) -> None:
        self.due_next = 10


class Passing:
    """A driver's passage; ``pass_on`` sends so many frames of it."""

    frames: Sequence[bytes] = ()
    end = left = at = step_ns = 0
    times: list[int]

    def pass_on(self, count: int) -> list[bytes]:
        sent = []
        for _ in range(count):
            sent.append(self.frames[self.end - self.left])
            self.times.append(self.at)
            self.left -= 1
            self.at += self.step_ns
        return sent


LETTERS = [bytes([letter]) * 320 for letter in range(97, 123)]
AHEAD = Ahead(LETTERS, 3, 23, 10, FRAME_NS)


def open_call(*behaviours: Behaviour, limits: Limits | None = None) -> CallSession:
    """A call that has begun, and whose driver knows its deadline."""
    session = CallSession("c1", behaviours, assumed_format=RATE_8K, now=0, limits=limits)
    session.receive_text(CONNECTED, 0)
    session.messages_to_send()
    session.next_deadline()
    return session


def test_a_passage_is_what_a_behaviour_foretells() -> None:
    """It says what and when; the deadline is that of its next frame, and what was sent counts when somebody asks."""
    seer, passage = Seer(AHEAD), Passing()
    session = open_call(seer)
    foretold = session.foretell(passage), session.foretell(passage)
    sent = passage.pass_on(7)
    deadline = session.next_deadline()
    frames_out = session.stats(10 + 6 * FRAME_NS).frames_out
    level = session.stats(10 + 6 * FRAME_NS).peak_out_dbfs
    passage.pass_on(1)
    session.recall()
    session.recall()

    assert (True, False) == foretold
    assert LETTERS[3:10] == sent
    assert (10 + 7 * FRAME_NS, 7) == (deadline, frames_out)
    assert level > -10
    assert ([7, 1], 0) == (seer.went_by, passage.left)


@pytest.mark.parametrize(
    "ahead", [None, replace(AHEAD, at=11), ValueError("blind")], ids=["nothing", "another time", "an exception"]
)
def test_what_cannot_be_foretold_is_not(ahead: Ahead | Exception | None) -> None:
    """A behaviour that fails at it fails its own call only."""
    session = open_call(Seer(ahead))

    assert not session.foretell(Passing())
    assert (session.state is State.CLOSING) == isinstance(ahead, Exception)


def test_a_passage_is_given_where_nothing_else_waits() -> None:
    """Neither a first message, nor something to send, nor another's deadline, nor somebody who hears what is sent."""
    waiting = CallSession("c1", [Seer(AHEAD)], assumed_format=RATE_8K, now=0)
    unasked, sending, silent = (open_call(Seer(AHEAD)) for _ in range(3))
    unasked.let_pass(5)
    sending.notify({})
    sending.next_deadline()
    silent._silent_until = 9
    others = [open_call(Seer(AHEAD), other) for other in (Diary(), Echo(delay_ms=20), Seer(AHEAD))]
    half = open_call(Seer(AHEAD))
    half.send_audio(FRAME[:100])
    half.next_deadline()
    sessions = [waiting, unasked, sending, silent, half, *others, open_call(Dueful(AHEAD)), open_call()]

    assert [False] * 10 == [session.foretell(Passing()) for session in sessions]


@pytest.mark.parametrize(
    "verb",
    [
        lambda call: call.let_pass(20),
        lambda call: call.receive_text("{}", 20),
        lambda call: call.receive_bytes(b"x", 20),
        lambda call: call.receive_violation(1002, "", 20),
        lambda call: call.receive_close(1000, "", 20),
        lambda call: call.handle_deadline(20),
        lambda call: call.close(1000, 20),
        lambda call: call.join(Behaviour()),
        lambda call: call.leave(call.behaviours[0]),
        lambda call: call.clear(),
        lambda call: call.notify({}),
        lambda call: call.send_audio(FRAME),
        lambda call: call.fail(ValueError()),
    ],
)
def test_whatever_is_done_to_a_call_takes_its_passage_back(verb: Callable[[CallSession], object]) -> None:
    """What went out is counted before it, and nothing goes out without the session after it."""
    seer, passage = Seer(AHEAD), Passing()
    session = open_call(seer)
    session.foretell(passage)
    passage.pass_on(6)
    verb(session)

    assert ([6], 0) == (seer.went_by, passage.left)
    assert session.deadline_changed


def test_who_only_looks_leaves_a_passage_as_it_is() -> None:
    """Statistics, findings and the depth of the platform's buffer are as of the last frame that was sent."""
    seer, passage = Seer(replace(AHEAD, step_ns=FRAME_NS // 2)), Passing()
    session = open_call(seer)
    session.foretell(passage)
    counted = []
    for _ in range(3):
        passage.pass_on(2)
        counted.append((session.queued_frames, session.stats(session.now).frames_out, len(session.findings.all())))
    session.flush_audio()
    session.receive_bytes(FRAME, session.now)

    assert [(1, 2, 0), (2, 4, 0), (3, 6, 0)] == counted
    assert [2, 2, 2] == seer.went_by
    assert 14 == passage.left


def test_a_behaviour_that_fails_when_it_is_told_what_went_ends_its_call() -> None:
    """As with everything else that is somebody else's code."""
    passage = Passing()
    session = open_call(Seer(AHEAD))
    session.foretell(passage)
    passage.pass_on(5)
    session.receive_text("{}", session.now)

    assert (State.CLOSING, 0) == (session.state, passage.left)
    assert isinstance(session.failure, ValueError)
