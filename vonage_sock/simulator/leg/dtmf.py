"""Which keys a simulated caller presses, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import UsageError
from vonage_sock.protocol.messages import DIGITS

FIRST_DIGIT_NS: Final = 500 * MS
BETWEEN_DIGITS_NS: Final = 300 * MS
COMMA_NS: Final = 500 * MS
PRESS_MS: Final = 160

_TOKEN = re.compile(r"(?P<digit>[0-9*#])|(?P<comma>,)|w(?P<wait>\d{1,6}(?:\.\d{1,6})?)(?!\d)|(?P<space>\s)", re.ASCII)
MAX_DIGITS: Final = 200


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key, pressed ``after_ns`` from the call's start."""

    after_ns: int
    digit: str
    duration_ms: int = PRESS_MS


def parse_digits(text: str) -> tuple[KeyPress, ...]:
    """
    Read ``12p#``, as the REST API has it: keys 0.3 s apart, with ``p`` for a pause of half a second.

    Raises:
        ValueError: half a sentence that says what is wrong.
    """
    if not re.fullmatch(r"[0-9*#pP]+", text, re.ASCII) or len(text) > MAX_DIGITS:
        raise ValueError(f"must be 1 to {MAX_DIGITS} of 0-9, *, # and p, which is a pause of half a second")
    presses: list[KeyPress] = []
    at_ns = 0
    for letter in text:
        if letter in "pP":
            at_ns += COMMA_NS
        else:
            presses.append(KeyPress(at_ns, letter))
            at_ns += BETWEEN_DIGITS_NS
    return tuple(presses)


def parse_dtmf(text: str) -> tuple[KeyPress, ...]:
    """
    Read ``1,w2,34#``: keys, with ``,`` for a pause of half a second and ``w2`` for one of two seconds.

    The first key comes half a second into the call, the others 0.3 s apart.

    Raises:
        UsageError: anything else in the text, or more than 200 keys.
    """
    presses: list[KeyPress] = []
    at_ns = FIRST_DIGIT_NS
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UsageError(
                f"{text[position : position + 10]!r} in the key presses isn't understood; "
                f"use keys ({DIGITS}), ',' for half a second and w2 for two, as in 1,w2,34#"
            )
        position = match.end()
        if digit := match["digit"]:
            presses.append(KeyPress(at_ns, digit))
            at_ns += BETWEEN_DIGITS_NS
        elif match["comma"]:
            at_ns += COMMA_NS
        elif wait := match["wait"]:
            at_ns += round(float(wait) * SECOND)
    if len(presses) > MAX_DIGITS:
        raise UsageError(f"{len(presses)} key presses are too many for one call; {MAX_DIGITS} are allowed")
    return tuple(presses)
