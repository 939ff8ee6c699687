"""The steps of a scenario, in a leg under the manual clock: every time is exact."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.scenario.writing import Bot, at, rehearse, scenario
from vonage_sock import Echo
from vonage_sock.call.events import (
    AnswerRequested,
    Connected,
    DrillStruck,
    DtmfPressed,
    Ended,
    EventPosted,
    ScenarioStepped,
)
from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.scenario.conductor import MAX_KEPT, Conductor, fits_message, has, name_of
from vonage_sock.simulator.scenario.voices import load_voices


def test_steps_follow_each_other_on_the_grid() -> None:
    """Audio and silence take their time, keys are 0.3 s apart, and waiting for what is there takes none."""
    report = rehearse(
        """
        steps:
          - play: {audio: tone:440, for: 1s}
          - wait_for: audio
          - silence: 500ms
          - press: "12#"
          - wait_for: {silence: 600ms}
          - hang_up
        """,
        Echo(),
    )
    keys = [event for event in report.events if isinstance(event, DtmfPressed)]

    assert report.passed
    assert [0.0, 1.0, 1.0, 1.5, 2.12, 2.72] == at(report)
    assert [1500 * MS, 1800 * MS, 2100 * MS] == [event.at for event in keys]
    assert (1000, "platform", "12#") == (report.close_code, report.closed_by, report.dtmf_sent)
    assert 136 == report.frames_sent


def test_two_runs_are_the_same_to_the_nanosecond() -> None:
    """Events, figures and what was heard."""
    text = "steps: [{play: clip}, {press: '1'}, {wait_for: {silence: 300ms}}]\nexpect: [echo_delay_p99: 1s]"
    first, second = (rehearse(text, Echo(delay_ms=250)) for _ in range(2))

    assert first.events == second.events
    assert first.figures == second.figures
    assert first.heard_pcm == second.heard_pcm


def test_what_is_said_goes_out_bit_for_bit() -> None:
    """Frame by frame, with silence after it."""
    report = rehearse("steps: [{play: clip}, {silence: 1s}, hang_up]", Echo())
    voices = load_voices(scenario("steps: [{play: clip}]"), (16000,))

    assert b"".join(voices[1][16000]) + bytes(32000) == report.said_pcm
    assert report.said_pcm[:-1920] == report.heard_pcm[1920:]


def test_a_step_is_told_when_it_begins_and_when_it_fails() -> None:
    """For the screen and the ladder."""
    report = rehearse("steps: [{silence: 1s}, {wait_for: {audio: true, within: 2s}}, hang_up]")
    told = [event for event in report.events if isinstance(event, ScenarioStepped)]

    assert [(0, 1, "begun"), (SECOND, 2, "begun"), (3 * SECOND, 2, "failed")] == [
        (event.at, event.number, event.state) for event in told
    ]
    assert "it didn't happen within 2 s; the server was never heard" == told[-1].reason
    assert ["done", "failed", "not reached"] == [step["state"] for step in report.steps]
    assert [f"step 2, wait_for audio, within 2s: {told[-1].reason}"] == report.failures
    assert not report.passed
    assert (1000, "platform") == (report.close_code, report.closed_by)
    assert "step 2 fails" in report.ladder()
    assert "step 2, wait_for audio" in repr(report)


def test_the_server_is_waited_for() -> None:
    """It is heard when the platform has buffered 40 ms, on the grid, and quiet from its last frame on."""
    report = rehearse("steps: [{wait_for: audio}, {wait_for: {silence: 600ms}}, hang_up]", Bot(after_ms=700, seconds=1))

    assert [0.0, 0.76, 2.36] == at(report)


def test_audio_that_was_waited_for_is_waited_for_once() -> None:
    """An echo of what was said before counts; after a step that waited only what comes then."""
    report = rehearse(
        """
        steps:
          - play: {audio: tone:440, for: 500ms}
          - silence: 200ms
          - wait_for: audio
          - wait_for: {audio: true, within: 1s}
        """,
        Echo(),
    )

    assert ["done", "done", "done", "failed"] == [step["state"] for step in report.steps]
    assert "the server isn't heard" in report.failures[0]


def test_a_server_that_never_falls_silent_fails_the_waiting() -> None:
    """And is told as still heard."""
    report = rehearse("steps: [{wait_for: audio}, {wait_for: {silence: 600ms, within: 1s}}]", Bot(seconds=5))

    assert "it didn't happen within 1 s; the server is still heard" in report.failures[0]


def test_the_caller_interrupts_when_the_server_has_been_heard_for_a_while() -> None:
    """500 ms after its first frame was heard, with a word or a key; how soon it stops is measured."""
    report = rehearse(
        """
        steps:
          - interrupt: {with: {play: {audio: tone:700, for: 200ms}}, after: 500ms}
          - wait_for: {silence: 300ms}
          - hang_up
        expect:
          - stops_within: 400ms
        """,
        Bot(seconds=5, stops_ms=250),
    )
    said = next(number for number in range(0, len(report.said_pcm), 640) if any(report.said_pcm[number : number + 640]))

    assert report.passed, report.failures
    assert 540 == said // 640 * 20
    assert [("speech", 0.54)] == [(barge.by, barge.at_s) for barge in report.barge_ins]


def test_a_key_interrupts_too() -> None:
    """And a server that goes on fails what is expected."""
    report = rehearse(
        "steps: [{interrupt: {with: {press: '#'}, after: 1s}}, {silence: 6s}, hang_up]\nexpect: [stops_within: 400ms]",
        Bot(seconds=8),
    )

    assert ["key"] == [barge.by for barge in report.barge_ins]
    assert [False] == [item.passed for item in report.expectations]
    assert "audio for more than 5 s after the barge-in (key) at 1.04 s" in report.expectations[0].found


def test_there_is_nobody_to_interrupt() -> None:
    """A server that says nothing fails the step."""
    report = rehearse("steps: [{interrupt: {with: {press: '#'}, within: 1s}}]")

    assert "it didn't happen within 1 s; the server was never heard" in report.failures[0]


def test_a_pause_in_a_sentence_doesn_t_make_a_new_one() -> None:
    """What is heard in pieces counts from its first piece, until it pauses for more than 200 ms."""
    conductor = Conductor(scenario("steps: [{interrupt: {with: {press: '1'}, after: 300ms}}]"), {}, call="c")
    loud, keys = b"\0\x20" * 320, ""
    for number in range(30):
        keys += conductor.step(number * 20 * MS, loud if number % 8 == 0 else None).keys
        if keys:
            break

    assert ("1", 16) == (keys, number)


def test_messages_are_waited_for_by_name_or_fields_and_each_once() -> None:
    """A message that came while keys were pressed is there for the next step that waits."""
    steps = """
        steps:
          - press: "12"
          - silence: 100ms
          - wait_for: {event: notify}
          - wait_for: {event: {action: notify, payload: {key: "2"}}}
          - wait_for: {event: notify, within: 1s}
        """
    report = rehearse(steps, Bot(after_ms=60_000, notifies=True))

    assert ["done"] * 4 + ["failed"] == [step["state"] for step in report.steps]
    assert "what came: notify, notify" in report.failures[0]


def test_the_server_s_close_is_waited_for() -> None:
    """After it only steps that need no socket can be done."""
    steps = "steps: [{press: '#'}, {wait_for: {close: true, within: 3s}}, hang_up]"
    report = rehearse(steps, Bot(closes=True))

    assert report.passed, report.failures
    assert "server" == report.closed_by


@pytest.mark.parametrize("step", ["play: clip", "silence: 1s", "press: '12'", "wait_for: audio"])
def test_a_server_that_closes_too_early_fails_the_step(step: str) -> None:
    """Whatever the caller is doing then, or wanted to do next."""
    before = rehearse(f"steps: [{{press: '#'}}, {{silence: 200ms}}, {{{step}}}]", Bot(closes=True))
    within = rehearse(f"steps: [{{press: '#'}}, {{{step}}}]", Bot(closes=True, after_ms=60_000))

    assert "step 2, silence 200ms: the server closed the socket before" in before.failures[0]
    assert "the server closed the socket before" in within.failures[0]


def test_a_server_that_stays_fails_who_waits_for_its_close() -> None:
    """The socket is still open."""
    assert "the socket is still open" in rehearse("steps: [{wait_for: {close: true, within: 1s}}]").failures[0]


def test_the_caller_drops_the_connection() -> None:
    """Without a close frame; the other side sees 1006."""
    report = rehearse("steps: [{silence: 200ms}, drop]\nexpect: [close_code: 1006, closed_by: platform]", Echo())

    assert report.passed, report.failures
    assert 10 == report.frames_sent


def test_without_a_last_word_the_caller_stays_until_there_is_nothing_to_hear() -> None:
    """A second after the last frame was played."""
    report = rehearse("steps: [{wait_for: audio}]", Bot(seconds=2))

    assert report.passed
    assert 3.06 == round(report.duration_s, 2)


def test_the_limit_ends_the_staying_and_fails_nothing() -> None:
    """A server that talks for ever is left."""
    report = rehearse("limit: 2s\nsteps: [{wait_for: audio}]", Bot(seconds=30))

    assert report.passed, report.failures
    assert 2.0 == round(report.duration_s, 2)


def test_the_limit_fails_a_step_that_isn_t_done() -> None:
    """The scenario can't last longer."""
    report = rehearse("limit: 2s\nsteps: [{silence: 1s}, {wait_for: audio}]")

    assert ["step 2, wait_for audio: the scenario's limit of 2 s was reached"] == report.failures
    assert 2.0 == round(report.duration_s, 2)


