"""What a simulated call tells its observers."""

from __future__ import annotations

from vonage_sock.call.events import Ended, Event, FindingRaised, Notice
from vonage_sock.clock import ManualClock
from vonage_sock.simulator.telling import Teller


def test_a_finding_is_told_once_and_counted() -> None:
    """Each time it is seen again only its count grows."""
    told: list[Event] = []
    teller = Teller([told.append], ManualClock())

    teller.find("VS409")
    teller.find("VS409")

    assert [FindingRaised] == [type(event) for event in told]
    assert [2] == [finding.count for finding in teller.findings.all()]


def test_every_observer_is_told() -> None:
    """In their order."""
    first: list[Event] = []
    second: list[Event] = []

    Teller([first.append, second.append], ManualClock()).note("hello")

    assert ["hello"] == [event.message for event in first if isinstance(event, Notice)]
    assert first == second


def test_the_end_of_the_last_leg_is_remembered() -> None:
    """For the report."""
    teller = Teller([], ManualClock())
    ended = Ended(
        at=0, duration_s=0, frames_in=0, frames_out=0, dtmf="", close_code=1000, close_reason="", closed_by="server"
    )

    teller.tell(ended)

    assert ended == teller.ended
