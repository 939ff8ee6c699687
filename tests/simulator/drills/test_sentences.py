"""How a server took a drill, in words; more of it with the leg around it in ``test_machine``."""

from __future__ import annotations

import pytest

from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.drills.sentences import Ending, Watch, how_it_ended, row, seconds, span, took


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1006, "", "was lost without a close frame"),
        (1013, "busy", "was closed by the server with 1013 (busy)"),
        (1000, "", "was closed by the server with 1000"),
    ],
)
def test_how_a_connection_ended(code: int, reason: str, expected: str) -> None:
    """A code that was never sent isn't told."""
    assert expected == how_it_ended(code, reason)


@pytest.mark.parametrize(
    ("times_ms", "expected"),
    [
        ((10,), "it went on: 1 frame followed, the first after 10 ms"),
        ((10, 713), "it went on: 2 frames followed, the first after 10 ms, longest gap 703 ms"),
    ],
)
def test_a_gap_is_between_two(times_ms: tuple[int, ...], expected: str) -> None:
    """One frame has none."""
    watch = Watch("jitter", 0, "", 0)
    for at_ms in times_ms:
        watch.audio(at_ms * MS)

    assert expected == took(watch, Ending(SECOND, 1000, "", by_us=True))


def test_times_are_short() -> None:
    """Milliseconds, then seconds; a drill that didn't strike has none."""
    assert ("9999 ms", "10.0 s", "0.4") == (span(9999 * MS), span(10 * SECOND), seconds(400 * MS))
    assert [None, 1.5] == [row("x", at, "", "")["at_s"] for at in (None, 1500 * MS)]
