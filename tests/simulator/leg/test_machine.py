"""The platform's end of a leg."""

from __future__ import annotations

import itertools
import json
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vonage_sock
from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.call.events import Connected, DtmfPressed, Ended, Event, FindingRaised, MessageReceived, Notice
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.clock import MS, SECOND, US
from vonage_sock.simulator.leg import machine as module
from vonage_sock.simulator.leg.dtmf import KeyPress, parse_dtmf
from vonage_sock.simulator.leg.machine import LINGER_NS, MAX_CATCH_UP, MAX_LENGTH_NS, PAUSE_NS, VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan, Platform
from vonage_sock.simulator.leg.script import Move
from vonage_sock.testing import PcmSource

PROPERTY = settings(deadline=None, database=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
RATE_8K = AudioFormat(8000)
FRAME = bytes(range(160)) * 2
OTHER = FRAME[::-1]
SILENCE = bytes(320)
FOREVER = 10**15


class SlowSource(PcmSource):
    """A source that has nothing ready the first few times it is asked."""

    misses = 2

    def take(self) -> bytes | None:
        """Nothing at first."""
        if self.misses:
            self.misses -= 1
            return None
        return super().take()


class Steps:
    """Notes what was said and heard in each 20 ms."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.heard: list[bytes] = []

    def write(self, said: bytes, heard: bytes) -> None:
        """One step."""
        self.said.append(said)
        self.heard.append(heard)


def leg(pcm: bytes = b"", *, now: int = 0, steps: Steps | None = None, **plan: Any) -> VonageLeg:
    """A leg at 8 kHz that lasts until told otherwise."""
    options = {"duration_ns": FOREVER, **plan}
    return VonageLeg(
        "c1",
        LegPlan(audio_format=RATE_8K, **options),
        PcmSource(pcm, RATE_8K),
        now=now,
        remote="ws://x",
        heard=steps,
    )


def advance(platform: VonageLeg, until: int) -> list[tuple[int, Outgoing]]:
    """Let the leg's timer fire on time up to and including ``until``; what it sent, and when."""
    sent: list[tuple[int, Outgoing]] = [(0, message) for message in platform.messages_to_send()]
    while (deadline := platform.next_deadline()) is not None and deadline <= until:
        platform.handle_deadline(deadline)
        sent += [(deadline, message) for message in platform.messages_to_send()]
    return sent


def events(platform: VonageLeg) -> list[Event]:
    """All events that weren't taken yet."""
    return list(iter(platform.next_event, None))


def codes(platform: VonageLeg) -> list[str]:
    """The codes of all findings so far."""
    return [finding.code for finding in platform.findings.all()]


@pytest.mark.parametrize(("platform", "frames", "knows"), [("current", 3072, True), ("2021", 1024, False)])
def test_each_edition_has_its_buffer_and_its_commands(platform: str, frames: int, *, knows: bool) -> None:
    """3,072 frames with ``clear`` and ``notify`` today, 1,024 without in 2021."""
    edition = Platform(platform)

    assert (frames, knows) == (edition.buffer_frames, edition.knows_commands)


def test_the_first_message_is_connected() -> None:
    """With the content type and the metadata, before any audio."""
    platform = leg(headers={"a": 1})
    text = '{"event":"websocket:connected","content-type":"audio/l16;rate=8000","a":1}'

    assert [text] == platform.messages_to_send()
    assert [
        Connected(at=0, call="c1", content_type="audio/l16;rate=8000", rate_hz=8000, headers={"a": 1}, remote="ws://x")
    ] == events(platform)


def test_a_frame_goes_out_each_20_ms_from_the_start() -> None:
    """The caller's audio, then silence, on an absolute schedule."""
    sent = advance(leg(FRAME + OTHER[:100], now=0), 3 * FRAME_NS)

    assert [
        (0, FRAME),
        (FRAME_NS, OTHER[:100] + bytes(220)),
        (2 * FRAME_NS, SILENCE),
        (3 * FRAME_NS, SILENCE),
    ] == sent[1:]


def test_a_driver_sees_at_a_glance_that_the_leg_has_nothing_to_do() -> None:
    """What comes in doesn't move the next step; a step and the end do."""
    platform = leg(FRAME)
    signs = []
    for action in (
        lambda: platform.receive_bytes(FRAME, 1),
        lambda: platform.handle_deadline(1),
        lambda: platform.close(1000, 2),
        lambda: platform.receive_close(1000, "", 3),
    ):
        platform.messages_to_send(), events(platform), platform.next_deadline()
        action()
        signs.append((bool(platform.outbox), bool(platform.untold), platform.deadline_changed))

    assert [(False, False, False), (True, False, True), (True, False, True), (False, True, True)] == signs


def test_a_source_that_is_not_ready_is_filled_with_silence() -> None:
    """The line never stops, and nothing of the source is lost."""
    platform = VonageLeg("c1", LegPlan(audio_format=RATE_8K, duration_ns=FOREVER), SlowSource(FRAME, RATE_8K), now=0)

    assert [SILENCE, SILENCE, FRAME, SILENCE] == [message for _, message in advance(platform, 3 * FRAME_NS)[1:]]


def test_after_a_stall_all_steps_come_at_once_and_the_grid_stays() -> None:
    """Late wake-ups of the platform don't shift its schedule."""
    platform = leg()
    platform.messages_to_send()
    platform.handle_deadline(95 * MS)

    assert (5, 100 * MS) == (len(platform.messages_to_send()), platform.next_deadline())


def test_a_stall_of_many_seconds_is_caught_up_in_parts() -> None:
    """Ten seconds at a time, so that the loop stays responsive; the rest is due at once."""
    platform = leg()
    platform.messages_to_send()
    platform.handle_deadline(60 * SECOND)

    assert (MAX_CATCH_UP, MAX_CATCH_UP * FRAME_NS) == (len(platform.messages_to_send()), platform.next_deadline())


def test_keys_are_pressed_between_the_frames() -> None:
    """After the frame of the step in which each is due."""
    platform = leg(key_presses=parse_dtmf("1#"))
    sent = advance(platform, SECOND)

    assert [
        (500 * MS, {"event": "websocket:dtmf", "digit": "1", "duration": 160}),
        (800 * MS, {"event": "websocket:dtmf", "digit": "#", "duration": 160}),
    ] == [(at, json.loads(message)) for at, message in sent[1:] if isinstance(message, str)]
    assert ["1", "#"] == [event.digit for event in events(platform) if isinstance(event, DtmfPressed)]
    assert "1#" == platform.report()["dtmf_sent"]


def test_two_keys_in_one_step_are_both_pressed() -> None:
    """In their order."""
    platform = leg(key_presses=(KeyPress(1, "1"), KeyPress(2, "2")))
    sent = [json.loads(message)["digit"] for _, message in advance(platform, FRAME_NS)[1:] if isinstance(message, str)]

    assert ["1", "2"] == sent


def test_playing_starts_40_ms_after_the_first_frame_on_the_grid() -> None:
    """What came at 5 ms is heard in the step at 60 ms; both sides share one time line."""
    steps = Steps()
    platform = leg(OTHER * 10, steps=steps)
    advance(platform, 0)
    platform.receive_bytes(FRAME, 5 * MS)
    advance(platform, 5 * FRAME_NS)

    assert [SILENCE, SILENCE, SILENCE, FRAME, SILENCE, SILENCE] == steps.heard
    assert [OTHER] * 6 == steps.said


def test_a_leg_of_given_length_ends_then() -> None:
    """In the step at which its time is over, and sends nothing more."""
    platform = leg(FRAME * 100, duration_ns=100 * MS)
    sent = advance(platform, SECOND)

    assert (100 * MS, Close(1000)) == sent[-1]
    assert (7, None, True) == (len(sent), platform.next_deadline(), platform.closed_by_us)


def test_a_leg_ends_a_second_after_all_was_said() -> None:
    """Where nothing is to be heard and no key is left; in that second the server hears that the phrase is over."""
    sent = advance(leg(FRAME, duration_ns=None), 60 * SECOND)
    silence = [(step * FRAME_NS, SILENCE) for step in range(1, 1 + LINGER_NS // FRAME_NS)]

    assert [(0, FRAME), *silence, (FRAME_NS + LINGER_NS, Close(1000))] == sent[1:]


@pytest.mark.parametrize(("late_ns", "loudness"), [(0, 1), (2 * SECOND, 1), (0, 0.5)])
def test_silence_that_comes_back_keeps_nobody(late_ns: int, loudness: float) -> None:
    """All that was said is heard, pauses and all; a second later it is over, or a few where it comes back changed."""
    steps = Steps()
    words = [bytes(np.roll(np.frombuffer(FRAME, "<i2"), turn)) for turn in range(100)]
    platform = leg(b"".join([*words[:50], *[SILENCE] * 60, *words[50:]]), steps=steps, duration_ns=None)
    due: deque[tuple[int, bytes]] = deque()
    while (at := platform.next_deadline()) is not None:
        while due and due[0][0] <= at:
            platform.receive_bytes(bytes((np.frombuffer(due.popleft()[1], "<i2") * loudness).astype("<i2")), at)
        platform.handle_deadline(at)
        due.extend((at + late_ns, sent) for sent in platform.messages_to_send() if isinstance(sent, bytes))
    sounds = [place for place, frame in enumerate(steps.heard) if frame != SILENCE]

    assert 100 == len(sounds)
    assert (LINGER_NS + max(FRAME_NS, late_ns) if loudness == 1 else PAUSE_NS) // FRAME_NS == len(
        steps.heard
    ) - 1 - sounds[-1]


@pytest.mark.parametrize("pause_s", [2, 30])
def test_a_pause_in_what_a_server_plays_is_no_end(pause_s: int) -> None:
    """Not for a few seconds, as it may come frame by frame; and not at all where sound waits behind it already."""
    steps = Steps()
    platform = leg(OTHER, steps=steps, duration_ns=None)
    for frame in [FRAME, *[SILENCE] * (50 * pause_s), FRAME]:
        platform.receive_bytes(frame, 0)
    advance(platform, FOREVER)

    assert [2, 2 + 50 * pause_s + 1] == [place for place, frame in enumerate(steps.heard) if frame == FRAME]


def test_a_leg_stays_while_it_is_played_something() -> None:
    """A second beyond the end of the last frame that was heard."""
    platform = leg(FRAME, duration_ns=None)
    advance(platform, 500 * MS)
    for _ in range(100):
        platform.receive_bytes(FRAME, 500 * MS)
    sent = advance(platform, 60 * SECOND)

    assert (540 * MS + 2 * SECOND + LINGER_NS, Close(1000)) == sent[-1]


def test_a_leg_stays_until_the_last_key_is_pressed() -> None:
    """With silence on the line."""
    sent = advance(leg(duration_ns=None, key_presses=(KeyPress(3 * SECOND, "1"),)), 60 * SECOND)

    assert (3 * SECOND + FRAME_NS, Close(1000)) == sent[-1]
    assert 150 + 1 == sum(isinstance(message, bytes) for _, message in sent)


def test_no_leg_lasts_longer_than_two_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vonage's own limit, however much there is to say."""
    assert 7200 * SECOND == MAX_LENGTH_NS
    monkeypatch.setattr(module, "MAX_LENGTH_NS", SECOND)
    sent = advance(leg(FRAME * 1000, duration_ns=None), 60 * SECOND)

    assert (SECOND, Close(1000)) == sent[-1]


def test_a_strict_leg_is_dropped_at_a_message_of_the_wrong_size() -> None:
    """Without a close frame, as Vonage's servers do; nothing is heard after it."""
    platform = leg(strict=True)
    advance(platform, 0)
    platform.receive_bytes(FRAME, 1)
    platform.receive_bytes(FRAME + FRAME, 2)
    platform.receive_bytes(FRAME, 3)
    platform.receive_text("x", 4)

    assert ([Abort()], ["VS101"], 1) == (
        platform.messages_to_send(),
        codes(platform),
        platform.report()["frames_received"],
    )


def test_a_lenient_leg_reframes_and_notes_it() -> None:
    """Any size is cut into frames; odd sizes are told apart; a tail is completed by what comes."""
    platform = leg()
    advance(platform, 0)
    platform.receive_bytes(FRAME[:99], 1)
    platform.receive_bytes(FRAME[99:] + OTHER[:1], 2)
    platform.receive_bytes(OTHER[1:] + FRAME[:1], 3)

    assert (["VS103", "VS102"], 2) == (codes(platform), platform.report()["frames_received"])


def test_a_full_buffer_loses_the_newest_and_notes_it() -> None:
    """In 2021, from the 1,025th waiting frame on."""
    platform = leg(platform=Platform.Y2021)
    advance(platform, 0)
    for _ in range(1024):
        platform.receive_bytes(FRAME, 1)
    before = codes(platform)
    platform.receive_bytes(FRAME, 2)

    assert [["VS205"], ["VS205", "VS202"]] == [before, codes(platform)]
    assert (1, [0.0]) == (platform.report()["overflow_frames"], platform.report()["overflows_at_s"])


def test_a_gap_in_what_is_heard_is_noted_with_its_place() -> None:
    """One frame is missing in the middle: 60 ms, with what the platform keeps back before it plays on."""
    platform = leg()
    advance(platform, 0)
    platform.receive_bytes(FRAME, 5 * MS)
    advance(platform, 80 * MS)
    platform.receive_bytes(FRAME, 95 * MS)
    finding = platform.findings.all()[0]
    report = platform.report()

    assert ("VS201", "the caller heard a gap of 60 ms 0.08 s into the call") == (finding.code, finding.message)
    assert (1, 60.0, [0.08]) == (report["underruns"], report["underrun_ms"], report["underruns_at_s"])


def test_a_gap_during_our_own_stall_is_not_blamed_on_the_server() -> None:
    """A simulator that stood still can't tell."""
    platform = leg()
    advance(platform, 0)
    platform.receive_bytes(FRAME, 5 * MS)
    advance(platform, 40 * MS)
    platform.handle_deadline(95 * MS)
    platform.receive_bytes(FRAME, 96 * MS)

    assert [] == codes(platform)


def test_a_gap_longer_than_our_own_stall_is_the_server_s() -> None:
    """A short stall of ours doesn't excuse a long one of the server's."""
    platform = leg()
    advance(platform, 0)
    platform.receive_bytes(FRAME, 5 * MS)
    advance(platform, 40 * MS)
    platform.handle_deadline(95 * MS)
    advance(platform, 200 * MS)
    platform.receive_bytes(FRAME, 201 * MS)

    assert ["VS201"] == codes(platform)


@pytest.mark.parametrize(
    ("every_us", "found"), [(20_000, []), (21_700, ["VS201", "VS203", "VS204"])], ids=["in time", "slow"]
)
def test_what_a_busy_machine_excuses_counts_where_the_pace_is_slow(every_us: int, found: list[str]) -> None:
    """A stall of ours each second excuses short gaps, unless the sender is slow all the time."""
    platform = leg()
    sent_at = [number * every_us * US + (30 * MS if number % 50 == 0 and number else 0) for number in range(230)]
    for number, at in enumerate(itertools.accumulate(sent_at, max)):
        if number % 50 == 2:
            platform.handle_deadline(at)
        elif number % 50 != 1:
            advance(platform, at)
        platform.receive_bytes(bytes([1 + number % 255]) * 320, at)
    platform.receive_close(1000, "", sent_at[-1])

    assert found == sorted(codes(platform))


@pytest.mark.parametrize(
    ("pause_ms", "missed", "found"),
    [(100, 0, ["VS201"]), (240, 0, ["VS201"]), (900, 0, ["VS201"]), (1100, 0, []), (240, 1, []), (100, 1, ["VS201"])],
)
def test_an_echo_that_stops_and_goes_on_had_a_gap(pause_ms: int, missed: int, found: list[str]) -> None:
    """However long: it goes on where it stopped. Other audio behind a pause of 200 ms is something new that is said."""
    said = [bytes([number]) * 320 for number in range(1, 100)]
    platform = leg(b"".join(said))
    advance(platform, 0)
    for number in range(20):
        advance(platform, number * FRAME_NS)
        platform.receive_bytes(said[number], number * FRAME_NS + MS)
    for number in range(20, 21 + (pause_ms + 40) // 20):
        advance(platform, number * FRAME_NS)
    platform.receive_bytes(said[20 + missed], number * FRAME_NS + MS)

    assert found == codes(platform)


def test_clear_drops_what_waits_and_is_answered() -> None:
    """Nothing of it is heard; part of a frame is dropped too."""
    steps = Steps()
    platform = leg(steps=steps)
    advance(platform, 0)
    platform.receive_bytes(FRAME * 5 + FRAME[:100], 1)
    platform.receive_text('{"action":"clear"}', 2)
    platform.receive_bytes(OTHER, 3)

    assert ['{"event":"websocket:cleared"}'] == platform.messages_to_send()
    advance(platform, 6 * FRAME_NS)
    assert [OTHER] == [heard for heard in steps.heard if heard != SILENCE]
    assert 1 == platform.report()["clears"]


def test_notify_is_answered_when_the_audio_before_it_has_been_played() -> None:
    """Frame at 60 ms, over at 80 ms; with the same payload."""
    platform = leg()
    advance(platform, 0)
    platform.receive_bytes(FRAME, 5 * MS)
    platform.receive_text('{"action":"notify","payload":{"a":["\\ud800"]}}', 6 * MS)
    texts = [(at, message) for at, message in advance(platform, SECOND) if isinstance(message, str)]

    assert [(80 * MS, {"event": "websocket:notify", "payload": {"a": ["\ud800"]}})] == [
        (at, json.loads(message.encode("utf-8"))) for at, message in texts
    ]
    assert 1 == platform.report()["notifies"]


def test_clear_cancels_pending_notifies() -> None:
    """They are never answered."""
    platform = leg()
    advance(platform, 0)
    platform.receive_bytes(FRAME, 1)
    platform.receive_text('{"action":"notify","payload":{}}', 2)
    platform.receive_text('{"action":"clear"}', 3)

    assert [{"event": "websocket:cleared"}] == [
        json.loads(message) for _, message in advance(platform, SECOND) if isinstance(message, str)
    ]


def test_commands_are_told_to_the_observers() -> None:
    """As they were said."""
    platform = leg()
    events(platform)
    platform.receive_text('{"action":"clear"}', 1)
    platform.receive_text('{"action":"notify","payload":{"a":1}}', 2)

    assert [
        MessageReceived(at=1, call="c1", message={"action": "clear"}),
        MessageReceived(at=2, call="c1", message={"action": "notify", "payload": {"a": 1}}),
    ] == events(platform)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("x", "VS301", "x"),
        ('{"action":"mark"}', "VS305", {"action": "mark"}),
        ('{"action":"notify"}', "VS306", None),
        ('{"action":"notify","payload":1e999}', "VS301", '{"action":"notify","payload":1e999}'),
    ],
    ids=["not JSON", "unknown", "no payload", "infinite"],
)
def test_what_is_no_command_is_a_finding(text: str, code: str, message: object) -> None:
    """The platform ignores it, and says nothing."""
    platform = leg()
    advance(platform, 0)
    events(platform)
    platform.receive_text(text, 1)
    told = events(platform)

    assert [code] == codes(platform)
    assert isinstance(told[0], FindingRaised)
    assert ([message] if message is not None else []) == [
        event.message for event in told if isinstance(event, MessageReceived)
    ]
    assert [] == platform.messages_to_send()


def test_the_platform_of_2021_ignores_commands() -> None:
    """No answer, nothing dropped, one finding."""
    platform = leg(platform=Platform.Y2021)
    advance(platform, 0)
    platform.receive_bytes(FRAME, 1)
    platform.receive_text('{"action":"clear"}', 2)
    platform.receive_text('{"action":"notify","payload":{}}', 3)
    sent = advance(platform, SECOND)

    assert {SILENCE} == {message for _, message in sent}
    assert (["VS312"], 1) == (codes(platform), platform.report()["frames_heard"])


def test_hanging_up_is_the_last_that_is_sent() -> None:
    """Once, whoever asks again; nothing is heard after it."""
    platform = leg(FRAME)
    advance(platform, 0)
    platform.close(1000, 1, reason="bye")
    platform.close(1001, 2)
    platform.receive_bytes(FRAME, 3)
    platform.receive_text('{"action":"clear"}', 3)
    platform.handle_deadline(SECOND)

    assert ([Close(1000, "bye")], None) == (platform.messages_to_send(), platform.next_deadline())
    assert 0 == platform.report()["frames_received"]


@pytest.mark.parametrize(
    ("ours", "code", "closed_by", "found"),
    [
        (False, 1000, "server", []),
        (False, 1006, "network", ["VS308"]),
        (True, 1000, "platform", []),
        (True, 1006, "platform", []),
        (False, 1005, "server", ["VS309"]),
        (True, 1005, "platform", []),
    ],
)
def test_the_end_tells_who_closed_the_call(*, ours: bool, code: int, closed_by: str, found: list[str]) -> None:
    """And what it was."""
    platform = leg(FRAME, key_presses=(KeyPress(0, "5"),))
    advance(platform, FRAME_NS)
    platform.receive_bytes(FRAME, FRAME_NS)
    if ours:
        platform.close(1000, SECOND)
    platform.receive_close(code, "why", 1_234_567_890)
    told = events(platform)

    assert found == codes(platform)
    assert told[-1] == Ended(
        at=1_234_567_890,
        call="c1",
        duration_s=1.235,
        frames_in=1,
        frames_out=2,
        dtmf="5",
        close_code=code,
        close_reason="why",
        closed_by=closed_by,
    )


@pytest.mark.parametrize(
    ("code", "at_ms", "found"),
    [
        (1000, 3, ["VS318"]),
        (1005, 999, ["VS318", "VS309"]),
        (1006, 3, ["VS318", "VS308"]),
        (1011, 3, ["VS318"]),
        (1000, 1000, []),
        (1008, 3, []),
        (1013, 3, []),
        (4401, 3, []),
    ],
)
def test_a_server_that_closes_at_once_is_told_of(code: int, at_ms: int, found: list[str]) -> None:
    """Unless its code says that it doesn't want the call."""
    platform = leg(FRAME)
    advance(platform, 0)
    platform.receive_close(code, "", at_ms * MS)

    assert found == codes(platform)


@pytest.mark.parametrize("word", [FRAME, '{"action":"clear"}'])
def test_a_server_that_has_said_something_may_close(word: str | bytes) -> None:
    """A short announcement is a whole call."""
    platform = leg(FRAME)
    advance(platform, 0)
    if isinstance(word, bytes):
        platform.receive_bytes(word, 5 * MS)
    else:
        platform.receive_text(word, 5 * MS)
    platform.receive_close(1000, "", 10 * MS)

    assert [] == codes(platform)


def test_findings_seen_again_are_told_with_their_count_at_the_end() -> None:
    """Just before the last event."""
    platform = leg()
    platform.receive_text("x", 1)
    platform.receive_text("y", 2)
    platform.receive_close(1000, "", 3)

    assert [1, 2] == [event.count for event in events(platform) if isinstance(event, FindingRaised)]


def test_a_leg_ends_once() -> None:
    """Nothing is heard, told or sent after the end, and its source is closed."""
    platform = leg(FRAME)
    advance(platform, 0)
    platform.receive_close(1000, "", 1)
    events(platform)
    platform.receive_close(1006, "", 2)
    platform.receive_bytes(FRAME, 3)
    platform.receive_text("x", 4)
    platform.handle_deadline(SECOND)
    platform.close(1000, SECOND)

    assert ([], [], None) == (events(platform), platform.messages_to_send(), platform.next_deadline())
    assert not platform.closed_by_us


def test_the_report_tells_what_was_measured() -> None:
    """Every figure of a small call, in JSON's own types."""
    platform = leg(FRAME + OTHER, now=0)
    advance(platform, 0)
    platform.receive_bytes(FRAME, 12_300_000)
    advance(platform, 100 * MS)
    platform.let_pass(110 * MS)
    report = platform.report()

    assert json.loads(json.dumps(report)) == {
        "duration_s": 0.11,
        "rate_hz": 8000,
        "frames_sent": 6,
        "frames_received": 1,
        "frames_heard": 1,
        "first_audio_ms": 12.3,
        "echo": {"method": "frames", "frames": 1, "delay_ms": {"p50": 12.3, "p95": 12.3, "p99": 12.3, "max": 12.3}},
        "underruns": 0,
        "underrun_ms": 0.0,
        "underruns_at_s": [],
        "overflow_frames": 0,
        "overflows_at_s": [],
        "turns": {"count": 0, "latency_ms": None, "own_lateness_ms": None},
        "barge_in": {"count": 0, "unstopped": 0, "stop_ms": None, "own_lateness_ms": None, "each": [], "cut_short": 0},
        "clear_stops": [],
        "clears": 0,
        "notifies": 0,
        "dtmf_sent": "",
        "own_lateness_ms": {"p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0},
        "findings": [],
    }


def test_the_report_of_a_failed_call_lists_its_findings() -> None:
    """And there is no first audio and no echo."""
    platform = leg()
    platform.receive_text("x", 1)
    report = platform.report()

    assert (None, None) == (report["first_audio_ms"], report["echo"])
    assert [("VS301", "warning", 1)] == [(f["code"], f["level"], f["count"]) for f in report["findings"]]


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("text"),
            st.sampled_from(
                [
                    '{"action":"clear"}',
                    '{"action":"notify","payload":{"a":"\\ud800"}}',
                    '{"action":"notify","payload":{"a":1e999}}',
                    '{"action":"notify","payload":[]}',
                    '{"action":"x"}',
                    "[" * 5000,
                ]
            )
            | st.text(max_size=20),
        ),
        st.tuples(st.just("bytes"), st.sampled_from([0, 1, 160, 319, 320, 640, 70_000])),
        st.tuples(st.just("time"), st.sampled_from([0, 7, 20, 60, 500, 3000])),
        st.tuples(st.just("close"), st.sampled_from([1000, 1001])),
        st.tuples(st.just("gone"), st.sampled_from([1000, 1005, 1006])),
    ),
    max_size=25,
)


