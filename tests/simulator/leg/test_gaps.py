"""Whose fault a gap is, by the length of our own stalls."""

from __future__ import annotations

import pytest

from vonage_sock.audio.playout import Gap
from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.leg.gaps import LATELY_STEPS, GapJudge

SHORT = Gap(at=SECOND, length_ns=60 * MS)


@pytest.mark.parametrize(("own_ms", "counts"), [(0, True), (9, True), (10, False), (300, False)])
def test_a_gap_counts_when_the_pause_behind_it_is_far_longer_than_ours(own_ms: int, counts: bool) -> None:
    """Of 60 ms the platform waits 40 by itself; twice our own lateness is excused."""
    judge = GapJudge(2)
    judge.stepped(own_ms * MS)
    judge.stepped(0)

    assert ([SHORT] if counts else []) == judge.judge([SHORT])


@pytest.mark.parametrize(("steps", "counts"), [(LATELY_STEPS, False), (2 * LATELY_STEPS, True)])
def test_a_stall_of_ours_is_forgotten_after_a_while(steps: int, counts: bool) -> None:
    """One or two seconds."""
    judge = GapJudge(2)
    judge.stepped(50 * MS)
    for _ in range(steps):
        judge.stepped(0)

    assert ([SHORT] if counts else []) == judge.judge([SHORT])


def test_each_gap_is_judged_once() -> None:
    """Whoever asks gives the list of all."""
    judge, later = GapJudge(2), Gap(at=2 * SECOND, length_ns=80 * MS)

    assert [[SHORT], [], [later]] == [judge.judge(gaps) for gaps in ([SHORT], [SHORT], [SHORT, later])]


def test_where_the_pace_is_slow_every_gap_counts() -> None:
    """Those that were excused before are given once, and later ones aren't excused."""
    judge = GapJudge(2)
    judge.stepped(50 * MS)
    before = judge.judge([SHORT, SHORT])
    told = [judge.pace_is_slow(), judge.pace_is_slow()]

    assert ([], [[SHORT, SHORT], []], [SHORT]) == (before, told, judge.judge([SHORT] * 3))
    assert {"gaps": 3, "total_ms": 180, "longest_ms": 60} == judge.numbers()


def test_two_gaps_are_single_mishaps() -> None:
    """They aren't summed up."""
    judge = GapJudge(2)
    judge.judge([SHORT, SHORT])

    assert judge.numbers() is None
