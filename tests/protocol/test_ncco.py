"""NCCOs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.errors import UsageError
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import (
    MAX_HEADERS_BYTES,
    answer_ncco,
    authorized,
    check_headers,
    custom_authorizations,
    fill_in,
    read_ncco,
    websocket_endpoint,
    with_call_headers,
)

PROPERTY = settings(deadline=None, database=None, max_examples=150)
PARAMS = {"uuid": "u-1", "from": "447700900002", "to": "442079460001", "conversation_uuid": "CON-1"}


def answer(**changes: Any) -> list[dict[str, Any]]:
    """The NCCO of an ordinary call, with some things changed."""
    options: dict[str, Any] = {
        "socket_url": "wss://x.example/socket",
        "event_url": "https://x.example/webhooks/event",
        "audio_format": AudioFormat(16000),
        "params": PARAMS,
        "headers": {},
    }
    return answer_ncco(**options | changes)


def connect(**endpoint: Any) -> dict[str, Any]:
    """A connect action whose endpoint has some things changed; None leaves a key out."""
    whole = {"type": "websocket", "uri": "wss://x.example/s", "content-type": "audio/l16;rate=8000", **endpoint}
    return {"action": "connect", "endpoint": [{key: value for key, value in whole.items() if value is not None}]}


def test_the_answer_connects_the_call_to_our_socket() -> None:
    """One action, in the shape that the NCCO reference shows."""
    assert answer() == [
        {
            "action": "connect",
            "eventUrl": ["https://x.example/webhooks/event"],
            "eventMethod": "POST",
            "from": "442079460001",
            "endpoint": [
                {
                    "type": "websocket",
                    "uri": "wss://x.example/socket",
                    "content-type": "audio/l16;rate=16000",
                    "headers": PARAMS,
                }
            ],
        }
    ]


def test_a_greeting_is_spoken_first() -> None:
    """A talk action before the connect."""
    ncco = answer(greeting="Hello")

    assert [{"action": "talk", "text": "Hello"}, "connect"] == [ncco[0], ncco[1]["action"]]


def test_a_fallback_asks_for_synchronous_events() -> None:
    """Only then does Vonage run an NCCO that an event's answer holds."""
    assert [None, "synchronous"] == [
        answer()[0].get("eventType"),
        answer(synchronous=True)[0].get("eventType"),
    ]


@pytest.mark.parametrize("number", ["", "123", "+442079460001", "alice", "1" * 16, "٤٤٢٠٧٩", None, 442079460001])
def test_what_is_no_number_does_not_become_the_caller(number: object) -> None:
    """``from`` has digits alone, or is left out."""
    assert "from" not in answer(params={"to": number})[0]


def test_headers_tell_the_call_apart() -> None:
    """The user's own metadata first, then the four parameters of the call."""
    assert {"a": 1, **PARAMS} == with_call_headers({"a": 1}, PARAMS)


def test_the_users_own_keys_win() -> None:
    """A header that the user named isn't replaced by ours."""
    assert "mine" == with_call_headers({"from": "mine"}, PARAMS)["from"]


@pytest.mark.parametrize("value", [None, "", 7, ["x"]])
def test_parameters_that_are_no_text_are_left_out(value: object) -> None:
    """What the webhook didn't say isn't made up, and the others still come."""
    assert {"to": "1"} == with_call_headers({}, {"uuid": value, "to": "1"})


def test_the_last_parameters_are_left_out_first() -> None:
    """When space is short the uuid comes before the numbers, whatever of the others would still fit."""
    filler = {"a": "x" * 440}

    assert {**filler, "uuid": "u-1", "from": "447700900002"} == with_call_headers(filler, PARAMS | {"to": "9" * 200})


def test_headers_may_fill_512_bytes_exactly() -> None:
    """The limit itself is allowed; one byte more isn't."""
    room = MAX_HEADERS_BYTES - jsontext.size_bytes({"a": "", "uuid": "u"})
    kept = [with_call_headers({"a": "x" * (room + more)}, {"uuid": "u"}) for more in (0, 1)]

    assert [True, False] == ["uuid" in headers for headers in kept]


@PROPERTY
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=8), st.text(max_size=300))
def test_headers_stay_within_512_bytes(headers: dict[str, str], uuid: str) -> None:
    """What we add never makes Vonage refuse what the user gave."""
    result = with_call_headers(headers, PARAMS | {"uuid": uuid})

    assert headers == {key: result[key] for key in headers}
    assert jsontext.size_bytes(result) <= max(MAX_HEADERS_BYTES, jsontext.size_bytes(headers))