@PROPERTY
@given(steps=STEPS, strict=st.booleans(), edition=st.sampled_from(Platform), endless=st.booleans())
def test_whatever_happens_nothing_raises_and_nothing_follows_the_end(
    steps: list[tuple[str, object]], edition: Platform, *, strict: bool, endless: bool
) -> None:
    """Any text, bytes of any size, closes and wake-ups in any order; every frame has the exact size."""
    platform = leg(
        FRAME * 20,
        strict=strict,
        platform=edition,
        duration_ns=FOREVER if endless else None,
        key_presses=parse_dtmf("1,2"),
        steps=Steps(),
    )
    now = 0
    over = False
    for verb, value in [*steps, ("gone", 1000)]:
        match verb, value:
            case "text", str(text):
                platform.receive_text(text, now)
            case "bytes", int(size):
                platform.receive_bytes(bytes(size), now)
            case "time", int(span_ms):
                now += span_ms * MS
                platform.handle_deadline(now)
            case "close", int(code):
                platform.close(code, now)
            case "gone", int(code):
                platform.receive_close(code, "", now)
        sent = platform.messages_to_send()
        assert not (over and sent)
        ends = [number for number, message in enumerate(sent) if isinstance(message, Close | Abort)]
        assert ends in ([], [len(sent) - 1])
        assert {320} | {len(message) for message in sent if isinstance(message, bytes)} == {320}
        over = over or bool(ends) or verb == "gone"

    assert json.dumps(platform.report())
    assert isinstance(events(platform)[-1], Ended)


