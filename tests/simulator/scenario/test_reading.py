"""From a file to a scenario, or to one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.scenario.writing import scenario
from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import UsageError
from vonage_sock.simulator.scenario import model
from vonage_sock.simulator.scenario.reading import load, read

PROPERTY = settings(deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

WHOLE = """\
name: barge in
description: whatever
caller: {from: "447700900001", to: 4420, rate: 8000, headers: {lang: en}, dtmf: "1", speech: [yes, "no"]}
limit: 1min
steps:
  - wait_for: {audio: true, within: 5s}
  - wait_for: audio
  - say: "hello there"
  - say: {text: bonjour, voice: fr-fr}
  - say: yes
  - play: clip
  - play: {audio: tone:440, for: 1.5s}
  - silence: 1.5s
  - press: "12#"
  - press: 012
  - wait_for: {silence: 600ms}
  - wait_for: {event: clear}
  - wait_for: {event: {action: notify}}
  - wait_for: {webhook: answered}
  - wait_for: close
  - interrupt: {with: {say: "stop"}, after: 300ms, within: 3s}
  - interrupt: {with: {press: "#"}}
  - wait_for: audio
  - drop:
expect:
  - first_audio_within: 800ms
  - no_underruns
  - no_overflow: true
  - ncco_has: {action: connect, endpoint: [{type: websocket}]}
  - event_reply: {event: answered, status: 204}
  - close_code: 1000
  - finding: VS201
"""


def test_a_whole_scenario_is_read() -> None:
    """Every kind of step, with its times, its defaults and its line."""
    read_ = scenario(WHOLE)

    assert ("barge in", 60 * SECOND) == (read_.name, read_.limit_ns)
    assert [
        model.WaitFor(model.AudioHeard(), 5 * SECOND),
        model.WaitFor(model.AudioHeard(), 10 * SECOND),
        model.Say("hello there"),
        model.Say("bonjour", "fr-fr"),
        model.Say("yes"),
        model.Play("clip"),
        model.Play("tone:440", 1500 * MS),
        model.Silence(1500 * MS),
    ] == [step.action for step in read_.steps[:8]]
    assert [
        model.WaitFor(model.Quiet(600 * MS)),
        model.WaitFor(model.MessageCame("clear")),
        model.WaitFor(model.MessageCame({"action": "notify"})),
        model.WaitFor(model.WebhookPosted("answered")),
        model.WaitFor(model.SocketClosed()),
        model.Interrupt(model.Say("stop"), 300 * MS, 3 * SECOND),
    ] == [step.action for step in read_.steps[10:16]]
    assert [model.Drop()] == [step.action for step in read_.steps[-1:]]
    assert [model.HangUp()] == [step.action for step in scenario("steps: [hang_up]").steps]
    assert [(1, 6), (2, 7)] == [(step.number, step.line) for step in read_.steps[:2]]
    assert ["wait_for audio, within 5s", "say bonjour, voice fr-fr", "play tone:440, for 1.5s"] == [
        read_.steps[number].text for number in (0, 3, 6)
    ]


def test_a_step_that_is_too_long_to_be_shown_ends_in_an_ellipsis() -> None:
    """So that nobody takes it for the whole."""
    texts = [scenario(f"steps: [say: {'a' * length}]").steps[0].text for length in (56, 57)]

    assert [f"say {'a' * 56}", f"say {'a' * 55}…"] == texts


def test_keys_are_read_as_they_are_written() -> None:
    """The first is pressed at once; 012 isn't the number ten."""
    presses = [step.action for step in scenario(WHOLE).steps if isinstance(step.action, model.Press)]

    assert ["12#", "012"] == ["".join(key.digit for key in press.presses) for press in presses]
    assert [0, 300 * MS, 600 * MS] == [key.after_ns for key in presses[0].presses]


def test_the_caller_is_read() -> None:
    """Numbers stay texts."""
    caller = scenario(WHOLE).caller

    assert ("447700900001", "4420", 8000) == (caller.from_number, caller.to_number, caller.rate_hz)
    assert ({"lang": "en"}, ("yes", "no")) == (caller.headers, caller.speech)
    assert ["1"] == [key.digit for key in caller.dtmf]


def test_expectations_are_read_from_a_list_or_a_mapping() -> None:
    """Durations become nanoseconds; what stands alone is true."""
    listed = scenario(WHOLE).expectations
    mapped = scenario("expect: {no_underruns: true, heard_at_least: 2s}").expectations

    assert [("first_audio_within", 800 * MS, 26), ("no_underruns", True, 27)] == [
        (item.name, item.value, item.line) for item in listed[:2]
    ]
    assert ["no_underruns", "no_overflow"] == [item.text for item in listed[1:3]]
    assert [("no_underruns", True), ("heard_at_least", 2 * SECOND)] == [(item.name, item.value) for item in mapped]


