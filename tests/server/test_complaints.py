"""What is told of what others do wrong, however often they do it."""

from __future__ import annotations

from vonage_sock.call.events import Notice
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.server.complaints import Complaints


def test_each_kind_is_told_once_a_minute_with_how_many_there_were() -> None:
    """A flood of requests is no flood of lines."""
    clock, told = ManualClock(), list[Notice]()
    complaints = Complaints(told.append, clock)
    for _ in range(1000):
        complaints.say("slow", "too slow")
    complaints.say("large", "too large")
    clock.advance_to(clock.now() + 60 * SECOND)
    complaints.say("slow", "too slow")
    clock.advance_to(clock.now() + 60 * SECOND)
    complaints.say("slow", "too slow")

    assert [
        "too slow",
        "too large",
        "too slow (and 999 more like it in the last minutes)",
        "too slow",
    ] == [notice.message for notice in told]
