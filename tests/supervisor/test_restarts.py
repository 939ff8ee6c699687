"""When workers are started again, and when no more."""

from __future__ import annotations

import pytest

from vonage_sock.clock import SECOND
from vonage_sock.supervisor.restarts import (
    ANSWER_LIMIT_NS,
    LONGEST_DELAY_NS,
    MAX_FAILED_STARTS,
    START_LIMIT_NS,
    STEADY_NS,
    STOP_LIMIT_NS,
    Action,
    Command,
    Restarts,
    State,
    delay_before_restart_ns,
)


def running(workers: int = 2) -> Restarts:
    """A server whose workers all take calls at 1 s; nothing is left to be done."""
    restarts = Restarts(workers)
    restarts.begin(0)
    for number in range(workers):
        restarts.ready(number, SECOND)
    restarts.commands()
    return restarts


def test_all_workers_are_started_at_once() -> None:
    """And the server is ready when the last one is."""
    restarts = Restarts(2)
    restarts.begin(0)
    restarts.ready(1, SECOND)
    ready_before = restarts.all_ready
    restarts.ready(0, SECOND)

    assert [Command(Action.START, 0), Command(Action.START, 1)] == restarts.commands()
    assert (False, True, False, None) == (ready_before, restarts.all_ready, restarts.all_gone, restarts.next_deadline())


def test_a_worker_that_dies_is_started_again_at_once() -> None:
    """The others aren't touched."""
    restarts = running()
    delay_ns = restarts.ended(1, 5 * SECOND, "was killed")

    assert 0 == delay_ns
    assert [Command(Action.START, 1)] == restarts.commands()
    assert [State.READY, State.STARTING] == [slot.state for slot in restarts.slots]


def test_one_that_dies_again_and_again_waits_longer_each_time() -> None:
    """0, 0.5, 1, 2 and 4 seconds, counted from each death; it is not started a moment before."""
    restarts = running()
    now, delays = 2 * SECOND, []
    early: list[Command] = []
    started: list[Command] = []
    for _ in range(5):
        delay_ns = restarts.ended(0, now, "was killed")
        assert delay_ns is not None
        delays.append(delay_ns / SECOND)
        restarts.handle_deadline(now + delay_ns - 1)
        early += restarts.commands() if delay_ns else []
        now += delay_ns
        restarts.handle_deadline(now)
        restarts.ready(0, now)
        started += restarts.commands()

    assert [0, 0.5, 1, 2, 4] == delays
    assert ([], [Command(Action.START, 0)] * 5) == (early, started)


def test_the_delay_has_an_end() -> None:
    """Half a minute, however often a worker has died."""
    assert LONGEST_DELAY_NS == delay_before_restart_ns(8) == delay_before_restart_ns(10_000)


