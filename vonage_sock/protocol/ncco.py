"""
NCCOs: the one that our server answers with, and reading one as the platform does.

Source: Vonage NCCO reference ("connect", "talk") and WebSockets guide ("Connecting to a WebSocket").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.audio.frames import AudioFormat, parse_content_type
from vonage_sock.errors import FormatError, UsageError
from vonage_sock.protocol import jsontext

MAX_HEADERS_BYTES: Final = 512

CALL_HEADERS: Final = ("uuid", "from", "to", "conversation_uuid")
"""What we add to the headers so that a socket can be told apart; the last are left out first when space is short."""


KNOWN_ACTIONS: Final = frozenset(
    {"connect", "talk", "stream", "record", "input", "wait", "notify", "conversation", "transfer", "pay"}
)

JsonObject = dict[str, Any]
Ncco = list[JsonObject]

_E164 = re.compile(r"\d{4,15}", re.ASCII)


def answer_ncco(
    *,
    socket_url: str,
    event_url: str,
    audio_format: AudioFormat,
    params: Mapping[str, object],
    headers: Mapping[str, object],
    greeting: str | None = None,
    synchronous: bool = False,
    authorization: Mapping[str, str] | None = None,
) -> Ncco:
    """
    The NCCO that connects a call to our socket.

    Args:
        params: the answer webhook's parameters; what tells the call apart goes into the endpoint's ``headers``, and the
            number that was called becomes ``from``.
        headers: the user's own metadata, within 512 bytes as compact JSON.
        synchronous: ask Vonage to take a fallback NCCO from the event webhook's answer.
        authorization: what the platform shows when it opens the socket.
    """
    connect: JsonObject = {"action": "connect", "eventUrl": [event_url], "eventMethod": "POST"}
    if synchronous:
        connect["eventType"] = "synchronous"
    number = params.get("to")
    if isinstance(number, str) and _E164.fullmatch(number):
        connect["from"] = number
    endpoint: JsonObject = {
        "type": "websocket",
        "uri": socket_url,
        "content-type": audio_format.content_type,
        "headers": with_call_headers(headers, params),
    }
    if authorization is not None:
        endpoint["authorization"] = dict(authorization)
    connect["endpoint"] = [endpoint]
    return [{"action": "talk", "text": greeting}, connect] if greeting else [connect]


def with_call_headers(headers: Mapping[str, object], params: Mapping[str, object]) -> JsonObject:
    """The user's headers and as many of ``CALL_HEADERS`` as 512 bytes allow; the user's own keys win."""
    result = dict(headers)
    for key in CALL_HEADERS:
        value = params.get(key)
        if key in result or not isinstance(value, str) or not value:
            continue
        longer = {**result, key: value}
        if jsontext.size_bytes(longer) > MAX_HEADERS_BYTES:
            break
        result = longer
    return result


def check_headers(headers: Mapping[str, object]) -> None:
    """
    Refuse metadata that Vonage would.

    Raises:
        UsageError: more than 512 bytes as compact JSON in UTF-8.
    """
    size = jsontext.size_bytes(dict(headers))
    if size > MAX_HEADERS_BYTES:
        raise UsageError(
            f"the metadata takes {size} bytes as JSON and Vonage allows {MAX_HEADERS_BYTES}; "
            "shorten it, or pass a key and look the rest up"
        )


def fill_in(ncco: Ncco, *, socket_url: str, event_url: str) -> Ncco:
    """A copy with ``{socket_url}`` and ``{event_url}`` replaced wherever they stand in a text."""

    def filled(value: object) -> Any:
        if isinstance(value, str):
            return value.replace("{socket_url}", socket_url).replace("{event_url}", event_url)
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        return value

    return [filled(action) for action in ncco]


def authorized(ncco: Ncco, *, socket_url: str, authorization: Mapping[str, str]) -> Ncco:
    """A copy with ``authorization`` in each endpoint that leads to our socket and has none of its own."""
    copy = deepcopy(ncco)
    for endpoint in _websockets_in(copy):
        if "authorization" not in endpoint and _leads_to(endpoint, socket_url):
            endpoint["authorization"] = dict(authorization)
    return copy


def custom_authorizations(ncco: Ncco, *, socket_url: str | None) -> list[str]:
    """
    What is shown to our socket by an NCCO as its author wrote it.

    Args:
        socket_url: the address of our socket where it is public, in case that it stands there for ``{socket_url}``.
    """
    ours = [end for end in _websockets_in(ncco) if _leads_to(end, "{socket_url}") or _leads_to(end, socket_url)]
    return [value for endpoint in ours if (value := _custom_value(endpoint)) is not None]


def _websockets_in(ncco: Sequence[object]) -> Iterator[JsonObject]:
    for action in ncco:
        endpoints = action.get("endpoint") if isinstance(action, dict) else None
        for endpoint in endpoints if isinstance(endpoints, list) else ():
            if isinstance(endpoint, dict) and endpoint.get("type") == "websocket":
                yield endpoint


def _leads_to(endpoint: JsonObject, socket_url: str | None) -> bool:
    uri = endpoint.get("uri")
    return isinstance(uri, str) and socket_url is not None and uri.partition("?")[0] == socket_url


def _custom_value(endpoint: JsonObject) -> str | None:
    authorization = endpoint.get("authorization")
    value = authorization.get("value") if isinstance(authorization, dict) else None
    return value if isinstance(value, str) else None


def read_ncco(value: object) -> Ncco:
    """
    Check that a JSON value has the form of an NCCO: an array of objects, each with an ``action``.

    Raises:
        ValueError: half a sentence that says what is wrong, to stand behind "the NCCO".
    """
    if isinstance(value, dict):
        raise ValueError("is an object and must be an array; put [ ] around it")
    if not isinstance(value, list):
        raise ValueError(f"is {_json_type(value)} and must be an array of actions")
    if not value:
        raise ValueError("is empty: with no action the platform ends the call")
    for number, action in enumerate(value, 1):
        if not isinstance(action, dict):
            raise ValueError(f"has {_json_type(action)} as action {number}; each must be an object")
        if not isinstance(action.get("action"), str):
            raise ValueError(f"has no 'action' in entry {number}")
    return value


@dataclass(frozen=True, slots=True)
class WebsocketEndpoint:
    """The websocket of a ``connect`` action, as far as it can be used."""

    uri: str
    audio_format: AudioFormat
    headers: JsonObject
    authorization: JsonObject | None
    event_urls: tuple[str, ...] = ()
    event_method: str = "POST"
    synchronous: bool = False
    problems: tuple[str, ...] = field(default=())


def websocket_endpoint(action: JsonObject) -> WebsocketEndpoint | None:
    """
    The websocket that a ``connect`` action asks for; None when it connects to something else.

    Raises:
        ValueError: half a sentence that says why the platform couldn't connect, to stand behind "connect".
    """
    endpoints = action.get("endpoint")
    if not isinstance(endpoints, list) or len(endpoints) != 1 or not isinstance(endpoints[0], dict):
        raise ValueError("needs 'endpoint' as an array of exactly one object")
    endpoint = endpoints[0]
    if endpoint.get("type") != "websocket":
        return None
    problems: list[str] = []
    audio_format = _endpoint_format(endpoint.get("content-type"), problems)
    headers = endpoint.get("headers", {})
    if not isinstance(headers, dict):
        raise ValueError(f"has {_json_type(headers)} as 'headers'; it must be an object")
    size = jsontext.size_bytes(headers)
    if size > MAX_HEADERS_BYTES:
        problems.append(f"headers take {size} bytes and Vonage allows {MAX_HEADERS_BYTES}")
    authorization = endpoint.get("authorization")
    return WebsocketEndpoint(
        uri=_endpoint_uri(endpoint.get("uri")),
        audio_format=audio_format,
        headers=headers,
        authorization=authorization if isinstance(authorization, dict) else None,
        event_urls=_event_urls(action, problems),
        event_method="GET" if action.get("eventMethod") == "GET" else "POST",
        synchronous=action.get("eventType") == "synchronous",
        problems=tuple(problems),
    )


def _endpoint_uri(uri: object) -> str:
    if not isinstance(uri, str):
        raise ValueError("has no 'uri' in its endpoint")
    try:
        scheme = urlsplit(uri).scheme
    except ValueError as error:
        raise ValueError(f"has a uri that can't be read: {error}") from error
    if scheme not in ("ws", "wss"):
        raise ValueError(f"has a uri with {scheme or 'no'} scheme; it must begin with wss:// (or ws://)")
    return uri


def _endpoint_format(content_type: object, problems: list[str]) -> AudioFormat:
    if content_type is None:
        problems.append("content-type is missing; audio/l16;rate=16000 is assumed")
        return AudioFormat(16000)
    if not isinstance(content_type, str):
        raise ValueError(f"has {_json_type(content_type)} as 'content-type'; it must be a text")
    if " " in content_type:
        problems.append("content-type holds spaces, which some of Vonage's clients reject")
    try:
        return parse_content_type(content_type)
    except FormatError as error:
        raise ValueError(f"has a content-type that can't be used: {error}") from error


def _event_urls(action: JsonObject, problems: list[str]) -> tuple[str, ...]:
    urls = action.get("eventUrl", [])
    if isinstance(urls, str):
        problems.append("eventUrl is a text and must be an array of one")
        return (urls,)
    if not isinstance(urls, list):
        problems.append("eventUrl must be an array of one address")
        return ()
    return tuple(url for url in urls if isinstance(url, str))


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case _:
            return "an object"