def test_where_a_leg_stands_is_told_from_the_caller_s_side() -> None:
    """In is what the caller hears, out what it says, and the depth what waits to be played."""
    platform = leg(FRAME)
    advance(platform, 2 * FRAME_NS)
    for _ in range(4):
        platform.receive_bytes(OTHER, 2 * FRAME_NS)
    stats = platform.stats(2 * FRAME_NS)

    assert ("c1", 4, 3, 80.0) == (stats.call, stats.frames_in, stats.frames_out, stats.depth_ms)


def test_a_wav_file_sent_as_audio_is_noted() -> None:
    """What the samples give away is told as soon as it is sure."""
    platform = leg(OTHER)
    advance(platform, 0)
    platform.receive_bytes(b"RIFF" + bytes(316), 1)

    assert ["VS104"] == codes(platform)


def test_an_echo_is_not_blamed_for_the_caller_s_own_samples() -> None:
    """What comes back byte for byte is the caller's."""
    frames = [bytes([number]) * 320 for number in range(1, 5)] + [b"RIFF" + OTHER[4:]]
    platform = leg(b"".join(frames))
    advance(platform, 5 * FRAME_NS)
    for number, frame in enumerate(frames):
        platform.receive_bytes(frame, (5 + number) * FRAME_NS)

    assert [] == codes(platform)


