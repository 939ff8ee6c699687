"""Asynchronous input, in whole calls that take no time."""

from __future__ import annotations

from typing import Any

import pytest
from acting import BYE, Ran, run, wav
from answering import Application

LISTEN = {"action": "input", "type": ["dtmf"], "mode": "asynchronous", "eventUrl": ["{base}/event"]}
WAIT = {"action": "wait", "timeout": 3}


def told(ran: Ran) -> list[str]:
    """The keys of the input events, one event each."""
    return [body["dtmf"]["digits"] for body in ran.of("dtmf")]


async def test_each_key_is_told_by_itself() -> None:
    """While the call goes on; with the fields of an input, and a single digit."""
    ran = await run(LISTEN, WAIT, keys="1,2#")
    first = ran.of("dtmf")[0]

    assert ["1", "2", "#"] == told(ran)
    assert {"digits": "1", "timed_out": False} == first["dtmf"]
    assert {"dtmf", "from", "to", "uuid", "conversation_uuid", "timestamp"} == set(first)
    assert "each key is told by itself from here on" in ran.notes


async def test_the_call_goes_on_at_once() -> None:
    """Keys are pressed in their time: the second one would come after the call's end."""
    ran = await run(LISTEN, {"action": "wait", "timeout": 1}, keys="1w3,2")

    assert (["1"], 50) == (told(ran), len(ran.kept.heard))


async def test_keys_are_told_during_talk_and_stream() -> None:
    """Which go on."""
    app = Application(files={"/a.wav": wav(8000)})
    ran = await run(
        LISTEN,
        {"action": "talk", "text": "x" * 15},
        {"action": "stream", "streamUrl": ["{base}/a.wav"]},
        keys="1,2",
        app=app,
    )

    assert (["1", "2"], 100) == (told(ran), len(ran.kept.heard))


async def test_an_input_takes_its_keys_and_they_are_told_all_the_same() -> None:
    """One by one, and together."""
    ran = await run(LISTEN, {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 2}}, WAIT, keys="123")

    assert ["1", "2", "12", "3"] == sorted(told(ran), key=lambda digits: (digits[-1], len(digits)))


async def test_a_key_that_ends_a_recording_is_told() -> None:
    """Once."""
    ran = await run(LISTEN, {"action": "record", "endOnKey": "#", "format": "wav"}, keys="1#")

    assert ["1", "#"] == told(ran)


async def test_a_key_that_interrupts_is_told() -> None:
    """By the input that takes it, and by itself."""
    menu = {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}}
    ran = await run(LISTEN, {"action": "talk", "text": "x" * 150, "bargeIn": True}, menu, keys="7")

    assert ["7", "7"] == told(ran)
    assert len(ran.kept.heard) == 25


async def test_keys_of_a_websocket_are_told_in_their_order() -> None:
    """The leg presses them, and the phone's input tells them."""
    connect = Application(port=0).connect()[0]
    connect["endpoint"][0]["uri"] = "{socket}"
    ran = await run(LISTEN, connect, keys="12", limit_ns=10**9)
    phone = ran.bodies[0]["uuid"]

    assert (["1", "2"], {phone}) == (told(ran), {body["uuid"] for body in ran.of("dtmf")})


async def test_without_an_asynchronous_input_a_wait_tells_no_keys() -> None:
    """They wait for somebody who listens."""
    assert [] == told(await run(WAIT, keys="12"))


async def test_the_latest_address_holds() -> None:
    """A second asynchronous input moves the events; no key is told twice."""
    ran = await run(LISTEN, WAIT, LISTEN | {"eventUrl": ["{base}/elsewhere"]}, WAIT, keys="1w4,2")

    assert ["1"] == told(ran)


async def test_what_an_event_is_answered_with_does_not_take_over() -> None:
    """Only an input that the call waits for asks what comes next."""
    ran = await run(LISTEN, WAIT, keys="1", app=Application(event_answers={"input": BYE}))

    assert (["1"], False) == (told(ran), any("bye" in note for note in ran.notes))


@pytest.mark.parametrize("kind", [["speech"], "speech"])
async def test_speech_can_not_be_told_word_by_word(kind: Any) -> None:
    """The mode is for keys alone."""
    ran = await run(LISTEN | {"type": kind}, WAIT, keys="1")

    assert (["VS402" if isinstance(kind, list) else "VS420"], []) == (ran.codes, told(ran))
