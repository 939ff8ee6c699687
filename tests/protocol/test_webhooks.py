"""Webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from vonage_sock.protocol.webhooks import (
    FALLBACK_STATUSES,
    Leg,
    completed_fields,
    event_kind,
    failed_kind,
    fallback_request,
)

LEG = Leg(uuid="u-1", conversation_uuid="CON-1", from_="447700900002", to="442079460001")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"status": "completed", "recording_url": "x"}, "completed"),
        ({"status": "", "reason": "x"}, "error"),
        ({"status": 5, "payload": {}}, "notify"),
        ({"conversation_uuid_from": "a", "dtmf": {}}, "transfer"),
        ({"speech": {}}, "input"),
        ({"dtmf": {"digits": "1"}}, "input"),
        ({"recording_url": "x", "reason": "y"}, "record"),
        ({"reason": "x", "payload": {}}, "error"),
        ({"payload": {}}, "notify"),
        ({"uuid": "x"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_an_events_kind_is_its_status_or_what_its_fields_give_away(body: dict[str, Any], kind: str) -> None:
    """In the order in which Vonage's .NET SDK tells events apart."""
    assert kind == event_kind(body)


def test_the_answer_webhooks_parameters_are_texts() -> None:
    """As a GET carries them."""
    assert {
        "to": "442079460001",
        "from": "447700900002",
        "uuid": "u-1",
        "conversation_uuid": "CON-1",
        "endpoint_type": "phone",
        "region_url": "https://api.nexmo.com",
    } == LEG.answer_params()


def test_an_event_has_the_common_fields() -> None:
    """What every status tells about the leg."""
    assert {
        "headers": {},
        "from": "447700900002",
        "to": "442079460001",
        "uuid": "u-1",
        "conversation_uuid": "CON-1",
        "status": "ringing",
        "direction": "inbound",
        "timestamp": "T",
    } == LEG.event("ringing", timestamp="T")


def test_an_answered_event_has_three_empty_fields() -> None:
    """They are null, as in Vonage's reference."""
    event = LEG.event("answered", timestamp="T")

    assert {"start_time": None, "rate": None, "network": None} == {
        key: event[key] for key in ("start_time", "rate", "network")
    }


def test_a_disconnected_event_has_no_direction() -> None:
    """As documented for the websocket's end."""
    assert "direction" not in LEG.event("disconnected", timestamp="T")


def test_a_websocket_legs_events_carry_its_headers() -> None:
    """The NCCO's metadata comes back."""
    leg = Leg(uuid="u", conversation_uuid="c", from_="a", to="wss://x", headers={"k": [1]})

    assert {"k": [1]} == leg.event("started", timestamp="T")["headers"]


def test_more_fields_can_be_added() -> None:
    """What only some events have, and it wins over the common fields."""
    event = LEG.event("completed", timestamp="T", duration="40", to="other")

    assert ("40", "other") == (event["duration"], event["to"])


def test_three_statuses_ask_for_a_fallback() -> None:
    """Source: WebSockets guide, fallback."""
    assert {"failed", "unanswered", "disconnected"} == FALLBACK_STATUSES


def test_an_input_event_has_no_status() -> None:
    """What was collected, and whose leg it was."""
    assert {
        "dtmf": {"digits": "12", "timed_out": False},
        "from": "447700900002",
        "to": "442079460001",
        "uuid": "u-1",
        "conversation_uuid": "CON-1",
        "timestamp": "T",
    } == LEG.input_event(timestamp="T", dtmf={"digits": "12", "timed_out": False})


def test_a_conversations_event_names_no_leg() -> None:
    """Recordings, notifications and errors belong to the conversation."""
    assert {"payload": {"a": 1}, "conversation_uuid": "CON-1", "timestamp": "T"} == LEG.conversation_event(
        timestamp="T", payload={"a": 1}
    )


def test_a_transfer_names_both_conversations() -> None:
    """From where to where."""
    assert {
        "conversation_uuid_from": "CON-1",
        "conversation_uuid_to": "CON-2",
        "uuid": "u-1",
        "timestamp": "T",
    } == LEG.transfer_event("CON-2", timestamp="T")


def test_a_completed_event_tells_time_and_price() -> None:
    """Numbers are texts there, but for the SIP code."""
    assert {
        "start_time": None,
        "end_time": "E",
        "duration": "2",
        "rate": "0.00000000",
        "price": "0.00000000",
        "network": "vsock",
        "sip_code": 200,
        "disconnected_by": "user",
    } == completed_fields(start_time=None, end_time="E", duration_s=1.6, by="user")


def test_a_fallback_is_asked_with_the_original_and_why() -> None:
    """Source: webhook reference, "Fallback URL"."""
    assert {
        "uuid": "u",
        "reason": "Connection closed.",
        "original_request": {"url": "http://a/answer", "type": "answer"},
    } == fallback_request({"uuid": "u"}, url="http://a/answer", kind="answer", reason="Connection closed.")


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        (fallback_request({}, url="https://x/event", kind="event", reason="timeout"), "event"),
        (fallback_request({}, url="https://x/answer", kind="answer", reason="timeout"), "answer"),
        ({"original_request": '{"url":"https://x/event","type":"event"}'}, "event"),
        ({"original_request": "{"}, "answer"),
        ({"original_request": "[]"}, "answer"),
        ({"original_request": 5}, "answer"),
        ({}, "answer"),
    ],
)
def test_what_failed_is_the_event_url_only_where_that_is_said(params: dict[str, Any], kind: str) -> None:
    """In a body, or as text in a query; whatever else comes stands for the answer."""
    assert kind == failed_kind(params)
