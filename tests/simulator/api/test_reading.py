"""What is asked, and what of it is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.simulator.api import reading
from vonage_sock.simulator.api.reading import BadRequestError
from vonage_sock.simulator.webhooks.posting import Destination

NCCO = [{"action": "talk", "text": "x"}]
PHONE = {"type": "phone", "number": "442079460001"}
SOCKET = {"type": "websocket", "uri": "wss://example.com/ws", "content-type": "audio/l16;rate=8000"}
CALL = {"to": [PHONE], "from": {"type": "phone", "number": "447700900001"}, "ncco": NCCO}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
READERS = [
    reading.read_create,
    reading.read_modification,
    reading.read_stream,
    reading.read_talk,
    reading.read_digits,
    reading.read_listener,
]


def wrong(reader: Any, values: Any) -> dict[str, str]:
    """What is wrong, by its name."""
    with pytest.raises(BadRequestError) as caught:
        reader(values)
    return dict(caught.value.problems)


def test_a_call_to_a_telephone() -> None:
    """With all that may be said of it."""
    request = reading.read_create(
        {
            "to": [PHONE],
            "random_from_number": True,
            "answer_url": ["https://example.com/answer"],
            "answer_method": "POST",
            "event_url": ["https://example.com/event"],
            "event_method": "GET",
            "length_timer": 60,
            "ringing_timer": 5,
            "machine_detection": "hangup",
            "advanced_machine_detection": {"mode": "detect"},
            "something": "new",
        }
    )

    assert ("442079460001", None, None, 60, 5) == (
        request.to_name,
        request.socket,
        request.ncco,
        request.length_s,
        request.ringing_s,
    )
    assert Destination("https://example.com/answer", "POST") == request.answer
    assert Destination("https://example.com/event", "GET") == request.events


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (PHONE, "442079460001"),
        (SOCKET, "wss://example.com/ws"),
        ({"type": "sip", "uri": "sip:a@example.com"}, "sip:a@example.com"),
        ({"type": "vbc", "extension": "123"}, "123"),
        ({"type": "app", "user": "jamie"}, "jamie"),
    ],
)
def test_every_kind_of_endpoint_can_be_called(endpoint: dict[str, Any], name: str) -> None:
    """By what it is called by."""
    request = reading.read_create({**CALL, "to": [endpoint]})

    assert (name, NCCO, endpoint) == (request.to_name, request.ncco, request.to)
    assert (endpoint is SOCKET) == (request.socket is not None)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"to": None}, "to"),
        ({"to": []}, "to"),
        ({"to": [PHONE, PHONE]}, "to"),
        ({"to": ["x"]}, "to"),
        ({"to": [{"type": "fax"}]}, "to"),
        ({"to": [{"type": "phone"}]}, "to"),
        ({"to": [{"type": "phone", "number": "+44 20"}]}, "to"),
        ({"to": [{"type": "phone", "number": 44}]}, "to"),
        ({"to": [{**SOCKET, "uri": "http://x"}]}, "to"),
        ({"to": [{**SOCKET, "headers": "x"}]}, "to"),
        ({"to": [{**SOCKET, "headers": {"x": "y" * 600}}]}, "to"),
        ({"from": None}, "from"),
        ({"from": 3}, "from"),
        ({"from": {"number": "x" * 300}}, "from"),
        ({"from": "me"}, "from"),
        ({"random_from_number": True}, "from"),
        ({"random_from_number": "yes"}, "random_from_number"),
        ({"ncco": {}}, "ncco"),
        ({"ncco": []}, "ncco"),
        ({"ncco": [{"action": "talk"}] * 101}, "ncco"),
        ({"answer_url": ["https://example.com/"]}, "ncco"),
        ({"event_url": "https://example.com/"}, "event_url"),
        ({"event_url": ["ftp://example.com/"]}, "event_url"),
        ({"event_url": ["http://[/"]}, "event_url"),
        ({"event_method": "PUT"}, "event_method"),
        ({"answer_method": []}, "answer_method"),
        ({"length_timer": 0}, "length_timer"),
        ({"length_timer": True}, "length_timer"),
        ({"length_timer": 10**30}, "length_timer"),
        ({"ringing_timer": 1.5}, "ringing_timer"),
        ({"machine_detection": "what"}, "machine_detection"),
    ],
)
def test_what_is_wrong_with_an_order_is_named(changed: dict[str, Any], name: str) -> None:
    """By its field."""
    values = {key: value for key, value in {**CALL, **changed}.items() if value is not None}

    assert [name] == list(wrong(reading.read_create, values))


def test_all_that_is_wrong_is_told_at_once() -> None:
    """So that nobody mends one thing after the other."""
    assert {"to", "from", "ncco", "length_timer"} == set(wrong(reading.read_create, {"length_timer": "x"}))


def test_modifications() -> None:
    """Five words, and a transfer to an NCCO or an address."""
    transfer = {"action": "transfer", "destination": {"type": "ncco", "ncco": NCCO}}
    elsewhere = {"action": "transfer", "destination": {"type": "ncco", "url": ["https://example.com/x"]}}

    assert ["hangup", "mute", "unmute", "earmuff", "unearmuff"] == [
        reading.read_modification({"action": word}).action for word in reading.SIMPLE_ACTIONS
    ]
    assert [NCCO, "https://example.com/x"] == [
        reading.read_modification(values).destination for values in (transfer, elsewhere)
    ]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "action"),
        ({"action": ["hangup"]}, "action"),
        ({"action": "dance"}, "action"),
        ({"action": "transfer"}, "destination"),
        ({"action": "transfer", "destination": {"type": "x"}}, "destination"),
        ({"action": "transfer", "destination": {"type": "ncco"}}, "destination"),
        ({"action": "transfer", "destination": {"type": "ncco", "ncco": {}}}, "ncco"),
        ({"action": "transfer", "destination": {"type": "ncco", "url": "https://x"}}, "url"),
    ],
)
def test_what_is_wrong_with_a_modification_is_named(values: dict[str, Any], name: str) -> None:
    """By its field."""
    assert [name] == list(wrong(reading.read_modification, values))


def test_what_is_to_be_heard() -> None:
    """A level may be a text or a number."""
    stream = reading.read_stream({"stream_url": ["http://x/y.mp3"], "loop": 0, "level": "0.4"})
    talk = reading.read_talk({"text": "hello", "language": "en-GB", "style": 2, "level": -1})

    assert ("http://x/y.mp3", 0, 0.4, None) == (stream.what, stream.times, stream.level, stream.voice)
    assert ("hello", 1, -1.0, "en-gb") == (talk.what, talk.times, talk.level, talk.voice)


@pytest.mark.parametrize(
    ("reader", "values", "name"),
    [
        (reading.read_stream, {}, "stream_url"),
        (reading.read_stream, {"stream_url": ["x", "y"]}, "stream_url"),
        (reading.read_stream, {"stream_url": ["http://x/"], "loop": -1}, "loop"),
        (reading.read_stream, {"stream_url": ["http://x/"], "level": "loud"}, "level"),
        (reading.read_stream, {"stream_url": ["http://x/"], "level": "nan"}, "level"),
        (reading.read_stream, {"stream_url": ["http://x/"], "level": True}, "level"),
        (reading.read_stream, {"stream_url": ["http://x/"], "level": [1]}, "level"),
        (reading.read_stream, {"stream_url": ["http://x/"], "level": 10**400}, "level"),
        (reading.read_talk, {}, "text"),
        (reading.read_talk, {"text": " "}, "text"),
        (reading.read_talk, {"text": "x" * 1501}, "text"),
        (reading.read_talk, {"text": "x", "language": "; rm"}, "language"),
        (reading.read_digits, {}, "digits"),
        (reading.read_digits, {"digits": "12a"}, "digits"),
        (reading.read_digits, {"digits": "1" * 201}, "digits"),
        (reading.read_listener, {}, "event_url"),
    ],
)
def test_what_cannot_be_heard_is_named(reader: Any, values: dict[str, Any], name: str) -> None:
    """By its field."""
    assert [name] == list(wrong(reader, values))


def test_a_list_may_be_narrowed() -> None:
    """Times in any zone become ours."""
    wanted = reading.read_filter(
        {
            "status": "completed",
            "date_start": "2026-02-03T11:00:00+01:00",
            "date_end": "2026-02-03",
            "page_size": "5",
            "record_index": "10",
            "order": "desc",
            "conversation_uuid": "CON-1",
        }
    )

    assert ("completed", "2026-02-03T10:00:00.000Z", "2026-02-03T00:00:00.000Z", 5, 10, True, "CON-1") == (
        wanted.status,
        wanted.date_start,
        wanted.date_end,
        wanted.page_size,
        wanted.record_index,
        wanted.descending,
        wanted.conversation_uuid,
    )
    assert (10, 0, False) == ((plain := reading.read_filter({})).page_size, plain.record_index, plain.descending)


@pytest.mark.parametrize(
    "query",
    [
        {"status": "x"},
        {"date_start": "yesterday"},
        {"date_end": "0001-01-01T00:00:00+14:00"},
        {"page_size": "0"},
        {"page_size": "101"},
        {"page_size": "x"},
        {"record_index": "-1"},
        {"record_index": "9" * 400},
        {"order": "up"},
    ],
)
def test_what_is_wrong_with_a_filter_is_named(query: dict[str, str]) -> None:
    """By its field."""
    assert list(query) == list(wrong(reading.read_filter, query))


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"3", b"\xff", b"[" * 50_000, b'{"a":' * 5_000])
def test_a_body_that_is_no_object_is_told(body: bytes) -> None:
    """In one sentence."""
    assert {} == wrong(reading.json_object, body)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=40)
@given(values=st.dictionaries(st.sampled_from([*CALL, "action", "destination", "text", "level", "digits"]), JSON))
def test_any_object_is_read_or_refused(reader: Any, values: dict[str, Any]) -> None:
    """Nothing else is raised, whatever comes."""
    try:
        outcome = reader(values)
    except BadRequestError as error:
        outcome = error.problems

    assert outcome
