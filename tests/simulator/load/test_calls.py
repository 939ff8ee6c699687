"""A watched call, on a channel that keeps what it is given; time is passed in."""

from __future__ import annotations

import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.load.calls import CALM_NS, WatchedCall
from vonage_sock.simulator.load.framed import SILENCE, FramedFrames
from vonage_sock.simulator.load.marks import MarkedFrames
from vonage_sock.simulator.load.tally import Book

FRAMES = FramedFrames(MarkedFrames(AudioFormat(8000), bytes(range(1, 256)) * 60))
END_AT = 10 * FRAME_NS


class Kept:
    """What was sent and how it ended."""

    prepared = FRAMES.plain
    unsent_bytes = 0

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.closed: list[int] = []

    def send(self, message: str | bytes) -> None:
        """A message."""
        self.sent.append(message)

    def send_prepared(self, message: bytes) -> int:
        """One of those that all say."""
        self.sent.append(message)
        return len(message)

    def close(self, code: int) -> None:
        """It is over."""
        self.closed.append(code)

    def abort(self) -> None:
        """It is over at once."""
        self.closed.append(0)

    def frames(self) -> tuple[int, int]:
        """How many were said, and how many were silence."""
        silent = self.sent.count(FRAMES.plain[SILENCE])
        return sum(isinstance(message, bytes) for message in self.sent) - silent, silent


def called() -> tuple[WatchedCall, Kept]:
    """A call that has just begun."""
    channel = Kept()
    call = WatchedCall(0, 0, Book(20 * MS), FRAMES, end_at=END_AT, over=lambda _: None)
    call.begin(channel, {}, 0)
    return call, channel


@pytest.mark.parametrize("stalled_at", [3 * FRAME_NS, 9 * FRAME_NS, None], ids=["in the middle", "at the end", "never"])
def test_a_stall_has_a_call_say_no_more_than_it_was_to(stalled_at: int | None) -> None:
    """What had its turn meanwhile is said at once, and after the end there is silence."""
    call, channel = called()
    for due_at in range(0, END_AT + CALM_NS, FRAME_NS):
        now = due_at if stalled_at is None or due_at < stalled_at else max(due_at, SECOND)
        said = channel.frames()[0]
        call.step(due_at, now)
        for frame in FRAMES.plain[said : channel.frames()[0]]:
            call.binary(frame, now)

    assert END_AT // FRAME_NS == channel.frames()[0]
    assert channel.frames()[1] >= CALM_NS // FRAME_NS
    assert [] == channel.closed


def test_a_call_hangs_up_when_all_is_back_and_it_was_calm_for_a_while() -> None:
    """Others may wait for their last frames."""
    call, channel = called()
    for due_at in range(0, END_AT, FRAME_NS):
        call.step(due_at, due_at)
        call.binary(FRAMES.plain[due_at // FRAME_NS], due_at + MS)
    closed = []
    for due_at in range(END_AT, END_AT + CALM_NS + FRAME_NS, FRAME_NS):
        call.step(due_at, due_at)
        closed.append(list(channel.closed))

    assert [[]] * (CALM_NS // FRAME_NS) + [[1000]] == closed
    assert (END_AT // FRAME_NS, CALM_NS // FRAME_NS) == channel.frames()
