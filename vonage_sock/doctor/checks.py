"""
What was looked at, how it was found, and what to do about it: all that a doctor says.

Values only. Texts may hold what came from outside, as it came: whoever shows them makes them harmless.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """Fine, at fault, or not tried, which is no fault of anybody's."""

    OK = "ok"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing that was looked at.

    Args:
        name: what it is, in a word or two.
        message: what was found; half a sentence.
        cures: what to do, one thing each. What is fine has some where it could be better: that is advice.
    """

    name: str
    result: Result
    message: str
    cures: tuple[str, ...] = ()

    @property
    def advises(self) -> bool:
        """It works, and could be better."""
        return self.result is Result.OK and bool(self.cures)


def fine(name: str, message: str, *advice: str) -> Check:
    """Nothing is wrong with it."""
    return Check(name, Result.OK, message, advice)


def fault(name: str, message: str, *cures: str) -> Check:
    """With it calls fail, or go wrong."""
    return Check(name, Result.FAULT, message, cures)


def skipped(name: str, why: str, *cures: str) -> Check:
    """It wasn't tried, and why."""
    return Check(name, Result.SKIPPED, why, cures)


def is_broken(checks: Iterable[Check]) -> bool:
    """One of them is a fault, so that what builds on them needn't be tried."""
    return any(check.result is Result.FAULT for check in checks)
