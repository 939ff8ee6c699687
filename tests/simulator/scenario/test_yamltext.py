"""YAML as values with their places."""

from __future__ import annotations

from typing import Any

import pytest

from vonage_sock.errors import UsageError
from vonage_sock.simulator.scenario.yamltext import MAX_BYTES, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 12", 12),
        ("a: -3", -3),
        ("a: 1.5", 1.5),
        ("a: true", True),
        ("a: FALSE", False),
        ("a: ~", None),
        ("a:", None),
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 012", "012"),
        ("a: 1:30", "1:30"),
        ("a: 1e400", "1e400"),
        ("a: .inf", ".inf"),
        ("a: 2026-01-01", "2026-01-01"),
        ("a: 12#", "12#"),
        ("a: '12'", "12"),
        ("a: !!str 12", "12"),
        (f"a: {'9' * 40}", "9" * 40),
        ("a: tRue", "tRue"),
        ("a: [1, {b: x}]", [1, {"b": "x"}]),
        ("b: &x [1]\na: *x", [1]),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_scalar_means_what_it_looks_like(text: str, value: Any) -> None:
    """No surprises of YAML 1.1: keys and words stay as they are written."""
    assert value == read_yaml(text.encode(), "s.yaml").value["a"]


def test_each_value_and_key_has_its_place() -> None:
    """Lines and columns count from 1."""
    document = read_yaml(b"a:\n  - bb: 1\n    c: {d: 2}\n", "s.yaml")

    assert (2, 5) == document.places["a", 0]
    assert (2, 9) == document.places["a", 0, "bb"]
    assert (3, 12) == document.places["a", 0, "c", "d"]
    assert (3, 5) == document.keys["a", 0, "c"]
    assert "1" == document.texts["a", 0, "bb"]
    assert 2 == document.line(("a", 0))
    assert "s.yaml, line 2, column 5" == document.where(("a", 0, "missing", 3))


@pytest.mark.parametrize(
    ("raw", "where", "words"),
    [
        (b"", "s.yaml: ", "empty"),
        (b"# nothing\n", "s.yaml: ", "empty"),
        (b"x" * (MAX_BYTES + 1), "s.yaml: ", "64 KiB"),
        (b"\n\xff\xfe", "s.yaml, line 2: ", "UTF-8"),
        (b"a: b\nc\x00: d", "s.yaml, line 2, column 2: ", r"\x00"),
        (b"a:\n\t- b", "s.yaml, line 2, column 1: ", "indent with spaces"),
        (b"a: b: c", "s.yaml, line 1, column 5: ", "in quotes"),
        (b"a: *", "s.yaml, line 1, column 5: ", "begins with * has to be in quotes"),
        (b"a: *b", "s.yaml, line 1, column 4: ", "begins with * has to be in quotes"),
        (b"a: 'b", "s.yaml, line 1, column 6: ", "quotation mark isn't closed"),
        (b"a: [b, c\nd: e", "s.yaml, line 2, column 2: ", "bracket isn't closed"),
        (b"a:\n - b: c\n  - d", "s.yaml, line 3, column 3: ", "the same column ('- d')"),
        (b"a: 1\n---\nb: 2", "s.yaml, line 2, column 1: ", "second document"),
        (b"a: 1\nb: 2\na: 3", "s.yaml, line 3, column 1: ", "twice, first in line 1"),
        (b"a: !!python/object:os.system x", "s.yaml, line 1, column 4: ", "tag"),
        (b"a: !!set {b}", "s.yaml, line 1, column 4: ", "tag"),
        (b"[1]: 2", "s.yaml, line 1, column 1: ", "a plain word"),
        (b"a: &a [*a]", "s.yaml, line 1, column 4: ", "nested too deeply"),
        (b"[" * 500, "s.yaml: ", "nested too deeply"),
        (b"%", "s.yaml, line 1, column 2: ", "this isn't YAML"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_yaml_is_told_in_a_sentence(raw: bytes, where: str, words: str) -> None:
    """With its place, and what to do about it."""
    with pytest.raises(UsageError) as caught:
        read_yaml(raw, "s.yaml")

    assert str(caught.value).startswith(where)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_can_t_make_a_small_file_large() -> None:
    """The bomb of nine lists of nine lists is given up after ten thousand values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]

    with pytest.raises(UsageError, match="more than 10,000 values"):
        read_yaml("\n".join(lines).encode(), "s.yaml")
