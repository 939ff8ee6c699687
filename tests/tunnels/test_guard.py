"""What the guard passes on."""

from __future__ import annotations

from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.tunnels.guard import LINES_BURST, LINES_PER_S, MAX_LINE_BYTES, Allowance, Lines


def test_lines_are_passed_on_whole() -> None:
    """However they come."""
    lines = Lines(lambda: True)

    assert b"one\n" == lines.feed(b"one\ntw")
    assert b"two\n\n" == lines.feed(b"o\n\nthree")
    assert b"three\n" == lines.end()
    assert b"" == lines.end()


def test_a_line_without_end_is_cut() -> None:
    """It takes no more room than its limit, however much comes."""
    lines = Lines(lambda: True)
    for _ in range(50):
        lines.feed(b"x" * MAX_LINE_BYTES)

    assert b"x" * MAX_LINE_BYTES + b"\n" == lines.feed(b"\n")


def test_the_allowance_comes_back_with_time() -> None:
    """A burst at once, and then so many a second."""
    clock = ManualClock()
    allowance = Allowance(clock)
    first = sum(allowance.take() for _ in range(2 * LINES_BURST))
    clock.advance_to(SECOND)

    assert LINES_BURST == first
    assert LINES_PER_S == sum(allowance.take() for _ in range(2 * LINES_BURST))
