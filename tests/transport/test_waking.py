"""What wakes a loop for its sockets: real ones, on the kernel's own epoll, with time passed in."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator

import pytest

from vonage_sock.clock import MS, SECOND, US
from vonage_sock.transport.waking import BEAT_NS, PERIOD_NS, Beat, EachWakes

FRAME_NS = 20 * MS
STEP_NS = 20 * US


class StandInTimer:
    """Rings when the test says that the time has come; it leaves out the kernel's clock."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.every_ns: int | None = None
        self._next_at = 0

    def fileno(self) -> int:
        return self._fd

    def set(self, after_ns: int, every_ns: int = 0) -> None:
        assert after_ns == every_ns
        self.every_ns = every_ns

    def stop(self) -> None:
        self.every_ns = None
        self.clear()

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    def pass_to(self, now: int) -> None:
        """It rings if it is set."""
        if self.every_ns is not None and now >= self._next_at:
            os.eventfd_write(self._fd, 1)
            self._next_at = now + self.every_ns


class Calls:
    """Sockets on which frames come at the times that the test says, and somebody who sleeps on what wakes."""

    def __init__(self, waking: EachWakes, count: int, timer: StandInTimer) -> None:
        self.waking, self.timer = waking, timer
        self.pairs = [socket.socketpair() for _ in range(count)]
        self.came_at: dict[int, int] = {}
        self.waits_ns: list[int] = []
        self.woken_at: list[int] = []
        for ours, _ in self.pairs:
            waking.add(ours.fileno())

    def close(self) -> None:
        for pair in self.pairs:
            for end in pair:
                end.close()

    def frame(self, number: int, now: int) -> None:
        ours, theirs = self.pairs[number]
        theirs.send(b"f")
        self.came_at[ours.fileno()] = now

    def is_woken(self) -> bool:
        return bool(select.select([self.waking.fileno()], [], [], 0)[0])

    def take(self, now: int) -> None:
        self.waking.begin()
        found = self.waking.ready()
        for fd, _ in found:
            ours = next(ours for ours, _ in self.pairs if ours.fileno() == fd)
            ours.recv(100)
            self.waits_ns.append(now - self.came_at.pop(fd))
        self.woken_at.append(now)
        self.waking.woken(len(found), woken_at=now, done_at=now + 10 * US)

    def run(self, begin: int, end: int, *, sending: int | None = None) -> None:
        """Each call sends each 20 ms, their phases spread evenly."""
        count = len(self.pairs)
        self.waits_ns.clear()
        self.woken_at.clear()
        for now in range(begin, end, STEP_NS):
            for number in range(count if sending is None else sending):
                if now % FRAME_NS == number * FRAME_NS // count // STEP_NS * STEP_NS:
                    self.frame(number, now)
            self.timer.pass_to(now)
            if self.is_woken():
                self.take(now)


@contextlib.contextmanager
def calls(count: int, *, each: bool = False) -> Iterator[Calls]:
    timer = StandInTimer()
    waking = EachWakes() if each else Beat(timer)
    made = Calls(waking, count, timer)
    try:
        yield made
    finally:
        waking.close()
        made.close()
        if each:
            timer.close()


def test_many_calls_wake_us_at_even_intervals() -> None:
    """A hundred calls send 5,000 frames a second: we are woken 2,000 times, and none waits longer than a beat."""
    with calls(100) as made:
        made.run(0, SECOND // 10)
        made.run(SECOND // 10, SECOND // 2)

    gaps = {after - before for before, after in zip(made.woken_at, made.woken_at[1:], strict=False)}
    assert {BEAT_NS} == gaps
    assert 2000 - 10 <= len(made.waits_ns) <= 2000 + 10
    assert BEAT_NS >= max(made.waits_ns)


def test_few_calls_are_heard_at_once() -> None:
    """Thirty calls send 1,500 frames a second, which is less than there are beats."""
    with calls(30) as made:
        made.run(0, SECOND // 2)

        assert 750 == len(made.waits_ns)
        assert {0} == set(made.waits_ns)


def test_when_many_have_become_few_each_wakes_again() -> None:
    """A period after most of a hundred have hung up."""
    with calls(100) as made:
        made.run(0, SECOND // 10)
        many = len(made.woken_at) / len(made.waits_ns)
        made.run(SECOND // 10, SECOND // 10 + 2 * PERIOD_NS, sending=10)
        made.run(2 * SECOND // 10, 3 * SECOND // 10, sending=10)

        assert many < 0.7
        assert {0} == set(made.waits_ns)
        assert made.timer.every_ns is None


@pytest.mark.parametrize("sending", [45, 60, 100])
def test_it_does_not_go_to_and_fro(sending: int) -> None:
    """What began to beat beats on with half as many."""
    with calls(100) as made:
        made.run(0, SECOND // 10)
        made.run(SECOND // 10, SECOND // 5, sending=sending)

        assert made.timer.every_ns == BEAT_NS
        assert BEAT_NS >= max(made.waits_ns)


def test_where_each_wakes_nobody_waits() -> None:
    """For who measures how long a frame takes; of those that hung up nothing is left."""
    with calls(100, each=True) as made:
        made.run(0, SECOND // 5)
        made.waking.remove(made.pairs[99][0].fileno())
        made.frame(99, SECOND)

        assert {0} == set(made.waits_ns)
        assert not made.is_woken()


@pytest.mark.parametrize("many", [False, True])
def test_who_can_write_again_is_found(many: bool) -> None:
    """A socket whose peer didn't read wakes us like one that has a frame, and no longer when all was written."""
    with calls(100) as made:
        made.run(0, SECOND // 10, sending=100 if many else 1)
        fd = made.pairs[0][0].fileno()
        made.waking.watch_writing(fd, wanted=True)
        made.timer.pass_to(SECOND)

        assert made.is_woken()
        assert (fd, select.EPOLLOUT) in made.waking.ready()
        made.waking.watch_writing(fd, wanted=False)
        assert fd not in [other for other, _ in made.waking.ready()]
        assert many or not made.is_woken()
