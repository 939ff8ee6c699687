"""
Fault drills: what a call is made to suffer, so that one sees how the server takes it. Values only; ``drilled`` acts on them.

Rule 1: all chance comes from one seed, so that a drill can be repeated. Rule 2: what follows from a drill is not the
server's fault, and is no finding: ``excused_by`` says which codes that are, from the time on at which it strikes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final

from vonage_sock.errors import UsageError

MAX_AT_S: Final = 7200.0
MAX_STALL_S: Final = 60.0
MAX_JITTER_MS: Final = 2000.0
MAX_BAD_FRAMES: Final = 10_000

_STALL = re.compile(r"(?P<length>\d+(?:\.\d+)?)\s*@\s*(?P<at>\d+(?:\.\d+)?)")

ON_WEBHOOKS: Final = frozenset({"refuse", "answer_twice"})
"""The fields of the drills that act on webhooks."""

BREAKING: Final = frozenset({"drop-after", "reset-after", "half-open-after"})
"""The names of the drills that end a call."""

_ENDINGS: Final = ("drop_after_s", "reset_after_s", "half_open_after_s")
_ENDS: Final = {"VS207", "VS308", "VS309", "VS310", "VS318"}
_PACING: Final = {"VS108", "VS201", "VS202", "VS203", "VS204", "VS205", "VS206", "VS207"}
_SIZES: Final = {"VS102", "VS103"}
_FORMAT: Final = _SIZES | {"VS108"}
_SAMPLES: Final = {"VS104", "VS105", "VS109"}
_WIRE: Final = {"VS315", "VS316"}

_EXCUSED: Final[dict[str, set[str]]] = {
    "drop_after_s": _ENDS | _WIRE,
    "reset_after_s": _ENDS | _WIRE,
    "half_open_after_s": _ENDS | _WIRE,
    "stop_reading_after_s": _ENDS | _PACING | _WIRE,
    "jitter_ms": _PACING,
    "stalls": _PACING,
    "late_connected": _FORMAT | _ENDS,
    "no_connected": _FORMAT | _ENDS,
    "dup_connected": {"VS309"},
    "bad_frames": _SIZES | _PACING | _SAMPLES | {"VS101", "VS309"},
}

ECHOED: Final = frozenset({"VS107", "VS111"})
"""What an echo makes of samples that lost their place in a frame of an odd size."""


@dataclass(frozen=True, slots=True)
class Stall:
    """At ``at_s`` of a socket nothing leaves for ``length_s``; then what was held back leaves at once."""

    length_s: float
    at_s: float

    def __post_init__(self) -> None:
        if not 0 < self.length_s <= MAX_STALL_S or not 0 <= self.at_s <= MAX_AT_S:
            raise UsageError(
                f"a stall of {self.length_s:g} s at {self.at_s:g} s can't be had: it lasts up to {MAX_STALL_S:g} s, "
                f"and begins within {MAX_AT_S:g} s"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drills:
    """
    The drills of one call. They act on the first socket that it opens; others are spared, a second try among them.

    Args:
        refuse: the opening of the call's first websocket fails as if nobody listened; the application is told ``failed``.
        answer_twice: the answer URL is asked twice for one call, and both answers' sockets are opened.
        drop_after_s: TCP is closed (FIN) without a close frame.
        reset_after_s: TCP is reset (RST).
        half_open_after_s: as if a cable was cut: nothing is sent or answered any more, and nothing closed. Until
            the call's duration, at most 90 s, for the server to notice.
        stop_reading_after_s: audio is still sent and nothing read, until the caller hangs up.
        jitter_ms: each message leaves up to so much late, in order; the mean rate stays.
        stalls: when nothing leaves for a while.
        late_connected: ``websocket:connected`` comes after 5 to 20 frames of audio.
        no_connected: it never comes.
        dup_connected: it comes once more after 5 to 20 frames.
        bad_frames: so many frames leave in a wrong size: half, odd, one and a half, two in one, or empty.
        seed: what all of this is drawn from.

    Raises:
        UsageError: a value is out of bounds, or two drills contradict each other.
    """

    refuse: bool = False
    answer_twice: bool = False
    drop_after_s: float | None = None
    reset_after_s: float | None = None
    half_open_after_s: float | None = None
    stop_reading_after_s: float | None = None
    jitter_ms: float = 0.0
    stalls: tuple[Stall, ...] = ()
    late_connected: bool = False
    no_connected: bool = False
    dup_connected: bool = False
    bad_frames: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        for name in (*_ENDINGS, "stop_reading_after_s"):
            at_s = getattr(self, name)
            if at_s is not None and not 0 <= at_s <= MAX_AT_S:
                raise UsageError(f"{option_of(name)} {at_s:g} can't be had: give seconds from 0 to {MAX_AT_S:g}")
        if not 0 <= self.jitter_ms <= MAX_JITTER_MS:
            raise UsageError(f"--jitter {self.jitter_ms:g} can't be had: give milliseconds from 0 to {MAX_JITTER_MS:g}")
        if not 0 <= self.bad_frames <= MAX_BAD_FRAMES:
            raise UsageError(f"--bad-frames {self.bad_frames} can't be had: give a number from 0 to {MAX_BAD_FRAMES:,}")
        self._check_contradictions()

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the drills that are on."""
        return tuple(item.name for item in fields(self) if item.name != "seed" and self._is_on(item.name))

    @property
    def on_the_socket(self) -> bool:
        """Whether any of them acts on an open socket."""
        return bool(set(self.names) - ON_WEBHOOKS)

    def check_target(self, target: str) -> None:
        """
        Some act on webhooks.

        Raises:
            UsageError: the target has none.
        """
        for name in sorted(ON_WEBHOOKS):
            if getattr(self, name) and target.startswith(("ws:", "wss:")):
                raise UsageError(f"{option_of(name)} needs an answer URL: a socket's address alone has no webhooks")

    def _is_on(self, name: str) -> bool:
        value = getattr(self, name)
        return value is not None if name.endswith("_after_s") else bool(value)

    def _check_contradictions(self) -> None:
        endings = [name for name in _ENDINGS if self._is_on(name)]
        pairs = [tuple(endings[:2])] if len(endings) > 1 else []
        pairs += [("refuse", name) for name in self.names if name != "refuse" and self.refuse]
        pairs += [("no_connected", name) for name in ("late_connected", "dup_connected") if self._is_on(name)][
            : 2 * self.no_connected
        ]
        if self.half_open_after_s is not None and self.stop_reading_after_s is not None:
            pairs.append(("half_open_after_s", "stop_reading_after_s"))
        for first, second in pairs:
            raise UsageError(f"{option_of(first)} and {option_of(second)} exclude each other; give one of them")


def option_of(name: str) -> str:
    """A drill's option on the command line, which is also its name in the report."""
    return "--" + drill_of(name)


def drill_of(name: str) -> str:
    """A drill's name: that of its field without the unit."""
    return {"stalls": "stall"}.get(name, name.removesuffix("_s").removesuffix("_ms")).replace("_", "-")


def excused_by(name: str) -> frozenset[str]:
    """The codes of what may come of the drill of this field alone, once it has struck."""
    return frozenset(_EXCUSED.get(name, ()))


def parse_stall(text: str) -> Stall:
    """
    Read ``2@5``: for 2 s at 5 s.

    Raises:
        UsageError: it isn't of this form, or out of bounds.
    """
    match = _STALL.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--stall {text!r} isn't a stall; 2@5 stalls for 2 s at 5 s of the socket")
    return Stall(float(match["length"]), float(match["at"]))
