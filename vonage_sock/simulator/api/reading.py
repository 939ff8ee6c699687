"""
What is asked: the bodies and queries of ``/v1/calls``, checked.

Rule: what is documented is taken, a wrong type or value is told by its name, and a field that isn't known is passed over, as
new ones come.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import Ncco, WebsocketEndpoint, read_ncco, websocket_endpoint
from vonage_sock.simulator.leg.dtmf import KeyPress, parse_digits
from vonage_sock.simulator.webhooks.posting import Destination

MAX_ACTIONS: Final = 100
MAX_TEXT: Final = 1_500
MAX_NAME: Final = 200
MAX_URL: Final = 2_000
MAX_LOOP: Final = 1_000_000
STATUSES: Final = (
    "started",
    "ringing",
    "answered",
    "machine",
    "completed",
    "busy",
    "cancelled",
    "failed",
    "rejected",
    "timeout",
    "unanswered",
)
SIMPLE_ACTIONS: Final = ("hangup", "mute", "unmute", "earmuff", "unearmuff")

JsonObject = dict[str, Any]

_NUMBER = re.compile(r"\+?\d{3,15}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{2,4})?", re.ASCII)
_NAMES: Final = {"phone": "number", "sip": "uri", "vbc": "extension", "app": "user"}
"""What an endpoint of each type is called by."""


class BadRequestError(Exception):
    """A body or query that can't be used: the names of what is wrong, and why."""

    def __init__(self, problems: tuple[tuple[str, str], ...], detail: str = "") -> None:
        super().__init__(detail or "The request has parameters that can't be used")
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """
    A call to be made.

    Args:
        to: the endpoint, as it was given; ``socket`` is the same where it is a websocket.
        length_s: when the platform hangs up, from the answer on.
        ringing_s: how long it rings at most.
    """

    to: JsonObject
    to_name: str
    from_number: str
    socket: WebsocketEndpoint | None = None
    ncco: Ncco | None = None
    answer: Destination | None = None
    events: Destination | None = None
    length_s: int = 7200
    ringing_s: int = 60


@dataclass(frozen=True, slots=True)
class Modification:
    """What to do with a leg; ``destination`` is an NCCO or its address, of a transfer."""

    action: str
    destination: Ncco | str | None = None


@dataclass(frozen=True, slots=True)
class Playing:
    """What a leg is to hear: a text or the address of a file; ``times`` 0 is for ever."""

    what: str
    times: int
    level: float
    voice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which legs to list; times are ISO 8601 in UTC with milliseconds."""

    status: str | None = None
    date_start: str | None = None
    date_end: str | None = None
    conversation_uuid: str | None = None
    page_size: int = 10
    record_index: int = 0
    descending: bool = False


@dataclass(slots=True)
class _Fields:
    """Takes values out of an object and notes what is wrong with them."""

    values: JsonObject
    problems: list[tuple[str, str]] = field(default_factory=list)

    def wrong(self, name: str, reason: str) -> None:
        self.problems.append((name, reason))

    def check(self) -> None:
        if self.problems:
            raise BadRequestError(tuple(self.problems))

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(name, f"must be a whole number from {low} to {high}")
            return default
        return value

    def one_of(self, name: str, default: str, *known: str) -> str:
        value = self.values.get(name, default)
        if value not in known:
            self.wrong(name, f"must be {' or '.join(known)}")
            return default
        return str(value)

    def url(self, name: str) -> str | None:
        """The one address of an array."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], str):
            self.wrong(name, "must be an array of one address")
        elif not _is_web_address(value[0]):
            self.wrong(name, "must hold an address that begins with http:// or https://")
        else:
            return value[0]
        return None

    def needed_url(self, name: str) -> str:
        if self.values.get(name) is None:
            self.wrong(name, "is missing")
        return self.url(name) or ""

    def level(self) -> float:
        value = self.values.get("level", 0)
        try:
            number = math.nan if isinstance(value, bool) else float(value if len(str(value)) < 20 else "nan")
        except (TypeError, ValueError):
            number = math.nan
        if not -1 <= number <= 1:
            self.wrong("level", "must be a number from -1 to 1")
            return 0.0
        return number


