"""The actions of an NCCO, in whole calls that take no time."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from acting import BYE, PHONE, STEPS, run, wav
from answering import Application

from vonage_sock.audio.source import FramesSource, OpenSource
from vonage_sock.call.events import DtmfPressed, Notice
from vonage_sock.clock import SECOND
from vonage_sock.simulator.caller import tone
from vonage_sock.simulator.ncco.actions import destination_of, seconds_of, url_of
from vonage_sock.simulator.webhooks.posting import Destination

# talk


async def test_a_text_that_cannot_be_spoken_is_silent() -> None:
    """And says why."""
    ran = await run({"action": "talk", "text": "xxx"})

    assert "the text stays silent: nobody speaks here" in [e.message for e in ran.events if isinstance(e, Notice)]
    assert 10 == len(ran.kept.heard)


async def test_a_talk_takes_the_time_of_its_text() -> None:
    """Fifteen letters are a second, where nobody speaks them."""
    ran = await run({"action": "talk", "text": "x" * 30}, fast=False)

    assert 100 == len(ran.kept.heard)
    assert 1.9 <= ran.took_s <= 2.0


async def test_a_talk_is_spoken_in_its_language() -> None:
    """What the voice says is what the caller hears; tags are not spoken."""
    asked = []

    def speak(text: str, voice: str | None) -> OpenSource:
        asked.append((text, voice))
        return lambda fmt: FramesSource("tone", tone(fmt, 50, 440), 50)

    ran = await run({"action": "talk", "text": "<speak>Good <b>day</b></speak>", "language": "en-GB"}, speak=speak)

    assert ([("Good day", "en-gb")], 50) == (asked, len(ran.kept.heard))
    assert b"".join(tone(PHONE, 50, 440)) == ran.heard()
    assert "the caller hears, for about 1 s: Good day" in ran.notes


async def test_a_language_that_is_none_is_not_asked_for() -> None:
    """It would be an option of a program."""
    asked = []

    def speak(text: str, voice: str | None) -> OpenSource:
        asked.append(voice)
        return lambda fmt: FramesSource("none", [fmt.silence], 1)

    await run({"action": "talk", "text": "x", "language": "-f/etc/passwd"}, speak=speak)

    assert [None] == asked


@pytest.mark.parametrize("text", [None, 5, "", " <b> "])
async def test_a_talk_without_a_text_is_passed_over(text: object) -> None:
    """With a finding."""
    ran = await run({"action": "talk", "text": text})

    assert (["VS402" if isinstance(text, str) else "VS420"], []) == (ran.codes, ran.kept.heard)


async def test_a_loop_is_played_so_often() -> None:
    """A text in place of a number is understood."""
    ran = await run({"action": "talk", "text": "x" * 3, "loop": "4"})

    assert 40 == len(ran.kept.heard)


async def test_an_endless_loop_ends_with_the_call() -> None:
    """The caller hangs up at its time."""
    ran = await run({"action": "talk", "text": "x" * 3, "loop": 0}, {"action": "wait"}, limit_ns=5 * SECOND)

    assert (250, "user") == (len(ran.kept.heard), ran.bodies[-1]["disconnected_by"])


# stream


async def test_a_stream_is_fetched_and_heard() -> None:
    """Sample by sample."""
    app = Application(files={"/a.wav": wav(1600)})
    ran = await run({"action": "stream", "streamUrl": ["{base}/a.wav"]}, app=app)

    assert struct.pack("<h", 1000) * 1600 == ran.heard()


async def test_a_level_makes_it_louder_or_softer() -> None:
    """By 12 dB at its ends."""
    app = Application(files={"/a.wav": wav(160)})
    ran = await run({"action": "stream", "streamUrl": ["{base}/a.wav"], "level": "-1"}, app=app)

    assert struct.pack("<h", round(1000 * 10 ** (-12 / 20))) * 160 == ran.heard()


@pytest.mark.parametrize(
    ("url", "words"),
    [("{base}/none", "HTTP 404"), ("{base}/bad", "not an audio file"), ("http://[", "isn't a web address")],
)
async def test_a_stream_that_cannot_be_played_is_a_finding(url: str, words: str) -> None:
    """And the call goes on."""
    ran = await run({"action": "stream", "streamUrl": [url]}, *BYE, app=Application(files={"/bad": b"x" * 99}))

    assert ["VS426"] == ran.codes
    assert words in ran.report["findings"][0]["message"]
    assert "the caller hears, for about 1 s: bye" in ran.notes


async def test_a_stream_without_an_address_is_passed_over() -> None:
    """With a finding."""
    assert ["VS419"] == (await run({"action": "stream"})).codes


async def test_a_key_ends_what_may_be_interrupted() -> None:
    """And is the first of the input that follows."""
    ran = await run(
        {"action": "talk", "text": "x" * 150, "bargeIn": True},
        {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 2}},
        keys="12",
    )

    assert {"digits": "12", "timed_out": False} == ran.of("dtmf")[0]["dtmf"]
    assert 25 + 15 == len(ran.kept.heard)


# input


async def test_an_input_tells_the_keys_and_takes_the_ncco_that_comes_back() -> None:
    """In place of what is left."""
    app = Application(event_answers={"input": BYE})
    ran = await run({"action": "input", "type": ["dtmf"]}, {"action": "talk", "text": "never"}, keys="1234", app=app)
    body = ran.of("dtmf")[0]

    assert {"digits": "1234", "timed_out": False} == body["dtmf"]
    assert {"from", "to", "uuid", "conversation_uuid", "timestamp", "dtmf"} == set(body)
    assert ["the event URL answers with an NCCO, which takes over", "the caller hears, for about 1 s: bye"] == ran.notes
    assert ["1", "2", "3", "4"] == [event.digit for event in ran.events if isinstance(event, DtmfPressed)]


@pytest.mark.parametrize(
    ("dtmf", "keys", "expected"),
    [
        ({"maxDigits": 2}, "1234", {"digits": "12", "timed_out": False}),
        ({"submitOnHash": True}, "1#34", {"digits": "1", "timed_out": False}),
        ({}, "1#", {"digits": "1#", "timed_out": True}),
        ({"timeOut": 1}, "1w5,2", {"digits": "1", "timed_out": True}),
        ({"timeOut": "1"}, "", {"digits": "", "timed_out": True}),
    ],
    ids=["max", "hash", "hash is a key", "timeout", "no key"],
)
async def test_when_an_input_has_its_keys(dtmf: dict[str, Any], keys: str, expected: dict[str, Any]) -> None:
    """At its number, at the hash, or when no key comes for its time."""
    ran = await run({"action": "input", "type": ["dtmf"], "dtmf": dtmf}, keys=keys)

    assert expected == ran.of("dtmf")[0]["dtmf"]


async def test_keys_that_came_too_late_are_for_the_next_input() -> None:
    """The caller's script goes on."""
    action = {"action": "input", "type": ["dtmf"], "dtmf": {"timeOut": 2, "maxDigits": 1}}
    ran = await run(action, action, keys="w3,5")

    assert [("", True), ("5", False)] == [
        (body["dtmf"]["digits"], body["dtmf"]["timed_out"]) for body in ran.of("dtmf")
    ]


