"""Which leg is the websocket's."""

from __future__ import annotations

import itertools
from typing import Any

from vonage_sock.control.legs import MAX_CONVERSATIONS, SocketLegs

URI = "wss://example.com/socket"


def event(uuid: str, status: str, *, conversation: str = "CON-1", to: str = URI, **headers: Any) -> dict[str, Any]:
    """An event webhook's body."""
    return {"uuid": uuid, "conversation_uuid": conversation, "status": status, "to": to, "headers": headers}


def legs_of(*events: dict[str, Any]) -> SocketLegs:
    """After these."""
    legs = SocketLegs()
    for body in events:
        legs.event(body)
    return legs


PHONE = event("phone", "answered", to="447700900001")


def test_the_socket_leg_is_told_from_the_phones() -> None:
    """It shares the conversation, and its own events alone name it."""
    legs = legs_of(PHONE, event("socket", "started"), event("socket", "answered"))

    assert ("socket", None, None) == (legs.find("CON-1"), legs.find("CON-2"), legs.find(None))


def test_in_whatever_order_events_come() -> None:
    """Ringing before started, answered twice: the leg is the same."""
    events = [PHONE, event("socket", "started"), event("socket", "answered"), event("socket", "answered")]

    assert {"socket"} == {legs_of(*order).find("CON-1") for order in itertools.permutations(events)}


def test_a_leg_that_is_over_is_not_hung_up() -> None:
    """Also where its last event overtook another; a new leg of the same call takes its place."""
    over = legs_of(event("a", "completed"), event("a", "answered"))
    again = legs_of(event("a", "answered"), event("a", "disconnected"), event("b", "started"))

    assert (None, "b") == (over.find("CON-1"), again.find("CON-1"))


def test_two_sockets_of_one_call_are_told_apart_by_their_metadata() -> None:
    """Events carry what the NCCO's endpoint had."""
    legs = legs_of(event("a", "answered", side="left"), event("b", "answered", side="right"))

    assert ("a", "b", "b") == (
        legs.find("CON-1", {"side": "left"}),
        legs.find("CON-1", {"side": "right"}),
        legs.find("CON-1", {"side": "nowhere"}),
    )


def test_a_socket_that_knows_only_its_metadata() -> None:
    """Our own NCCO puts the conversation in; a foreign one's legs are found by equal metadata."""
    legs = legs_of(
        event("a", "answered", conversation_uuid="CON-1"), event("b", "answered", conversation="CON-2", id="x")
    )

    assert ("a", "b", None, None) == (
        legs.find_by_headers({"conversation_uuid": "CON-1"}),
        legs.find_by_headers({"id": "x"}),
        legs.find_by_headers({"id": "y"}),
        legs.find_by_headers({}),
    )


def test_a_socket_that_was_called_by_rest() -> None:
    """Its address may stand under from."""
    legs = legs_of({**event("a", "answered", to="447700900001"), "from": URI})

    assert "a" == legs.find("CON-1")


def test_hostile_events_change_nothing_and_are_bounded() -> None:
    """Whatever somebody posts, memory stays small and the oldest are forgotten."""
    legs = legs_of(
        {}, {"uuid": 1, "conversation_uuid": [], "to": {}}, {"uuid": "a", "conversation_uuid": "CON-1", "to": None}
    )
    for number in range(MAX_CONVERSATIONS + 5):
        legs.event(event("a", "started", conversation=f"CON-{number}"))
    for number in range(50):
        legs.event(event(f"leg{number}", "started", conversation="CON-x"))

    assert (None, "a", "leg49") == (legs.find("CON-0"), legs.find(f"CON-{MAX_CONVERSATIONS}"), legs.find("CON-x"))
