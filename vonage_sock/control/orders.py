"""
What is ordered and what is told, as values, and the checks of what a person gives.

Rule: nothing here asks anybody. What the API or a person says wrong is an empty text or one sentence, never a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vonage_sock.errors import UsageError

LIVE: Final = frozenset({"started", "ringing", "answered", "machine", "human"})

JsonObject = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_SHORT = re.compile(r"[0-9a-f-]{4,35}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[1-9]\d{6,14}", re.ASCII)
_DIGITS = re.compile(r"[0-9*#pP]{1,500}", re.ASCII)
_SEPARATORS: Final = str.maketrans("", "", " -.()/\u00a0")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOrder:
    """
    A call to be placed.

    Args:
        to: the number to call, E.164 without the plus.
        from_number: one of the application's; a random one of them when None.
        answer_url: is asked for the NCCO, unless ``ncco`` holds it.
        event_url: is told of the call's course.
        ringing_s: how long it rings at most, 1 to 120.
        length_s: when the platform hangs up, from the answer on, 1 to 86,400.
    """

    to: str
    from_number: str | None = None
    answer_url: str | None = None
    ncco: Sequence[Mapping[str, Any]] | None = None
    event_url: str | None = None
    ringing_s: int = 60
    length_s: int = 7200

    def body(self) -> JsonObject:
        """What ``POST /v1/calls`` takes."""
        body: JsonObject = {
            "to": [{"type": "phone", "number": self.to}],
            "ringing_timer": self.ringing_s,
            "length_timer": self.length_s,
        }
        if self.from_number is None:
            body["random_from_number"] = True
        else:
            body["from"] = {"type": "phone", "number": self.from_number}
        if self.ncco is not None:
            body["ncco"] = [dict(action) for action in self.ncco]
        else:
            body |= {"answer_url": [self.answer_url], "answer_method": "GET"}
        if self.event_url is not None:
            body |= {"event_url": [self.event_url], "event_method": "POST"}
        return body


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that was ordered: its phone leg's uuid, and the conversation that its legs share."""

    uuid: str
    conversation_uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """One leg as the API tells it; what isn't known yet is None. Times are texts in UTC: ``2026-02-03 10:00:01``."""

    uuid: str
    conversation_uuid: str
    status: str
    direction: str
    from_: str
    to: str
    start_time: str | None = None
    end_time: str | None = None
    duration: str | None = None
    price: str | None = None
    rate: str | None = None
    network: str | None = None

    @property
    def is_live(self) -> bool:
        """It rings, or somebody talks."""
        return self.status in LIVE


def is_uuid(text: str) -> bool:
    """Whether it is a call's: 36 letters, or 32 without dashes as some calls from a telephone have it."""
    return _UUID.fullmatch(text) is not None


def check_number(text: str, *, what: str) -> str:
    """
    A telephone number as the API takes it: E.164, digits alone.

    A plus, 00 and what people write between digits is taken away.

    Raises:
        UsageError: it isn't one; what was given is not repeated whole.
    """
    digits = text.strip().translate(_SEPARATORS)
    digits = digits.removeprefix("+") if digits.startswith("+") else digits.removeprefix("00")
    if not _NUMBER.fullmatch(digits):
        raise UsageError(
            f"{what} isn't a number with its country's code; give 7 to 15 digits, such as 447700900001 or +44 7700 900001"
        )
    return digits


def check_uuid(text: str, *, whole: bool = False) -> str:
    """
    A call's uuid, or with ``whole`` false its beginning.

    Raises:
        UsageError: it can't be one.
    """
    if text.upper().startswith("CON-"):
        raise UsageError(f"{text!r} is a conversation's id; give the uuid of a call in it, which vsock calls lists")
    if not is_uuid(text) and (whole or not _SHORT.fullmatch(text)):
        raise UsageError(f"{text!r} isn't a call's uuid; it stands in the call's webhooks, and vsock calls lists it")
    return text


def check_digits(text: str) -> str:
    """
    Keys to be pressed.

    Raises:
        UsageError: one isn't a key.
    """
    if not _DIGITS.fullmatch(text):
        raise UsageError("these aren't keys; give 0-9 * # and p for a pause of half a second, such as 12p#")
    return text.lower()


def read_call(leg: object) -> CallInfo:
    """One leg of the API's answer; whatever it lacks is an empty text, or None."""
    body = leg if isinstance(leg, dict) else {}
    return CallInfo(
        uuid=text_in(body, "uuid"),
        conversation_uuid=text_in(body, "conversation_uuid"),
        status=text_in(body, "status"),
        direction=text_in(body, "direction"),
        from_=_endpoint(body.get("from")),
        to=_endpoint(body.get("to")),
        **{name: text_in(body, name) or None for name in _LATER},
    )


_LATER: Final = ("start_time", "end_time", "duration", "price", "rate", "network")


def _endpoint(value: object) -> str:
    if isinstance(value, str):
        return value
    names = ("number", "uri", "user", "extension")
    return next(filter(None, (text_in(value, name) for name in names)), "") if isinstance(value, dict) else ""


def text_in(body: object, name: str) -> str:
    """The text under this name; empty where there is none."""
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""
