"""What is wrong with an NCCO by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vonage_voice.models import ncco as official
from vonage_voice.models.connect_endpoints import (
    AppEndpoint,
    PhoneEndpoint,
    SipEndpoint,
    VbcEndpoint,
    WebsocketEndpoint,
)

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.protocol.ncco import answer_ncco
from vonage_sock.protocol.ncco_lint import Problem, known_fields, lint_event_reply, lint_ncco, lint_text

SOCKET: dict[str, Any] = {
    "type": "websocket",
    "uri": "wss://example.com/socket?x=1",
    "content-type": "audio/l16;rate=16000",
}
CONNECT: dict[str, Any] = {"action": "connect", "endpoint": [SOCKET]}


def codes(*actions: object) -> list[str]:
    """The codes of an NCCO, each checked to fit its message."""
    problems = lint_ncco(list(actions))

    assert all(CATALOGUE[problem.code].message.format(**problem.numbers) for problem in problems)
    return [problem.code for problem in problems]


def connect(**fields: object) -> dict[str, object]:
    """A good connect with some fields changed."""
    return {**CONNECT, **fields}


def endpoint(**fields: object) -> dict[str, object]:
    """A connect whose endpoint has some fields changed."""
    return {"action": "connect", "endpoint": [{**SOCKET, **{key.replace("_", "-"): fields[key] for key in fields}}]}


EVENTS = {"eventUrl": ["https://example.com/event"], "eventMethod": "POST"}
GOOD = {
    "talk": {
        "action": "talk",
        "text": "Hello",
        "bargeIn": True,
        "loop": 0,
        "level": -0.5,
        "language": "en-GB",
        "style": 2,
        "premium": False,
    },
    "talk of old": {
        "action": "talk",
        "text": "Hello",
        "voiceName": "Amy",
        "level": "0.4",
        "loop": "1",
        "bargeIn": "true",
    },
    "stream": {"action": "stream", "streamUrl": ["https://example.com/a.mp3"], "level": 1, "bargeIn": True, "loop": 3},
    "record": {
        "action": "record",
        "format": "wav",
        "split": "conversation",
        "channels": 2,
        "endOnSilence": 3,
        "endOnKey": "#",
        "timeOut": 7200,
        "beepStart": True,
        "transcription": {"language": "en-US", "eventUrl": ["https://example.com/t"], "sentimentAnalysis": True},
        **EVENTS,
    },
    "input": {
        "action": "input",
        "type": ["dtmf", "speech"],
        "dtmf": {"timeOut": 10, "maxDigits": 4, "submitOnHash": True},
        "speech": {
            "uuid": ["aa"],
            "endOnSilence": 0.4,
            "language": "en-US",
            "context": ["yes", "no"],
            "startTimeout": 60,
            "maxDuration": 1,
            "saveAudio": False,
            "sensitivity": 50,
        },
        "mode": "synchronous",
        **EVENTS,
    },
    "wait": {"action": "wait", "timeout": 0.1},
    "bare wait": {"action": "wait"},
    "notify": {"action": "notify", "payload": {"a": [1]}, **EVENTS},
    "conversation": {
        "action": "conversation",
        "name": "room",
        "musicOnHoldUrl": ["https://example.com/m.mp3"],
        "startOnEnter": "false",
        "endOnExit": True,
        "record": True,
        "canSpeak": ["aa"],
        "canHear": [],
        "mute": False,
        **EVENTS,
    },
    "transfer": {"action": "transfer", "conversationId": "CON-1", "canHear": ["aa"], "mute": True},
    "pay": {"action": "pay", "amount": 1},
    "a socket": connect(
        **{"from": "447700900001", "eventType": "synchronous", "timeout": 30, "limit": 7200, **EVENTS},
    ),
    "a socket of a brand": connect(**{"from": "Example Ltd"}),
    "metadata": endpoint(headers={"a": {"b": [True, None]}}, authorization={"type": "custom", "value": "Bearer x"}),
    "our own authorization": endpoint(authorization={"type": "vonage"}),
    "no authorization type": endpoint(authorization={}),
    "8 kHz": endpoint(content_type="audio/l16;rate=8000"),
    "24 kHz": endpoint(content_type="audio/l16;rate=24000"),
    "a file for vsock serve": endpoint(uri="{socket_url}"),
    "events of vsock serve": connect(eventUrl=["{event_url}"]),
    "a phone": connect(
        endpoint=[
            {"type": "phone", "number": "447700900001", "dtmfAnswer": "1p2#", "onAnswer": {"url": "https://x.org"}}
        ],
        randomFromNumber=True,
        ringbackTone="https://example.com/r.mp3",
        machineDetection="hangup",
        advancedMachineDetection={"behavior": "continue", "mode": "detect_beep", "beep_timeout": 45},
    ),
    "an app": connect(endpoint=[{"type": "app", "user": "alice"}]),
    "sip": connect(endpoint=[{"type": "sip", "uri": "sip:a@example.com", "headers": {"a": "b"}}]),
    "vbc": connect(endpoint=[{"type": "vbc", "extension": "111"}]),
}


@pytest.mark.parametrize("action", GOOD.values(), ids=GOOD)
def test_what_is_documented_passes(action: dict[str, object]) -> None:
    """Every action with all of its fields, and what older editions wrote otherwise."""
    assert [] == [code for code in codes(action, CONNECT) if code != "VS417"]


def test_the_ncco_of_our_own_server_passes() -> None:
    """With a greeting and metadata."""
    ncco = answer_ncco(
        socket_url="wss://example.ngrok.app/socket",
        event_url="https://example.ngrok.app/webhooks/event",
        audio_format=AudioFormat(16000),
        params={"uuid": "aa", "from": "447700900001", "to": "442079460000", "conversation_uuid": "CON-1"},
        headers={"lang": "en"},
        greeting="Hello",
        synchronous=True,
    )

    assert [] == lint_ncco(ncco)


OFFICIAL = [
    official.Talk(text="hi", bargeIn=True, loop=0, level=0.5, language="en-GB", style=1, premium=True),
    official.Stream(streamUrl=["https://example.com/a.mp3"], level=-1, bargeIn=False, loop=2),
    official.Record(format="mp3", channels=2, endOnSilence=4, endOnKey="*", timeOut=60, beepStart=True, **EVENTS),
    official.Conversation(name="room", startOnEnter=True, endOnExit=False, record=True, canHear=["a"], **EVENTS),
    official.Input(type=["dtmf"], dtmf={"timeOut": 3, "maxDigits": 5, "submitOnHash": True}, **EVENTS),
    official.Input(type=["speech"], speech={"endOnSilence": 1.0, "language": "en-US", "context": ["a"]}, **EVENTS),
    official.Notify(payload={"a": 1}, **EVENTS),
    official.Wait(timeout=0.5),
    official.Transfer(conversationId="CON-1", canSpeak=["a"]),
    official.Connect(endpoint=[PhoneEndpoint(number="447700900001")], from_="447700900002", **EVENTS),
    official.Connect(endpoint=[AppEndpoint(user="alice")], randomFromNumber=True, eventType="synchronous"),
    official.Connect(endpoint=[SipEndpoint(uri="sip:a@example.com")], randomFromNumber=True, limit=60, timeout=20),
    official.Connect(endpoint=[VbcEndpoint(extension="111")], randomFromNumber=True, machineDetection="hangup"),
    official.Connect(
        endpoint=[
            WebsocketEndpoint(
                uri="wss://example.com/s", contentType="audio/l16;rate=24000", authorization={"type": "vonage"}
            )
        ],
        from_="447700900001",
    ),
]


@pytest.mark.parametrize("model", OFFICIAL, ids=lambda model: type(model).__name__)
def test_what_the_official_sdk_writes_passes(model: official.NccoAction) -> None:
    """The models of vonage-voice know the same fields and ranges."""
    action = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))

    assert [] == [code for code in codes(action) if code != "VS409"]


BAD = {
    "headers too long": (endpoint(headers={"a": "x" * 600}), ["VS411"]),
    "http for ws": (endpoint(uri="https://example.com/socket"), ["VS412"]),
    "no scheme": (endpoint(uri="example.com/socket"), ["VS412"]),
    "plain ws": (endpoint(uri="ws://example.com/socket"), ["VS413"]),
    "localhost": (endpoint(uri="wss://localhost/socket"), ["VS502"]),
    "a private address": (endpoint(uri="ws://10.0.0.3:8000/socket"), ["VS502"]),
    "no host": (endpoint(uri="wss:///socket"), ["VS420"]),
    "an address that can't be read": (endpoint(uri="wss://[x/"), ["VS420"]),
    "a port that there isn't": (endpoint(uri="wss://h.example:99999/ws"), ["VS420"]),
    "a port of 0": (endpoint(uri="wss://h.example:0/ws"), ["VS420"]),
    "a space in the address": (endpoint(uri="wss://h.example/my socket"), ["VS420"]),
    "a fragment": (endpoint(uri="wss://h.example/ws#top"), ["VS420"]),
    "headers with what connected says itself": (endpoint(headers={"event": 1, "content-type": 2}), ["VS429"] * 2),
    "spaces in the content type": (endpoint(content_type="audio/l16; rate=16000"), ["VS414"]),
    "capitals in the content type": (endpoint(content_type="audio/L16;rate=16000"), ["VS414"]),
    "a rate of 44100": (endpoint(content_type="audio/l16;rate=44100"), ["VS415"]),
    "another codec": (endpoint(content_type="audio/pcmu"), ["VS415"]),
    "a content type that is a number": (endpoint(content_type=16000), ["VS420"]),
    "custom authorization without value": (endpoint(authorization={"type": "custom"}), ["VS419"]),
    "authorization of another kind": (endpoint(authorization={"type": "basic"}), ["VS421"]),
    "contentType": (endpoint(contentType="audio/l16;rate=16000"), ["VS418"]),
    "headers as a text": (endpoint(headers="a"), ["VS420"]),
    "eventUrl as a text": (connect(eventUrl="https://example.com/e"), ["VS416"]),
    "two eventUrls": (connect(eventUrl=["https://a.example", "https://b.example"]), ["VS421"]),
    "an eventUrl that is none": (connect(eventUrl=["/event"]), ["VS421"]),
    "an eventUrl of numbers": (connect(eventUrl=[1]), ["VS420"]),
    "eventType async": (connect(eventType="async"), ["VS421"]),
    "a limit beyond all numbers": (connect(limit=10**400), ["VS421"]),
    "mute as a list": (
        {"action": "transfer", "conversationId": "a", "canSpeak": ["a"], "mute": []},
        ["VS420", "VS424"],
    ),
    "a limit of a day": (connect(limit=86400), ["VS421"]),
    "from and randomFromNumber": (connect(**{"from": "447700900001", "randomFromNumber": True}), ["VS424"]),
    "from as a number": (connect(**{"from": 447700900001}), ["VS420"]),
    "an unknown field": (connect(frm="1"), ["VS418"]),
    "no endpoint": ({"action": "connect"}, ["VS419"]),
    "endpoint as an object": ({"action": "connect", "endpoint": SOCKET}, ["VS420"]),
    "two endpoints": ({"action": "connect", "endpoint": [SOCKET, SOCKET]}, ["VS420"]),
    "an endpoint without type": ({"action": "connect", "endpoint": [{"uri": "wss://example.com"}]}, ["VS419"]),
    "an endpoint whose type is a number": ({"action": "connect", "endpoint": [{"type": 1}]}, ["VS420"]),
    "an endpoint of another type": ({"action": "connect", "endpoint": [{"type": "fax"}]}, ["VS421"]),
    "a number with a plus": (connect(endpoint=[{"type": "phone", "number": "+447700900001"}]), ["VS421"]),
    "a number that is one": (connect(endpoint=[{"type": "phone", "number": 447700900001}]), ["VS420"]),
    "hangup": ({"action": "hangup"}, ["VS406"]),
    "talk without text": ({"action": "talk"}, ["VS419"]),
    "too much text": ({"action": "talk", "text": "x" * 1501}, ["VS421"]),
    "level 2": ({"action": "talk", "text": "x", "level": 2}, ["VS421"]),
    "loop -1": ({"action": "talk", "text": "x", "loop": -1}, ["VS421"]),
    "level of words": ({"action": "talk", "text": "x", "level": "loud"}, ["VS420"]),
    "bargeIn of words": ({"action": "talk", "text": "x", "bargeIn": "yes"}, ["VS420"]),
    "bargeIn of a number": ({"action": "talk", "text": "x", "bargeIn": 1}, ["VS420"]),
    "streamUrl as a text": ({"action": "stream", "streamUrl": "https://example.com/a.mp3"}, ["VS416"]),
    "format flac": ({"action": "record", "format": "flac"}, ["VS421"]),
    "record's timeout": ({"action": "record", "timeout": 5}, ["VS418"]),
    "input of old": ({"action": "input", "maxDigits": 3}, ["VS419", "VS418"]),
    "input of faces": ({"action": "input", "type": ["face"]}, ["VS421"]),
    "too many digits": ({"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 99}}, ["VS421"]),
    "dtmf as a list": ({"action": "input", "type": ["dtmf"], "dtmf": []}, ["VS420"]),
    "an action in dtmf": ({"action": "input", "type": ["dtmf"], "dtmf": {"action": 1}}, ["VS418"]),
    "canSpeak and mute": ({"action": "transfer", "conversationId": "a", "canSpeak": ["a"], "mute": True}, ["VS424"]),
    "a long value": ({"action": "wait", "timeout": ["x" * 200]}, ["VS420"]),
}


@pytest.mark.parametrize(("action", "expected"), BAD.values(), ids=BAD)
def test_what_is_wrong_gives_its_own_code(action: dict[str, Any], expected: list[str]) -> None:
    """One fault, one finding."""
    assert expected == [code for code in codes(action, CONNECT) if code != "VS417"]


def test_a_missing_content_type_is_told() -> None:
    """The API's schema wants one."""
    assert ["VS414"] == codes({"action": "connect", "endpoint": [{"type": "websocket", "uri": "wss://example.com"}]})


