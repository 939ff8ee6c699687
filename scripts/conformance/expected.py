"""
What the suite is expected to say of each end, where that isn't simply OK, and why.

Anything else is a surprise: a case that fails and shouldn't, and as much one that no longer does, so that this table says
what is so. Two verdicts stand beside a case only where chance decides: whether the bytes came in one piece or in two.
"""

from __future__ import annotations

from typing import Final

Verdict = tuple[str, str]
"""How the testee behaved, and how it closed."""

OK: Final[Verdict] = "OK", "OK"
LAX: Final[Verdict] = "NON-STRICT", "OK"
TOLD: Final[Verdict] = "INFORMATIONAL", "INFORMATIONAL"
WRONG: Final[Verdict] = "FAILED", "WRONG CODE"

_TOLD: Final = dict.fromkeys(("7.1.6", "7.13.1", "7.13.2"), (TOLD,))
_BY_FRAME: Final = dict.fromkeys(("6.4.3", "6.4.4"), (LAX,))
_BY_MESSAGE: Final = dict.fromkeys(("6.4.1", "6.4.2", "6.4.3", "6.4.4"), (LAX,))
_UNANSWERED: Final = ("3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15")

ALLOWED: Final[dict[str, dict[str, tuple[Verdict, ...]]]] = {
    "server-direct": {**_BY_FRAME, **_TOLD},
    "server-aiohttp": {**_BY_MESSAGE, **_TOLD},
    "caller-websockets": {**dict.fromkeys(_UNANSWERED, (LAX, OK)), **_BY_MESSAGE, "7.1.5": (WRONG,), **_TOLD},
    "caller-frames": {**_BY_FRAME, **_TOLD},
}

WHY: Final = {
    **dict.fromkeys(
        _UNANSWERED, "a good message just before a bad frame isn't echoed: the connection is closed already"
    ),
    **dict.fromkeys(
        ("6.4.1", "6.4.2"), "text that isn't UTF-8 is refused at the end of its message, not of its fragment"
    ),
    **dict.fromkeys(
        ("6.4.3", "6.4.4"), "text that isn't UTF-8 is refused at the end of its frame or message, not at once"
    ),
    "7.1.5": "a close amid a message in fragments is taken for a fault of the peer (1002)",
    "7.1.6": "a close behind a large message: the suite tells what came of it, and judges nothing",
    **dict.fromkeys(
        ("7.13.1", "7.13.2"), "a close with a number far out of range: the suite tells, and judges nothing"
    ),
}


def allowed(end: str, case: str) -> tuple[Verdict, ...]:
    """What the suite may say of this case."""
    return ALLOWED[end].get(case, (OK,))
