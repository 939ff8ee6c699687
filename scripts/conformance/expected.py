"""
What the suite is expected to say of each end, where that isn't simply OK, and why.

Anything else is a surprise: a case that fails and shouldn't, and as much one that no longer does, so that this table says
what is so.
"""

from __future__ import annotations

from typing import Final

Verdict = tuple[str, str]
"""How the testee behaved, and how it closed."""

OK: Final[Verdict] = "OK", "OK"
LATE: Final[Verdict] = "NON-STRICT", "OK"
TOLD: Final[Verdict] = "INFORMATIONAL", "INFORMATIONAL"
WRONG: Final[Verdict] = "FAILED", "WRONG CODE"

_TOLD: Final = {"7.1.6": TOLD, "7.13.1": TOLD, "7.13.2": TOLD}

EXPECTED: Final[dict[str, dict[str, Verdict]]] = {
    "server-direct": {"6.4.3": LATE, "6.4.4": LATE, **_TOLD},
    "server-aiohttp": {"6.4.1": LATE, "6.4.2": LATE, "6.4.3": LATE, "6.4.4": LATE, "7.9.5": WRONG, **_TOLD},
    "caller-websockets": {**_TOLD},
    "caller-frames": {"6.4.3": LATE, "6.4.4": LATE, **_TOLD},
}

WHY: Final = {
    "6.4.1": "text that isn't UTF-8 is refused when its message is whole, not at the fragment that shows it",
    "6.4.2": "the same, in the fragment after",
    "6.4.3": "text that isn't UTF-8 is refused when its frame is whole, not at the byte that shows it",
    "6.4.4": "the same, in the byte after",
    "7.1.6": "a large message and then a close: the suite only tells what came of it",
    "7.9.5": "a close with 1004, which is reserved, is answered with 1004 and not refused",
    "7.13.1": "a close with a code beyond those that are defined: the suite only tells what came of it",
    "7.13.2": "the same, with the largest number that there is",
}


def expected(end: str, case: str) -> Verdict:
    """What the suite says of this case."""
    return EXPECTED[end].get(case, OK)
