"""What is wrong in one call, counted."""

from __future__ import annotations

from vonage_sock.call.events import FindingRaised
from vonage_sock.call.findings import Findings


def test_a_finding_is_told_when_first_seen() -> None:
    """With its level, its place, and the numbers of this call in its message."""
    findings = Findings("c1")

    assert findings.add("VS102", at=7, frame=3, size=100, expected=640) == FindingRaised(
        at=7,
        call="c1",
        code="VS102",
        level="warning",
        message="a binary message of 100 bytes where a frame has 640: re-framed",
        count=1,
        first_frame=3,
    )


def test_a_finding_seen_again_is_counted_and_not_told() -> None:
    """A fault in each frame doesn't fill the screen; the first message stays."""
    findings = Findings("c1")
    findings.add("VS102", at=1, frame=3, size=100, expected=640)
    again = [findings.add("VS102", at=at, frame=at, size=7, expected=640) for at in (2, 3)]

    assert [None, None] == again
    assert [(3, 3, 3, True)] == [(f.count, f.first_frame, f.at, "100 bytes" in f.message) for f in findings.all()]


def test_totals_are_told_only_where_the_count_has_grown() -> None:
    """What was seen once has been told already."""
    findings = Findings(None)
    findings.add("VS303", at=1, frame=0)
    findings.add("VS308", at=1, frame=0)
    findings.add("VS308", at=2, frame=0)

    assert [("VS308", 2, 9)] == [(f.code, f.count, f.at) for f in findings.totals(at=9)]


def test_findings_are_listed_in_the_order_of_first_sight() -> None:
    """Each code once."""
    findings = Findings(None)
    for code in ("VS308", "VS303", "VS308"):
        findings.add(code, at=0, frame=0)

    assert ["VS308", "VS303"] == [f.code for f in findings.all()]


def test_text_from_outside_is_no_format_string() -> None:
    """Braces in what the other side said stay braces."""
    event = Findings(None).add("VS301", at=0, frame=0, reason="{0} {reason} {x!r}")

    assert event is not None
    assert "a text message isn't JSON: {0} {reason} {x!r}" == event.message


def test_what_is_excused_is_neither_told_nor_counted() -> None:
    """A fault drill's own consequences aren't the server's fault."""
    findings = Findings(None)
    findings.excuse({"VS308"})
    told = findings.add("VS308", at=0, frame=0)
    findings.add("VS303", at=0, frame=0)

    assert told is None
    assert (True, False) == (findings.excuses("VS308"), findings.excuses("VS303"))
    assert (False, True) == ("VS308" in findings, "VS303" in findings)