def test_a_place_is_told_in_words() -> None:
    """Down to the object in which it is."""
    action = {"action": "record", "trancription": {}, "transcription": {"eventUrl": "x"}}

    assert [
        Problem("VS418", "action 2 (record)", {"field": "trancription", "hint": "; did you mean 'transcription'?"}),
        Problem("VS416", "action 2 (record), transcription", {"field": "eventUrl"}),
        Problem("VS409", "NCCO"),
    ] == lint_ncco([{"action": "wait"}, action])


def test_actions_behind_a_socket_are_noted_once() -> None:
    """They are done when it has closed; in front, or behind a phone, they are as they should be."""
    talk = {"action": "talk", "text": "x"}
    phone = {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900001"}]}

    assert ["VS417"] == codes(talk, CONNECT, talk, talk)
    assert ["VS409"] == codes(phone, talk)


@pytest.mark.parametrize("text", ["", "{'a': 1}", b"\xff", "{}", "[]", "[1]", '[{"x":1}]', "NaN"])
def test_what_is_no_ncco_is_one_error(text: str | bytes) -> None:
    """Whatever it is."""
    assert ["VS402"] == [problem.code for problem in lint_text(text)]


def test_an_ncco_as_text_is_read() -> None:
    """The form in which it comes."""
    assert [] == lint_text(json.dumps([CONNECT]))


@pytest.mark.parametrize(
    ("status", "body", "synchronous", "expected"),
    [
        ("disconnected", b"", True, None),
        ("disconnected", b"  ", True, None),
        ("disconnected", b'[{"action":"talk","text":"x"}]', True, None),
        ("disconnected", b'[{"action":"talk","text":"x"}]', False, "VS422"),
        ("disconnected", b"OK", True, "VS423"),
        ("failed", b'{"status":"ok"}', True, "VS423"),
        ("answered", b"OK", True, None),
        ("disconnected", b"OK", False, None),
    ],
)
def test_the_answer_to_an_event_is_looked_at(
    status: str, body: bytes, expected: str | None, *, synchronous: bool
) -> None:
    """Whether it would be run as an NCCO, and whether it is one."""
    problem = lint_event_reply(status, body, synchronous=synchronous)

    assert expected == (None if problem is None else problem.code)
    assert problem is None or status in CATALOGUE[problem.code].message.format(**problem.numbers)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["action", "endpoint", "type", "uri", "text", "eventUrl", "dtmf", "number", "mute", "canSpeak", "from"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
ACTION = st.sampled_from(["connect", "talk", "input", "transfer", "pay", "x"])


@pytest.mark.no_cover
@settings(deadline=None, database=None, max_examples=150)
@given(
    ncco=st.lists(
        st.builds(
            lambda name, fields: {**fields, "action": name},
            ACTION,
            st.dictionaries(
                st.sampled_from(
                    ["endpoint", "type", "text", "eventUrl", "dtmf", "mute", "canSpeak", "from", "randomFromNumber"]
                ),
                JSON,
                max_size=4,
            ),
        ),
        max_size=3,
    )
)
def test_any_ncco_raises_nothing(ncco: list[Any]) -> None:
    """Whatever JSON stands where."""
    assert set(codes(*ncco)) <= CATALOGUE.keys()


def test_a_transfer_may_name_its_conversation_in_either_way() -> None:
    """The reference's table has the one name and its example the other."""
    names = ("conversationId", "conversation_id")

    assert [["VS409"]] * 2 == [
        [problem.code for problem in lint_ncco([{"action": "transfer", name: "CON-1"}])] for name in names
    ]


@pytest.mark.parametrize(
    ("action", "codes"),
    [
        ({"action": "wait", "timeout": "2"}, ["VS421"]),
        ({"action": "wait", "timeout": "soon"}, ["VS420"]),
        ({"action": "wait", "timeout": 2}, []),
        ({"action": "talk", "text": "x", "loop": "2"}, []),
    ],
)
def test_times_are_numbers_and_not_texts(action: dict[str, Any], codes: list[str]) -> None:
    """A limit or timeout in quotes is told; older editions' texts elsewhere pass."""
    assert codes == [problem.code for problem in lint_ncco([action]) if problem.code != "VS409"]


def test_a_legs_limit_and_timeout_are_numbers() -> None:
    """Both are told."""
    connect = {
        "action": "connect",
        "endpoint": [{"type": "phone", "number": "447700900001"}],
        "limit": "10",
        "timeout": "2",
    }

    told = [problem.numbers["field"] for problem in lint_ncco([connect]) if problem.code == "VS421"]
    assert ["limit", "timeout"] == told


def test_what_fields_may_hold_is_told_in_words() -> None:
    """As the checks have it: ranges, choices, lengths, fields within fields, and what is needed."""
    known = {
        (place, item.name): (item.holds, item.required) for place, items in known_fields().items() for item in items
    }

    assert ("a text of at most 1500 letters", True) == known["talk", "text"]
    assert ("a number, 0 or more", False) == known["talk", "loop"]
    assert ("a number, 0.4 to 10", False) == known["input", "speech.endOnSilence"]
    assert ("one or more of dtmf, speech", True) == known["input", "type"]
    assert ("one of mp3, wav, ogg", False) == known["record", "format"]
    assert ("conversation", False) == known["record", "split"]
    assert ("an object", False) == known["connect: endpoint of type websocket", "authorization"]
    assert ("an array of one address", True) == known["stream", "streamUrl"]
