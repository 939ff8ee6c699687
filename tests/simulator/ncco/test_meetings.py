"""Conversations and transfers, in whole calls that take no time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import soundfile
from acting import BYE, STEPS, Ran, run, wav
from answering import Application

CONVERSATION = {"action": "conversation", "name": "team"}
TRANSFER = {"action": "transfer", "conversationId": "CON-2"}
STEP_S = 0.02


def said(ran: Ran) -> bytes:
    """All that the caller said."""
    return b"".join(ran.kept.said)


@pytest.mark.parametrize(
    "action", [TRANSFER, {"action": "transfer", "conversation_id": "CON-2"}], ids=["camel", "snake"]
)
async def test_a_transfer_is_told_and_the_leg_goes_over(action: dict[str, Any]) -> None:
    """From this conversation to that, by either of the names that the reference has; later events carry the new one."""
    ran = await run(action)
    body = ran.of("conversation_uuid_to")[0]
    first, last = ran.bodies[0], ran.bodies[-1]

    assert {"conversation_uuid_from", "conversation_uuid_to", "uuid", "timestamp"} == set(body)
    assert (first["conversation_uuid"], "CON-2") == (body["conversation_uuid_from"], body["conversation_uuid_to"])
    assert ("completed", "CON-2", first["uuid"]) == (last["status"], last["conversation_uuid"], last["uuid"])


async def test_a_transfer_ends_the_ncco() -> None:
    """The other conversation's own goes on; the caller says there what it has to say, and hangs up."""
    ran = await run(TRANSFER, *BYE)

    assert STEPS == said(ran)
    assert ["user"] == [body["disconnected_by"] for body in ran.of("disconnected_by")]
    assert [
        "the conversation 'CON-2' is a stub: nobody else is in it",
        "the caller has hung up: what follows in the NCCO isn't carried out",
    ] == ran.notes


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"action": "transfer"}, "VS419"),
        (TRANSFER | {"conversationId": 5}, "VS420"),
        ({"action": "conversation", "name": ""}, "VS402"),
    ],
)
async def test_a_meeting_without_a_name_is_passed_over(action: dict[str, Any], code: str) -> None:
    """With a finding."""
    ran = await run(action, *BYE)

    assert ([code], []) == (ran.codes, ran.of("conversation_uuid_to"))
    assert "the caller hears, for about 1 s: bye" in ran.notes


async def test_a_named_conversation_is_entered() -> None:
    """Told as a transfer; the caller stays as long as it has something to say."""
    ran = await run(CONVERSATION)
    body = ran.of("conversation_uuid_to")[0]

    assert ("transfer", STEPS) == (body["type"], said(ran))
    assert body["conversation_uuid_to"].startswith("CON-")
    assert body["conversation_uuid_to"] == ran.bodies[-1]["conversation_uuid"]
    assert "the conversation 'team' is a stub: nobody else is in it" in ran.notes


async def test_a_conversation_that_nobody_starts_is_waited_for_in_silence() -> None:
    """For a minute; nothing is said and nothing recorded."""
    ran = await run(CONVERSATION | {"startOnEnter": False, "record": True})

    assert (bytes(3000 * 320), []) == (said(ran), ran.of("recording_url"))
    assert [
        "nobody starts the conversation: the caller waits",
        "the caller has no more patience and hangs up",
    ] == ran.notes[1:]


async def test_music_on_hold_is_heard_again_and_again() -> None:
    """Three seconds of it, until the call's limit."""
    app = Application(files={"/hold.wav": wav(8000 * 3)})
    action = CONVERSATION | {"startOnEnter": "false", "musicOnHoldUrl": ["{base}/hold.wav"]}
    ran = await run(action, app=app, limit_ns=10 * 10**9)

    assert wav(8000)[44:] * 10 == ran.heard()
    assert [1] == [len(app.to("/hold.wav"))]


async def test_a_caller_on_hold_loses_patience() -> None:
    """Though the music plays on."""
    app = Application(files={"/hold.wav": wav(8000)})
    action = CONVERSATION | {"startOnEnter": False, "musicOnHoldUrl": ["{base}/hold.wav"]}

    assert 3000 == len((await run(action, app=app)).kept.heard)


async def test_music_that_can_not_be_had_is_a_finding() -> None:
    """And silence."""
    ran = await run(CONVERSATION | {"startOnEnter": False, "musicOnHoldUrl": ["{base}/none.wav"]})

    assert (["VS426"], 3000) == (ran.codes, len(ran.kept.heard))


async def test_a_conversation_is_recorded(tmp_path: Path) -> None:
    """As MP3, and its webhook is posted with the conversation that was entered."""
    ran = await run(CONVERSATION | {"record": True}, record_dir=tmp_path)
    body = ran.of("recording_url")[0]

    assert ran.bodies[-1]["conversation_uuid"] == body["conversation_uuid"]
    assert len(STEPS) / 16000 == pytest.approx(soundfile.info(tmp_path / "recording.mp3").duration, abs=0.15)


@pytest.mark.parametrize("how", [{"mute": True}, {"mute": "true"}, {"canSpeak": []}])
async def test_who_is_muted_is_not_heard(how: dict[str, Any]) -> None:
    """The time passes all the same."""
    assert bytes(len(STEPS)) == said(await run(CONVERSATION | how))


async def test_the_caller_stays_for_the_keys_that_are_listened_for() -> None:
    """Asynchronous input goes on in a conversation."""
    listen = {"action": "input", "type": ["dtmf"], "mode": "asynchronous"}
    ran = await run(listen, CONVERSATION, keys="1w2,2")

    assert ["1", "2"] == [body["dtmf"]["digits"] for body in ran.of("dtmf")]


async def test_a_meeting_takes_its_time() -> None:
    """As long as what is said."""
    ran = await run(CONVERSATION, fast=False)

    assert 0.3 <= ran.took_s <= len(STEPS) / 16000 + STEP_S
