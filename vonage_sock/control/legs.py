"""
Which leg is the websocket's: its uuid is told nowhere but in its own events.

Rule: events in, uuids out; order isn't guaranteed, events may come twice, and those of many calls come mixed.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

MAX_CONVERSATIONS: Final = 10_000
MAX_LEGS: Final = 20
"""So many websocket legs of one conversation are kept."""

ENDED: Final = frozenset(
    {"completed", "failed", "rejected", "busy", "cancelled", "timeout", "unanswered", "disconnected"}
)

JsonObject = dict[str, Any]


@dataclass(slots=True)
class _SocketLeg:
    uuid: str
    uri: str
    headers: JsonObject
    ended: bool = False


@dataclass(slots=True)
class SocketLegs:
    """
    Follows the legs' events.

    A websocket's leg is one whose ``to`` (or, where it was called by REST, ``from``) is an address of a websocket. It shares
    its ``conversation_uuid`` with the phone's leg, and its events carry the metadata of the NCCO's endpoint.
    """

    _found: OrderedDict[str, dict[str, _SocketLeg]] = field(default_factory=OrderedDict)

    def event(self, body: JsonObject) -> None:
        """An event webhook came."""
        uuid, conversation, uri = body.get("uuid"), body.get("conversation_uuid"), _socket_uri(body)
        if not isinstance(uuid, str) or not isinstance(conversation, str) or uri is None:
            return
        legs = self._found.setdefault(conversation, {})
        self._found.move_to_end(conversation)
        leg = legs.get(uuid)
        if leg is None:
            leg = legs[uuid] = _SocketLeg(uuid, uri, {})
            if len(legs) > MAX_LEGS:
                del legs[next(iter(legs))]
        headers = body.get("headers")
        leg.headers = headers if isinstance(headers, dict) and headers else leg.headers
        leg.ended = leg.ended or body.get("status") in ENDED
        while len(self._found) > MAX_CONVERSATIONS:
            self._found.popitem(last=False)

    def find(self, conversation_uuid: object, headers: JsonObject | None = None) -> str | None:
        """
        The websocket leg of this conversation that isn't over; the newest, where there are several.

        Args:
            headers: the metadata that came with the socket; of several legs the one with the same.
        """
        legs = self._found.get(conversation_uuid, {}) if isinstance(conversation_uuid, str) else {}
        live = [leg for leg in legs.values() if not leg.ended]
        same = [leg for leg in live if headers and _plain(leg.headers) == _plain(headers)]
        return (same or live)[-1].uuid if live else None

    def find_by_headers(self, headers: JsonObject) -> str | None:
        """The same for a socket whose metadata names its conversation (``conversation_uuid``), as our NCCO's does."""
        named = self.find(headers.get("conversation_uuid"), headers)
        if named is not None or not headers:
            return named
        for legs in reversed(self._found.values()):
            for leg in reversed(legs.values()):
                if not leg.ended and _plain(leg.headers) == _plain(headers):
                    return leg.uuid
        return None


def _socket_uri(body: JsonObject) -> str | None:
    for name in ("to", "from"):
        value = body.get(name)
        if isinstance(value, str) and value.strip().lower().startswith(("ws:", "wss:")):
            return value.strip()
    return None


def _plain(headers: JsonObject) -> str:
    return json.dumps(headers, sort_keys=True, default=str)
