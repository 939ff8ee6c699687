"""Sockets of which a few wake for all: real ones, on the kernel's own epoll, with time passed in."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vonage_sock.clock import MS, SECOND, US
from vonage_sock.transport.heralds import AT_A_TIME, DISTANCE_NS, PERIOD_NS, AllHeralds, Heralds

FRAME_NS = 20 * MS
STEP_NS = 20 * US


class Calls:
    """Sockets on which frames come at the times that the test says, and somebody who sleeps on the heralds."""

    def __init__(self, heralds: Heralds | AllHeralds, count: int) -> None:
        self.heralds = heralds
        self.pairs = [socket.socketpair() for _ in range(count)]
        self.came_at: dict[int, int] = {}
        self.waits_ns: list[int] = []
        self.woken_at: list[int] = []
        for ours, _ in self.pairs:
            heralds.add(ours.fileno())

    def close(self) -> None:
        for pair in self.pairs:
            for end in pair:
                end.close()

    def fds(self) -> list[int]:
        return [ours.fileno() for ours, _ in self.pairs]

    def frame(self, number: int, now: int) -> None:
        ours, theirs = self.pairs[number]
        theirs.send(b"f")
        self.came_at[ours.fileno()] = now

    def is_woken(self) -> bool:
        return bool(select.select([self.heralds.fileno()], [], [], 0)[0])

    def take(self, now: int) -> list[int]:
        found = self.heralds.ready()
        for fd, _ in found:
            ours = next(ours for ours, _ in self.pairs if ours.fileno() == fd)
            ours.recv(100)
            self.waits_ns.append(now - self.came_at.pop(fd))
        self.woken_at.append(now)
        self.heralds.woken(found, woken_at=now, done_at=now + 10 * US)
        return [fd for fd, _ in found]

    def run(self, begin: int, end: int) -> None:
        """Each call sends each 20 ms, their phases spread evenly."""
        count = len(self.pairs)
        for now in range(begin, end, STEP_NS):
            for number in range(count):
                phase = number * FRAME_NS // count // STEP_NS * STEP_NS
                if now % FRAME_NS == phase:
                    self.frame(number, now)
            if self.is_woken():
                self.take(now)


@contextmanager
def calls(count: int, heralds: Heralds | AllHeralds | None = None) -> Iterator[Calls]:
    heralds = heralds or Heralds()
    made = Calls(heralds, count)
    try:
        yield made
    finally:
        heralds.close()
        made.close()


def test_many_calls_wake_us_as_often_as_a_few() -> None:
    """A hundred calls send 5,000 frames a second; after some time we are woken for two or three at once."""
    with calls(100) as made:
        made.run(0, SECOND // 2)
        made.waits_ns.clear()
        made.woken_at.clear()
        made.run(SECOND // 2, SECOND)
        quiet = made.heralds.quiet

    gaps = [after - before for before, after in zip(made.woken_at, made.woken_at[1:], strict=False)]
    assert 2500 - 100 <= len(made.waits_ns)
    assert 0.8 * DISTANCE_NS <= sum(gaps) / len(gaps) <= 3 * DISTANCE_NS
    assert 10 <= quiet <= 75


def test_nobody_waits_longer_than_the_distance_wants() -> None:
    """Twice the distance is the longest that two times of being woken are apart, once the heralds are found."""
    with calls(100) as made:
        made.run(0, SECOND // 2)
        made.waits_ns.clear()
        made.run(SECOND // 2, SECOND)

    assert max(made.waits_ns) <= 2 * DISTANCE_NS + 200 * US


def test_where_all_are_heralds_each_frame_wakes_us() -> None:
    """For who measures how long a frame takes; of those that hung up nothing is left."""
    with calls(50, AllHeralds()) as made:
        made.run(0, SECOND // 5)
        made.heralds.remove(made.fds()[49])

        assert (0, {0}) == (made.heralds.quiet, set(made.waits_ns))


def hush(made: Calls, numbers: list[int]) -> None:
    """Make these calls quiet: we were woken much too often, and each of them wakes us too soon."""
    for _ in range(AT_A_TIME * 200):
        made.heralds.woken([], woken_at=0, done_at=0)
    made.heralds.woken([], woken_at=PERIOD_NS, done_at=PERIOD_NS)
    for number in numbers:
        made.frame(number, PERIOD_NS)
        made.take(PERIOD_NS)


def test_a_herald_that_goes_leaves_another() -> None:
    """The last one that wakes us is never a quiet one, whoever hangs up."""
    with calls(20) as made:
        hush(made, list(range(19)))
        assert 19 == made.heralds.quiet
        made.heralds.remove(made.fds()[0])
        made.heralds.remove(made.fds()[19])
        assert 17 == made.heralds.quiet
        for number in range(1, 19):
            made.frame(number, PERIOD_NS)

        assert made.is_woken()


def test_the_last_herald_stays_one() -> None:
    """However soon it wakes us."""
    with calls(3) as made:
        hush(made, [0, 1, 2, 0, 1, 2])
        assert 2 == made.heralds.quiet


def test_where_few_send_none_is_quiet() -> None:
    """Two frames at the same moment are too soon after each other only where we are woken too often."""
    with calls(20) as made:
        for period in range(5):
            for number in range(20):
                made.frame(number, period * PERIOD_NS)
                made.take(period * PERIOD_NS)

        assert 0 == made.heralds.quiet


def test_who_had_to_wait_too_long_wakes_us() -> None:
    """The middle one of those that waited; where it was much too long, all of them."""
    with calls(10) as made:
        hush(made, list(range(9)))
        now = PERIOD_NS + 2 * DISTANCE_NS + 20 * US
        for number in (2, 3, 4):
            made.frame(number, now)
        made.take(now)
        after_one = made.heralds.quiet
        for number in (5, 6, 7):
            made.frame(number, now)
        made.take(now + 5 * DISTANCE_NS)

        assert (8, 5) == (after_one, made.heralds.quiet)


def test_who_can_write_again_wakes_us() -> None:
    """A quiet socket whose peer didn't read is a herald while it waits for that, and can't be made quiet."""
    with calls(4) as made:
        hush(made, [0])
        fd = made.fds()[0]
        assert 1 == made.heralds.quiet
        made.heralds.watch_writing(fd, wanted=True)

        assert 0 == made.heralds.quiet
        assert made.is_woken()
        assert (fd, select.EPOLLOUT) in made.heralds.ready()
        made.heralds.woken([(fd, select.EPOLLOUT)], woken_at=PERIOD_NS, done_at=PERIOD_NS)
        assert 0 == made.heralds.quiet
        made.heralds.watch_writing(fd, wanted=False)
        assert not made.is_woken()


@pytest.mark.parametrize("in_a_period", [True, False])
def test_all_are_heralds_again_where_hardly_anything_comes(in_a_period: bool) -> None:
    """Or where somebody says so."""
    with calls(10) as made:
        hush(made, list(range(9)))
        if in_a_period:
            made.heralds.woken([], woken_at=3 * PERIOD_NS, done_at=3 * PERIOD_NS)
            made.heralds.woken([], woken_at=5 * PERIOD_NS, done_at=5 * PERIOD_NS)
        else:
            made.heralds.make_all()
        made.frame(0, 5 * PERIOD_NS)

        assert (0, True) == (made.heralds.quiet, made.is_woken())


def test_where_the_system_gives_no_more_nothing_is_half_watched() -> None:
    """A descriptor that can't be watched is refused by both epolls, and another one is taken."""
    with calls(1) as made:
        with Path(__file__).open("rb") as file, pytest.raises(PermissionError):
            made.heralds.add(file.fileno())
        made.frame(0, 5)

        assert made.fds() == made.take(5)
    assert made.heralds.closed
