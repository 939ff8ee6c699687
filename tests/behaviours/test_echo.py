"""Echo."""

from __future__ import annotations

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND

FRAME = bytes(range(160)) * 2
OTHER = FRAME[::-1]


def session(echo: Echo) -> CallSession:
    """A connected call at 8 kHz."""
    call = CallSession("c1", [echo], assumed_format=AudioFormat(8000), now=0)
    call.receive_text('{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}', 0)
    return call


def test_a_frame_goes_back_within_the_same_wakeup() -> None:
    """Without a delay there is nothing to wait for."""
    call = session(Echo())
    call.receive_bytes(FRAME, 1)

    assert ([FRAME], None) == (call.messages_to_send(), call.next_deadline())


def test_a_delayed_frame_goes_back_when_its_time_has_come() -> None:
    """To the nanosecond, counted from its own arrival."""
    call = session(Echo(delay_ms=100))
    call.receive_bytes(FRAME, 3)
    call.receive_bytes(OTHER, FRAME_NS)
    call.handle_deadline(100 * MS + 2)
    early = call.messages_to_send()
    first_due = call.next_deadline()
    call.handle_deadline(100 * MS + 3)

    assert ([], 100 * MS + 3) == (early, first_due)
    assert ([FRAME], 100 * MS + FRAME_NS) == (call.messages_to_send(), call.next_deadline())


def test_a_late_wakeup_sends_all_that_is_due() -> None:
    """In order, and nothing that isn't."""
    call = session(Echo(delay_ms=100))
    for at, frame in ((0, FRAME), (1, OTHER), (50 * MS, FRAME)):
        call.receive_bytes(frame, at)
    call.handle_deadline(120 * MS)

    assert ([FRAME, OTHER], 150 * MS) == (call.messages_to_send(), call.next_deadline())


def test_what_was_to_be_echoed_later_is_dropped_with_the_platforms_queue() -> None:
    """Somebody cleared: the old words don't come after all."""
    call = session(Echo(delay_ms=100))
    call.receive_bytes(FRAME, 0)
    call.clear()
    call.handle_deadline(200 * MS)

    assert (['{"action":"clear"}'], None) == (call.messages_to_send(), call.next_deadline())


def test_a_key_press_cuts_off_a_delayed_echo_where_that_was_asked_for() -> None:
    """What is kept is dropped, and the platform is told to drop what it has."""
    call = session(Echo(delay_ms=500, barge_in=True))
    call.receive_bytes(FRAME, 1)
    call.receive_text('{"event":"websocket:dtmf","digit":"1","duration":100}', 2)
    call.handle_deadline(SECOND)

    assert ['{"action":"clear"}'] == call.messages_to_send()