def test_a_scenario_without_steps_listens() -> None:
    """Until the server has nothing more to say."""
    report = rehearse("expect: [heard_at_least: 900ms]", Bot(seconds=1))

    assert report.passed, report.failures


def conducted(text: str) -> Conductor:
    """A conductor of its own."""
    made = scenario(text)
    return Conductor(made, load_voices(made, (8000, 16000)), call="c")


def posted(status: str) -> EventPosted:
    """An event of this status."""
    return EventPosted(at=0, call="c", status=status, uuid=None, conversation_uuid=None, body={}, reply_status=204)


def connected(rate_hz: int) -> Connected:
    """A socket of this rate is open."""
    return Connected(at=0, call="c", content_type="", rate_hz=rate_hz, headers={}, remote="")


def closed(by: str) -> Ended:
    """A socket was closed."""
    return Ended(
        at=0, call="c", duration_s=0, frames_in=0, frames_out=0, dtmf="", close_code=1000, close_reason="", closed_by=by
    )


def test_webhooks_are_waited_for_each_once() -> None:
    """The first answered is the phone's, the second the socket's; one that is posted when the socket is gone counts too."""
    conductor = conducted(
        "steps: [{wait_for: {webhook: answer}}, {wait_for: {webhook: answered}}, {wait_for: {webhook: answered}}, "
        "hang_up, {wait_for: {webhook: completed}}]"
    )
    conductor.watch(AnswerRequested(at=0, method="GET", params={}, ncco=[]))
    conductor.watch(posted("answered"))
    states = []
    for number in range(2):
        conductor.step(number * 20 * MS, None)
        states.append([result.state for result in conductor.results])
        conductor.watch(posted("answered"))
    conductor.step(40 * MS, None)
    conductor.watch(posted("completed"))
    conductor.finish(SECOND)

    assert ["done", "done", "begun", "not reached", "not reached"] == states[0]
    assert None is conductor.failure


