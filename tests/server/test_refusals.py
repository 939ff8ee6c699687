"""How refusals are told."""

from __future__ import annotations

from collections.abc import Callable

from vonage_sock.call.events import Event, FindingRaised, Notice
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.server.refusals import LOOK_AGAIN_S, Refusals


class Timers:
    """Stands in for the event loop's timers: they go off when the clock is moved on."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._armed: list[tuple[int, Callable[[], None]]] = []

    def __call__(self, delay_s: float, action: Callable[[], None]) -> None:
        self._armed.append((self._clock.now() + round(delay_s * SECOND), action))

    def pass_s(self, seconds: float) -> None:
        """Let time go by."""
        until = self._clock.now() + round(seconds * SECOND)
        while due := sorted((one for one in self._armed if one[0] <= until), key=lambda one: one[0]):
            self._armed.remove(due[0])
            self._clock.advance_to(due[0][0])
            due[0][1]()
        self._clock.advance_to(until)


def told(events: list[Event]) -> list[tuple[str, int, str]]:
    """Code, count and message."""
    return [(e.code, e.count, e.message) for e in events if isinstance(e, FindingRaised)]


def rig() -> tuple[list[Event], Timers, Refusals]:
    """A teller with its timers."""
    events: list[Event] = []
    clock = ManualClock()
    timers = Timers(clock)
    return events, timers, Refusals(events.append, clock, later=timers)


def test_the_first_is_told_at_once_and_the_others_counted_after_a_minute() -> None:
    """With the words of the last."""
    events, timers, refusals = rig()
    for number in range(50):
        refusals.add("VS441", {"reason": f"is number {number}"})
    at_once = told(events)
    timers.pass_s(LOOK_AGAIN_S)

    assert [("VS441", 1, "a socket was refused with 401: its request is number 0")] == at_once
    assert [("VS441", 49, "a socket was refused with 401: its request is number 49")] == told(events)[1:]


def test_an_hour_of_refusals_is_about_a_line_a_minute() -> None:
    """And none is lost from the count."""
    events, timers, refusals = rig()
    for _ in range(7_200):
        refusals.add("VS441", {"reason": "is one of many"})
        timers.pass_s(0.5)
    refusals.flush()

    assert 7_200 == sum(count for _, count, _ in told(events))
    assert 58 <= len(events) <= 62


def test_kinds_are_told_for_themselves() -> None:
    """One doesn't hide another."""
    events, _, refusals = rig()
    for code, numbers in (("VS441", {"reason": "x"}), ("VS442", {"origin": "y"}), ("VS441", {"reason": "z"})):
        refusals.add(code, numbers)

    assert ["VS441", "VS442"] == [code for code, _, _ in told(events)]


def test_after_a_quiet_minute_the_next_is_told_at_once() -> None:
    """And nothing is told in the quiet."""
    events, timers, refusals = rig()
    refusals.add("VS441", {"reason": "a"})
    timers.pass_s(600)
    refusals.add("VS441", {"reason": "b"})

    assert [1, 1] == [count for _, count, _ in told(events)]


def test_what_was_only_counted_is_told_at_the_end() -> None:
    """Without timers too."""
    events: list[Event] = []
    refusals = Refusals(events.append, ManualClock())
    for _ in range(3):
        refusals.add("VS441", {"reason": "a"})
    refusals.flush()
    refusals.flush()

    assert [1, 2] == [count for _, count, _ in told(events)]


def test_warnings_are_told_and_counted_as_findings_are() -> None:
    """A flood of requests is no flood of lines, and how many there were is said."""
    events, timers, refusals = rig()
    for _ in range(1000):
        refusals.say("slow", "too slow")
    refusals.say("large", "too large")
    timers.pass_s(600)
    refusals.say("slow", "too slow")

    assert ["too slow", "too large", "too slow (999 times in the last minutes)", "too slow"] == [
        event.message for event in events if isinstance(event, Notice)
    ]
