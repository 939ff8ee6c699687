"""What is answered: legs, lists of them with their links, and problems, as Vonage's API writes them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from vonage_sock.simulator.api.reading import Filter
from vonage_sock.simulator.control import LegRecord

BASE_PATH: Final = "/v1/calls"

JsonObject = dict[str, Any]

_TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Payload Too Large",
    429: "Rate Limit Hit",
    500: "Internal Error",
    503: "Service Unavailable",
}


def problem(
    status: int, detail: str, *, instance: str, invalid_parameters: tuple[tuple[str, str], ...] = ()
) -> JsonObject:
    """Something that can't be done, and why; ``instance`` is the request's own id."""
    title = _TITLES.get(status, "Error")
    body: JsonObject = {
        "type": f"https://developer.vonage.com/api-errors#{title.lower().replace(' ', '-')}",
        "title": title,
        "detail": detail,
        "instance": instance,
    }
    if invalid_parameters:
        body["invalid_parameters"] = [{"name": name, "reason": reason} for name, reason in invalid_parameters]
    return body


def leg_body(leg: LegRecord) -> JsonObject:
    """
    One leg; what is only known at its end is left out before.

    Source: Voice API reference, "GetCallResponse": times as ``2020-01-01 12:00:00``.
    """
    body: JsonObject = {
        "_links": {"self": {"href": f"{BASE_PATH}/{leg.uuid}"}},
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
        "to": leg.endpoint or {"type": "phone", "number": leg.to},
        "from": {"type": "phone", "number": leg.from_},
        "status": leg.status,
        "direction": leg.direction,
    }
    if leg.start_time is not None:
        body["start_time"] = _moment(leg.start_time)
    ended = {key: _moment(value) if key == "end_time" else value for key, value in leg.ended.items()}
    return body | ended


def list_body(legs: list[LegRecord], wanted: Filter, query: dict[str, str]) -> JsonObject:
    """A page of those that are wanted, with links to the others."""
    found = [leg for leg in legs if _is_wanted(leg, wanted)]
    if wanted.descending:
        found.reverse()
    size, first = wanted.page_size, wanted.record_index
    last = max(0, len(found) - 1) // size * size
    links = {"self": first, "first": 0, "last": last}
    if first > 0:
        links["prev"] = max(0, first - size)
    if first + size < len(found):
        links["next"] = first + size
    return {
        "count": len(found),
        "page_size": size,
        "record_index": first,
        "_links": {name: {"href": _page(query, size, index)} for name, index in links.items()},
        "_embedded": {"calls": [leg_body(leg) for leg in found[first : first + size]]},
    }


def _is_wanted(leg: LegRecord, wanted: Filter) -> bool:
    return (
        wanted.status in (None, leg.status)
        and wanted.conversation_uuid in (None, leg.conversation_uuid)
        and (wanted.date_start is None or leg.begun_at >= wanted.date_start)
        and (wanted.date_end is None or leg.begun_at < wanted.date_end)
    )


def _page(query: dict[str, str], size: int, index: int) -> str:
    return f"{BASE_PATH}?{urlencode(query | {'page_size': str(size), 'record_index': str(index)})}"


def _moment(iso: str) -> str:
    return iso[:19].replace("T", " ")
