"""What is typed: bytes to keys, keys to a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.display.typing import MAX_LINE, KeyReader, LineEditor


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"hq?", ["h", "q", "?"]),
        ("é☎".encode(), ["é", "☎"]),
        (b"\r\n\t\x7f\x08\x04", ["enter", "enter", "tab", "backspace", "backspace", "end-of-input"]),
        (b"\x01\x05\x15\x0b\x17", ["home", "end", "cut-all", "cut-rest", "cut-word"]),
        (
            b"\x1b[A\x1b[B\x1b[C\x1b[D\x1bOH\x1bOF\x1b[3~\x1b[1;5D",
            ["up", "down", "right", "left", "home", "end", "delete", "left"],
        ),
        (b"\x1b[200~pasted\x1b[201~", list("pasted")),
        (b"\x1bh", ["escape", "h"]),
        (b"\x00\x07\xff\xc2\x9b", ["�"]),
        (b"\x1b[" + b"9" * 50 + b"h", [*"[", *"9" * 50, "h"]),
    ],
)
def test_bytes_become_keys(data: bytes, keys: list[str]) -> None:
    """Keys have names, characters stand for themselves, and what nobody knows is nothing: no control reaches a line."""
    reader = KeyReader()

    assert keys == (reader.feed(data) if len(data) < 50 else reader.feed(data[:40]) + reader.feed(data[40:]))


def test_a_key_that_comes_in_pieces_is_one_key() -> None:
    """A slow line cuts sequences and letters anywhere; an escape that nothing follows was pressed by itself."""
    reader = KeyReader()
    pieces = [reader.feed(bytes([byte])) for byte in "\x1b[Dé".encode()]
    waits = reader.waits

    alone = (reader.feed(b"\x1b"), reader.waits, reader.rest(), reader.waits)

    assert ([[], [], ["left"], [], ["é"]], False) == (pieces, waits)
    assert ([], True, ["escape"], False) == alone


@given(st.lists(st.binary(max_size=12), max_size=8))
def test_whatever_is_typed_gives_keys_of_one_letter_or_a_name(pieces: list[bytes]) -> None:
    """Nothing raises, and nothing that isn't printable is ever a key."""
    reader = KeyReader()
    keys = [key for piece in pieces for key in reader.feed(piece)] + reader.rest()

    assert all(key.isprintable() and key for key in keys)


@pytest.mark.parametrize(
    ("keys", "text", "at"),
    [
        ([*"abc", "left", "left", "x"], "axbc", 2),
        ([*"abc", "home", "delete", "end", "backspace"], "b", 1),
        ([*"two words here", "cut-word", "cut-word"], "two ", 4),
        ([*"abcd", "left", "left", "cut-all"], "cd", 0),
        ([*"abcd", "left", "left", "cut-rest"], "ab", 2),
        (["up"], "last.wav", 8),
        (["left", "backspace", "delete", "right", "down", "tab"], "", 0),
    ],
)
def test_a_line_is_edited(keys: list[str], text: str, at: int) -> None:
    """As a shell does it."""
    editor = LineEditor("last.wav")
    for key in keys:
        editor.press(key)

    assert (text, at) == (editor.text, editor.at)


def test_a_line_has_an_end() -> None:
    """A file that is pasted by mistake doesn't fill the memory."""
    editor = LineEditor()
    for _ in range(MAX_LINE + 10):
        editor.press("x")

    assert MAX_LINE == len(editor.text) == editor.at