def json_object(body: bytes) -> JsonObject:
    """
    A request's body.

    Raises:
        BadRequestError: it isn't a JSON object.
    """
    try:
        value = jsontext.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError((), f"The body isn't JSON: {str(error)[:100]}") from error
    if not isinstance(value, dict):
        raise BadRequestError((), "The body must be a JSON object")
    return value


def read_create(values: JsonObject) -> CallRequest:
    """
    ``POST /v1/calls``.

    Raises:
        BadRequestError: it can't be made a call.
    """
    fields = _Fields(values)
    to, name, socket = _read_to(fields)
    answer_url = fields.url("answer_url")
    event_url = fields.url("event_url")
    event_method = fields.one_of("event_method", "POST", "POST", "GET")
    answer_method = fields.one_of("answer_method", "GET", "GET", "POST")
    if ("ncco" in values) == ("answer_url" in values):
        fields.wrong("ncco", "give either ncco or answer_url")
    if "machine_detection" in values:
        fields.one_of("machine_detection", "continue", "continue", "hangup")
    request = CallRequest(
        to=to,
        to_name=name,
        socket=socket,
        from_number=_read_from(fields, to),
        ncco=_ncco_in(fields, "ncco", values["ncco"]) if "ncco" in values else None,
        answer=None if answer_url is None else Destination(answer_url, answer_method),
        events=None if event_url is None else Destination(event_url, event_method),
        length_s=fields.whole("length_timer", 7200, 1, 86400),
        ringing_s=fields.whole("ringing_timer", 60, 1, 120),
    )
    fields.check()
    return request


def _read_to(fields: _Fields) -> tuple[JsonObject, str, WebsocketEndpoint | None]:
    to = fields.values.get("to")
    if not isinstance(to, list) or len(to) != 1 or not isinstance(to[0], dict):
        fields.wrong("to", "must be an array of one endpoint")
        return {}, "", None
    endpoint: JsonObject = to[0]
    if endpoint.get("type") == "websocket":
        try:
            socket = websocket_endpoint({"endpoint": to})
        except ValueError as error:
            fields.wrong("to", f"the websocket {error}")
            return {}, "", None
        for problem in socket.problems if socket is not None else ():
            fields.wrong("to", problem)
        return endpoint, "" if socket is None else socket.uri, socket
    key = _NAMES.get(str(endpoint.get("type")))
    if key is None:
        fields.wrong("to", "its type must be phone, sip, websocket, vbc or app")
        return {}, "", None
    name = endpoint.get(key)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        fields.wrong("to", f"{key!r} is missing or no text")
        return {}, "", None
    if key == "number" and not _NUMBER.fullmatch(name):
        fields.wrong("to", "the number must be E.164: digits alone, with the country's code")
    return endpoint, name, None


def _read_from(fields: _Fields, to: JsonObject) -> str:
    value = fields.values.get("from")
    random = fields.values.get("random_from_number", False)
    if not isinstance(random, bool):
        fields.wrong("random_from_number", "must be true or false")
    if (value is None) == (random is not True):
        fields.wrong("from", "give either from or random_from_number")
        return ""
    if value is None:
        return "447700900001"
    if isinstance(value, dict):
        value = value.get("number", value.get("uri"))
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        fields.wrong("from", "must be an endpoint with a number")
        return ""
    if to.get("type") == "phone" and not _NUMBER.fullmatch(value):
        fields.wrong("from", "the number must be E.164: digits alone, with the country's code")
    return value


def _ncco_in(fields: _Fields, name: str, value: object) -> Ncco | None:
    try:
        ncco = read_ncco(value)
    except ValueError as error:
        fields.wrong(name, f"the NCCO {error}")
        return None
    if len(ncco) > MAX_ACTIONS:
        fields.wrong(name, f"the NCCO has more than {MAX_ACTIONS} actions")
    return ncco


