from __future__ import annotations

import io
from dataclasses import fields, replace

import display_events
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from vonage_sock.call import events as ev
from vonage_sock.clock import MS
from vonage_sock.display.model import Screen
from vonage_sock.display.render import line_text, plain_line, start_panel
from vonage_sock.display.safe import clean, clean_lines
from vonage_sock.display.status import status_block

INJECTIONS = {
    "ansi colour": ("\x1b[31mred", "\\x1b[31mred"),
    "cursor move": ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
    "osc 52 clipboard": ("\x1b]52;c;cm0=\x07", "\\x1b]52;c;cm0=\\x07"),
    "osc 8 link": ("\x1b]8;;http://x\x1b\\a", "\\x1b]8;;http://x\\x1b\\a"),
    "title": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "c1 csi": ("\x9b31m", "\\x9b31m"),
    "del": ("a\x7fb", "a\\x7fb"),
    "bidi override": ("a\u202eb", "a\\u202eb"),
    "bidi isolate": ("a\u2066b\u2069", "a\\u2066b\\u2069"),
    "bidi marks": ("\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"),
    "newline": ("a\nb", "a\\x0ab"),
    "carriage return": ("a\rb", "a\\x0db"),
    "backspace": ("a\bb", "a\\x08b"),
    "tab": ("a\tb", "a\\x09b"),
    "nul": ("a\0b", "a\\x00b"),
    "bell": ("\a", "\\x07"),
    "lone surrogate": ("a\ud800b", "a\\ud800b"),
    "zero width joiner": ("a\u200db", "a\\u200db"),
    "line separator": ("a\u2028b\u2029", "a\\u2028b\\u2029"),
    "tag character": ("\U000e0041", "\\U000e0041"),
    "private use": ("\ue000", "\\ue000"),
    "unassigned": ("\u0378", "\\u0378"),
    "rich markup": ("[bold red]x[/]", "[bold red]x[/]"),
    "emoji code": (":smile:", ":smile:"),
}

injections = pytest.mark.parametrize(("text", "shown"), INJECTIONS.values(), ids=INJECTIONS)


def drawn(renderable: object) -> str:
    """What rich writes to a terminal for it, without colours."""
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system=None, width=300, emoji=True).print(renderable)
    return file.getvalue()


def everything_shown(events: list[ev.Event]) -> list[str]:
    """All that any display shows for these events."""
    screen = Screen(verbose=True)
    shown = []
    for event in events:
        for line in screen.apply(event):
            shown += [
                plain_line(line, lambda _at: "12:00:00.000"),
                drawn(line_text(line, lambda _at: "12:00:00.000", 100)),
            ]
        if isinstance(event, ev.ServerStarted):
            shown.append(drawn(start_panel(event, 100)))
        shown.append(drawn(status_block(screen.status(0), 100)))
    return shown + [line.text for line in screen.tick(10_000 * MS)]


@injections
def test_what_a_terminal_acts_on_becomes_visible(text: str, shown: str) -> None:
    """Control, format and unassigned characters are shown as escapes; brackets and colons stay as they are."""
    assert shown == clean(text)


@injections
def test_rich_writes_it_as_it_is(text: str, shown: str) -> None:
    """Neither markup nor emoji codes nor control characters do anything in a rich console."""
    assert shown + "\n" == drawn(Text(clean(text)))


@pytest.mark.no_cover
@injections
def test_nothing_gets_through_any_field_of_any_event(text: str, shown: str) -> None:
    """Whatever stands in whichever field, or as a key of an object, only printable characters are shown."""
    parts = [
        part for shown_text in everything_shown(display_events.one_of_each(text)) for part in shown_text.split("\n")
    ]

    assert [] == [part for part in parts if not part.isprintable()]


@pytest.mark.no_cover
@injections
def test_nothing_gets_through_a_call_id(text: str, shown: str) -> None:
    """Not even by way of the id, which is ours."""
    events = display_events.one_of_each("text", call=text)
    parts = [part for shown_text in everything_shown(events) for part in shown_text.split("\n")]

    assert [] == [part for part in parts if not part.isprintable()]


def test_every_kind_of_event_is_among_those_that_are_tried() -> None:
    """A new kind of event is tried with everything that strangers can put into it."""
    kinds = {cls for cls in vars(ev).values() if isinstance(cls, type) and issubclass(cls, ev.Event)} - {ev.Event}

    assert kinds == {type(event) for event in display_events.one_of_each()}


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 300))
def test_any_text_becomes_one_bounded_printable_line(text: str, limit: int) -> None:
    """Whatever comes in, one printable line of at most ``limit`` characters comes out."""
    result = clean(text, limit)

    assert (True, True) == (result.isprintable(), len(result) <= limit)


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """What is harmless stays as it is, so nobody has to know whether it was cleaned before."""
    assert clean(text) == clean(clean(text))


def test_secrets_are_hidden_before_a_text_is_cut() -> None:
    """Half a token would be one still."""
    assert "Bearer ***" == clean(f"Bearer eyJ{'hbGciOiJIUzI1NiJ9' * 40}.eyJqdGkiOiIxIn0.c2ln", 20)


def test_objects_are_shown_without_their_secrets() -> None:
    """By the names they stand under."""
    assert '{"token":"***","n":1}' == clean({"token": "abc", "n": 1})


def test_a_longer_text_keeps_its_lines() -> None:
    """A traceback for example; each line is harmless."""
    assert ["a\\x1b", "  b"] == clean_lines("a\x1b\n  b")


def test_of_many_lines_the_first_and_the_last_are_shown() -> None:
    """What raised stands at one end, and what began it at the other."""
    assert ["0", "1", "… 6 lines left out", "8", "9"] == clean_lines("\n".join(map(str, range(10))), most=4)


def test_long_text_ends_in_an_ellipsis() -> None:
    """What is cut says so."""
    assert "abcd…" == clean("abcdefgh", 5)


def test_text_that_just_fits_is_whole() -> None:
    """The limit itself is still allowed."""
    assert "abcde" == clean("abcde", 5)


def test_objects_become_compact_json() -> None:
    """An object is shown as the JSON it came as, its keys harmless too."""
    assert '{"a\\u202eb":[1,null,"é"]}' == clean({"a\u202eb": [1, None, "é"]})


def test_a_number_is_shown_as_python_writes_it() -> None:
    """And so is whatever is neither text nor JSON's."""
    assert ["12", "1.5", "None", "b'\\x1b'"] == [clean(12), clean(1.5), clean(None), clean(b"\x1b")]


def test_a_value_that_cannot_be_told_is_named_by_its_kind() -> None:
    """Showing never raises, not even for a loop."""
    loop: list[object] = []
    loop.append(loop)

    assert "<list>" == clean(loop)


def test_the_events_of_the_table_can_be_changed_in_every_text_field() -> None:
    """The helper puts the text into every field that may hold one; none is forgotten."""
    forgotten = [
        (event.name, item.name)
        for event in display_events.one_of_each("text")
        for item in fields(event)
        if isinstance(value := getattr(event, item.name), str)
        and value != "text"
        and (event.name, item.name) != ("server.notice", "level")
        and item.name != "call"
        and replace(event, **{item.name: "x"}) != event
    ]

    assert [] == forgotten
