"""The seam between a call and what is done in it."""

from __future__ import annotations

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.session import CallSession


def test_a_behaviour_that_overrides_nothing_does_nothing() -> None:
    """Every hook may be left out; the call goes on and sends nothing."""
    behaviour = Behaviour()
    call = CallSession("c1", [behaviour], assumed_format=AudioFormat(8000), now=0)
    call.receive_text('{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}', 1)
    call.receive_bytes(bytes(320), 2)
    call.receive_text('{"event":"websocket:dtmf","digit":"1"}', 3)
    call.receive_text('{"event":"websocket:notify","payload":{}}', 4)
    call.receive_text("{}", 5)
    call.send_audio(bytes(320))
    call.clear()
    behaviour.due(call)
    behaviour.went(0)
    sent = call.messages_to_send()
    call.receive_close(1000, "", 6)

    assert [bytes(320), '{"action":"clear"}'] == sent
    assert (None, None) == (behaviour.due_at(), behaviour.foretell(25))
    assert [] == call.findings.all()


def test_a_behaviour_is_told_of_a_frame_that_was_sent() -> None:
    """The hook of the base class is callable, for those who call it from their own."""
    call = CallSession("c1", [], assumed_format=AudioFormat(8000), now=0)
    Behaviour().sent(call, b"")

    assert [] == call.messages_to_send()
