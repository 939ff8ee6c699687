"""What is answered."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from vonage_sock.simulator.api.bodies import leg_body, list_body, problem
from vonage_sock.simulator.api.reading import Filter, read_filter
from vonage_sock.simulator.control import LegRecord


def leg(number: int, *, status: str = "started") -> LegRecord:
    """One that began in this second."""
    return LegRecord(
        uuid=f"u{number}",
        conversation_uuid=f"CON-{number % 2}",
        from_="447700900001",
        to="442079460001",
        direction="outbound",
        status=status,
        call="call",
        begun_at=f"2026-02-03T10:00:{number:02d}.000Z",
    )


def uuids(legs: list[LegRecord], wanted: Filter) -> list[str]:
    """Of those on the page."""
    return [body["uuid"] for body in list_body(legs, wanted, {})["_embedded"]["calls"]]


def test_a_leg_that_goes_on_has_no_duration() -> None:
    """Nor a price, nor an end; and no start before it is answered."""
    body = leg_body(leg(1))

    assert {
        "_links": {"self": {"href": "/v1/calls/u1"}},
        "uuid": "u1",
        "conversation_uuid": "CON-1",
        "to": {"type": "phone", "number": "442079460001"},
        "from": {"type": "phone", "number": "447700900001"},
        "status": "started",
        "direction": "outbound",
    } == body


def test_a_leg_that_is_over_has_its_figures() -> None:
    """With times as the reference has them."""
    record = leg(1, status="completed")
    record.endpoint = {"type": "websocket", "uri": "ws://x/"}
    record.start_time = "2026-02-03T10:00:01.123Z"
    record.ended = {"duration": "40", "price": "0", "end_time": "2026-02-03T10:00:41.500Z"}
    body = leg_body(record)

    assert ("2026-02-03 10:00:01", "2026-02-03 10:00:41", "40") == (
        body["start_time"],
        body["end_time"],
        body["duration"],
    )
    assert {"type": "websocket", "uri": "ws://x/"} == body["to"]


def test_a_page_leads_to_the_others() -> None:
    """By its links, which keep the filter."""
    legs = [leg(number) for number in range(25)]
    query = {"page_size": "10", "record_index": "10", "status": "started"}
    page = list_body(legs, read_filter(query), query)
    links = {name: parse_qs(urlsplit(link["href"]).query) for name, link in page["_links"].items()}

    assert (25, 10, 10) == (page["count"], page["page_size"], page["record_index"])
    assert [f"u{number}" for number in range(10, 20)] == [body["uuid"] for body in page["_embedded"]["calls"]]
    assert {"self": ["10"], "first": ["0"], "last": ["20"], "prev": ["0"], "next": ["20"]} == {
        name: values["record_index"] for name, values in links.items()
    }
    assert {"started"} == {values["status"][0] for values in links.values()}


def test_the_only_page_leads_nowhere_else() -> None:
    """Nor does that of nothing."""
    assert {"self", "first", "last"} == set(list_body([leg(1)], Filter(), {})["_links"])
    assert (0, []) == ((page := list_body([], Filter(), {}))["count"], page["_embedded"]["calls"])


def test_a_list_is_narrowed() -> None:
    """By status, conversation and time; and the last may come first."""
    legs = [leg(0), leg(1, status="completed"), leg(2), leg(3)]

    assert ["u1"] == uuids(legs, Filter(status="completed"))
    assert ["u0", "u2"] == uuids(legs, Filter(conversation_uuid="CON-0"))
    assert ["u1", "u2"] == uuids(
        legs, Filter(date_start="2026-02-03T10:00:01.000Z", date_end="2026-02-03T10:00:03.000Z")
    )
    assert ["u3", "u2"] == uuids(legs, Filter(descending=True, page_size=2))


def test_a_problem_says_what_and_why() -> None:
    """With the names of what is wrong, where there are any."""
    body = problem(400, "No", instance="i", invalid_parameters=(("to", "is missing"),))

    assert ("Bad Request", "No", "i", [{"name": "to", "reason": "is missing"}]) == (
        body["title"],
        body["detail"],
        body["instance"],
        body["invalid_parameters"],
    )
    assert body["type"].startswith("https://")
    assert ("Error", False) == ((odd := problem(418, "x", instance="i"))["title"], "invalid_parameters" in odd)