@pytest.mark.parametrize(("said", "expected"), [(OTHER, ["VS110"]), (SILENCE, [])], ids=["speech", "silence"])
def test_silence_in_answer_to_a_caller_who_speaks_is_noted(said: bytes, expected: list[str]) -> None:
    """And to one who says nothing it is a fit answer."""
    platform = leg(said)
    advance(platform, 0)
    for number in range(150):
        advance(platform, number * FRAME_NS)
        platform.receive_bytes(SILENCE, number * FRAME_NS)
    platform.receive_close(1000, "", 4 * SECOND)

    assert expected == codes(platform)


def test_many_gaps_are_summed_up_at_the_end() -> None:
    """How many, how long in all, and the longest."""
    platform = leg()
    for number in range(5):
        advance(platform, number * 100 * MS)
        platform.receive_bytes(FRAME, number * 100 * MS + 1)
    platform.receive_close(1000, "", SECOND)
    finding = platform.findings.all()[-1]

    assert ["VS201", "VS203"] == codes(platform)
    assert "4 gaps, 320 ms in all and up to 80 ms long: the speech sounds chopped" == finding.message


@pytest.mark.parametrize("edition", Platform)
def test_base64_in_text_is_told_as_audio_in_the_wrong_place(edition: Platform) -> None:
    """In JSON or alone, and in place of what else could be said of such text."""
    platform = leg(platform=edition)
    platform.receive_text(json.dumps({"event": "media", "media": {"payload": "QUJD" * 100}}), 1)
    platform.receive_text("QUJD" * 100, 2)
    messages = [event.message for event in events(platform) if isinstance(event, MessageReceived)]

    assert [("VS106", 2)] == [(finding.code, finding.count) for finding in platform.findings.all()]
    assert [{"event": "media", "media": {"payload": "QUJD" * 100}}, "QUJD" * 100] == messages


