"""Text messages, both ways."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.protocol import messages
from vonage_sock.protocol.messages import (
    BadCommand,
    ClearCommand,
    ClearedMessage,
    ConnectedMessage,
    DtmfMessage,
    NotifyCommand,
    NotifyMessage,
    NotJson,
    UnknownMessage,
    parse_platform_text,
    parse_server_text,
)

PROPERTY = settings(deadline=None, database=None, max_examples=250)
LEAF = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=5)
)
JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["event", "action", "digit", "dtmf", "duration", "payload", "content-type", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(
    ["websocket:connected", "websocket:dtmf", "websocket:cleared", "websocket:notify", "clear", "notify", "x"]
)
MESSAGES = st.builds(
    lambda value, key, kind: {key: kind, **(value if isinstance(value, dict) else {"payload": value})},
    JSON,
    st.sampled_from(["event", "action", "y"]),
    KINDS,
)
ANY_TEXT = st.text(st.characters(exclude_categories=())) | JSON.map(json.dumps) | MESSAGES.map(json.dumps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"event":"websocket:connected","content-type":"audio/l16;rate=8000","a":{"b":[1]}}',
            ConnectedMessage("audio/l16;rate=8000", {"a": {"b": [1]}}),
        ),
        (' {"content-type":"audio/l16;rate=16000","app":"x"}', ConnectedMessage("audio/l16;rate=16000", {"app": "x"})),
        ('{"event":"websocket:connected","a":1}', ConnectedMessage("", {"a": 1})),
        ('{"event":"websocket:connected","content-type":7}', ConnectedMessage("", {})),
        ('{"event":"websocket:cleared"}', ClearedMessage()),
        ('{"event":"websocket:notify","payload":{"id":1}}', NotifyMessage({"id": 1})),
        ('{"event":"websocket:notify"}', NotifyMessage(None)),
        ('{"event":"x","content-type":"y"}', UnknownMessage({"event": "x", "content-type": "y"})),
        ('{"event":7}', UnknownMessage({"event": 7})),
        ("[1]", UnknownMessage([1])),
        ("null", UnknownMessage(None)),
        ("{}", UnknownMessage({})),
    ],
    ids=[
        "connected",
        "connected of 2018, without an event",
        "connected without a content type",
        "connected with a number as content type",
        "cleared",
        "notify",
        "notify without a payload",
        "an unknown event with a content type",
        "an event that isn't a text",
        "an array",
        "null",
        "an empty object",
    ],
)
def test_what_the_platform_says_is_read(text: str, message: messages.PlatformMessage) -> None:
    """The documented shapes, those of older clients, and anything else as what it is."""
    assert message == parse_platform_text(text)


@pytest.mark.parametrize(
    ("press", "message"),
    [
        ({"event": "websocket:dtmf", "digit": "7", "duration": 180}, DtmfMessage("7", 180)),
        ({"digit": "#", "duration": 260}, DtmfMessage("#", 260)),
        ({"event": "websocket:dtmf", "dtmf": {"digit": "*", "duration": 5}}, DtmfMessage("*", 5)),
        ({"event": "websocket:dtmf", "dtmf": "5"}, DtmfMessage("5", None)),
        ({"event": "websocket:dtmf", "digit": 5}, DtmfMessage("5", None)),
        ({"event": "websocket:dtmf", "digit": "0", "duration": "180"}, DtmfMessage("0", None)),
        ({"event": "websocket:dtmf", "digit": "0", "duration": True}, DtmfMessage("0", None)),
    ],
    ids=[
        "documented",
        "older, without an event",
        "nested",
        "a text",
        "a number",
        "duration is a text",
        "duration is a boolean",
    ],
)
def test_key_presses_are_read_in_all_their_shapes(press: dict[str, object], message: DtmfMessage) -> None:
    """What was seen in the wild gives the same value."""
    assert message == parse_platform_text(json.dumps(press))


@pytest.mark.parametrize("digit", ["", "12", None, True, 12, -1, ["1"], {"digit": "1"}, "\ud800", "\x1b"])
def test_a_key_press_without_one_digit_is_unknown(digit: object) -> None:
    """Two digits in one message aren't a key, nor is half a letter or what nobody can show."""
    value = {"event": "websocket:dtmf", "digit": digit}

    assert UnknownMessage(value) == parse_platform_text(json.dumps(value))


def test_a_key_press_with_nothing_in_it_is_unknown() -> None:
    """An event of the right name isn't enough."""
    value = {"event": "websocket:dtmf"}

    assert UnknownMessage(value) == parse_platform_text(json.dumps(value))