async def test_speech_is_what_the_script_says() -> None:
    """One text for each input; without one the input times out."""
    action = {"action": "input", "type": ["speech"]}
    ran = await run(action, action, speech=("I want tea",))

    assert [
        {
            "timeout_reason": "end_on_silence_timeout",
            "results": [{"confidence": "0.9", "text": "I want tea"}],
        },
        {"timeout_reason": "start_timeout", "results": []},
    ] == [body["speech"] for body in ran.of("speech")]


@pytest.mark.parametrize(("keys", "digits", "texts"), [("1", "1", 0), ("", None, 1)], ids=["a key", "a word"])
async def test_an_input_of_both_takes_what_comes_first(keys: str, digits: str | None, texts: int) -> None:
    """Keys where there are any, else speech."""
    action = {"action": "input", "type": ["dtmf", "speech"], "dtmf": {"maxDigits": 1}}
    ran = await run(action, keys=keys, speech=("tea",))
    body = ran.of("dtmf")[0]

    assert (digits, texts) == (body["dtmf"]["digits"], len(body["speech"]["results"]))


@pytest.mark.parametrize(("kind", "code"), [([], "VS402"), (["mind"], "VS421"), (5, "VS420"), ([[]], "VS420")])
async def test_an_input_of_no_kind_is_passed_over(kind: object, code: str) -> None:
    """With a finding."""
    ran = await run({"action": "input", "type": kind})

    assert ([code], []) == (ran.codes, ran.of("dtmf"))


async def test_a_menu_that_never_ends_is_ended() -> None:
    """An application that answers each input with the same one."""
    menu = {"action": "input", "type": ["dtmf"], "dtmf": {"timeOut": 1}}
    ran = await run(menu, app=Application(event_answers={"input": [menu]}))

    assert ["VS427"] == ran.codes


async def test_an_answer_that_is_no_ncco_leaves_the_call_as_it_is() -> None:
    """With a finding."""
    ran = await run({"action": "input", "type": ["dtmf"]}, *BYE, app=Application(event_answers={"input": {"ok": 1}}))

    assert (["VS423"], ["the caller hears, for about 1 s: bye"]) == (ran.codes, ran.notes)


# record