def test_what_is_sent_after_a_clear_is_not_counted_as_ahead() -> None:
    """A bot that is interrupted again and again has nothing queued."""
    platform = leg()
    advance(platform, 0)
    for _ in range(3):
        for _ in range(1000):
            platform.receive_bytes(FRAME, 1)
        platform.receive_text('{"action":"clear"}', 2)

    assert [] == codes(platform)


@pytest.mark.parametrize(("code", "finding"), [(1009, "VS112"), (1002, "VS311")])
def test_a_server_that_breaks_websocket_itself_is_a_finding(code: int, finding: str) -> None:
    """An error, and the leg is over."""
    platform = leg()
    platform.receive_violation(code, "reserved bits", 1)
    platform.receive_close(code, "reserved bits", 2)

    assert finding in codes(platform)
    assert None is platform.next_deadline()


def clip_as_it_is() -> bytes:
    """The shipped clip's samples, which are made for 16 kHz."""
    samples, _ = soundfile.read(Path(vonage_sock.__file__).parent / "data" / "clip.flac", dtype="int16")
    pcm: bytes = samples.tobytes()
    return pcm


def hear(platform: VonageLeg, pcm: bytes) -> list[str]:
    """Send frames of 8 kHz as they are played, end the call, and give the codes that were found."""
    for at in range(0, len(pcm), len(FRAME)):
        now = at // len(FRAME) * FRAME_NS
        advance(platform, now)
        platform.receive_bytes(pcm[at : at + len(FRAME)], now)
    platform.receive_close(1000, "", platform.next_deadline() or 0)
    return [finding.code for finding in platform.findings.all()]


