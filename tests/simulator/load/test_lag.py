"""How late what came was read."""

from __future__ import annotations

import contextlib
import select
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.transport.rig import tcp_pair
from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import SECOND, SystemClock
from vonage_sock.simulator.load.lag import STAMPED_CALLS, Lag, StampedSocket, stamped_every
from vonage_sock.simulator.load.schedule import SLOTS, slot_of

FOUND = 2


def rounds(lag: Lag, *spans: tuple[int, int]) -> None:
    """One after the other: how long each took, and what it found."""
    for number, (span_ns, found) in enumerate(spans):
        lag.begin()
        lag.woken(found, woken_at=1000 * number, done_at=1000 * number + span_ns)


def test_a_frame_waited_at_most_for_two_rounds_and_what_was_written_between_them() -> None:
    """Since it may have come just after the first of them had looked; who writes doesn't look."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    rounds(lag, (50, FOUND))
    lag.kept(30)
    lag.kept(12)
    rounds(lag, (8, 1), (7, FOUND))
    lag.close()

    assert [(2, 50), (1, 50 + 42 + 8), (2, 8 + 7)] == told


def test_what_is_written_in_a_round_counts_once() -> None:
    """The round is as much longer."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    lag.begin()
    lag.kept(30)
    lag.woken(FOUND, woken_at=0, done_at=40)
    rounds(lag, (1, FOUND))
    lag.close()

    assert [(2, 40), (2, 41)] == told


def test_a_round_that_found_nothing_tells_nothing() -> None:
    """And what was written before it kept nobody waiting."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    lag.kept(30)
    rounds(lag, (2, 0), (1, FOUND))
    lag.close()

    assert [(2, 3)] == told


@pytest.mark.parametrize("calls", [1, 31, 64, 640, 800, 20_000])
def test_the_stamped_calls_are_few_and_of_every_slot(calls: int) -> None:
    """They stand for all: none is said for at another time of the 20 ms than some of these."""
    every = stamped_every(calls)
    stamped = range(every - 1, calls, every)
    slots = Counter(slot_of(number) for number in stamped)

    assert len(stamped) <= 2 * STAMPED_CALLS
    assert min(SLOTS, len(stamped)) == len(slots)
    assert max(slots.values()) - min(slots.values()) <= 1


class Late(SystemClock):
    """The machine's clock, as it will be."""

    def __init__(self, by_ns: int) -> None:
        self._by_ns = by_ns

    def wall_ns(self) -> int:
        """Unix time in nanoseconds, later."""
        return super().wall_ns() + self._by_ns


def read_from(sock: StampedSocket, own: socket.socket) -> int:
    """How much there is; the kernel may need a moment to bring it."""
    select.select([own], [], [], 10)
    return sock.recv_into(bytearray(4096), 4000)


@contextlib.contextmanager
def stamping(late_ns: int) -> Iterator[tuple[socket.socket, socket.socket, StampedSocket, list[int]]]:
    """Two ends, of which the second is stamped, and what it tells; the kernel begins a moment after it was asked to."""
    peer, own = tcp_pair()
    with peer, own:
        waited: list[int] = []
        sock = StampedSocket(own, 100, Late(late_ns), waited.append)
        until = SystemClock().now() + 10 * SECOND
        while not waited and SystemClock().now() < until:
            peer.sendall(b"x" * 100)
            read_from(sock, own)
        waited.clear()
        yield peer, own, sock, waited


def test_the_kernel_tells_how_long_what_came_waited() -> None:
    """The last frame as its stamp says, each before it by 20 ms longer; the end is no frame."""
    with stamping(SECOND) as (peer, own, sock, waited):
        peer.sendall(b"y" * 250)
        sizes = [read_from(sock, own)]
        peer.close()
        sizes.append(read_from(sock, own))

    assert [250, 0] == sizes
    assert 3 == len(waited)
    assert SECOND <= waited[0] < 2 * SECOND
    assert [waited[0] + FRAME_NS, waited[0] + 2 * FRAME_NS] == waited[1:]


def test_a_clock_that_was_put_back_makes_no_frame_early() -> None:
    """Stamps are of the time of day, which may jump."""
    with stamping(-SECOND) as (peer, own, sock, waited):
        peer.sendall(b"x" * 100)
        read_from(sock, own)

    assert [0] == waited


def test_what_stamps_tell_takes_the_place_of_what_can_have_been() -> None:
    """A stamped socket stands for the others; the longest possible wait is told until there is one."""
    told: list[tuple[int, int]] = []
    lag = Lag(lambda frames, lag_ns: told.append((frames, lag_ns)))
    rounds(lag, (50, FOUND))
    lag.stands_for(27)(7)
    rounds(lag, (50, FOUND))
    lag.close()

    assert [(2, 50), (27, 7)] == told
