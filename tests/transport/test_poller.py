"""Many sockets and timers in one place, on both event loops."""

from __future__ import annotations

import asyncio
import select
import socket
import tempfile
from collections.abc import Callable

import psutil
import pytest
from loops import on_both_loops

from vonage_sock.clock import MS, SECOND, ManualClock, SystemClock
from vonage_sock.transport.poller import (
    READY_PER_CLOCK,
    Poller,
    available,
)
from vonage_sock.transport.timerfd import TimerFd

PATIENCE_S = 10.0


class End:
    """One end of a pair of sockets, watched; keeps what it is called with."""

    def __init__(self, poller: Poller) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.calls: list[object] = []
        self.times: list[int] = []
        self.then: Callable[[], object] = lambda: None
        self.at_abort: Callable[[], object] = lambda: None
        self._poller = poller
        self._news = asyncio.Event()
        poller.watch(self.ours.fileno(), self)

    def readable(self, now: int) -> None:
        self._note(self.ours.recv(100), now)

    def ready(self, events: int, now: int) -> None:
        self._note(events, now)

    def _note(self, what: object, now: int) -> None:
        self.calls.append(what)
        self.times.append(now)
        self._news.set()
        self.then()

    def abort(self) -> None:
        self.close()
        self.calls.append("abort")
        self._news.set()
        self.at_abort()

    def close(self) -> None:
        self._poller.forget(self.ours.fileno())
        self.ours.close()
        self.theirs.close()

    async def called(self, count: int = 1) -> list[object]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.calls) < count:
                self._news.clear()
                await self._news.wait()
        return self.calls


def fails() -> None:
    raise RuntimeError("on purpose")


@on_both_loops
async def test_who_can_be_read_is_called() -> None:
    """With the time, as often as something comes; the others aren't."""
    poller = Poller(ManualClock(77))
    one, other = End(poller), End(poller)
    one.theirs.send(b"a")
    await one.called(1)
    one.theirs.send(b"b")
    await one.called(2)
    poller.close()

    assert ([b"a", b"b", "abort"], [77, 77]) == (one.calls, one.times)
    assert ["abort"] == other.calls


@on_both_loops
async def test_who_waits_to_write_is_called_until_that_is_over() -> None:
    """With epoll's own events; after that for reading alone."""
    poller = Poller(ManualClock())
    end = End(poller)
    end.then = lambda: poller.watch_writing(end.ours.fileno(), wanted=False)
    poller.watch_writing(end.ours.fileno(), wanted=True)
    await end.called(1)
    end.theirs.send(b"a")
    await end.called(2)
    poller.close()

    assert [select.EPOLLOUT, b"a", "abort"] == end.calls


@on_both_loops
async def test_a_peer_that_hangs_up_is_told_as_events() -> None:
    """Both directions closed is more than something to read."""
    poller = Poller(ManualClock())
    end = End(poller)
    end.then = end.close
    end.theirs.close()
    (events,) = await end.called(1)
    poller.close()

    assert select.EPOLLIN | select.EPOLLHUP == events


@on_both_loops
async def test_one_that_fails_is_dropped_and_the_others_are_called(caplog: pytest.LogCaptureFixture) -> None:
    """Even where dropping it fails; both are logged."""
    poller = Poller(ManualClock())
    bad, good = End(poller), End(poller)
    bad.then = bad.at_abort = fails
    bad.theirs.send(b"a")
    good.theirs.send(b"b")
    await good.called(1)
    await bad.called(2)
    poller.close()

    assert [b"a", "abort"] == bad.calls
    assert [b"b", "abort"] == good.calls
    assert ["a connection failed and is dropped", "a connection failed as it was dropped"] == caplog.messages