def test_speech_that_is_too_slow_for_a_voice_is_noted() -> None:
    """Audio made for 16 kHz, in the right frames and at the right pace, on a leg of 8 kHz."""
    assert ["VS113"] == hear(leg(), clip_as_it_is())


def test_how_speech_sounds_is_not_noted_after_what_explains_it() -> None:
    """A file's header in the audio says already that it was never made for a leg."""
    assert ["VS104"] == hear(leg(), b"RIFF".ljust(len(FRAME), b"\0") + clip_as_it_is())


def test_how_speech_sounds_is_not_noted_of_the_callers_own() -> None:
    """In an echo the speech is the caller's."""
    pcm = clip_as_it_is()

    assert [] == hear(leg(pcm), pcm)


class Moves:
    """A script that makes these moves, one each step, and notes what it was asked and told."""

    def __init__(self, *moves: Move) -> None:
        self.moves = iter(moves)
        self.asked: list[tuple[int, bytes | None]] = []
        self.told: list[Event] = []

    def step(self, at: int, heard: bytes | None) -> Move:
        """The next one; nothing when there is none."""
        self.asked.append((at, heard))
        return next(self.moves, Move())

    def observe(self, event: Event) -> None:
        """Note it."""
        self.told.append(event)


def test_a_script_says_what_the_caller_says_and_presses() -> None:
    """Step by step, in place of the source; where it gives nothing there is silence."""
    notice = Notice(at=0, level="info", message="hello")
    script = Moves(Move(FRAME), Move(keys="1#"), Move(OTHER, events=(notice,)))
    platform = leg(FRAME * 5, script=script)
    sent = advance(platform, 60 * MS)[1:]
    key = '{"event":"websocket:dtmf","digit":"%s","duration":160}'

    assert [0, 20 * MS, 20 * MS, 20 * MS, 40 * MS, 60 * MS] == [at for at, _ in sent]
    assert [FRAME, SILENCE, OTHER, SILENCE] == [message for _, message in sent if isinstance(message, bytes)]
    assert [json.loads(key % digit) for digit in "1#"] == [
        json.loads(text) for _, text in sent if isinstance(text, str)
    ]
    assert notice in events(platform)