def read_modification(values: JsonObject) -> Modification:
    """
    ``PUT /v1/calls/{uuid}``.

    Raises:
        BadRequestError: the action isn't known, or a transfer leads nowhere.
    """
    fields = _Fields(values)
    action = values.get("action")
    if action in SIMPLE_ACTIONS:
        return Modification(str(action))
    if action != "transfer":
        raise BadRequestError((("action", f"must be {', '.join(SIMPLE_ACTIONS)} or transfer"),))
    destination = values.get("destination")
    if not isinstance(destination, dict) or destination.get("type") != "ncco":
        raise BadRequestError((("destination", "must be an object of type ncco"),))
    fields.values = destination
    if ("ncco" in destination) == ("url" in destination):
        raise BadRequestError((("destination", "give either ncco or url"),))
    where = _ncco_in(fields, "ncco", destination["ncco"]) if "ncco" in destination else fields.url("url")
    fields.check()
    return Modification("transfer", where)


def read_stream(values: JsonObject) -> Playing:
    """
    ``PUT /v1/calls/{uuid}/stream``.

    Raises:
        BadRequestError: there is nothing that could be played.
    """
    fields = _Fields(values)
    playing = Playing(fields.needed_url("stream_url"), fields.whole("loop", 1, 0, MAX_LOOP), fields.level())
    fields.check()
    return playing


def read_talk(values: JsonObject) -> Playing:
    """
    ``PUT /v1/calls/{uuid}/talk``.

    Raises:
        BadRequestError: there is nothing that could be said.
    """
    fields = _Fields(values)
    text = values.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
        fields.wrong("text", f"must be a text of 1 to {MAX_TEXT} letters")
        text = ""
    language = values.get("language")
    if language is not None and (not isinstance(language, str) or not _LANGUAGE.fullmatch(language)):
        fields.wrong("language", "must be a code such as en-US")
    voice = language.lower() if isinstance(language, str) else None
    playing = Playing(text, fields.whole("loop", 1, 0, MAX_LOOP), fields.level(), voice)
    fields.check()
    return playing


def read_digits(values: JsonObject) -> tuple[KeyPress, ...]:
    """
    ``PUT /v1/calls/{uuid}/dtmf``.

    Raises:
        BadRequestError: they aren't digits.
    """
    digits = values.get("digits")
    try:
        return parse_digits(digits if isinstance(digits, str) else "")
    except ValueError as error:
        raise BadRequestError((("digits", str(error)),)) from error


def read_listener(values: JsonObject) -> Destination:
    """
    ``PUT /v1/calls/{uuid}/input/dtmf``.

    Raises:
        BadRequestError: there is no address.
    """
    fields = _Fields(values)
    url = fields.needed_url("event_url")
    fields.check()
    return Destination(url)


def read_filter(query: dict[str, str]) -> Filter:
    """
    The query of ``GET /v1/calls``.

    Raises:
        BadRequestError: a value that isn't documented.
    """
    fields = _Fields(dict(query))
    for name in ("page_size", "record_index"):
        if name in query:
            fields.values[name] = int(query[name]) if re.fullmatch(r"\d{1,9}", query[name], re.ASCII) else None
    result = Filter(
        status=fields.one_of("status", STATUSES[0], *STATUSES) if "status" in query else None,
        date_start=_moment(fields, "date_start"),
        date_end=_moment(fields, "date_end"),
        conversation_uuid=query.get("conversation_uuid"),
        page_size=fields.whole("page_size", 10, 1, 100),
        record_index=fields.whole("record_index", 0, 0, 10**9),
        descending=fields.one_of("order", "asc", "asc", "desc") == "desc",
    )
    fields.check()
    return result


def _moment(fields: _Fields, name: str) -> str | None:
    """A time as our own records have it, so that texts can be compared."""
    text = fields.values.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        fields.wrong(name, "must be a time such as 2016-11-14T07:45:14Z")
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and len(text) <= MAX_URL and text.isprintable()
        )
    except ValueError:
        return False
