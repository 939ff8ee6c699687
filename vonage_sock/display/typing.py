"""
What is typed at the terminal: bytes to keys, and keys to a line of text. Pure; time is the caller's business.

Keys are texts: a character stands for itself, all others have names of several letters, such as ``enter`` or ``left``. What
is typed is as hostile as what comes over the net, since people paste: a control character never gets into a line.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final

ENTER: Final = "enter"
ESCAPE: Final = "escape"
TAB: Final = "tab"
BACKSPACE: Final = "backspace"
DELETE: Final = "delete"
LEFT: Final = "left"
RIGHT: Final = "right"
UP: Final = "up"
DOWN: Final = "down"
HOME: Final = "home"
END: Final = "end"
CUT_ALL: Final = "cut-all"
CUT_REST: Final = "cut-rest"
CUT_WORD: Final = "cut-word"
END_OF_INPUT: Final = "end-of-input"

MAX_LINE: Final = 1500
"""As much as the platform speaks at once."""

_CONTROLS: Final = {
    "\r": ENTER,
    "\n": ENTER,
    "\t": TAB,
    "\x7f": BACKSPACE,
    "\x08": BACKSPACE,
    "\x01": HOME,
    "\x05": END,
    "\x02": LEFT,
    "\x06": RIGHT,
    "\x10": UP,
    "\x0e": DOWN,
    "\x04": END_OF_INPUT,
    "\x15": CUT_ALL,
    "\x0b": CUT_REST,
    "\x17": CUT_WORD,
}
_SEQUENCES: Final = {
    "A": UP,
    "B": DOWN,
    "C": RIGHT,
    "D": LEFT,
    "H": HOME,
    "F": END,
    "1~": HOME,
    "7~": HOME,
    "4~": END,
    "8~": END,
    "3~": DELETE,
}
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\[O])", re.DOTALL)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
_MAX_BEGUN: Final = 32


_MOVES: Final[dict[str, Callable[[str, int], int]]] = {
    LEFT: lambda _text, at: at - 1,
    RIGHT: lambda _text, at: at + 1,
    HOME: lambda _text, _at: 0,
    END: lambda text, _at: len(text),
}
_CUTS: Final[dict[str, Callable[[str, int], tuple[int, int]]]] = {
    BACKSPACE: lambda _text, at: (max(0, at - 1), at),
    DELETE: lambda _text, at: (at, at + 1),
    CUT_ALL: lambda _text, at: (0, at),
    CUT_REST: lambda text, at: (at, len(text)),
    CUT_WORD: lambda text, at: (len(re.sub(r"\S*\s*\Z", "", text[:at])), at),
}


class KeyReader:
    """Bytes as they come, to keys. An escape that nothing follows is a key by itself: the caller says so, with ``rest``."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""

    @property
    def waits(self) -> bool:
        """An escape has begun something, or was pressed by itself; a moment later it was the latter."""
        return bool(self._waiting)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete with these bytes."""
        text = self._waiting + self._decoder.decode(data)
        self._waiting = ""
        keys: list[str] = []
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                keys += _key_of(text[at])
                at += 1
            elif (found := _SEQUENCE.match(text, at)) is not None:
                keys += _keys_of_sequence(found[0])
                at = found.end()
            elif _BEGUN.match(text, at) and len(text) - at <= _MAX_BEGUN:
                self._waiting, at = text[at:], len(text)
            else:
                at += 1
        return keys

    def rest(self) -> list[str]:
        """Nothing followed."""
        waiting, self._waiting = self._waiting, ""
        return [ESCAPE] if waiting == "\x1b" else []


def _key_of(char: str) -> list[str]:
    if char in _CONTROLS:
        return [_CONTROLS[char]]
    return [char] if char.isprintable() else []


def _keys_of_sequence(sequence: str) -> list[str]:
    body = sequence[1:]
    if body[0] in "[O":
        # With a modifier, as Ctrl with an arrow: 1;5C.
        known = re.sub(r"^1;\d+(?=[A-Z])", "", body[1:])
        return [_SEQUENCES[known]] if known in _SEQUENCES else []
    # Alt with a key is sent as an escape before it, and so is an escape that somebody types fast.
    return [ESCAPE, *_key_of(body)] if body != "\x1b" else [ESCAPE]


class LineEditor:
    """
    One line of text and a place in it.

    Args:
        last: what was entered the last time, for the arrow up.
    """

    def __init__(self, last: str = "") -> None:
        self.text = ""
        self.at = 0
        self._last = last

    def press(self, key: str) -> None:
        """Take a key; those that mean nothing to a line change nothing."""
        text, at = self.text, self.at
        if len(key) == 1:
            if len(text) < MAX_LINE:
                self._set(text[:at] + key + text[at:], at + 1)
        elif key in _MOVES:
            self.at = min(max(_MOVES[key](text, at), 0), len(text))
        elif key == UP:
            self._set(self._last, len(self._last))
        elif key in _CUTS:
            begin, end = _CUTS[key](text, at)
            self._set(text[:begin] + text[end:], begin)

    def put(self, text: str) -> None:
        """This text in place of what there is, up to the cursor."""
        self._set(text + self.text[self.at :], len(text))

    def _set(self, text: str, at: int) -> None:
        self.text, self.at = text[:MAX_LINE], min(at, MAX_LINE)