async def test_a_record_writes_what_the_caller_says(tmp_path: Path) -> None:
    """Until it is quiet; then its webhook is posted."""
    ran = await run({"action": "record", "endOnSilence": 1, "format": "wav"}, record_dir=tmp_path)
    body = ran.of("recording_url")[0]
    samples, rate_hz = soundfile.read(tmp_path / "recording.wav", dtype="int16")

    assert {
        "recording_url",
        "recording_uuid",
        "size",
        "start_time",
        "end_time",
        "conversation_uuid",
        "timestamp",
    } == set(body)
    assert (8000, STEPS) == (rate_hz, samples.astype("<i2").tobytes()[: len(STEPS)])
    assert 1.38 <= len(samples) / rate_hz <= 1.42


@pytest.mark.parametrize(
    ("action", "keys", "seconds"),
    [({"timeOut": 5}, "w8,1", 5.0), ({"endOnKey": "*"}, "1,*", 1.3), ({"endOnKey": "*"}, "", 3.0)],
    ids=["time", "key", "no key left"],
)
async def test_what_ends_a_recording(tmp_path: Path, action: dict[str, Any], keys: str, seconds: float) -> None:
    """Its time, its key, or a caller who has nothing more to say and no key to press."""
    await run({"action": "record", "format": "wav"} | action, keys=keys, record_dir=tmp_path)

    assert seconds == pytest.approx(soundfile.info(tmp_path / "recording.wav").duration, abs=0.45)


async def test_a_record_without_an_end_is_of_the_whole_call(tmp_path: Path) -> None:
    """The call goes on meanwhile, and both sides are in it."""
    app = Application(files={"/a.wav": wav(1600)})
    action = {"action": "record", "format": "wav", "split": "conversation", "channels": 2}
    await run(action, {"action": "stream", "streamUrl": ["{base}/a.wav"]}, app=app, record_dir=tmp_path)
    samples, _ = soundfile.read(tmp_path / "recording.wav", dtype="int16")

    assert [[0, 1000]] * 1600 == samples.tolist()


async def test_a_beep_is_heard_first(tmp_path: Path) -> None:
    """It isn't in the recording."""
    ran = await run({"action": "record", "timeOut": 1, "beepStart": True, "format": "wav"}, record_dir=tmp_path)

    assert np.abs(np.frombuffer(ran.heard()[:4800], "<i2")).max() > 7000
    assert 1.0 == soundfile.info(tmp_path / "recording.wav").duration


# wait, notify, and what is only told


@pytest.mark.parametrize(("seconds", "steps"), [(2, 100), ("0.5", 25), (None, 500), (0.01, 5), ("x", 500)])
async def test_a_wait_lets_time_pass(seconds: object, steps: int) -> None:
    """Its seconds within their bounds, else ten."""
    ran = await run({"action": "wait"} if seconds is None else {"action": "wait", "timeout": seconds})

    assert [PHONE.silence] * steps == ran.kept.heard


async def test_a_notify_posts_its_payload_and_takes_the_ncco_that_comes_back() -> None:
    """To its own address."""
    action = {"action": "notify", "payload": {"a": 1}, "eventUrl": ["{base}/event"]}
    ran = await run(action, {"action": "talk", "text": "never"}, app=Application(event_answers={"notify": BYE}))

    assert {"a": 1} == ran.of("payload")[0]["payload"]
    assert "the caller hears, for about 1 s: bye" == ran.notes[-1]


async def test_a_notify_without_its_fields_is_passed_over() -> None:
    """With a finding."""
    ran = await run({"action": "notify", "payload": "x"})

    assert (["VS419", "VS420"], []) == (ran.codes, ran.of("payload"))


async def test_too_many_actions_are_no_ncco() -> None:
    """A hundred are carried out."""
    ran = await run(*[{"action": "wait", "timeout": 0.1}] * 101)

    assert ["VS402"] == ran.codes
    assert "Syntax error in NCCO" in ran.of("reason")[0]["reason"]


# How values are read.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        ("4", 4.0),
        ("x", 1.0),
        (True, 1.0),
        ([], 1.0),
        (99, 9.0),
        (-1, 0.0),
        (1e999, 1.0),
        (10**400, 9.0),
        (float("nan"), 1.0),
    ],
)
def test_a_number_lies_within_its_bounds(value: object, expected: float) -> None:
    """What is none is the default."""
    assert expected == seconds_of({"a": value}, "a", 1, 0, 9)


@pytest.mark.parametrize(("value", "expected"), [(["a", "b"], "a"), ("a", "a"), ([], None), ([5], None), (None, None)])
def test_an_address_is_the_first_of_an_array(value: object, expected: str | None) -> None:
    """Or the text that stands in its place."""
    assert expected == url_of(value)


def test_an_actions_events_go_where_it_says() -> None:
    """By its method."""
    assert Destination("a", "GET") == destination_of({"eventUrl": ["a"], "eventMethod": "GET"})
    assert destination_of({}) is None