def test_a_scenario_without_a_name_has_its_file_s() -> None:
    """And the usual limit."""
    read_ = scenario("steps: [hang_up]", "calls/menu.yaml")

    assert ("menu", 30 * SECOND, ()) == (read_.name, read_.limit_ns, read_.expectations)


def test_what_needs_webhooks_is_known() -> None:
    """So that a call to a bare socket is refused before it is made."""
    assert scenario("steps: [{wait_for: {webhook: x}}]").need_of_webhooks() is not None
    assert scenario("expect: [event_posted: x]").need_of_webhooks() is not None
    assert scenario("steps: [{wait_for: audio}]\nexpect: [no_underruns]").need_of_webhooks() is None


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("- a", "1, column 1", "give a mapping with steps and expect"),
        ("name: x", "1, column 1", "give steps, expect, or both"),
        ("stpes: []", "1, column 1", "did you mean steps?"),
        ("name: [1]\nsteps: [hang_up]", "1, column 7", "give a short text"),
        ("limit: 3h\nsteps: [hang_up]", "1, column 8", "800ms, 1.5s or 2min"),
        ("limit: 61min\nsteps: [hang_up]", "1, column 8", "at most 60min"),
        ("limit: 0s\nsteps: [hang_up]", "1, column 8", "more than nothing"),
        ("steps: hi", "1, column 8", "on a line of its own"),
        ("steps:\n  - sya: hi", "2, column 5", "'sya' is no step; did you mean say?"),
        ("steps:\n  - hangup", "2, column 5", "'hangup' is no step; did you mean hang_up?"),
        ("steps:\n  - say", "2, column 5", "say needs a value"),
        ("steps:\n  - frobnicate: 3", "2, column 5", "there are say, play, silence"),
        ("steps:\n  - 3", "2, column 5", "give a step, such as"),
        ("steps:\n  - {}", "2, column 5", "this step is empty"),
        ("steps:\n  - say: hi\n    press: 1", "2, column 5", "say and press stand in one step"),
        ('steps:\n  - {say: hi, "\\n": 1}', "2, column 5", r"say and '\n' stand in one step"),
        ("steps:\n  - say:", "2, column 9", "nothing here"),
        ("steps:\n  - say: ' '", "2, column 10", "nothing to say"),
        ("steps:\n  - say: {txt: hi}", "2, column 11", "did you mean text?"),
        ("steps:\n  - silence: 800", "2, column 14", "800 has no unit"),
        ("steps:\n  - silence: 1.5", "2, column 14", "1.5 has no unit"),
        ("steps:\n  - silence: soon", "2, column 14", "a duration with its unit"),
        ("steps:\n  - press: 12a", "2, column 12", "use keys"),
        ("steps:\n  - press: #", "2, column 11", "# begins a comment"),
        ("steps:\n  - press: ''", "2, column 12", "no key to press"),
        ("steps:\n  - press: 5.5", "2, column 12", "keys (0 to 9"),
        ("steps:\n  - play: {for: 3s}", "2, column 11", "'audio' is missing"),
        ("steps:\n  - wait_for: adio", "2, column 15", "did you mean audio?"),
        ("steps:\n  - wait_for: silence", "2, column 15", "silence needs a value"),
        ("steps:\n  - wait_for: {silnce: 3s}", "2, column 16", "did you mean silence?"),
        ("steps:\n  - wait_for: {within: 3s}", "2, column 15", "give one of audio, silence, event, webhook, close"),
        ("steps:\n  - wait_for: {audio: true, close: true}", "2, column 15", "audio and close can't stand together"),
        ("steps:\n  - interrupt: {after: 3s}", "2, column 16", "'with' is missing"),
        ("steps:\n  - interrupt: {with: {sing: x}}", "2, column 24", "there are say, play, press"),
        ("steps:\n  - hang_up: 3", "2, column 14", "nothing behind it"),
        ("caller: {rate: 44100}\nsteps: [hang_up]", "1, column 16", "8000, 16000 or 24000"),
        ("caller: {form: x}\nsteps: [hang_up]", "1, column 10", "did you mean from?"),
        (f"caller: {{headers: {{a: {'x' * 600}}}}}\nsteps: [hang_up]", "1, column 19", "Vonage allows 512"),
        ("steps: []", "1, column 8", "nothing in this list"),
        ("steps:\nexpect: [no_underruns]", "1, column 7", "nothing here"),
        ("steps: [hang_up]\nexpect: []", "2, column 9", "nothing in this list"),
        ("steps: [hang_up]\nexpect: {}", "2, column 9", "is empty"),
        ("steps: [hang_up]\nexpect:", "2, column 8", "nothing here"),
        ("steps:\n  - silence: 0s", "2, column 14", "no time at all"),
        ("steps:\n  - wait_for: {silence: 0ms}", "2, column 25", "no time at all"),
        ("steps:\n  - play: {audio: noise, for: 0s}", "2, column 31", "no time at all"),
        ("steps:\n  - hang_up\n  - silence: 1s", "3, column 5", "the caller is gone after hang_up (step 1)"),
        ("steps:\n  - drop\n  - wait_for: audio", "3, column 5", "the caller is gone after drop (step 1)"),
        ("limit: 5s\nsteps:\n  - wait_for: {audio: true, within: 6s}", "3, column 37", "its limit of 5 s"),
        ("limit: 5s\nsteps:\n  - interrupt: {with: {press: 1}, within: 6s}", "3, column 43", "its limit of 5 s"),
        ("expect:\n  - stops_within: 6s", "2, column 19", "nothing is timed for longer than 5 s"),
        ("expect:\n  - first_audio: 3s", "2, column 5", "did you mean first_audio_within?"),
        ("expect:\n  - first_audio_within", "2, column 5", "first_audio_within needs a value"),
        ("expect:\n  - first_audio_within: 3", "2, column 25", "3 has no unit"),
        ("expect: no_underruns", "1, column 9", "each expectation on a line of its own"),
        ("expect:\n  - finding: VS999", "2, column 14", "'VS999' is no finding; did you mean VS"),
        ("expect:\n  - no_underruns: false", "2, column 19", "true, or nothing behind it"),
        ("expect:\n  - close_code: 99", "2, column 17", "a close code, such as 1000"),
        ("expect:\n  - closed_by: caller", "2, column 16", "there are platform, server, network"),
        ("expect:\n  - event_reply: {event: answered}", "2, column 18", "'status' is missing"),
        ("expect:\n  - event_reply: {event: a, status: '204'}", "2, column 37", "an HTTP status"),
        ("expect:\n  - ncco_has: connect", "2, column 15", "fields of an action"),
        ("expect: {no_underruns: true, clos_code: 3}", "1, column 30", "did you mean close_code?"),
        (f"steps: [{'hang_up, ' * 1001}]", "1, column 8", "at most 1,000 are allowed"),
    ],
    ids=lambda value: str(value)[:30].replace("\n", " "),
)
def test_what_is_wrong_is_one_sentence_with_its_place(text: str, place: str, words: str) -> None:
    """File, line and column, what is wrong and what is wanted."""
    with pytest.raises(UsageError) as caught:
        scenario(text)

    assert str(caught.value).startswith(f"s.yaml, line {place}: ")
    assert words in str(caught.value)