def test_a_script_is_told_what_is_heard_and_what_happens() -> None:
    """Each frame in the step in which it is heard, and every event of the leg."""
    script = Moves()
    platform = leg(script=script)
    platform.receive_bytes(FRAME, 0)
    platform.receive_text('{"action":"clear"}', 90 * MS)
    advance(platform, 60 * MS)

    assert [Connected, MessageReceived] == [type(event) for event in script.told]
    assert [0, 20 * MS, 40 * MS, 60 * MS] == [at for at, _ in script.asked]


def test_what_a_script_hears_comes_out_of_the_platform_s_buffer() -> None:
    """40 ms after it was sent."""
    script = Moves()
    platform = leg(script=script)
    platform.receive_bytes(FRAME, 0)
    advance(platform, 60 * MS)

    assert [None, None, FRAME, None] == [heard for _, heard in script.asked]


@pytest.mark.parametrize("end", [Close(1000), Abort()], ids=["hang up", "drop"])
def test_a_script_ends_the_leg(end: Close | Abort) -> None:
    """Nothing is said in that step, and nothing asked after it."""
    script = Moves(Move(FRAME), Move(FRAME, keys="1", end=end))
    steps = Steps()
    platform = leg(script=script, steps=steps)
    sent = [message for _, message in advance(platform, 100 * MS)[1:]]
    platform.receive_close(1006 if isinstance(end, Abort) else 1000, "", 30 * MS)
    ended = next(event for event in events(platform) if isinstance(event, Ended))

    assert [FRAME, end] == sent
    assert [FRAME] == steps.said
    assert "platform" == ended.closed_by
    assert [] == codes(platform)


