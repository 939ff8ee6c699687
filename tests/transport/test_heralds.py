"""Sockets of which a few wake for all: real ones, on the kernel's own epoll, with time passed in."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vonage_sock.clock import MS, SECOND, US
from vonage_sock.transport.heralds import DISTANCE_NS, Heralds

FRAME_NS = 20 * MS
STEP_NS = 20 * US


class Calls:
    """Sockets on which frames come at the times that the test says, and somebody who sleeps on the heralds."""

    def __init__(self, heralds: Heralds, count: int) -> None:
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
def calls(count: int, *, distance_ns: int = DISTANCE_NS) -> Iterator[Calls]:
    heralds = Heralds(distance_ns=distance_ns)
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
    assert DISTANCE_NS <= sum(gaps) / len(gaps) <= 3 * DISTANCE_NS
    assert 25 <= quiet <= 75


def test_nobody_waits_longer_than_the_distance_wants() -> None:
    """Twice the distance is the longest that two times of being woken are apart, once the heralds are found."""
    with calls(100) as made:
        made.run(0, SECOND // 2)
        made.waits_ns.clear()
        made.run(SECOND // 2, SECOND)

    assert max(made.waits_ns) <= 2 * DISTANCE_NS + 200 * US


def test_with_no_distance_each_frame_wakes_us() -> None:
    """For who measures how long a frame takes."""
    with calls(50, distance_ns=0) as made:
        made.run(0, SECOND // 5)

        assert (0, {0}) == (made.heralds.quiet, set(made.waits_ns))


def test_a_herald_that_goes_leaves_another() -> None:
    """The last one that wakes us is never a quiet one, whoever hangs up."""
    with calls(20) as made:
        for step in range(19):
            made.frame(step, step)
            made.take(step)
        assert 19 == made.heralds.quiet
        loud = made.fds()[19]
        made.heralds.remove(loud)
        assert 18 == made.heralds.quiet
        woken = []
        for number in range(19):
            made.frame(number, 100)
            woken.append(made.is_woken())

        assert any(woken)


def test_the_last_herald_stays_one() -> None:
    """However soon it wakes us."""
    with calls(3) as made:
        for step in range(30):
            made.frame(step % 3, step)
            made.take(step)
        assert 2 == made.heralds.quiet


def test_who_can_write_again_wakes_us() -> None:
    """A quiet socket whose peer didn't read is a herald while it waits for that, and can't be made quiet."""
    with calls(4) as made:
        for step in range(3):
            made.frame(step, step)
            made.take(step)
        fd = made.fds()[0]
        quiet = made.heralds.quiet
        made.heralds.watch_writing(fd, wanted=True)

        assert quiet - 1 == made.heralds.quiet
        assert made.is_woken()
        assert (fd, select.EPOLLOUT) in made.heralds.ready()
        made.heralds.woken([(fd, select.EPOLLOUT)], woken_at=10, done_at=11)
        assert quiet - 1 == made.heralds.quiet
        made.heralds.watch_writing(fd, wanted=False)
        assert not made.is_woken()


def test_all_can_be_made_heralds_again() -> None:
    """For who finds that nothing comes any more."""
    with calls(10) as made:
        for step in range(9):
            made.frame(step, step)
            made.take(step)
        assert 9 == made.heralds.quiet
        made.heralds.make_all()
        made.frame(0, 100)

        assert (0, True) == (made.heralds.quiet, made.is_woken())


def test_where_the_system_gives_no_more_nothing_is_half_watched() -> None:
    """A descriptor that can't be watched is refused by both epolls, and another one is taken."""
    with calls(1) as made:
        with Path(__file__).open("rb") as file, pytest.raises(PermissionError):
            made.heralds.add(file.fileno())
        made.frame(0, 5)

        assert made.fds() == made.take(5)
    assert made.heralds.closed
