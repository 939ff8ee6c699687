"""A run of several processes, and the search for the most calls."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.simulator.load import echoes
from vonage_sock.call.events import Event, LoadProgress, LoadStarted, LoadTried
from vonage_sock.clock import MS, SECOND, SystemClock
from vonage_sock.errors import AudioFileError, ExitCode, UsageError, VsockError
from vonage_sock.simulator.load import conducting
from vonage_sock.simulator.load.conducting import GeneratorError, LoadRun, MostCalls, check_plan
from vonage_sock.simulator.load.plan import LoadPlan
from vonage_sock.simulator.load.report import LoadResult
from vonage_sock.simulator.load.tally import Tally
from vonage_sock.simulator.load.verdict import DEFAULTS, Thresholds
from vonage_sock.simulator.load.worker import work


def plan_for(target: str, calls: int, *, duration_s: float = 0.6) -> LoadPlan:
    """A short run."""
    return LoadPlan(target=target, calls=calls, ramp_ns=20 * MS, duration_ns=round(duration_s * SECOND))


def run_of(plan: LoadPlan, events: list[Event], *, procs: int = 1, audio: str = "clip", python: str = "") -> LoadRun:
    """One that tells its events."""
    settings = {"python": python} if python else {}
    return LoadRun(plan, procs=procs, audio=audio, observer=events.append, clock=SystemClock(), **settings)


async def test_two_processes_are_one_run() -> None:
    """Each makes its share; their seconds are told as one, and add up to the result."""
    events: list[Event] = []
    async with echoes.serving(echoes.echo) as target:
        result = await run_of(plan_for(target, 5), events, procs=2).run()
    started, *progress = events
    last = progress[-1]

    assert (5, 0, 0, 5) == (result.total.opened, result.total.failed, result.total.lost, result.total.watched + 1)
    assert isinstance(started, LoadStarted)
    assert (5, 2) == (started.calls, started.procs)
    assert isinstance(last, LoadProgress)
    assert list(range(1, len(progress) + 1)) == [getattr(event, "second", 0) for event in progress]
    assert (
        result.total.sent == sum(tally.sent for tally in result.seconds) == last.so_far["sent"] == result.total.returned
    )


async def test_a_run_that_is_stopped_hangs_up_and_says_so() -> None:
    """Long before its time."""
    async with asyncio.timeout(20), echoes.serving(echoes.echo) as target:
        heard = asyncio.Event()

        def observe(event: Event) -> None:
            if isinstance(event, LoadProgress):
                heard.set()

        plan = plan_for(target, 2, duration_s=600)
        run = LoadRun(plan, procs=1, audio="clip", observer=observe, clock=SystemClock())
        running = asyncio.create_task(run.run())
        await heard.wait()
        run.stop()
        result = await running

    assert (True, 2, 0, 0) == (result.stopped, result.total.opened, result.total.dropped, result.total.lost)


async def test_a_process_that_cannot_begin_ends_the_run_with_its_error() -> None:
    """With the exit code that it would have had."""
    with pytest.raises(VsockError, match=r"nowhere\.wav") as caught:
        await run_of(plan_for("ws://127.0.0.1:9/", 1), [], audio="nowhere.wav").run()

    assert AudioFileError.exit_code == caught.value.exit_code


async def test_a_process_that_dies_is_told() -> None:
    """With the last line of what it said."""
    with pytest.raises(GeneratorError, match="ended early"):
        await run_of(plan_for("ws://127.0.0.1:9/", 1), [], python="/bin/false").run()


class Pipe:
    """What a worker reads: orders that were given before."""

    def __init__(self, *orders: object) -> None:
        self.reader = asyncio.StreamReader()
        self.reader.feed_data(b"".join(json.dumps(order).encode() + b"\n" for order in orders))
        self.reader.feed_eof()


async def test_a_worker_tells_its_seconds_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Ready, each second, over; the end of its orders hangs up."""
    async with echoes.serving(echoes.echo) as target:
        plan = plan_for(target, 2, duration_s=60)
        orders = {"plan": plan.to_json(), "share": [0, 1], "audio": "clip"}
        await work(Pipe(orders, {"start_at": SystemClock().now()}).reader, SystemClock())
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    total = Tally()
    for line in told[1:-1]:
        total.merge(Tally.from_json(line["tally"]))

    assert [{"ready": True}, {"over": True, "failed_recordings": 0}] == [told[0], told[-1]]
    assert total.sent == total.returned