def test_metadata_within_512_bytes_is_accepted() -> None:
    """The limit counts bytes of UTF-8, not letters: 251 umlauts and eight characters around them, with two to spare."""
    check_headers({"a": "ü" * 251})

    with pytest.raises(UsageError, match="514 bytes"):
        check_headers({"a": "ü" * 253})


def test_placeholders_are_filled_in_wherever_they_stand() -> None:
    """In texts at any depth; keys, numbers and the user's object stay as they are."""
    template = [{"action": "connect", "eventUrl": ["{event_url}"], "n": 5, "endpoint": [{"uri": "{socket_url}?a"}]}]
    filled = fill_in(template, socket_url="wss://s", event_url="https://e")

    assert filled == [{"action": "connect", "eventUrl": ["https://e"], "n": 5, "endpoint": [{"uri": "wss://s?a"}]}]
    assert "{event_url}" == template[0]["eventUrl"][0]  # type: ignore[index]


def test_an_ncco_is_an_array_of_actions() -> None:
    """What is right comes back as it is."""
    ncco = [{"action": "talk"}, {"action": "connect"}]

    assert ncco == read_ncco(ncco)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"action": "talk"}, "put \\[ \\] around it"),
        (None, "is null"),
        (True, "is a boolean"),
        (1.5, "is a number"),
        ("x", "is a text"),
        ([], "is empty"),
        ([{"action": "talk"}, ["x"]], "has an array as action 2"),
        ([{"action": "talk"}, {"action": 5}], "has no 'action' in entry 2"),
        ([{}], "has no 'action' in entry 1"),
    ],
    ids=["object", "null", "boolean", "number", "text", "empty", "array", "number as action", "no action"],
)
def test_what_is_no_ncco_is_refused_in_words(value: object, problem: str) -> None:
    """Half a sentence that says what and where."""
    with pytest.raises(ValueError, match=problem):
        read_ncco(value)


def test_our_own_answer_is_read_back() -> None:
    """Our platform connects to what our server answers, without a complaint."""
    endpoint = websocket_endpoint(answer(headers={"a": [1]}, synchronous=True)[0])

    assert endpoint is not None
    assert ("wss://x.example/socket", AudioFormat(16000)) == (endpoint.uri, endpoint.audio_format)
    assert {"a": [1], **PARAMS} == endpoint.headers
    assert ("https://x.example/webhooks/event",) == endpoint.event_urls
    assert ("POST", True, None, ()) == (
        endpoint.event_method,
        endpoint.synchronous,
        endpoint.authorization,
        endpoint.problems,
    )


def test_a_connect_to_a_phone_is_none_of_ours() -> None:
    """No websocket, no error."""
    assert websocket_endpoint(connect(type="phone")) is None


@pytest.mark.parametrize("uri", ["wss://x.example/s", "WS://x.example", "ws://127.0.0.1:8000/s?a=b"])
def test_both_schemes_of_websockets_are_taken(uri: str) -> None:
    """The uri stays as it came."""
    endpoint = websocket_endpoint(connect(uri=uri))

    assert endpoint is not None
    assert uri == endpoint.uri


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"uri": None}, "no 'uri'"),
        ({"uri": 5}, "no 'uri'"),
        ({"uri": "https://x.example"}, "https scheme"),
        ({"uri": "x.example/socket"}, "no scheme"),
        ({"uri": "wss://[::1"}, "a uri that can't be read"),
        ({"content-type": 16000}, "a number as 'content-type'"),
        ({"content-type": {}}, "an object as 'content-type'"),
        ({"content-type": "audio/l16;rate=44100"}, "content-type that can't be used: a rate of 44100"),
        ({"headers": ["x"]}, "an array as 'headers'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_an_endpoint_that_cannot_be_connected_is_refused(changes: dict[str, Any], problem: str) -> None:
    """The sentence goes on behind "connect"."""
    action = connect(**changes)
    action["endpoint"][0] |= {key: value for key, value in changes.items() if value is not None}

    with pytest.raises(ValueError, match=problem):
        websocket_endpoint(action)


@pytest.mark.parametrize("endpoint", [None, {}, [], [{}, {}], ["x"]])
def test_an_action_without_exactly_one_endpoint_is_refused(endpoint: object) -> None:
    """Vonage takes an array of one."""
    with pytest.raises(ValueError, match="exactly one object"):
        websocket_endpoint({"action": "connect", "endpoint": endpoint})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"content-type": None}, "content-type is missing; audio/l16;rate=16000 is assumed"),
        ({"content-type": "audio/l16; rate=8000"}, "holds spaces"),
        ({"headers": {"a": "x" * 600}}, "headers take 608 bytes"),
    ],
    ids=["no content type", "spaces", "headers too long"],
)
def test_what_works_only_by_luck_is_told(changes: dict[str, Any], problem: str) -> None:
    """The call is connected and the problem noted."""
    endpoint = websocket_endpoint(connect(**changes))

    assert endpoint is not None
    assert 1 == len(endpoint.problems)
    assert problem in endpoint.problems[0]