def test_what_the_socket_saw_is_a_finding() -> None:
    """With its numbers; reserved bits that are told as compression aren't told again as a broken rule."""
    end = leg()
    end.receive_found(Found("VS313", {"size": 640, "fragments": 2}), 1)
    end.receive_found(Found("VS314", {"reason": "a frame with reserved bits set"}), 2)
    end.receive_violation(1002, "reserved bits must be 0", 3)

    assert ["VS313", "VS314"] == [finding.code for finding in end.findings.all()]
    assert "a message of 640 bytes came in 2 fragments" == end.findings.all()[0].message


def test_a_strict_leg_puts_up_with_the_echo_of_its_own_bad_frames() -> None:
    """Where a wrong size is excused the leg goes on."""
    platform = leg(strict=True)
    platform.findings.excuse({"VS101", "VS102"})
    platform.receive_bytes(bytes(318), 1)

    assert [] == platform.findings.all()
    assert Abort() not in platform.messages_to_send()


class Between:
    """A patch that turns every frame into another, for as long as it is told to."""

    def __init__(self, *, busy: int = 0) -> None:
        self.steps = busy

    @property
    def busy(self) -> bool:
        """There is still something to hear."""
        return self.steps > 0

    def to_server(self, frame: bytes) -> bytes:
        """Another frame."""
        self.steps -= 1
        return OTHER

    def from_server(self, frame: bytes | None) -> bytes | None:
        """Another frame, where there is one."""
        return None if frame is None else OTHER


def patched(patch: Between, steps: Steps, **plan: Any) -> VonageLeg:
    """A leg with something between its two sides."""
    return VonageLeg(
        "c1", LegPlan(audio_format=RATE_8K, **plan), PcmSource(FRAME, RATE_8K), now=0, heard=steps, patch=patch
    )


def test_what_lies_between_changes_what_is_sent_and_heard() -> None:
    """But not what the caller says."""
    steps = Steps()
    platform = patched(Between(), steps, duration_ns=FOREVER)
    platform.receive_bytes(FRAME, 0)
    sent = advance(platform, 3 * FRAME_NS)

    assert [OTHER] * 4 == [message for _, message in sent if isinstance(message, bytes)]
    assert [FRAME, SILENCE, SILENCE, SILENCE] == steps.said
    assert [SILENCE, SILENCE, OTHER, SILENCE] == steps.heard


def test_a_leg_stays_while_something_is_to_be_heard() -> None:
    """And a second longer, as after anything that is said."""
    steps = Steps()
    sent = advance(patched(Between(busy=20), steps), FOREVER)

    assert LINGER_NS + 19 * FRAME_NS == sent[-1][0]


def test_keys_that_nobody_presses_are_sent_at_their_times() -> None:
    """The server is told of them as of others; no key of the caller's is told to observers."""
    platform = leg(b"", duration_ns=None)
    advance(platform, 10 * FRAME_NS)
    platform.send_keys([KeyPress(0, "1"), KeyPress(100 * MS, "2", 80)], 10 * FRAME_NS)
    sent = advance(platform, FOREVER)
    told = {at // MS: json.loads(message) for at, message in sent if isinstance(message, str)}

    assert {220: ("1", 160), 300: ("2", 80)} == {at: (text["digit"], text["duration"]) for at, text in told.items()}
    assert [] == [event for event in events(platform) if isinstance(event, DtmfPressed)]
    assert "12" == platform.report()["dtmf_sent"]


def test_a_notify_too_many_is_told() -> None:
    """1,024 may wait; what comes beyond has no answer."""
    platform = leg()
    platform.receive_bytes(FRAME, 0)
    for number in range(1025):
        platform.receive_text(json.dumps({"action": "notify", "payload": {"n": number}}), 1)

    assert ["VS319"] == [finding.code for finding in platform.findings.all()]
