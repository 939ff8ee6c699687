"""How a call goes, in words."""

from __future__ import annotations

from typing import Any

import pytest

from vonage_sock.clock import SECOND
from vonage_sock.control.course import Course, Outcome
from vonage_sock.control.orders import CallInfo

PHONE, SOCKET, CONVERSATION = "p", "s", "CON-1"


def course_of(*events: dict[str, Any]) -> tuple[Course, list[str]]:
    """A call after these events, one a second; what was said."""
    course = Course(PHONE, CONVERSATION, 0)
    said = [text for at, body in enumerate(events, 1) for text in course.event(body, at * SECOND)]
    return course, said


def phone(status: str, **more: Any) -> dict[str, Any]:
    """An event of the phone's leg."""
    return {"uuid": PHONE, "conversation_uuid": CONVERSATION, "status": status, "to": "447700900001", **more}


def socket(status: str, **more: Any) -> dict[str, Any]:
    """An event of the websocket's leg."""
    return {"uuid": SOCKET, "conversation_uuid": CONVERSATION, "status": status, "to": "wss://example.com/s", **more}


def test_a_call_that_was_answered() -> None:
    """Its course, the socket's connection, its length and its price."""
    completed = phone("completed", duration="40", price="0.00300000", disconnected_by="user", sip_code=200)
    course, said = course_of(phone("started"), phone("ringing"), phone("answered"), socket("answered"), completed)

    assert [
        "it rings",
        "answered after 3.0 s",
        "our socket is connected to the call",
        "the call is over, it lasted 40 s, the other side hung up, price 0.003 EUR",
    ] == said
    assert (Outcome.TALKED, True, "") == (course.outcome, course.socket_open, course.fault)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (phone("busy", sip_code=486), "the line is busy"),
        (phone("unanswered", detail="timeout"), "nobody answered: it rang until its time was up"),
        (phone("rejected", detail="invalid_number", sip_code=404), "the call was rejected: there is no such number"),
        (phone("rejected", detail="declined", sip_code=603), "the call was rejected: the call was declined"),
        (
            phone("failed", detail="cannot_route", sip_code=503),
            "the call couldn't be connected: there is no route to this number (SIP 503, service unavailable)",
        ),
        (phone("failed", detail="new\x1b[31m_thing"), "the call couldn't be connected: new\\x1b[31m thing"),
        (phone("timeout"), "nobody answered in time"),
        (phone("cancelled"), "the call was cancelled before anybody answered"),
        (phone("failed", detail=7, sip_code="x"), "the call couldn't be connected"),
    ],
)
def test_a_call_that_nobody_answered(body: dict[str, Any], said: str) -> None:
    """Each cause is a sentence, and nothing of a stranger's text reaches a terminal raw."""
    course, heard = course_of(phone("started"), body)

    assert (Outcome.UNREACHED, [said]) == (course.outcome, heard)


def test_events_come_late_twice_and_of_other_calls() -> None:
    """Nothing is said twice, nothing after the end, and nothing of others."""
    other = {"uuid": "x", "conversation_uuid": "CON-9", "status": "ringing"}
    course, said = course_of(
        other, phone("answered"), phone("answered"), phone("ringing"), phone("completed"), phone("busy"), other
    )

    assert ["answered after 2.0 s", "the call is over"] == said
    assert Outcome.TALKED is course.outcome


def test_a_call_whose_answer_was_never_told() -> None:
    """It has a duration, so somebody answered."""
    course, _ = course_of(phone("completed", duration="12"))

    assert Outcome.TALKED is course.outcome


def test_a_socket_that_cannot_be_connected_is_the_calls_fault() -> None:
    """Whoever answered hears nothing: that is said, with what to look at."""
    course, said = course_of(phone("answered"), socket("failed", detail="internal_error"))

    assert (
        "Vonage couldn't connect our socket (failed: a fault of Vonage's own); "
        "is the public address right, and the tunnel open?" in said
    )
    assert course.fault


def test_an_error_of_the_platform() -> None:
    """Such as an NCCO that it can't read; it names the conversation only, and is said once."""
    body = {"reason": "Syntax error in NCCO", "conversation_uuid": CONVERSATION}
    _, said = course_of(body, body)

    assert ["Vonage reports an error: Syntax error in NCCO"] == said


def test_a_transferred_call_is_still_ours() -> None:
    """It has another conversation from then on."""
    moved = {"uuid": PHONE, "conversation_uuid_from": CONVERSATION, "conversation_uuid_to": "CON-2"}
    course, _ = course_of(moved, {**socket("answered"), "conversation_uuid": "CON-2"})

    assert course.socket_open


def test_asking_takes_the_place_of_events() -> None:
    """Where no webhook gets through, the API tells the same."""
    course = Course(PHONE, CONVERSATION, 0)
    info = CallInfo(uuid=PHONE, conversation_uuid="", status="completed", direction="", from_="", to="", duration="3")
    said = course.polled(info, SECOND)

    assert (["the call is over, it lasted 3 s"], Outcome.TALKED) == (said, course.outcome)


def test_our_own_end_is_called_ours() -> None:
    """The platform says it ended the call, because we told it to."""
    course = Course(PHONE, CONVERSATION, 0, hung_up_by_us=True)

    assert ["the call is over, we hung up"] == course.event(phone("completed", disconnected_by="platform"), 1)


def test_a_long_call_is_asked_about_less_and_less() -> None:
    """An hour of talking is no 1,800 requests; what is heard of it begins anew."""
    course = Course(PHONE, CONVERSATION, 0)
    looks = [second for second in range(200) if course.wants_a_look(second * SECOND)]
    course.news(200 * SECOND)

    assert [5, 15, 35, 75, 135, 195] == looks
    assert course.wants_a_look(205 * SECOND)
