"""How long one call's frames take to come back."""

from __future__ import annotations

import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.clock import MS
from vonage_sock.simulator.load.lane import MAX_WAITING
from vonage_sock.simulator.load.marks import POOL_FRAMES, MarkedFrames
from vonage_sock.simulator.load.meter import CallMeter
from vonage_sock.simulator.load.tally import Book, Tally

FRAMES = MarkedFrames(AudioFormat(8000), bytes(range(256)) * 10)

pytestmark = pytest.mark.usefixtures("each_lane")


class Trial:
    """A call whose frames leave every 20 ms from number 0 on."""

    def __init__(self, frames: int, first: int = 0) -> None:
        self.book = Book(late_ns=20 * MS)
        self.meter = CallMeter(self.book, FRAMES)
        self.sent_at = {}
        self.meter.begin(first)
        for at in range(frames):
            self.sent_at[(first + at) % POOL_FRAMES] = at * FRAME_NS
            self.meter.sent(at * FRAME_NS)

    def back(self, number: int, after_ms: float) -> None:
        """A frame comes back."""
        self.meter.received(FRAMES.frames[number], self.sent_at[number] + round(after_ms * MS))

    def over(self) -> Tally:
        """The call is over."""
        self.meter.finish()
        return self.book.turn()


def test_each_frame_is_timed_from_its_own_writing() -> None:
    """Not from when the one before left, or was due."""
    trial = Trial(3)
    for number, after_ms in ((0, 5), (1, 7), (2, 25)):
        trial.back(number, after_ms)
    tally = trial.over()

    assert (3, 3, 1, 0, 0) == (tally.sent, tally.returned, tally.late, tally.lost, tally.out_of_order)
    assert 25 * MS == tally.round_trip.max_ns
    assert pytest.approx(7 * MS, rel=0.01) == tally.round_trip.quantile_ns(0.5)


def test_what_does_not_come_back_is_lost() -> None:
    """Whether at the end or in between."""
    trial = Trial(5)
    for number in (0, 2, 3):
        trial.back(number, 1)

    assert (3, 2, 0) == ((tally := trial.over()).returned, tally.lost, tally.out_of_order)


def test_a_frame_that_was_overtaken_is_out_of_order() -> None:
    """The one that overtook it isn't, and neither is what follows."""
    trial = Trial(5)
    for number in (0, 2, 1, 3, 4):
        trial.back(number, 50)
    tally = trial.over()

    assert (5, 1, 0) == (tally.returned, tally.out_of_order, tally.lost)


def test_the_order_goes_on_where_the_numbers_begin_anew() -> None:
    """The last number is followed by zero."""
    trial = Trial(6, first=POOL_FRAMES - 3)
    for number in (POOL_FRAMES - 3, POOL_FRAMES - 2, POOL_FRAMES - 1, 0, 1, 2):
        trial.back(number, 1)

    assert (6, 0) == ((tally := trial.over()).returned, tally.out_of_order)


def test_a_frame_that_comes_twice_or_was_never_said_is_a_stray() -> None:
    """It isn't timed, and makes nothing else lost."""
    trial = Trial(2)
    trial.back(0, 1)
    trial.back(0, 2)
    trial.meter.received(FRAMES.frames[900], 3 * MS)
    trial.back(1, 1)

    assert (2, 2, 0) == ((tally := trial.over()).returned, tally.stray, tally.lost)


def test_a_stray_is_a_mark_that_was_seen() -> None:
    """Its audio isn't changed, though nothing of it could be timed."""
    trial = Trial(1)
    before = trial.meter.saw_marks
    trial.meter.received(FRAMES.frames[900], MS)

    assert (False, True, False) == (before, trial.meter.saw_marks, trial.meter.returned_any)


def test_frames_are_found_in_messages_of_any_size() -> None:
    """Two in one, then one in three pieces: it is there with its last piece."""
    trial = Trial(3)
    both = FRAMES.frames[0] + FRAMES.frames[1]
    trial.meter.received(both, 30 * MS)
    for piece, at_ms in ((slice(0, 7), 50), (slice(7, 200), 60), (slice(200, None), 70)):
        trial.meter.received(FRAMES.frames[2][piece], at_ms * MS)
    tally = trial.over()

    assert (3, 0, 0) == (tally.returned, tally.lost, tally.unmarked_bytes)
    assert 30 * MS == tally.round_trip.max_ns


def test_altered_samples_are_counted_whole_or_in_pieces() -> None:
    """A frame that comes back with its mark and another content did come back."""
    trial = Trial(2)
    wrong = [FRAMES.frames[number][:-1] + b"\x55" for number in (0, 1)]
    trial.meter.received(wrong[0], MS)
    trial.meter.received(wrong[1][:50], 21 * MS)
    trial.meter.received(wrong[1][50:], 22 * MS)

    assert (2, 2) == ((tally := trial.over()).returned, tally.altered)


def test_what_a_silent_server_owes_is_bounded() -> None:
    """After ten seconds a frame is lost, and the meter keeps no more than that."""
    trial = Trial(MAX_WAITING + 100)

    assert MAX_WAITING == len(trial.meter.lane.waiting)
    assert MAX_WAITING + 100 == trial.over().lost


def test_jitter_is_that_of_rfc_3550() -> None:
    """A steady echo has none; one that goes to and fro by 8 ms comes near 8 ms."""
    steady, uneven = Trial(200), Trial(200)
    for number in range(200):
        steady.back(number, 5)
        uneven.back(number, 5 + 8 * (number % 2))

    assert 0 == steady.over().jitter.max_ns
    assert pytest.approx(8 * MS, rel=0.05) == uneven.over().jitter.max_ns


@pytest.mark.parametrize(("came", "lost"), [(10, 0), (9.5, 0), (9, 1), (7.5, 2), (7, 3)])
def test_changed_audio_is_counted_by_its_length(came: float, lost: int) -> None:
    """A filter may keep a piece of the last frame back; a whole frame is missing."""
    trial = Trial(10)
    trial.meter.received(b"\x03" * round(came * 320), 300 * MS)

    assert (lost, 0, came * 320) == ((tally := trial.over()).lost, tally.returned, tally.unmarked_bytes)


def test_a_book_gives_each_second_once() -> None:
    """What comes later counts in the next."""
    trial = Trial(2)
    trial.back(0, 1)
    first = trial.book.turn()
    trial.back(1, 1)

    assert (1, 1, 0) == (first.returned, (second := trial.over()).returned, second.sent)
