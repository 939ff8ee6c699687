"""
Webhooks: the parameters of a call, and the events that the platform posts.

Source: Vonage webhook reference ("Answer webhook", "Event webhook", "Fallback URL").
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vonage_sock.protocol import jsontext

ANSWER_PATH: Final = "/webhooks/answer"
EVENT_PATHS: Final = ("/webhooks/event", "/webhooks/events")
FALLBACK_PATH: Final = "/webhooks/fallback"
SOCKET_PATH: Final = "/socket"
HEALTH_PATH: Final = "/health"
REGION_URL: Final = "https://api.nexmo.com"

FALLBACK_STATUSES: Final = frozenset({"failed", "unanswered", "disconnected"})
"""After these events of a websocket leg, Vonage runs an NCCO that a synchronous event's answer holds."""

JsonObject = dict[str, Any]


def event_kind(body: JsonObject) -> str:
    """
    What an event tells, in one word: its status, or the kind that its fields give away.

    Source: the order in which Vonage's .NET SDK tells events apart.
    """
    status = body.get("status")
    if isinstance(status, str) and status:
        return status
    for key, kind in _KINDS_BY_KEY:
        if key in body:
            return kind
    return "unknown"


_KINDS_BY_KEY: Final = (
    ("conversation_uuid_from", "transfer"),
    ("speech", "input"),
    ("dtmf", "input"),
    ("recording_url", "record"),
    ("reason", "error"),
    ("payload", "notify"),
)


@dataclass(frozen=True, slots=True)
class Leg:
    """Who takes part in a call, as every webhook about that leg says it. Numbers are E.164 without the plus."""

    uuid: str
    conversation_uuid: str
    from_: str
    to: str
    direction: str = "inbound"
    headers: JsonObject | None = None
    endpoint_type: str = "phone"

    def answer_params(self, region_url: str = REGION_URL) -> dict[str, str]:
        """
        The parameters of the answer webhook, all of them texts.

        Args:
            region_url: where the REST API of this call is.
        """
        return {
            "to": self.to,
            "from": self.from_,
            "uuid": self.uuid,
            "conversation_uuid": self.conversation_uuid,
            "endpoint_type": self.endpoint_type,
            "region_url": region_url,
        }

    def event(self, status: str, *, timestamp: str, **fields: object) -> JsonObject:
        """The body of an event webhook; ``timestamp`` is ISO 8601 in UTC with milliseconds."""
        body: JsonObject = {
            "headers": self.headers or {},
            "from": self.from_,
            "to": self.to,
            "uuid": self.uuid,
            "conversation_uuid": self.conversation_uuid,
            "status": status,
            "direction": self.direction,
            "timestamp": timestamp,
        }
        if status == "answered":
            body |= {"start_time": None, "rate": None, "network": None}
        if status == "disconnected":
            del body["direction"]
        return body | fields

    def input_event(self, *, timestamp: str, **inputs: JsonObject) -> JsonObject:
        """What an ``input`` action collected: ``dtmf``, ``speech`` or both."""
        return {
            **inputs,
            "from": self.from_,
            "to": self.to,
            "uuid": self.uuid,
            "conversation_uuid": self.conversation_uuid,
            "timestamp": timestamp,
        }

    def conversation_event(self, *, timestamp: str, **fields: object) -> JsonObject:
        """An event about the whole conversation: a recording, a ``notify`` action's payload, an error."""
        return {**fields, "conversation_uuid": self.conversation_uuid, "timestamp": timestamp}

    def transfer_event(self, conversation_uuid: str, *, timestamp: str) -> JsonObject:
        """The leg has gone to another conversation."""
        return {
            "conversation_uuid_from": self.conversation_uuid,
            "conversation_uuid_to": conversation_uuid,
            "uuid": self.uuid,
            "timestamp": timestamp,
        }


def completed_fields(*, start_time: str | None, end_time: str, duration_s: float, by: str) -> JsonObject:
    """What only ``completed`` has; prices are texts in euros, and here always zero."""
    return {
        "start_time": start_time,
        "end_time": end_time,
        "duration": str(round(duration_s)),
        "rate": "0.00000000",
        "price": "0.00000000",
        "network": "vsock",
        "sip_code": 200,
        "disconnected_by": by,
    }


def fallback_request(original: JsonObject, *, url: str, kind: str, reason: str) -> JsonObject:
    """What the fallback URL is asked with; ``kind`` is answer or event."""
    return {**original, "reason": reason, "original_request": {"url": url, "type": kind}}


def failed_kind(params: Mapping[str, object]) -> str:
    """Which request failed, that the fallback URL is asked in its place: ``event``, else ``answer``."""
    original = params.get("original_request")
    if isinstance(original, str):
        with contextlib.suppress(ValueError):
            original = jsontext.loads(original)
    return "event" if isinstance(original, dict) and original.get("type") == "event" else "answer"