def test_a_webhook_that_never_comes_fails() -> None:
    """With the names of those that came."""
    conductor = conducted("steps: [{wait_for: {webhook: busy, within: 20ms}}]")
    for number in range(7):
        conductor.watch(posted(f"e{number}"))
    for number in range(2):
        conductor.step(number * 20 * MS, None)
    nothing = conducted("steps: [{wait_for: {webhook: busy, within: 20ms}}]")
    for number in range(2):
        nothing.step(number * 20 * MS, None)

    assert conductor.failure is not None
    assert nothing.failure is not None
    assert "what was posted: … e2, e3, e4, e5, e6" in conductor.failure.reason
    assert "nothing was posted" in nothing.failure.reason


def test_a_call_without_a_socket_fails_its_first_step() -> None:
    """The events of that are told too."""
    conductor = conducted("steps: [{press: '1'}, hang_up]")
    events = conductor.finish(SECOND)

    assert conductor.failure is not None
    assert "no socket was opened" == conductor.failure.reason
    assert ["begun", "failed"] == [event.state for event in events if isinstance(event, ScenarioStepped)]


def test_a_call_that_we_ended_ourselves_is_told_as_over() -> None:
    """Its limit, or a person at the keyboard."""
    conductor = conducted("steps: [{silence: 5s}]")
    conductor.observe(connected(8000))
    conductor.step(0, None)
    conductor.observe(closed("platform"))
    conductor.finish(SECOND)

    assert conductor.failure is not None
    assert "the call was over before this step was done" == conductor.failure.reason


