"""What is in C counts references as Python does, whichever version's headers it was compiled with."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vonage_sock import native
from vonage_sock.simulator.load.tally import Book

TIMES = 2000
SHARED = (None, True, False, (), b"", 0)
FRAMES: Any = native.frames


def held() -> list[int]:
    """How often each of what all share is held."""
    return [sys.getrefcount(value) for value in SHARED]


Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends that are connected."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def mirror(_pair: Pair) -> Callable[[], object]:
    """Frames that go back, or don't, and are settled."""
    made = FRAMES.Mirror(lambda _now: None, lambda _error, _now: None)
    made.size = 4
    made.hearing = (lambda _data: None,)

    def step() -> None:
        assert made.takes(b"abcd", 5)
        assert not made.takes(b"abc", 5)
        assert made.due
        assert made.times == [5]
        assert made.latest[0] == b"abcd"
        made.forget()

    return step


class Owner:
    """The long way."""

    def take(self, data: bytes, now: int) -> None:
        """What came otherwise."""
        assert data == b"x"

    def keep_unsent(self, data: bytes, error: OSError | None) -> None:
        """What wasn't taken."""


def steady(pair: Pair) -> Callable[[], object]:
    """A socket's frames, there and back, and what isn't as usual."""
    ours, theirs = pair
    made = FRAMES.Steady(ours, Owner(), Owner(), client=False)

    def step() -> None:
        made.readable(1)
        theirs.send(b"x")
        made.readable(2)
        made.prepare(b"\x82\x02", 2)
        assert made.send_plain(b"ab")
        assert not made.send_plain(b"abc")
        assert theirs.recv(9) == b"\x82\x02ab"
        made.hold_back()
        made.expect_nothing()

    return step


def gathered(_pair: Pair) -> Callable[[], object]:
    """What a recording gathers, until there is no place."""
    made = FRAMES.Gathered(1, lambda _pcm: None)

    def step() -> None:
        made(b"ab")
        made(b"cd")
        assert made.frames == [b"ab"]
        made.frames.clear()

    return step


def lane(pair: Pair) -> Callable[[], object]:
    """What a call of a load says."""
    ours, theirs = pair
    made = FRAMES.LoadLane(Book(late_ns=1))
    made.sock = ours
    made.framed = [b"a"] * 2000
    made.check = lambda _now: made.waiting.clear()

    def step() -> None:
        made.number = 1
        FRAMES.say((made,), 1)
        assert theirs.recv(9) == b"a"
        assert made.waiting.popleft() == 1

    return step


def nothing(_pair: Pair) -> Callable[[], object]:
    """Where nothing was compiled."""
    return list


@pytest.mark.parametrize("kind", [mirror, gathered, steady, lane, nothing] if FRAMES else [nothing])
def test_what_all_share_is_held_as_often_as_before(kind: Callable[[Pair], Callable[[], object]], pair: Pair) -> None:
    """Thousands of times later."""
    step = kind(pair)
    step()
    before = held()
    for _ in range(TIMES):
        step()

    assert [] == [
        name for name, a, b in zip(map(repr, SHARED), before, held(), strict=True) if abs(a - b) > TIMES // 10
    ]
