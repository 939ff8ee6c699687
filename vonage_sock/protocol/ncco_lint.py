"""
What is wrong with an NCCO by itself, before any call is made with it.

Every documented action and field is known; what older editions allowed (numbers and booleans as texts) passes, except for
the times of a leg and of a ``wait``. A ``Problem`` holds a code of the catalogue, where it is, and its numbers.

Source: Vonage NCCO reference; ranges also from the official SDKs, and the wider one where they differ.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from vonage_sock.audio.frames import parse_content_type
from vonage_sock.errors import FormatError
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import KNOWN_ACTIONS, MAX_HEADERS_BYTES, read_ncco
from vonage_sock.protocol.webhooks import FALLBACK_STATUSES

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about an NCCO; ``where`` is in words: action 2 (connect), endpoint."""

    code: str
    where: str
    numbers: dict[str, Any] = field(default_factory=dict)


def lint_text(text: str | bytes) -> list[Problem]:
    """All that is wrong with an NCCO as it came; never raises."""
    try:
        value = jsontext.loads(text)
    except ValueError as error:
        return [
            Problem("VS402", "NCCO", {"reason": f"isn't JSON: {error if text.strip() else 'there is nothing in it'}"})
        ]
    return lint_ncco(value)


def lint_ncco(value: object) -> list[Problem]:
    """All that is wrong with an NCCO, in its order; never raises."""
    try:
        ncco = read_ncco(value)
    except ValueError as error:
        return [Problem("VS402", "NCCO", {"reason": str(error)})]
    problems: list[Problem] = []
    socket_at: int | None = None
    for number, action in enumerate(ncco, 1):
        name = action["action"]
        where = f"action {number} ({name})" if name in KNOWN_ACTIONS else f"action {number}"
        if socket_at == number - 1:
            problems.append(Problem("VS417", where))
        if name not in KNOWN_ACTIONS:
            problems.append(Problem("VS406", "NCCO", {"number": number, "action": name[:40]}))
        elif name in _ACTIONS:
            problems += _fields(_as_known(action), _ACTIONS[name], where)
            problems += _exclusive(action, where)
        if name == "connect":
            problems += _endpoint(action, where)
            if _leads_to_socket(action):
                socket_at = number
    if socket_at is None:
        problems.append(Problem("VS409", "NCCO"))
    return problems


def lint_event_reply(status: str, body: bytes, *, synchronous: bool) -> Problem | None:
    """
    What is wrong with the body that an event URL answered 200 with.

    Args:
        status: the event's, such as ``disconnected``.
        synchronous: the connect has ``eventType: synchronous``.
    """
    if not body.strip():
        return None
    try:
        read_ncco(jsontext.loads(body))
    except ValueError as error:
        # Only events that may bring a new NCCO are looked at for one; others may be answered with anything.
        if not synchronous or status not in FALLBACK_STATUSES:
            return None
        return Problem("VS423", f"event {status}", {"event": status, "reason": str(error)})
    if synchronous:
        return None
    return Problem("VS422", f"event {status}", {"event": status})


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field may hold; ``low`` and ``high`` are a number's bounds or a text's and an array's lengths."""

    kind: str
    required: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    fields: Mapping[str, _Field] | None = None


def _need(other: _Field) -> _Field:
    return _Field(other.kind, True, other.low, other.high, other.choices, other.fields)  # noqa: FBT003


def _number(low: float, high: float | None = None) -> _Field:
    return _Field("number", low=low, high=high)


def _choice(*choices: str) -> _Field:
    return _Field("text", choices=choices)


_TEXT: Final = _Field("text")
_FLAG: Final = _Field("flag")
_URLS: Final = _Field("urls")
_TEXTS: Final = _Field("texts")
_OBJECT: Final = _Field("object")
_METHOD: Final = _choice("GET", "POST")
_EVENTS: Final = {"eventUrl": _URLS, "eventMethod": _METHOD}
_LEVEL: Final = _number(-1, 1)
_LOOP: Final = _number(0)
_AUDIENCE: Final = {"canSpeak": _TEXTS, "canHear": _TEXTS, "mute": _FLAG}
_TRANSCRIPTION: Final = _Field("object", fields={"language": _TEXT, "sentimentAnalysis": _FLAG, **_EVENTS})

