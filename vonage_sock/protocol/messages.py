"""
Text messages on the socket, both ways.

What the platform sends is read liberally: the documented shapes, those of Vonage's older clients, and anything else as
``UnknownMessage``. What we send is exactly what is documented.

Source: WebSockets guide ("Handling incoming WebSocket messages") for ``websocket:connected`` and ``websocket:dtmf``; the
current guide for ``websocket:cleared``, ``websocket:notify`` and the commands ``clear`` and ``notify``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.protocol import jsontext

CONNECTED: Final = "websocket:connected"
DTMF: Final = "websocket:dtmf"
CLEARED: Final = "websocket:cleared"
NOTIFY: Final = "websocket:notify"
DIGITS: Final = "0123456789*#"

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConnectedMessage:
    """The first message: the audio's content type, and the NCCO's ``headers`` from the top level."""

    content_type: str
    headers: JsonObject


@dataclass(frozen=True, slots=True)
class DtmfMessage:
    """One key press. The duration is None where the platform didn't say it in milliseconds."""

    digit: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class ClearedMessage:
    """The platform dropped what it had queued."""


@dataclass(frozen=True, slots=True)
class NotifyMessage:
    """All audio sent before the ``notify`` with this payload has been played."""

    payload: object


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """JSON of a kind that this program doesn't know."""

    value: object


@dataclass(frozen=True, slots=True)
class NotJson:
    """Text that isn't JSON, and why."""

    reason: str


PlatformMessage = ConnectedMessage | DtmfMessage | ClearedMessage | NotifyMessage | UnknownMessage | NotJson


def parse_platform_text(text: str, *, max_depth: int = jsontext.MAX_DEPTH) -> PlatformMessage:
    """Read a text message from the platform; never raises."""
    try:
        value = jsontext.loads(text, max_depth=max_depth)
    except ValueError as error:
        return NotJson(str(error))
    if not isinstance(value, dict):
        return UnknownMessage(value)
    event = value.get("event")
    if event == CONNECTED or (event is None and "content-type" in value):
        return _connected(value)
    if event == CLEARED:
        return ClearedMessage()
    if event == NOTIFY:
        return NotifyMessage(value.get("payload"))
    if event == DTMF or (event is None and "digit" in value):
        return _dtmf(value)
    return UnknownMessage(value)


def connected_text(audio_format: AudioFormat, headers: JsonObject) -> str:
    """The platform's first message; ``headers`` are flattened to the top level, where they can't displace ours."""
    own = {"event": CONNECTED, "content-type": audio_format.content_type}
    return jsontext.dumps(own | {key: value for key, value in headers.items() if key not in own})


def dtmf_text(digit: str, duration_ms: int) -> str:
    """The platform's word that a key was pressed."""
    return jsontext.dumps({"event": DTMF, "digit": digit, "duration": duration_ms})


def cleared_text() -> str:
    """The platform's answer to ``clear``."""
    return jsontext.dumps({"event": CLEARED})


def notify_text(payload: object) -> str:
    """The platform's word that a marker was reached."""
    return jsontext.dumps({"event": NOTIFY, "payload": payload})


@dataclass(frozen=True, slots=True)
class ClearCommand:
    """Drop everything queued, stop at once."""


@dataclass(frozen=True, slots=True)
class NotifyCommand:
    """Say when the audio sent so far has been played."""

    payload: JsonObject


@dataclass(frozen=True, slots=True)
class BadCommand:
    """A known command that lacks something; ``problem`` is half a sentence."""

    problem: str


Command = ClearCommand | NotifyCommand | BadCommand | UnknownMessage
ServerMessage = Command | NotJson


def parse_server_text(text: str) -> ServerMessage:
    """Read a text message from the server, as the platform does; never raises."""
    try:
        value = jsontext.loads(text)
    except ValueError as error:
        return NotJson(str(error))
    match value:
        case {"action": "clear"}:
            return ClearCommand()
        case {"action": "notify", "payload": dict(payload)}:
            return NotifyCommand(payload)
        case {"action": "notify", "payload": _}:
            return BadCommand("notify has a payload that isn't an object")
        case {"action": "notify"}:
            return BadCommand("notify has no payload")
        case _:
            return UnknownMessage(value)


def clear_text() -> str:
    """Our command to drop what the platform has queued."""
    return jsontext.dumps({"action": "clear"})


def notify_command_text(payload: JsonObject) -> str:
    """Our command to be told when the audio so far has been played."""
    return jsontext.dumps({"action": "notify", "payload": payload})


def _connected(value: JsonObject) -> ConnectedMessage:
    content_type = value.get("content-type")
    headers = {key: item for key, item in value.items() if key not in ("event", "content-type")}
    return ConnectedMessage(content_type if isinstance(content_type, str) else "", headers)


def _dtmf(value: JsonObject) -> DtmfMessage | UnknownMessage:
    nested = value.get("dtmf")
    press = nested if isinstance(nested, dict) else value
    digit = press.get("digit", nested)
    duration = press.get("duration")
    if (
        isinstance(digit, bool)
        or not isinstance(digit, str | int)
        or len(str(digit)) != 1
        or not str(digit).isprintable()
    ):
        return UnknownMessage(value)
    duration_ms = duration if isinstance(duration, int) and not isinstance(duration, bool) else None
    return DtmfMessage(str(digit), duration_ms)


def describe(value: object) -> str:
    """A message of an unknown kind in few words: its action or event, or what sort of JSON it is."""
    if isinstance(value, dict):
        for key in ("action", "event"):
            if key in value:
                return f"{key} {str(value[key])[:40]!r}"
        return "an object without an action"
    return f"{_KINDS[type(value)]} in place of an object"


_KINDS: Final = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
}
"""What JSON calls what isn't an object."""