@pytest.mark.parametrize("parse", [parse_platform_text, parse_server_text])
@pytest.mark.parametrize("text", ["", "{", "hello", "[" * 50_000, "1e999", '{"a": NaN}', "9" * 5000])
def test_text_that_is_not_json_is_told_with_a_reason(parse: object, text: str) -> None:
    """Neither side raises."""
    message = parse(text)  # type: ignore[operator]

    assert isinstance(message, NotJson)
    assert message.reason


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"action": "clear"}, ClearCommand()),
        ({"action": "clear", "x": 1}, ClearCommand()),
        ({"action": "notify", "payload": {"id": 1}}, NotifyCommand({"id": 1})),
        ({"action": "notify", "payload": {}}, NotifyCommand({})),
        ({"action": "notify", "payload": "x"}, BadCommand("notify has a payload that isn't an object")),
        ({"action": "notify", "payload": None}, BadCommand("notify has a payload that isn't an object")),
        ({"action": "notify"}, BadCommand("notify has no payload")),
        ({"action": "mark"}, UnknownMessage({"action": "mark"})),
        ({"event": "clear"}, UnknownMessage({"event": "clear"})),
        (["clear"], UnknownMessage(["clear"])),
    ],
)
def test_what_the_server_says_is_read_as_the_platform_does(value: object, message: messages.ServerMessage) -> None:
    """Two commands, each in its documented shape."""
    assert message == parse_server_text(json.dumps(value))


def test_metadata_is_flattened_and_cannot_displace_ours() -> None:
    """NCCO headers stand at the top level, except for the two keys that are the platform's."""
    text = messages.connected_text(AudioFormat(8000), {"a": 1, "event": "x", "content-type": "y"})

    assert {"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "a": 1} == json.loads(text)


def test_the_first_keys_are_ours() -> None:
    """Event, content type, then metadata, as the documentation shows it."""
    text = messages.connected_text(AudioFormat(16000), {"a": 1})

    assert '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","a":1}' == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (messages.dtmf_text("7", 180), {"event": "websocket:dtmf", "digit": "7", "duration": 180}),
        (messages.cleared_text(), {"event": "websocket:cleared"}),
        (messages.notify_text({"id": 1}), {"event": "websocket:notify", "payload": {"id": 1}}),
        (messages.clear_text(), {"action": "clear"}),
        (messages.notify_command_text({"id": 1}), {"action": "notify", "payload": {"id": 1}}),
    ],
)
def test_what_we_say_is_what_is_documented(text: str, value: object) -> None:
    """Letter by letter, for both roles."""
    assert value == json.loads(text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"action": "mark"}, "action 'mark'"),
        ({"action": "mark", "event": "x"}, "action 'mark'"),
        ({"event": "media"}, "event 'media'"),
        ({"action": "\x1b[2J" + "x" * 100}, "action '\\x1b[2J" + "x" * 36 + "'"),
        ({"action": 7}, "action '7'"),
        ({"type": "x"}, "an object without an action"),
        ([1], "an array in place of an object"),
        (None, "null in place of an object"),
        (1.5, "a number in place of an object"),
    ],
)
def test_an_unknown_message_is_described_in_few_harmless_words(value: object, words: str) -> None:
    """By its action or event, cut and escaped."""
    assert words == messages.describe(value)


@PROPERTY
@given(ANY_TEXT)
def test_any_text_gives_a_message_on_both_sides(text: str) -> None:
    """Reading never raises, and what was read can be described."""
    for message in (parse_platform_text(text), parse_server_text(text)):
        if isinstance(message, UnknownMessage):
            assert messages.describe(message.value)


@PROPERTY
@given(JSON)
def test_a_payload_survives_the_way_there_and_back(payload: object) -> None:
    """What a command carried comes back in ``websocket:notify``, lone surrogates too, in text that fits UTF-8."""
    asked = parse_server_text(json.dumps({"action": "notify", "payload": {"a": payload}}))
    if isinstance(asked, NotJson):
        return

    assert isinstance(asked, NotifyCommand)
    text = messages.notify_text(asked.payload)
    assert NotifyMessage(asked.payload) == parse_platform_text(text.encode("utf-8").decode("utf-8"))


@PROPERTY
@given(digit=st.sampled_from(messages.DIGITS), duration_ms=st.integers(0, 10_000))
def test_a_key_press_survives_the_way(digit: str, duration_ms: int) -> None:
    """What our platform says, our server reads."""
    assert DtmfMessage(digit, duration_ms) == parse_platform_text(messages.dtmf_text(digit, duration_ms))
