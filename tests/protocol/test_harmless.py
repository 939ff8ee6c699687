from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.protocol.harmless import MAX_MARKS, visible


def injections() -> ModuleType:
    """The scoreboard's table, which knows nothing of the sanitiser."""
    path = Path(__file__).parents[2] / "scripts" / "scoreboard" / "injections.py"
    spec = importlib.util.spec_from_file_location("injections", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["injections"] = module
    spec.loader.exec_module(module)
    return module


TABLE = injections()


def test_there_are_seventeen_kinds_of_injection() -> None:
    """The table is as long as the promise says."""
    assert 17 == len(TABLE.KINDS)


@pytest.mark.parametrize("kind", TABLE.KINDS)
def test_each_kind_leaves_only_text(kind: str) -> None:
    """By the scoreboard's own judge, not by the sanitiser's tables."""
    found = [odd for text in TABLE.KINDS[kind] for odd in TABLE.offending(visible(text).encode())]

    assert [] == found


def test_the_judge_finds_what_was_let_through() -> None:
    """A check that can't fail is none."""
    harmless = {"rich markup", "emoji codes", "very long", "wide at the edge"}
    unseen = [
        kind
        for kind, texts in TABLE.KINDS.items()
        if not all(TABLE.offending(text.encode("utf-8", "surrogatepass")) for text in texts) and kind not in harmless
    ]

    assert ["line ends"] == unseen
    assert ["'\\x0b'"] == TABLE.offending(b"a\x0b\n")


@pytest.mark.parametrize(
    "text",
    ["Zoë Müller", "Nguyễn Văn Đức", "שָׁלוֹם", "สวัสดีครับ", "नमस्ते", "日本語", "e\u0323\u0302\u0301", "☎ 100 €", "a\u0308"],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    """Letters of any script with their marks, signs, and digits."""
    assert text == visible(text)


def test_marks_are_bounded_on_each_letter() -> None:
    """Four on one letter are drawn; what is beyond is shown as escapes, and the next letter has its own."""
    assert "a" + "\u0301" * MAX_MARKS + "\\u0301\\u0301" + "b\u0301" == visible("a" + "\u0301" * 6 + "b\u0301")


def test_a_mark_without_a_letter_does_not_sit_on_what_was_there_before() -> None:
    """At the beginning of a text it would change a sign of ours."""
    assert "\\u0301a" == visible("\u0301a")


@pytest.mark.parametrize("filler", ["\u3164", "\u115f", "\u2800", "\u034f", "\ufe0f", "\U000e0100"])
def test_what_is_printable_and_yet_not_seen_becomes_visible(filler: str) -> None:
    """Fillers and selectors hide differences between names."""
    assert f"a\\{'u' if ord(filler) < 0x10000 else 'U'}{ord(filler):0{4 if ord(filler) < 0x10000 else 8}x}" == visible(
        f"a{filler}"
    )


def test_ascii_control_characters_are_escaped_in_plain_text() -> None:
    """What is only ASCII takes a shorter way to the same end."""
    assert ("plain", "a\\x1b[31m\\x7f") == (visible("plain"), visible("a\x1b[31m\x7f"))


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_text_afterwards_and_stays(text: str) -> None:
    """Whatever comes in: nothing that acts goes out, and going through twice changes nothing."""
    once = visible(text)

    assert ([], once) == (TABLE.offending(once.encode()), visible(once))