@on_both_loops
async def test_one_that_another_ends_in_the_same_round_is_not_called() -> None:
    """Whichever is first ends the other."""
    poller = Poller(ManualClock())
    one, other = End(poller), End(poller)
    one.then, other.then = other.close, one.close
    one.theirs.send(b"a")
    other.theirs.send(b"a")
    await asyncio.wait(
        [asyncio.create_task(one.called()), asyncio.create_task(other.called())], return_when=asyncio.FIRST_COMPLETED
    )
    calls = one.calls + other.calls
    poller.close()

    assert [b"a"] == calls


@on_both_loops
async def test_what_is_due_does_not_wait_until_all_is_read() -> None:
    """A frame that is due leaves before those that came are looked at; they are all looked at, after it."""
    poller = Poller(SystemClock())
    ends = [End(poller) for _ in range(3)]
    done: list[str] = []
    for end in ends:
        end.then = lambda: done.append("read")
        end.theirs.send(b"a")
    poller.call_at(0, lambda _now: done.append("due"))
    poller._wake()
    poller.close()

    assert ["due", "read", "read", "read"] == done


@on_both_loops
async def test_nothing_is_called_after_the_poller_is_closed() -> None:
    """By one of those it calls, too: the rest of the round is dropped, and so is every timer."""
    poller = Poller(SystemClock())
    ends = [End(poller) for _ in range(3)]
    fired: list[int] = []
    due_at = SystemClock().now() + 50 * MS
    poller.call_at(due_at, fired.append)
    for end in ends:
        end.then = poller.close
        end.theirs.send(b"a")
    poller._wake()
    poller.call_at(0, fired.append)
    poller.close()
    other, later = Poller(SystemClock()), asyncio.Event()
    other.call_at(due_at + 2 * MS, lambda _now: later.set())
    await later.wait()
    other.close()

    assert [[b"a", "abort"], ["abort"], ["abort"]] == [end.calls for end in ends]
    assert [] == fired


@on_both_loops
async def test_a_closed_poller_leaves_no_descriptor() -> None:
    """Opened and closed fifty times."""
    Poller(SystemClock()).close()
    before = psutil.Process().num_fds()
    for _ in range(50):
        Poller(SystemClock()).close()

    assert before == psutil.Process().num_fds()


async def test_what_cannot_be_watched_is_not_remembered() -> None:
    """A file isn't a socket; to forget what was never watched does no harm."""
    poller = Poller(ManualClock())
    end = End(poller)
    with tempfile.TemporaryFile() as file, pytest.raises(PermissionError):
        poller.watch(file.fileno(), end)
    poller.forget(10_000)
    fd, watched = end.ours.fileno(), list(poller._watched)
    poller.close()

    assert [fd] == watched
    with pytest.raises(ValueError, match="closed"):
        poller.watch(0, end)


async def test_so_many_are_handled_as_of_one_time() -> None:
    """The clock is read again after each sixteen."""
    clock = ManualClock()
    poller = Poller(clock)
    ends = [End(poller) for _ in range(READY_PER_CLOCK * 2 + 1)]
    for end in ends:
        end.then = lambda: clock.advance_to(clock.now() + 1)
        end.theirs.send(b"a")
    poller._wake()
    times = sorted(end.times[0] for end in ends)
    poller.close()

    assert [0] * 16 + [16] * 16 + [32] == times


@on_both_loops
async def test_timers_fire_in_order_and_not_before_their_time() -> None:
    """On a grid of a millisecond; one that is set later and due sooner comes first."""
    clock = SystemClock()
    poller, begun, fired = Poller(clock), clock.now(), []
    done = asyncio.Event()

    def fire(name: str) -> Callable[[int], None]:
        return lambda now: fired.append((name, now))

    poller.call_at(begun + 30 * MS, lambda _now: done.set())
    poller.call_at(begun + 20 * MS, fire("second"))
    poller.call_at(begun + 5 * MS, fire("first"))
    poller.call_at(begun - SECOND, fire("over already"))
    poller.call_at(begun + 6 * MS, fire("never")).cancel()
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    poller.close()

    assert ["over already", "first", "second"] == [name for name, _ in fired]
    assert all(now >= begun + at for (_, now), at in zip(fired, (0, 5 * MS, 20 * MS), strict=True))


