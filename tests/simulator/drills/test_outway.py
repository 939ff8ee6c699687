"""What leaves of a leg that suffers, on integers; more of it with the leg around it in ``test_drilled``."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.drills.outway import Outway
from vonage_sock.simulator.drills.plan import Drills, Stall

FRAME = bytes(range(160)) * 2
CONNECTED = '{"event":"websocket:connected"}'


def test_without_a_drill_everything_leaves_at_once() -> None:
    """In order."""
    outway = Outway(Drills(), random.Random(1), now=0)
    for at, message in enumerate((CONNECTED, FRAME, '{"digit":"1"}', FRAME, Close(1000))):
        outway.push(message, at)
        assert [message] == outway.take(at)

    assert (None, 2, {}) == (outway.next_at, outway.frames, outway.struck)


@given(
    jitter_ms=st.floats(0, 200),
    stalls=st.lists(st.tuples(st.floats(0.02, 1), st.floats(0, 2)), max_size=3),
    seed=st.integers(0, 99),
)
@settings(deadline=None, database=None, max_examples=50)
def test_order_is_kept_and_nothing_is_lost(jitter_ms: float, stalls: list[tuple[float, float]], seed: int) -> None:
    """Nor does anything leave early, or later than jitter and stalls together allow."""
    drills = Drills(jitter_ms=jitter_ms, stalls=tuple(Stall(*stall) for stall in stalls))
    outway = Outway(drills, random.Random(seed), now=0)
    for number in range(120):
        outway.push(bytes([number]), number * FRAME_NS)
    left: list[tuple[int, Outgoing]] = []
    while (at := outway.next_at) is not None:
        left += [(at, message) for message in outway.take(at)]
    limit_ns = round(jitter_ms * MS) + round(sum(length for length, _ in stalls) * SECOND) + len(stalls)

    assert [bytes([number]) for number in range(120)] == [message for _, message in left]
    assert [] == [n for n, (at, _) in enumerate(left) if not 0 <= at - n * FRAME_NS <= limit_ns]


def test_an_abort_leaves_behind_what_was_held_back() -> None:
    """Nothing is written any more."""
    outway = Outway(Drills(jitter_ms=100), random.Random(1), now=0)
    outway.push(FRAME, 0)
    outway.push(Abort(), 1)

    assert [Abort()] == outway.take(1)