@pytest.mark.parametrize(
    ("by", "drill", "words"),
    [
        ("network", None, "the connection was lost before this step was done"),
        ("network", "drop-after", "our own drill drop-after broke the connection before this step was done"),
        ("network", "jitter", "the connection was lost before this step was done"),
        ("server", None, "the server closed the socket before this step was done"),
    ],
)
def test_it_is_said_how_the_call_ended(by: str, drill: str | None, words: str) -> None:
    """The server isn't blamed for what it hasn't done."""
    conductor = conducted("steps: [{silence: 5s}]")
    conductor.observe(connected(8000))
    conductor.step(0, None)
    if drill is not None:
        conductor.watch(DrillStruck(at=0, call="c", drill=drill, did="what it does"))
    conductor.observe(closed(by))
    conductor.finish(SECOND)

    assert conductor.failure is not None
    assert words == conductor.failure.reason


def test_a_second_leg_of_another_rate_hears_the_rest_at_its_rate() -> None:
    """The frame fits the leg that it is said in."""
    conductor = conducted("steps: [{play: clip}]")
    conductor.observe(connected(8000))
    first = conductor.step(0, None).frame
    conductor.observe(connected(16000))
    second = conductor.step(20 * MS, None).frame

    assert first is not None
    assert second is not None
    assert (320, 640) == (len(first), len(second))


def test_what_is_kept_is_bounded() -> None:
    """Whatever the server and the platform send."""
    conductor = conducted("steps: [hang_up]")
    for _ in range(MAX_KEPT + 5):
        conductor.watch(posted("answered"))

    assert MAX_KEPT == len(conductor.posted)


def test_after_the_end_nothing_is_said() -> None:
    """A script that has nothing left is silent."""
    conductor = conducted("steps: [hang_up]")
    conductor.step(0, None)
    conductor.finish(SECOND)

    assert None is conductor.step(2 * SECOND, None).frame


@pytest.mark.parametrize(
    ("pattern", "message", "fits"),
    [
        ("clear", {"action": "clear"}, True),
        ("bye", {"event": "bye", "why": 1}, True),
        ("clear", {"action": "notify"}, False),
        ("hello", "hello", True),
        ("hello", [1], False),
        ({"action": "notify"}, {"action": "notify", "payload": {}}, True),
        ({"payload": {"a": 1}}, {"action": "notify", "payload": {"a": 1, "b": 2}}, True),
        ({"payload": {"a": 1}}, {"action": "notify"}, False),
        ({"a": 1}, "text", False),
    ],
    ids=str,
)
def test_a_message_fits_by_its_name_or_its_fields(pattern: Any, message: Any, fits: bool) -> None:
    """Other fields don't matter."""
    assert fits is fits_message(pattern, message)


@pytest.mark.parametrize(
    ("found", "wanted", "has_it"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [2]}, True),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True),
        ({"a": []}, {"a": [1]}, False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": "1"}, {"a": 1}, False),
        ([], {}, False),
        ({}, {"a": None}, False),
    ],
    ids=str,
)
def test_a_value_has_at_least_what_is_wanted(found: Any, wanted: Any, has_it: bool) -> None:
    """As JSON means it."""
    assert has_it is has(found, wanted)


def test_a_message_has_a_name() -> None:
    """Its action, its event, or itself."""
    assert ["clear", "bye", "?", "hi"] == [name_of(item) for item in ({"action": "clear"}, {"event": "bye"}, {}, "hi")]