def test_the_first_of_several_faults_is_told() -> None:
    """A person works from the top down."""
    with pytest.raises(UsageError, match="line 2, column 5: 'sya'"):
        scenario("steps:\n  - sya: hi\n  - hangup\nexpect: [no]")


@pytest.mark.parametrize("path", ["none.yaml", ".", "\0"])
def test_a_file_that_can_t_be_read_is_told(path: str) -> None:
    """Missing, a directory, or no path at all."""
    with pytest.raises(UsageError):
        load(Path(path))


def test_a_file_is_read(tmp_path: Path) -> None:
    """Also with a byte order mark, as editors on Windows write it."""
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfsteps: [hang_up]\r\n")

    assert 1 == len(load(path).steps)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["800ms", "audio"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["steps", "expect", "say", "wait_for", "silence", "with", "press", "caller", "finding"])
            | st.text(max_size=8),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@PROPERTY
@given(st.text(max_size=80) | st.binary(max_size=60))
def test_any_file_is_a_scenario_or_a_sentence(content: str | bytes) -> None:
    """Nothing else comes out of it."""
    assert _read(content.encode(errors="surrogatepass") if isinstance(content, str) else content)


@PROPERTY
@given(VALUES)
def test_any_value_is_a_scenario_or_a_sentence(value: Any) -> None:
    """Nor of any YAML with the words of a scenario."""
    assert _read(yaml.safe_dump({"steps": value} if not isinstance(value, dict) else value).encode(errors="replace"))


def _read(raw: bytes) -> bool:
    try:
        return isinstance(read(raw, Path("s.yaml")), model.Scenario)
    except UsageError as error:
        return str(error).startswith("s.yaml") and "\n" not in str(error)
