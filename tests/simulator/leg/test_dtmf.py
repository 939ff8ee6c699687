"""Which keys a simulated caller presses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.clock import MS
from vonage_sock.errors import UsageError
from vonage_sock.simulator.leg.dtmf import MAX_DIGITS, KeyPress, parse_digits, parse_dtmf


@pytest.mark.parametrize(
    ("text", "presses"),
    [
        ("", []),
        ("1", [(500, "1")]),
        ("12", [(500, "1"), (800, "2")]),
        ("1, 2", [(500, "1"), (1300, "2")]),
        ("1,w2,34#", [(500, "1"), (3800, "3"), (4100, "4"), (4400, "#")]),
        ("w0.25*", [(750, "*")]),
        ("w30", []),
        (",,0", [(1500, "0")]),
    ],
    ids=[
        "none",
        "one key",
        "two keys",
        "comma",
        "the manual's example",
        "part of a second",
        "thirty seconds",
        "pauses",
    ],
)
def test_keys_are_pressed_when_the_text_says(text: str, presses: list[tuple[int, str]]) -> None:
    """The first half a second into the call, the others 0.3 s apart, plus the pauses."""
    assert tuple(KeyPress(at_ms * MS, digit) for at_ms, digit in presses) == parse_dtmf(text)


@pytest.mark.parametrize("text", ["A", "1w", "w", "w-1", "w1.", "1;2", "١", "w" + "9" * 400, "w1.1234567", "w1.2.3"])
def test_anything_else_is_refused(text: str) -> None:
    """The sentence shows where it stopped and what could stand there."""
    with pytest.raises(UsageError, match="w2 for two"):
        parse_dtmf(text)


def test_too_many_keys_are_refused() -> None:
    """Two hundred are enough for a call."""
    assert MAX_DIGITS == len(parse_dtmf("1" * MAX_DIGITS))
    with pytest.raises(UsageError, match="201 key presses"):
        parse_dtmf("1" * (MAX_DIGITS + 1))


@settings(deadline=None, database=None, max_examples=200)
@given(st.text("0123456789*#,w. ") | st.text())
def test_any_text_gives_keys_in_order_or_a_usage_error(text: str) -> None:
    """Nothing else is raised; keys never come before the ones in front of them."""
    try:
        presses = parse_dtmf(text)
    except UsageError:
        return

    assert sorted(press.after_ns for press in presses) == [press.after_ns for press in presses]


@pytest.mark.parametrize(
    ("text", "presses"), [("12#", [(0, "1"), (300, "2"), (600, "#")]), ("p*P0", [(500, "*"), (1300, "0")]), ("p", [])]
)
def test_digits_of_the_rest_api_follow_each_other(text: str, presses: list[tuple[int, str]]) -> None:
    """The first at once; p is a pause of half a second."""
    assert tuple(KeyPress(at_ms * MS, digit) for at_ms, digit in presses) == parse_digits(text)


@pytest.mark.parametrize("text", ["", "1,2", "A", "w1", "1" * (MAX_DIGITS + 1), "١"])
def test_other_digits_are_refused(text: str) -> None:
    """With what they must be."""
    with pytest.raises(ValueError, match="pause of half a second"):
        parse_digits(text)
