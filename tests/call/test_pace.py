"""What is wrong with the times of messages; what streams of each fault give is in ``test_inspect``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from operator import sub

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.call.found import Found
from vonage_sock.call.pace import PLAIN_WINDOWS_NEEDED, AheadJudge, BurstJudge, RateJudge, audio_ns
from vonage_sock.clock import MS, SECOND

PROPERTY = settings(deadline=None, database=None, max_examples=60)
RATE_16K = AudioFormat(16000)
LONG_NS = 1 << 62


def batches(times: Sequence[int], cuts: Sequence[int]) -> list[tuple[Sequence[int], list[int]]]:
    """The times and the gaps before them, cut at these places."""
    gaps_ns = list(map(sub, times, [times[0] - LONG_NS, *times]))
    edges = sorted({0, *(cut % len(times) for cut in cuts), len(times)})
    return [(times[a:b], gaps_ns[a:b]) for a, b in itertools.pairwise(edges)]


def judged(times: Sequence[int], size: int, cuts: Sequence[int]) -> list[Found]:
    """What all three judges say of messages that are given to them in these batches."""
    rate, ahead, bursts = RateJudge(RATE_16K), AheadJudge(RATE_16K, 1024), BurstJudge(RATE_16K)
    found: list[Found] = []
    for part, gaps_ns in batches(times, cuts):
        found += rate.messages(part, gaps_ns, size)
        found += ahead.messages(part, size)
        bursts.messages(part, gaps_ns, size)
    return sorted(found + bursts.finish(), key=lambda item: item.code)


PACES = st.sampled_from([(20, 1), (21, 1), (40, 1), (13, 1), (100, 5), (1, 1), (250, 12), (900, 20)])


@PROPERTY
@given(
    pace=PACES,
    size=st.sampled_from([320, 640, 960]),
    late=st.lists(st.integers(0, 300), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 10_000), max_size=40),
)
def test_how_messages_are_cut_into_batches_changes_nothing(
    pace: tuple[int, int], size: int, late: list[int], cuts: list[int]
) -> None:
    """The same is said, with the same numbers, as of messages that are given one by one."""
    period_ms, together = pace
    latest, times = 0, []
    for number in range(600):
        own_ms = late[number % len(late)] if number % 37 == 0 else 0
        latest = max(latest, (number // together * period_ms + own_ms) * MS)
        times.append(latest)

    assert judged(times, size, range(len(times))) == judged(times, size, cuts)


def steady(rate: RateJudge, every_ns: int, *, since: int, messages: int) -> list[Found]:
    """What is said of 20 ms of audio each so many nanoseconds, the first after a pause where ``since`` is one away."""
    times = [since + number * every_ns for number in range(messages)]
    return rate.messages(times, [LONG_NS, *[every_ns] * (messages - 1)], RATE_16K.frame_bytes)


def test_a_pace_that_was_plain_is_not_looked_at_any_more_where_it_settles() -> None:
    """Until a pause: what follows may come from elsewhere."""
    rate, thorough = RateJudge(RATE_16K, settles=True), RateJudge(RATE_16K)
    plain = 50 * (PLAIN_WINDOWS_NEEDED + 2)
    now = plain * FRAME_NS
    for judge in (rate, thorough):
        assert [] == steady(judge, FRAME_NS, since=0, messages=plain)
    slow = [now + number * 2 * FRAME_NS for number in range(1, 150)]

    assert [] == rate.messages(slow, [2 * FRAME_NS] * 149, RATE_16K.frame_bytes)
    assert ["VS204"] == [item.code for item in thorough.messages(slow, [2 * FRAME_NS] * 149, RATE_16K.frame_bytes)]
    assert ["VS108"] == [item.code for item in steady(rate, 2 * FRAME_NS, since=now + 10 * SECOND, messages=150)]


def test_a_pace_settles_only_by_plain_windows_in_a_row() -> None:
    """One that isn't begins the count anew."""
    rate = RateJudge(RATE_16K, settles=True)
    gaps_ns = ([FRAME_NS] * 300 + [25 * MS] * 40) * 4 + [25 * MS] * 150
    times = list(itertools.accumulate(gaps_ns))

    assert ["VS204"] == [item.code for item in rate.messages(times, [LONG_NS, *gaps_ns[1:]], RATE_16K.frame_bytes)]


def test_who_was_told_that_audio_is_too_far_ahead_is_not_told_again() -> None:
    """Nor that its pace is slow."""
    ahead = AheadJudge(RATE_16K, 100)
    found = [item.code for _ in range(5) for item in ahead.messages([0] * 30, RATE_16K.frame_bytes)]

    assert ["VS205"] == found


@pytest.mark.parametrize(("size", "ms"), [(640, 20), (1, 0.03125), (0, 0)])
def test_bytes_have_a_length_in_time(size: int, ms: float) -> None:
    """Two for each sample."""
    assert ms * MS == audio_ns(size, RATE_16K)
