"""The row of keys."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from vonage_sock.display.controls import Controls, controls_rows

TWO = ((1, "c1"), (2, "c7"))


def shown(controls: Controls, width: int = 80, *, ascii_only: bool = False) -> list[str]:
    """As text."""
    return [row.plain.rstrip() for row in controls_rows(controls, width, ascii_only=ascii_only)]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (120, "c1  h hang up  p play  c clear  s say  r record  q quit  ? help"),
        (80, "c1  h hang up  p play  c clear  s say  r record  q quit  ? help"),
        (50, "c1  h hang up  p play  r record  q quit  ? help"),
        (32, "c1  h hang up  q quit  ? help"),
        (20, "c1  q quit  ? help"),
        (12, "c1  ? help"),
        (6, "? help"),
        (3, "? h"),
    ],
)
def test_a_narrow_terminal_loses_keys_and_keeps_the_way_out(width: int, row: str) -> None:
    """Which call they are for stands first, and help last."""
    assert [row] == shown(Controls(calls=((1, "c1"),), current="c1"), width)


def test_of_several_calls_the_current_one_is_marked() -> None:
    """By a sign, so that it can be told without colours."""
    assert " 1 c1 >2 c7  h hang up" == shown(Controls(calls=TWO, current="c7"))[0][:22]
    assert "clear which call?  1 c1  2 c7  Esc for none" == shown(Controls(calls=TWO, choose="clear which call?"))[0]


@pytest.mark.parametrize("width", [120, 80, 20, 9])
@pytest.mark.parametrize("at", [0, 30, 61])
def test_the_cursor_of_a_long_answer_is_always_seen(width: int, at: int) -> None:
    """The text slides under it."""
    text = "/home/somebody/recordings/2026/welcome to the other side.flac"
    controls = Controls(ask="play to c1 (Enter: a.wav):", asked_for="c1", text=text, at=at)
    row = controls_rows(controls, width)[0]
    cursor = next(span for span in row.spans if span.style == "reverse")

    assert width >= cell_len(row.plain)
    assert (text + " ")[at] == row.plain[cursor.start : cursor.end]


def test_the_help_explains_each_key() -> None:
    """Those for several calls only where there are several."""
    alone, several = shown(Controls(help=True)), shown(Controls(help=True, calls=TWO))

    assert ["h", "p", "c", "s", "r", "q", "?"] == [line.split()[0] for line in alone[:-1]]
    assert ["1-9", "Tab"] == [line.split()[0] for line in several[6:8]]


def test_what_an_ascii_terminal_can_t_show_is_escaped() -> None:
    """And what can't be shown at all is a question mark."""
    controls = Controls(ask="say to c1:", asked_for="c1", text="é\u202e", at=2)

    assert ["say to c1: \\xe9?"] == shown(controls, ascii_only=True)