def test_a_worker_that_lived_long_enough_begins_anew() -> None:
    """Its earlier deaths are forgotten."""
    restarts = running()
    for now in (2, 3):
        restarts.ended(0, now * SECOND, "was killed")
        restarts.handle_deadline(now * SECOND + SECOND // 2)
        restarts.ready(0, now * SECOND + SECOND // 2)

    assert 0 == restarts.ended(0, 4 * SECOND + STEADY_NS, "was killed")


def test_a_worker_that_dies_before_the_server_is_up_ends_it() -> None:
    """A fault that all workers share is told once and not tried again and again."""
    restarts = Restarts(2)
    restarts.begin(0)
    restarts.ready(0, SECOND)
    restarts.commands()
    restarts.ended(1, SECOND, "ended with exit code 1")

    assert "worker 2 ended with exit code 1 before it could take calls" == restarts.failure
    assert [Command(Action.STOP, 0)] == restarts.commands()


def test_when_no_worker_can_be_started_any_more_the_server_ends() -> None:
    """Each has failed to start five times in a row; until then all keep trying."""
    restarts = running()
    now, failures = 2 * SECOND, []
    for _ in range(1 + MAX_FAILED_STARTS):
        for number in (0, 1):
            restarts.ended(number, now, "ended with exit code 1")
        failures.append(restarts.failure)
        now += LONGEST_DELAY_NS
        restarts.handle_deadline(now)

    assert [
        *[None] * MAX_FAILED_STARTS,
        "no worker can be started any more: worker 2 ended with exit code 1",
    ] == failures
    assert restarts.all_gone


def test_as_long_as_one_worker_lives_the_others_are_tried_for_ever() -> None:
    """A server with one worker is better than none."""
    restarts = running()
    now = 2 * SECOND
    for _ in range(50):
        delay_ns = restarts.ended(0, now, "ended with exit code 1")
        assert delay_ns is not None
        now += delay_ns
        restarts.handle_deadline(now)

    assert (None, State.STARTING) == (restarts.failure, restarts.slots[0].state)


def test_a_worker_that_is_not_ready_in_time_is_ended() -> None:
    """It is stuck; its end is then like any other."""
    restarts = running()
    restarts.ended(0, 2 * SECOND, "was killed")
    restarts.commands()
    restarts.handle_deadline(2 * SECOND + START_LIMIT_NS)

    assert [Command(Action.KILL, 0)] == restarts.commands()
    assert 500_000_000 == restarts.ended(0, 3 * SECOND + START_LIMIT_NS, "was killed")


def test_stop_ends_all_that_run_and_starts_none() -> None:
    """A worker that was to be started again later is not."""
    restarts = running(3)
    for _ in range(2):
        restarts.ended(1, 2 * SECOND, "was killed")
    restarts.commands()
    restarts.stop(3 * SECOND)
    told = restarts.commands()
    over = [restarts.all_gone]
    for number in (0, 2):
        assert restarts.ended(number, 4 * SECOND, "ended with exit code 0") is None
        over.append(restarts.all_gone)

    assert [Command(Action.STOP, 0), Command(Action.STOP, 2)] == told
    assert [False, False, True] == over
    assert ([], None) == (restarts.commands(), restarts.next_deadline())


def test_a_worker_that_does_not_stop_is_ended() -> None:
    """Whatever holds it up; and a second stop changes nothing."""
    restarts = running(1)
    restarts.stop(2 * SECOND)
    restarts.stop(3 * SECOND)
    restarts.handle_deadline(2 * SECOND + ANSWER_LIMIT_NS - 1)
    before = restarts.commands()
    restarts.handle_deadline(2 * SECOND + ANSWER_LIMIT_NS)

    assert [Command(Action.STOP, 0)] == before
    assert [Command(Action.KILL, 0)] == restarts.commands()


@pytest.mark.parametrize(("completes", "limit_ns"), [(True, STOP_LIMIT_NS), (False, ANSWER_LIMIT_NS)])
def test_only_who_completes_recordings_may_take_long_to_stop(completes: bool, limit_ns: int) -> None:
    """From when it said that it heard."""
    restarts = running(1)
    restarts.stop(2 * SECOND)
    restarts.heard_stop(0, 4 * SECOND, completes=completes)

    assert 4 * SECOND + limit_ns == restarts.next_deadline()


def test_a_worker_that_is_being_ended_is_not_given_more_time() -> None:
    """Its answer came too late; and one that wasn't asked changes nothing."""
    asked, not_asked = running(1), running(1)
    asked.stop(2 * SECOND)
    asked.handle_deadline(2 * SECOND + ANSWER_LIMIT_NS)
    for restarts in (asked, not_asked):
        restarts.heard_stop(0, 6 * SECOND, completes=True)

    assert [None, None] == [restarts.next_deadline() for restarts in (asked, not_asked)]


def test_a_worker_that_gets_ready_while_all_stop_is_not_ready() -> None:
    """It has been told to stop, and will."""
    restarts = Restarts(1)
    restarts.begin(0)
    restarts.stop(SECOND)
    restarts.ready(0, SECOND)

    assert not restarts.all_ready


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_deaths_in_any_order_leave_every_worker_started_waiting_or_ready(workers: int) -> None:
    """None is forgotten: after all deadlines have passed each is starting."""
    restarts = running(workers)
    for number in range(workers):
        restarts.ended(number, 2 * SECOND, "was killed")
    for number in range(workers):
        restarts.ended(number, 2 * SECOND, "was killed")
    waiting = {slot.state for slot in restarts.slots}
    deadline = restarts.next_deadline()
    assert deadline is not None
    restarts.handle_deadline(deadline)

    assert ({State.WAITING}, {State.STARTING}) == (waiting, {slot.state for slot in restarts.slots})