@pytest.mark.parametrize("rest", [(), ({"stop": True},)], ids=["gone", "stopped"])
async def test_a_worker_whose_start_never_comes_ends(
    rest: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever started it is gone, or was stopped before it began."""
    orders = {"plan": plan_for("ws://127.0.0.1:9/", 2).to_json(), "share": [0, 1], "audio": "clip"}
    await work(Pipe(orders, *rest).reader, SystemClock())

    assert ['{"ready":true}', '{"over":true,"failed_recordings":0}'] == capsys.readouterr().out.splitlines()


def test_more_calls_than_the_system_has_files_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both ways out; several processes have more of them."""
    monkeypatch.setattr(conducting.resource, "getrlimit", lambda _: (1024, 1024))
    plan = plan_for("ws://127.0.0.1:9/", 1000)
    check_plan(plan, 2)

    with pytest.raises(UsageError, match="--procs"):
        check_plan(plan, 1)


class Pretended:
    """A run that takes no time: up to ``limit`` calls get their frames back in 5 ms, more of them in 50."""

    def __init__(self, plan: LoadPlan, limit: int) -> None:
        total = Tally(sent=1, opened=plan.calls)
        total.round_trip.add(5 * MS if plan.calls <= limit else 50 * MS)
        self.result = LoadResult(plan, 1, total, [])

    async def run(self) -> LoadResult:
        """It is over."""
        return self.result

    def stop(self) -> None:
        """It is over already."""
        self.result.stopped = True


def search(limit: int, events: list[Event], *, thresholds: Thresholds = DEFAULTS, first: int = 10) -> MostCalls:
    """A search where so many calls pass."""
    plan = plan_for("ws://127.0.0.1:9/", first)
    return MostCalls(
        plan,
        thresholds,
        lambda tried: Pretended(tried, limit),  # type: ignore[arg-type, return-value]
        most=1000,
        ramp_ns=None,
        observer=events.append,
        clock=SystemClock(),
    )


async def test_the_search_tells_each_try_and_gives_the_run_of_the_best() -> None:
    """With the thresholds that the others missed."""
    events: list[Event] = []
    most = search(25, events)
    result = await most.run()
    tried = [(event.calls, event.met) for event in events if isinstance(event, LoadTried)]
    missed = next(event.missed for event in events if isinstance(event, LoadTried) and not event.met)

    assert (25, 25) == (most.most, result.plan.calls)
    assert [(10, True), (20, True), (40, False), (30, False), (25, True), (27, False), (26, False)] == tried
    assert ("p99 49.94 ms (more than 20 ms)",) == missed


async def test_where_nothing_passes_the_run_of_the_last_try_is_given() -> None:
    """It says what was missed even by one call."""
    most = search(0, [], first=2)
    result = await most.run()

    assert (0, 1) == (most.most, result.plan.calls)


async def test_a_search_that_was_stopped_before_its_first_try_says_so() -> None:
    """Nothing was measured."""
    most = search(10, [])
    most.stop()
    result = await most.run()

    assert (True, False, 0) == (result.stopped, most.tried, result.total.opened)


async def test_a_search_that_was_stopped_gives_the_best_until_then() -> None:
    """And says that it was."""
    events: list[Event] = []
    most = search(1000, events)
    most._observer = lambda _: most.stop()
    result = await most.run()

    assert (True, True, 10, 10) == (result.stopped, most.tried, most.most, result.plan.calls)


def test_the_error_of_a_process_has_an_exit_code() -> None:
    """That of any other error, unless it says another."""
    assert [ExitCode.ERROR, ExitCode.USAGE] == [
        GeneratorError("x").exit_code,
        GeneratorError("x", ExitCode.USAGE).exit_code,
    ]