@pytest.mark.parametrize(
    ("urls", "read", "problems"),
    [
        (["https://a", 5], ("https://a",), 0),
        ("https://a", ("https://a",), 1),
        (5, (), 1),
    ],
    ids=["array", "text", "number"],
)
def test_the_event_url_is_an_array_of_one(urls: object, read: tuple[str, ...], problems: int) -> None:
    """A text in its place is used and told."""
    endpoint = websocket_endpoint(connect() | {"eventUrl": urls})

    assert endpoint is not None
    assert (read, problems) == (endpoint.event_urls, len(endpoint.problems))


@pytest.mark.parametrize(("method", "read"), [("GET", "GET"), ("POST", "POST"), (None, "POST"), ("get", "POST")])
def test_events_are_posted_unless_get_is_asked_for(method: str | None, read: str) -> None:
    """POST is Vonage's default."""
    endpoint = websocket_endpoint(connect() | {"eventMethod": method})

    assert endpoint is not None
    assert read == endpoint.event_method


@pytest.mark.parametrize(("given_value", "read"), [({"type": "vonage"}, {"type": "vonage"}), ("x", None), (None, None)])
def test_authorization_is_an_object_or_nothing(given_value: object, read: object) -> None:
    """Anything else is as if it weren't there."""
    endpoint = websocket_endpoint(connect(authorization=given_value))

    assert endpoint is not None
    assert read == endpoint.authorization


def test_an_endpoint_without_headers_has_none() -> None:
    """Metadata is optional."""
    endpoint = websocket_endpoint(connect())

    assert endpoint is not None
    assert {} == endpoint.headers


OURS, ASKED = "wss://a.example/socket", {"type": "custom", "value": "Bearer hush"}


def to_socket(uri: object = OURS, **endpoint: object) -> list[dict[str, Any]]:
    """An NCCO with one connect."""
    return [{"action": "connect", "endpoint": [{"type": "websocket", "uri": uri, **endpoint}]}]


def test_the_answer_asks_for_an_authorization_where_one_is_given() -> None:
    """And for none where none is."""
    assert [ASKED, None] == [answer(authorization=a)[0]["endpoint"][0].get("authorization") for a in (ASKED, None)]


@pytest.mark.parametrize(
    ("ncco", "filled"),
    [
        (to_socket(), True),
        (to_socket(f"{OURS}?call=1"), True),
        (to_socket(f"{OURS}/more"), False),
        (to_socket("wss://b.example/socket"), False),
        (to_socket(7), False),
        (to_socket(authorization={"type": "vonage"}), False),
        ([{"action": "connect", "endpoint": [{"type": "phone", "uri": OURS}]}], False),
        ([{"action": "connect", "endpoint": [OURS]}], False),
        ([{"action": "connect", "endpoint": {"uri": OURS}}], False),
        ([{"action": "talk"}], False),
    ],
)
def test_only_endpoints_that_lead_to_us_are_given_our_secret(ncco: list[dict[str, Any]], *, filled: bool) -> None:
    """And what is there already stays; the original is left as it was."""
    before = jsontext.dumps(ncco)
    result = authorized(ncco, socket_url=OURS, authorization=ASKED)

    assert (filled, before) == (result != ncco, jsontext.dumps(ncco))
    assert not filled or ASKED == result[0]["endpoint"][0]["authorization"]


@pytest.mark.parametrize(
    ("ncco", "socket_url", "expected"),
    [
        (to_socket("{socket_url}", authorization=ASKED), None, ["Bearer hush"]),
        (to_socket(authorization=ASKED), OURS, ["Bearer hush"]),
        (to_socket(authorization=ASKED), None, []),
        (to_socket("{socket_url}", authorization={"type": "vonage"}), None, []),
        (to_socket("{socket_url}", authorization="Bearer hush"), None, []),
        (to_socket("{socket_url}"), None, []),
    ],
)
def test_what_an_ncco_shows_to_our_socket_is_found(
    ncco: list[dict[str, Any]], socket_url: str | None, expected: list[str]
) -> None:
    """As its author wrote it, with a placeholder or without."""
    assert expected == custom_authorizations(ncco, socket_url=socket_url)