_ACTIONS: Final[dict[str, dict[str, _Field]]] = {
    "talk": {
        "text": _Field("text", required=True, high=1500),
        "bargeIn": _FLAG,
        "loop": _LOOP,
        "level": _LEVEL,
        "language": _TEXT,
        "style": _number(0),
        "premium": _FLAG,
        "voiceName": _TEXT,
    },
    "stream": {"streamUrl": _need(_URLS), "level": _LEVEL, "bargeIn": _FLAG, "loop": _LOOP},
    "record": {
        "format": _choice("mp3", "wav", "ogg"),
        "split": _choice("conversation"),
        "channels": _number(1, 32),
        "endOnSilence": _number(3, 10),
        "endOnKey": _choice(*"0123456789*#"),
        "timeOut": _number(3, 7200),
        "beepStart": _FLAG,
        "transcription": _TRANSCRIPTION,
        **_EVENTS,
    },
    "input": {
        "type": _Field("texts", required=True, choices=("dtmf", "speech")),
        "dtmf": _Field(
            "object", fields={"timeOut": _number(0, 10), "maxDigits": _number(1, 22), "submitOnHash": _FLAG}
        ),
        "speech": _Field(
            "object",
            fields={
                "uuid": _TEXTS,
                "endOnSilence": _number(0.4, 10),
                "language": _TEXT,
                "context": _TEXTS,
                "startTimeout": _number(1, 60),
                "maxDuration": _number(1, 60),
                "saveAudio": _FLAG,
                "sensitivity": _number(0, 100),
                "provider": _TEXT,
                "providerOptions": _OBJECT,
            },
        ),
        "mode": _choice("synchronous", "asynchronous"),
        **_EVENTS,
    },
    "wait": {"timeout": _Field("plain number", low=0.1, high=7200)},
    "notify": {"payload": _need(_OBJECT), "eventUrl": _need(_URLS), "eventMethod": _METHOD},
    "conversation": {
        "name": _need(_TEXT),
        "musicOnHoldUrl": _URLS,
        "startOnEnter": _FLAG,
        "endOnExit": _FLAG,
        "record": _FLAG,
        "transcription": _TRANSCRIPTION,
        **_AUDIENCE,
        **_EVENTS,
    },
    "transfer": {"conversationId": _need(_TEXT), **_AUDIENCE},
    "connect": {
        "endpoint": _Field("endpoints", required=True),
        "from": _Field("text", high=200),
        "randomFromNumber": _FLAG,
        "eventType": _choice("synchronous"),
        "timeout": _Field("plain number", low=1, high=7200),
        "limit": _Field("plain number", low=1, high=7200),
        "machineDetection": _choice("continue", "hangup"),
        "advancedMachineDetection": _Field(
            "object",
            fields={
                "behavior": _choice("continue", "hangup"),
                "mode": _choice("default", "detect", "detect_beep"),
                "beep_timeout": _number(30, 120),
                "beepTimeout": _number(30, 120),
            },
        ),
        "ringbackTone": _Field("text or texts"),
        **_EVENTS,
    },
}
"""``pay`` is known and has no list: its fields are no longer documented."""

_ENDPOINTS: Final[dict[str, dict[str, _Field]]] = {
    "phone": {
        "number": _need(_TEXT),
        "dtmfAnswer": _TEXT,
        "onAnswer": _Field("object", fields={"url": _need(_TEXT), "ringbackTone": _TEXT, "ringback": _TEXT}),
        "shaken": _TEXT,
    },
    "app": {"user": _need(_TEXT)},
    "websocket": {
        "uri": _need(_TEXT),
        "content-type": _TEXT,
        "headers": _OBJECT,
        "authorization": _Field(
            "object", fields={"type": _choice("vonage", "custom"), "value": _Field("text", high=8191)}
        ),
    },
    "sip": {"uri": _TEXT, "user": _TEXT, "domain": _TEXT, "headers": _OBJECT, "standardHeaders": _OBJECT},
    "vbc": {"extension": _need(_TEXT)},
}

_EXCLUSIVE: Final = {
    "connect": (("from", "randomFromNumber"),),
    "conversation": (("canSpeak", "mute"),),
    "transfer": (("canSpeak", "mute"),),
}

_ALIASES: Final = {"transfer": {"conversation_id": "conversationId"}}
"""The reference's table has the one name and its example the other."""

_WANTED: Final = {
    "text": "a text",
    "flag": "true or false",
    "number": "a number",
    "plain number": "a number",
    "object": "an object",
    "urls": "an array of one address",
    "texts": "an array of texts",
    "text or texts": "a text",
    "endpoints": "an array of exactly one object",
}

_CONNECTED_FIELDS: Final = {"event", "content-type"}
"""What ``websocket:connected`` says by itself; ``headers`` are laid into the same object."""