async def test_a_loop_that_wakes_early_does_what_is_due_on_the_grid() -> None:
    """As if it were that time, so that it needn't be woken again."""
    clock = ManualClock(10 * MS)
    poller, times = Poller(clock), []
    poller.call_at(12 * MS - 1, times.append)
    poller.call_at(12 * MS, times.append)
    poller.call_at(12 * MS + 1, times.append)
    poller._ring()
    poller.close()

    assert [12 * MS, 12 * MS] == times


async def test_a_timer_that_another_cancels_in_the_same_moment_does_not_fire() -> None:
    """It may belong to a call that has just ended."""
    poller, fired = Poller(ManualClock()), []
    poller.call_at(1, lambda _now: second.cancel())
    second = poller.call_at(2, fired.append)
    third = poller.call_at(3, fired.append)
    poller._ring()
    poller.close()

    assert [MS] == fired
    assert third.at == 3


@on_both_loops
async def test_a_timer_that_sets_itself_again_for_now_keeps_nobody_from_their_turn() -> None:
    """Sockets are served between; and an action that fails is logged, and the next one done."""
    poller = Poller(SystemClock())
    end = End(poller)
    rounds: list[int] = []

    def again(now: int) -> None:
        rounds.append(now)
        poller.call_at(0, again)

    poller.call_at(0, again)
    end.theirs.send(b"a")
    await end.called(1)
    seen = len(rounds)
    poller.close()

    assert [b"a", "abort"] == end.calls
    assert seen == len(rounds)


async def test_an_action_that_fails_is_logged_and_the_next_is_done(caplog: pytest.LogCaptureFixture) -> None:
    """One call's trouble is no other's."""
    poller, fired = Poller(ManualClock()), []
    poller.call_at(1, lambda _now: fails())
    poller.call_at(1, fired.append)
    poller._ring()
    poller.close()

    assert [MS] == fired
    assert ["a timer's action failed"] == caplog.messages


async def test_deadlines_of_one_millisecond_share_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred calls that are due together set one timer of the kernel's."""
    alarms: list[int] = []
    monkeypatch.setattr(TimerFd, "set", lambda _self, after_ns: alarms.append(after_ns))
    poller = Poller(ManualClock())
    for number in range(500):
        poller.call_at(20 * MS - 1000 * number, lambda _now: None)
    poller.close()

    assert [20 * MS] == alarms


async def test_cancelled_timers_are_cleared_away_when_their_time_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And set no alarm of their own."""
    alarms: list[int] = []
    monkeypatch.setattr(TimerFd, "set", lambda _self, after_ns: alarms.append(after_ns))
    poller = Poller(ManualClock())
    for _ in range(10):
        poller.call_at(5 * MS, lambda _now: None).cancel()
    poller.call_at(MS, lambda _now: None)
    poller._ring()
    left = len(poller._timers)
    poller.close()

    assert (0, [5 * MS, MS]) == (left, alarms)


def test_linux_has_what_a_poller_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems don't."""
    assert available() == hasattr(select, "epoll")
    monkeypatch.setattr("sys.platform", "darwin")
    assert not available()


@pytest.mark.parametrize("which", [0, 1])
async def test_where_the_system_gives_no_more_nothing_is_left_open(which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two timers may be the one that can't be had."""
    before = psutil.Process().num_fds()
    given: list[TimerFd] = []
    original = TimerFd.__init__

    def refuse(self: TimerFd) -> None:
        if len(given) == which:
            raise OSError("no more descriptors")
        original(self)
        given.append(self)

    monkeypatch.setattr(TimerFd, "__init__", refuse)
    with pytest.raises(OSError, match="no more descriptors"):
        Poller(ManualClock())

    assert before == psutil.Process().num_fds()
