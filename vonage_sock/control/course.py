"""
How a call that we placed goes, in words: what its events, or the API when it is asked, tell of its legs.

Rule: values in, sentences out; no time is read and nobody is asked. Events may come twice, late and out of order, and
whatever a state is told by, it is told once.

Source: Voice API webhook reference, "Event webhook": statuses, and the details of those that end a call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from vonage_sock.clock import SECOND
from vonage_sock.control.orders import CallInfo, text_in
from vonage_sock.protocol.harmless import visible

JsonObject = dict[str, Any]

MAX_SAID: Final = 200
FIRST_LOOK_NS: Final = 5 * SECOND
LAST_LOOK_NS: Final = 60 * SECOND

UNREACHED: Final = {
    "busy": "the line is busy",
    "unanswered": "nobody answered",
    "timeout": "nobody answered in time",
    "rejected": "the call was rejected",
    "failed": "the call couldn't be connected",
    "cancelled": "the call was cancelled before anybody answered",
}
"""The statuses that end a call which nobody answered."""

DETAILS: Final = {
    "unavailable": "the phone can't be reached now",
    "timeout": "it rang until its time was up",
    "carrier_timeout": "the carrier gave up",
    "invalid_number": "there is no such number",
    "restricted": "the number may not be called from this account",
    "declined": "the call was declined",
    "cannot_route": "there is no route to this number",
    "number_out_of_service": "the number is out of service",
    "internal_error": "a fault of Vonage's own",
}
SIP_CODES: Final = {
    401: "not allowed",
    403: "forbidden",
    404: "no such number",
    408: "no answer in time",
    410: "the number is gone",
    480: "temporarily unavailable",
    484: "the number is incomplete",
    486: "busy",
    487: "cancelled",
    488: "no common codec",
    503: "service unavailable",
    600: "busy everywhere",
    603: "declined",
}
UNCLEAR: Final = frozenset({"unavailable", "cannot_route", "internal_error", "carrier_timeout"})
PLAIN_CODES: Final = {"busy": (486, 600), "unanswered": (408, 480), "rejected": (603,), "cancelled": (487,)}
"""The codes that say no more than the status does."""

ENDED_BY: Final = {"user": "the other side hung up", "platform": "Vonage ended it"}


class Outcome(Enum):
    """What became of it."""

    UNDER_WAY = "under way"
    TALKED = "talked"
    """Somebody answered, and it is over."""

    UNREACHED = "unreached"
    """It is over, and nobody answered."""


@dataclass(slots=True)
class Course:
    """
    One call.

    Args:
        uuid: of its phone leg.
        placed_at: when it was ordered, in nanoseconds.
    """

    uuid: str
    conversation_uuid: str
    placed_at: int
    answered_at: int | None = None
    over: bool = False
    socket_open: bool = False
    fault: str = ""
    """What Vonage couldn't do in an answered call, such as to connect our socket."""

    hung_up_by_us: bool = False
    _told_at: int = 0
    _patience_ns: int = FIRST_LOOK_NS
    _seen: set[tuple[str, str]] = field(default_factory=set)

    @property
    def outcome(self) -> Outcome:
        """What became of it so far."""
        if not self.over:
            return Outcome.UNDER_WAY
        return Outcome.UNREACHED if self.answered_at is None else Outcome.TALKED

    def concerns(self, body: JsonObject) -> bool:
        """Whether an event is about this call, or about another that uses the same server."""
        uuids = (body.get("uuid"), body.get("call_uuid"))
        return self.uuid in uuids or (
            bool(self.conversation_uuid) and body.get("conversation_uuid") == self.conversation_uuid
        )

    def event(self, body: JsonObject, now: int) -> list[str]:
        """An event webhook came; what there is to say about it."""
        if not self.concerns(body):
            return []
        self.news(now)
        if body.get("conversation_uuid_to") and body.get("uuid") == self.uuid:
            self.conversation_uuid = text_in(body, "conversation_uuid_to")
            return []
        status = text_in(body, "status")
        if not status:
            return self._say_error(body)
        if self.uuid in (body.get("uuid"), body.get("call_uuid")):
            return self._say_phone(status, body, now)
        if text_in(body, "to").lower().startswith(("ws:", "wss:")):
            return self._say_socket(status, body)
        return []

    def news(self, now: int) -> None:
        """It was heard of."""
        self._told_at, self._patience_ns = now, FIRST_LOOK_NS

    def wants_a_look(self, now: int) -> bool:
        """Whether it was silent for so long that the API is to be asked; each time after twice as long."""
        if self.over or now - self._told_at < self._patience_ns:
            return False
        self._told_at, self._patience_ns = now, min(2 * self._patience_ns, LAST_LOOK_NS)
        return True

    def polled(self, info: CallInfo, now: int) -> list[str]:
        """The API was asked how the call stands."""
        body = {"duration": info.duration, "price": info.price}
        return self._say_phone(info.status, body, now)

    def _say_phone(self, status: str, body: JsonObject, now: int) -> list[str]:
        if self.over or self._is_known("phone", status):
            return []
        if status in UNREACHED:
            self.over = True
            return [_unreached(status, body)]
        match status:
            case "ringing" if self.answered_at is None:
                return ["it rings"]
            case "answered":
                self.answered_at = now
                return [f"answered after {(now - self.placed_at) / SECOND:.1f} s"]
            case "human":
                return ["a person has answered"]
            case "machine":
                return ["an answering machine has answered"]
            case "completed":
                self.over = True
                return [self._completed(body)]
        return []

    def _completed(self, body: JsonObject) -> str:
        duration = _amount(body.get("duration"))
        if duration:
            # The platform counts from the answer, whose own event may be lost.
            self.answered_at = self.placed_at if self.answered_at is None else self.answered_at
        by = "we hung up" if self.hung_up_by_us else ENDED_BY.get(text_in(body, "disconnected_by"), "")
        price = _amount(body.get("price"))
        parts = [
            "the call is over",
            f"it lasted {duration} s" if duration else "",
            by,
            f"price {price} EUR" if price and float(price) else "",
        ]
        return ", ".join(part for part in parts if part)

    def _say_socket(self, status: str, body: JsonObject) -> list[str]:
        if self._is_known(f"socket {body.get('uuid')}", status):
            return []
        if status == "answered":
            self.socket_open = True
            return ["our socket is connected to the call"]
        if status in UNREACHED and not self.over:
            self.fault = f"Vonage couldn't connect our socket ({status}{_because(body)})"
            return [f"{self.fault}; is the public address right, and the tunnel open?"]
        return []

    def _say_error(self, body: JsonObject) -> list[str]:
        reason = text_in(body, "reason")
        if not reason or self._is_known("error", reason):
            return []
        self.fault = f"Vonage reports an error: {visible(reason[:MAX_SAID])}"
        return [self.fault]

    def _is_known(self, what: str, status: str) -> bool:
        known = (what, status) in self._seen
        if len(self._seen) < MAX_SAID:
            self._seen.add((what, status))
        return known


def _unreached(status: str, body: JsonObject) -> str:
    return UNREACHED[status] + _because(body)


def _because(body: JsonObject) -> str:
    """The detail, or where there is none what the SIP code means; a status that says it all needs neither."""
    detail, code = text_in(body, "detail"), body.get("sip_code")
    sip = f"SIP {code}, {SIP_CODES[code]}" if isinstance(code, int) and code in SIP_CODES else ""
    if detail:
        said = DETAILS.get(detail, visible(detail[:MAX_SAID]).replace("_", " "))
        return f": {said} ({sip})" if sip and detail in UNCLEAR else f": {said}"
    return f": {sip}" if sip and code not in PLAIN_CODES.get(text_in(body, "status"), ()) else ""


def _amount(value: object) -> str:
    """A number as the platform writes it, without the zeros behind it; empty where it is none."""
    try:
        number = float(str(value)[:20])
    except ValueError:
        return ""
    return f"{number:.8f}".rstrip("0").rstrip(".") if 0 <= number < 1e9 else ""
