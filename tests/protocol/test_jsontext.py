"""JSON from outside."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.protocol.jsontext import MAX_DEPTH, dumps, loads, size_bytes

PROPERTY = settings(deadline=None, database=None, max_examples=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ANY_CHARACTER = st.characters(exclude_categories=())


def test_json_gives_its_value() -> None:
    """The usual case."""
    assert {"a": [1, 2.5, None, True, "ü"]} == loads('{"a": [1, 2.5, null, true, "ü"]}')


def test_bytes_are_read_as_utf8() -> None:
    """A webhook's body needn't be decoded first."""
    assert "ü" == loads('"ü"'.encode())


def test_a_space_before_the_brace_is_fine() -> None:
    """Vonage's older clients put one there."""
    assert {} == loads(" {}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "property name"),
        ("{} {}", "Extra data"),
        ("NaN", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("1e999", "1e999 is too large a number"),
        ('{"a": [-1e400]}', "-1e400 is too large a number"),
        ("9" * 5000, "too large a number, of 5,000 digits"),
        ("-" + "9" * 309, "too large a number"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice in one object"),
        ('[{"\\u0061": 1, "a": 1}]', "the key 'a' stands twice"),
        ("\ufeff{}", "byte order mark"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('"\n"', "control character"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        ("[" * 100_000, "nested more than 32 deep"),
        ("[" * 33 + "]" * 33, "nested more than 32 deep"),
        ('{"a":' * 33 + "1" + "}" * 33, "nested more than 32 deep"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_not_json_is_refused_with_a_reason(text: str | bytes, reason: str) -> None:
    """Only a ``ValueError``, and it says what is wrong."""
    with pytest.raises(ValueError, match=reason):
        loads(text)


@pytest.mark.parametrize("core", ["", "1", "[]" * 0 + '"x"'])
def test_values_nested_32_deep_are_read(core: str) -> None:
    """The limit itself is still fine."""
    value = loads("[" * MAX_DEPTH + core + "]" * MAX_DEPTH)

    assert isinstance(value, list)


def test_numbers_as_large_as_a_float_can_be_are_read() -> None:
    """Only infinity is refused."""
    assert [1.7e308, 0.0, 10**307] == loads("[1.7e308, 1e-999, 1" + "0" * 307 + "]")


def test_brackets_in_strings_are_no_nesting() -> None:
    """Only what is nested counts, however it is quoted; and as many lists as one likes may stand side by side."""
    text = json.dumps(["[" * 50, '"{' * 50, "\\\\[" * 50] + [[]] * 100)

    assert json.loads(text) == loads(text)


@pytest.mark.parametrize("depth", [1, 200])
def test_the_depth_is_what_one_says(depth: int) -> None:
    """A server's limit can be another one."""
    nested = "[" * depth + "]" * depth

    assert json.loads(nested) == loads(nested, max_depth=depth)
    with pytest.raises(ValueError, match=f"nested more than {depth} deep"):
        loads(f"[{nested}]", max_depth=depth)


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 60_000,
        "[]" * 60_000,
        "[" * 120_000,
        "9" * 120_000,
        "{" + ",".join(f'"{number}":1' for number in range(10_000)) + ',"9999":1}',
    ],
    ids=["no end", "side by side", "deep", "long number", "many keys"],
)
def test_no_text_takes_long_to_refuse(text: str) -> None:
    """What is built to be slow is read in a time that grows no faster than it does."""
    began = time.process_time()
    with pytest.raises(ValueError):
        loads(text)

    assert time.process_time() - began < 1.0


def test_a_long_number_is_cut_in_the_reason() -> None:
    """What came from outside doesn't fill the screen."""
    with pytest.raises(ValueError, match="too large") as caught:
        loads("9" * 1000 + "e9999")

    assert len(str(caught.value)) < 100


def test_json_is_written_without_spaces_and_with_letters_as_they_are() -> None:
    """The form whose bytes Vonage counts."""
    assert '{"a":[1,"ü"]}' == dumps({"a": [1, "ü"]})


def test_a_lone_surrogate_is_escaped() -> None:
    """JSON can say it and UTF-8 can't: the text must be fit for a socket."""
    text = dumps({"a": "ü\ud800"})

    assert {"a": "ü\ud800"} == json.loads(text.encode("utf-8"))


def test_what_json_cannot_say_is_refused() -> None:
    """No NaN leaves this program."""
    with pytest.raises(ValueError, match="JSON compliant"):
        dumps(math.nan)


def test_size_counts_bytes_of_utf8() -> None:
    """An umlaut takes two, quotes one each."""
    assert size_bytes("ü") == 4


@PROPERTY
@given(JSON)
def test_what_is_written_is_read_back(value: object) -> None:
    """Writing and reading are each other's inverse, and the text is fit for UTF-8."""
    text = dumps(value)

    assert value == loads(text)
    assert value == loads(text.encode("utf-8"))


@PROPERTY
@given(st.text(ANY_CHARACTER) | st.binary() | st.text('[]{}":,0123456789eE.-+ntrufalsNaI\\ud8'))
def test_any_text_gives_a_value_that_can_be_sent_or_a_value_error(text: str | bytes) -> None:
    """Nothing else is ever raised, and what was read can be written again."""
    try:
        value = loads(text)
    except ValueError:
        return

    assert value == loads(dumps(value))
