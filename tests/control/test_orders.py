"""What a person gives, checked; what the API tells, read."""

from __future__ import annotations

import pytest
from vonage_voice.models import CreateCallRequest, ToPhone

from vonage_sock.control.orders import (
    DialOrder,
    check_digits,
    check_number,
    check_uuid,
    read_call,
)
from vonage_sock.errors import UsageError


@pytest.mark.parametrize(
    "text", ["447700900001", "+447700900001", "+44 7700 900-001", "0044 (7700) 900001", "+44/7700.900001"]
)
def test_numbers_as_people_write_them(text: str) -> None:
    """The API wants E.164 without the plus."""
    assert "447700900001" == check_number(text, what="NUMBER")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "07700900001",
        "12345",
        "1234567890123456",
        "call me",
        "4477\x1b[31m00900001",
        "٤٤٧٧٠٠٩٠٠٠٠١",
        "+0447700900001",
    ],
)
def test_other_numbers_are_refused_and_not_repeated(text: str) -> None:
    """One sentence says what is wanted, and holds nothing of what was given."""
    with pytest.raises(UsageError, match="NUMBER isn't a number with its country's code") as raised:
        check_number(text, what="NUMBER")

    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "whole"),
    [("63f61863-4a51-4f6b-86e1-46edebcf9356", True), ("63f618634a514f6b86e146edebcf9356", True), ("63f61863", False)],
)
def test_uuids(text: str, *, whole: bool) -> None:
    """With dashes or, as some calls from a telephone have it, without; and their first letters."""
    assert text == check_uuid(text, whole=whole)


@pytest.mark.parametrize(
    "text", ["CON-f972836a-550f-45fa-956c-12a2ab5b7d22", "../../v2/applications", "63f", "zzzzzzzz", "", "63f61863?x=1"]
)
def test_what_is_no_uuid_never_becomes_a_path(text: str) -> None:
    """It would be asked of the API with our token."""
    with pytest.raises(UsageError):
        check_uuid(text)


def test_keys() -> None:
    """Those of a telephone, and pauses."""
    assert "12p#*" == check_digits("12P#*")
    with pytest.raises(UsageError, match="0-9"):
        check_digits("12w")


def test_an_order_is_what_the_sdk_would_send() -> None:
    """The body is the one that Vonage's own model makes of the same call."""
    order = DialOrder(
        to="447700900001", answer_url="https://x.example/a", event_url="https://x.example/e", ringing_s=30
    )
    model = CreateCallRequest(
        to=[ToPhone(number="447700900001")],
        random_from_number=True,
        answer_url=["https://x.example/a"],
        answer_method="GET",
        event_url=["https://x.example/e"],
        event_method="POST",
        ringing_timer=30,
        length_timer=7200,
    )

    assert model.model_dump(by_alias=True, exclude_none=True, mode="json") == order.body()


def test_an_order_with_its_ncco() -> None:
    """It goes along as it is, and nobody is asked for one."""
    body = DialOrder(to="447700900001", from_number="442079460000", ncco=[{"action": "wait", "timeout": 1}]).body()

    assert ([{"action": "wait", "timeout": 1}], {"type": "phone", "number": "442079460000"}, False) == (
        body["ncco"],
        body["from"],
        "answer_url" in body,
    )


@pytest.mark.parametrize("leg", [None, [], {}, {"to": 5, "from": {"number": 7}, "status": None, "uuid": {}}])
def test_whatever_the_api_tells_is_a_leg(leg: object) -> None:
    """What lacks or is no text is empty."""
    info = read_call(leg)

    assert ("", "", "", None, False) == (info.uuid, info.to, info.status, info.price, info.is_live)


def test_legs_of_every_kind() -> None:
    """Also of those that the SDK's models refuse, such as an app's user."""
    ends = [
        {"type": "phone", "number": "1"},
        {"type": "websocket", "uri": "wss://x"},
        {"type": "app", "user": "al"},
        {"type": "vbc", "extension": "9"},
        "123",
    ]

    assert ["1", "wss://x", "al", "9", "123"] == [read_call({"to": end}).to for end in ends]
