"""What is wrong in one call, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vonage_sock.call.events import FindingRaised
from vonage_sock.call.findings.catalogue import CATALOGUE


class Findings:
    """Counts what is wrong in one call and says when an observer should be told."""

    __slots__ = ("_call", "_excused", "_seen", "_told")

    def __init__(self, call: str | None) -> None:
        self._call = call
        self._seen: dict[str, FindingRaised] = {}
        self._told: dict[str, int] = {}
        self._excused: frozenset[str] = frozenset()

    def excuse(self, codes: Iterable[str]) -> None:
        """From now on these aren't the other side's fault in this call: they are neither told nor counted."""
        self._excused |= frozenset(codes)

    def excuses(self, code: str) -> bool:
        """Whether this code isn't told any more in this call."""
        return code in self._excused

    def __contains__(self, code: object) -> bool:
        """Whether it was seen."""
        return code in self._seen

    def add(self, code: str, *, at: int, frame: int, **numbers: object) -> FindingRaised | None:
        """Note it; the event to tell when this is the first of its code, else None."""
        if code in self._excused:
            return None
        before = self._seen.get(code)
        if before is not None:
            self._seen[code] = replace(before, count=before.count + 1, at=at)
            return None
        rule = CATALOGUE[code]
        event = FindingRaised(
            at=at,
            call=self._call,
            code=code,
            level=rule.level.value,
            message=rule.message.format(**numbers),
            count=1,
            first_frame=frame,
        )
        self._seen[code] = event
        self._told[code] = 1
        return event

    def totals(self, *, at: int) -> list[FindingRaised]:
        """The findings whose count has grown since they were told."""
        return [replace(e, at=at) for code, e in self._seen.items() if e.count > self._told[code]]

    def all(self) -> list[FindingRaised]:
        """Each code once, with its count so far, in the order of first sight."""
        return list(self._seen.values())