_E164 = re.compile(r"\d{4,15}", re.ASCII)
_NUMERIC = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)
_PLACEHOLDER = re.compile(r"\{\w+\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field in words; one within another has a name with a dot."""

    name: str
    holds: str
    required: bool


def known_fields() -> dict[str, list[KnownField]]:
    """What each action, and each kind of endpoint of a ``connect``, may hold."""
    endpoints = {f"connect: endpoint of type {name}": fields for name, fields in _ENDPOINTS.items()}
    return {place: list(_in_words(fields, "")) for place, fields in (_ACTIONS | endpoints).items()}


def _in_words(fields: Mapping[str, _Field], before: str) -> Iterator[KnownField]:
    for name, wanted in fields.items():
        yield KnownField(before + name, _holds(wanted), wanted.required)
        yield from _in_words(wanted.fields or {}, f"{before}{name}.")


def _holds(wanted: _Field) -> str:
    if wanted.choices:
        words = ", ".join(wanted.choices)
        return (
            f"one or more of {words}" if wanted.kind == "texts" else f"one of {words}" if wanted.choices[1:] else words
        )
    if wanted.kind in {"number", "plain number"}:
        return f"{_WANTED[wanted.kind]}, {_range(wanted)}"
    return _WANTED[wanted.kind] + (f" of at most {wanted.high:g} letters" if wanted.high is not None else "")


def _range(wanted: _Field) -> str:
    return f"{wanted.low:g} or more" if wanted.high is None else f"{wanted.low:g} to {wanted.high:g}"


def _as_known(action: JsonObject) -> JsonObject:
    aliases = _ALIASES.get(action["action"], {})
    return {aliases.get(name, name): value for name, value in action.items()}


def _fields(value: JsonObject, known: Mapping[str, _Field], where: str, *, own: tuple[str, ...] = ()) -> list[Problem]:
    own = own or ("action",)
    problems = [
        Problem("VS419", where, {"field": name})
        for name, wanted in known.items()
        if wanted.required and name not in value
    ]
    for name, item in value.items():
        if name in known:
            problems += _check(name, item, known[name], where)
        elif name not in own:
            problems.append(Problem("VS418", where, {"field": name[:40], "hint": _hint(name, known)}))
    return problems


def _hint(name: str, known: Mapping[str, _Field]) -> str:
    plain = {key.lower(): key for key in known}
    near = get_close_matches(name.lower().replace("_", ""), plain, n=1, cutoff=0.75)
    return f"; did you mean {plain[near[0]]!r}?" if near else ""


def _check(name: str, value: object, wanted: _Field, where: str) -> Iterator[Problem]:
    if wanted.kind == "urls" and isinstance(value, str):
        yield Problem("VS416", where, {"field": name})
    elif not _is_kind(value, wanted.kind):
        yield _wrong("VS420", name, value, _WANTED[wanted.kind], where)
    elif wanted.kind in {"number", "plain number"}:
        if wanted.kind == "plain number" and isinstance(value, str):
            yield _wrong("VS421", name, value, "a number, without quotes", where)
        yield from _check_range(name, value, wanted, where)
    elif wanted.fields is not None and isinstance(value, dict):
        yield from _fields(value, wanted.fields, f"{where}, {name}", own=("",))
    else:
        yield from _check_texts(name, value, wanted, where)


def _check_range(name: str, value: Any, wanted: _Field, where: str) -> Iterator[Problem]:
    low, high = wanted.low, wanted.high
    number = float(value) if isinstance(value, str) else value
    if (low is not None and number < low) or (high is not None and number > high):
        yield _wrong("VS421", name, value, _range(wanted), where)


def _check_texts(name: str, value: object, wanted: _Field, where: str) -> Iterator[Problem]:
    if isinstance(value, list) and wanted.kind == "urls" and len(value) != 1:
        yield Problem(
            "VS421", where, {"field": name, "found": f"an array of {len(value)}", "wanted": "one of one address"}
        )
    for text in value if isinstance(value, list) else [value]:
        if not isinstance(text, str):
            continue
        if wanted.choices and text not in wanted.choices:
            yield _wrong("VS421", name, text, " or ".join(wanted.choices), where)
        if wanted.high is not None and len(text) > wanted.high:
            found = f"{len(text)} letters long"
            yield Problem("VS421", where, {"field": name, "found": found, "wanted": f"{wanted.high:g} at most"})
        if wanted.kind == "urls" and not text.startswith(("http://", "https://", "{")):
            yield _wrong("VS421", name, text, "an address that begins with https://", where)


def _is_kind(value: object, kind: str) -> bool:
    match kind:
        case "flag":
            return isinstance(value, bool) or value in {"true", "false"} if isinstance(value, bool | str) else False
        case "number" | "plain number":
            return (isinstance(value, int | float) and not isinstance(value, bool)) or (
                isinstance(value, str) and _NUMERIC.fullmatch(value) is not None
            )
        case "object":
            return isinstance(value, dict)
        case "text":
            return isinstance(value, str)
        case "endpoints":
            return isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
        case _:
            texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return texts or (kind == "text or texts" and isinstance(value, str))


def _wrong(code: str, name: str, value: object, wanted: str, where: str) -> Problem:
    return Problem(code, where, {"field": name, "found": _short(value), "wanted": wanted})


def _short(value: object) -> str:
    text = jsontext.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _exclusive(action: JsonObject, where: str) -> Iterator[Problem]:
    for one, other in _EXCLUSIVE.get(action["action"], ()):
        if action.get(one) and action.get(other) not in (None, False, "false"):
            yield Problem("VS424", where, {"field": one, "other": other})


def _one_endpoint(action: JsonObject) -> JsonObject | None:
    """The endpoint; also one that lacks the array around it, which is told and doesn't hide what else is wrong."""
    endpoint = action.get("endpoint")
    if isinstance(endpoint, list) and _is_kind(endpoint, "endpoints"):
        endpoint = endpoint[0]
    return endpoint if isinstance(endpoint, dict) else None


def _leads_to_socket(action: JsonObject) -> bool:
    endpoint = _one_endpoint(action)
    return endpoint is not None and endpoint.get("type") == "websocket"


def _endpoint(action: JsonObject, where: str) -> Iterator[Problem]:
    endpoint = _one_endpoint(action)
    if endpoint is None:
        return
    where = f"{where}, endpoint"
    kind = endpoint.get("type")
    if kind is None:
        yield Problem("VS419", where, {"field": "type"})
    elif not isinstance(kind, str):
        yield _wrong("VS420", "type", kind, "a text", where)
    elif kind not in _ENDPOINTS:
        yield _wrong("VS421", "type", kind, " or ".join(_ENDPOINTS), where)
    else:
        yield from _fields(endpoint, _ENDPOINTS[kind], where, own=("type",))
        number = endpoint.get("number")
        if (
            kind == "phone"
            and isinstance(number, str)
            and not _E164.fullmatch(number)
            and not _PLACEHOLDER.search(number)
        ):
            yield _wrong("VS421", "number", number, "digits only, with the country code and without +", where)
        if kind == "websocket":
            yield from _websocket(endpoint, where)


def _websocket(endpoint: JsonObject, where: str) -> Iterator[Problem]:
    uri = endpoint.get("uri")
    if isinstance(uri, str) and not _PLACEHOLDER.match(uri):
        yield from _uri(uri, where)
    content_type = endpoint.get("content-type")
    if content_type is None:
        yield Problem("VS414", where, {"reason": "is missing; audio/l16;rate=16000 is assumed"})
    elif isinstance(content_type, str):
        yield from _content_type(content_type, where)
    headers = endpoint.get("headers")
    if isinstance(headers, dict):
        yield from _headers(headers, where)
    match endpoint.get("authorization"):
        case {"type": "custom", **rest} if "value" not in rest:
            yield Problem("VS419", f"{where}, authorization", {"field": "value"})


def _headers(headers: JsonObject, where: str) -> Iterator[Problem]:
    size = jsontext.size_bytes(headers)
    if size > MAX_HEADERS_BYTES:
        yield Problem("VS411", where, {"size": size, "limit": MAX_HEADERS_BYTES})
    for name in sorted(_CONNECTED_FIELDS & set(headers)):
        yield Problem("VS429", where, {"name": name})


def _content_type(content_type: str, where: str) -> Iterator[Problem]:
    try:
        wanted = parse_content_type(content_type).content_type
    except FormatError as error:
        yield Problem("VS415", where, {"reason": str(error)})
        return
    if content_type != wanted:
        what = "holds spaces" if re.search(r"\s", content_type) else f"isn't written as {wanted}"
        yield Problem("VS414", where, {"reason": f"{what}, which some of Vonage's clients reject"})


def _uri(uri: str, where: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        yield _wrong("VS420", "uri", uri, "an address that begins with wss://", where)
        return
    if any(letter.isspace() for letter in uri):
        yield _wrong("VS420", "uri", uri, "an address without spaces, which are written %20", where)
    if "#" in uri:
        yield _wrong("VS420", "uri", uri, "an address without #, which a websocket's may not hold", where)
    if parts.scheme not in {"ws", "wss"}:
        yield Problem("VS412", where, {"scheme": f"{parts.scheme}://" if parts.scheme else "nothing"})
    elif not host:
        yield _wrong("VS420", "uri", uri, "an address with a host", where)
    elif not _has_usable_port(parts):
        yield _wrong("VS420", "uri", uri, "an address with a port from 1 to 65535, or none", where)
    elif is_local_host(host):
        yield Problem("VS502", where, {"host": host})
    elif parts.scheme == "ws":
        yield Problem("VS413", where)


def _has_usable_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def is_local_host(host: str) -> bool:
    """Whether a host of this name is this machine, or in a network that Vonage can't come to."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False
