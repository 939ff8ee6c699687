"""
A run of a load test: starts the processes, adds up what they tell, and watches the server.

Each second becomes an event when all processes have told theirs; the sum of all seconds is the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Any, Final

from vonage_sock.call.events import Event, LoadProgress, LoadStarted, LoadTried, Observer
from vonage_sock.clock import MS, SECOND, Clock
from vonage_sock.errors import ExitCode, UsageError, VsockError
from vonage_sock.simulator.load.plan import LoadPlan, check_place
from vonage_sock.simulator.load.report import LoadResult
from vonage_sock.simulator.load.tally import Tally, ms
from vonage_sock.simulator.load.usage import Usage, UsageWatch
from vonage_sock.simulator.load.verdict import Search, Thresholds

HEAD_START_NS: Final = 100 * MS
MAX_LINE_BYTES: Final = 1 << 22
READY_WAIT_S: Final = 60.0
SPARE_FILES: Final = 64
KEPT_STDERR: Final = 2000
END_WAIT_S: Final = 5.0
NO_MORE: Final = sys.maxsize

JsonObject = dict[str, Any]


class GeneratorError(VsockError):
    """A generating process failed; ``exit_code`` is what it would have ended with."""

    def __init__(self, sentence: str, exit_code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def check_plan(plan: LoadPlan, procs: int) -> None:
    """
    Refuse what can't be done, or shouldn't.

    Raises:
        UsageError: too many calls for this system, or for somebody else's.
    """
    check_place(plan.target, plan.calls, may_leave=plan.may_leave)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    each = -(-plan.calls // procs)
    if most != resource.RLIM_INFINITY and each + SPARE_FILES > most:
        raise UsageError(
            f"{plan.calls} calls need {each + SPARE_FILES} open files in a process, and this system allows {most}; "
            "raise the limit (ulimit -n), or divide them with --procs"
        )


class LoadRun:
    """
    One run.

    Args:
        audio: what all callers say, as ``--audio`` says it.
        observer: told of the start and of each second.
        watch: looks at the server.
        python: the interpreter of the generating processes.
    """

    def __init__(
        self,
        plan: LoadPlan,
        *,
        procs: int,
        audio: str,
        observer: Observer,
        clock: Clock,
        watch: UsageWatch | None = None,
        python: str = sys.executable,
    ) -> None:
        self._plan = plan
        self._procs = procs
        self._audio = audio
        self._observer = observer
        self._clock = clock
        self._watch = watch
        self._python = python
        self._workers: list[_Worker] = []
        self._result = LoadResult(plan, procs, Tally(), [])
        self._next = 0

    async def run(self) -> LoadResult:
        """
        Make all calls; what came of it.

        Raises:
            VsockError: the processes can't be started, or one of them failed.
        """
        check_plan(self._plan, self._procs)
        self._look()
        try:
            await self._start()
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(self._listen(worker))
        except* VsockError as errors:
            raise errors.exceptions[0] from None
        finally:
            for worker in self._workers:
                await worker.end()
        return self._result

    def stop(self) -> None:
        """Hang up all calls; ``run`` ends soon."""
        self._result.stopped = True
        for worker in self._workers:
            worker.tell({"stop": True})

    async def _start(self) -> None:
        plan = self._plan.to_json()
        for first in range(self._procs):
            worker = await _Worker.start(self._python)
            self._workers.append(worker)
            worker.tell({"plan": plan, "share": [first, self._procs], "audio": self._audio})
        async with asyncio.timeout(READY_WAIT_S):
            for worker in self._workers:
                await worker.hear()
        start_at = self._clock.now() + HEAD_START_NS
        for worker in self._workers:
            worker.tell({"start_at": start_at})
        if self._result.stopped:
            self.stop()
        plan_ = self._plan
        self._observer(
            LoadStarted(
                at=self._clock.now(),
                target=plan_.target,
                calls=plan_.calls,
                procs=self._procs,
                ramp_s=plan_.ramp_ns / SECOND,
                duration_s=plan_.duration_ns / SECOND,
                rate_hz=plan_.rate_hz,
            )
        )

    async def _listen(self, worker: _Worker) -> None:
        while "over" not in (message := await worker.hear()):
            if "second" in message:
                worker.told = max(worker.told, message["second"] + 1)
                self._take(message["second"], Tally.from_json(message["tally"]))
        self._result.failed_recordings += message["failed_recordings"]
        worker.told = NO_MORE
        self._tell_whole_seconds()

    def _take(self, second: int, tally: Tally) -> None:
        seconds = self._result.seconds
        while len(seconds) <= second:
            seconds.append(Tally())
        seconds[second].merge(tally)
        self._result.total.merge(tally)
        self._tell_whole_seconds()

    def _tell_whole_seconds(self) -> None:
        """Those of which all processes have told, or will tell no more."""
        whole = min(worker.told for worker in self._workers)
        while self._next < min(whole, len(self._result.seconds)):
            self._observer(self._progress(self._next, self._look()))
            self._next += 1

    def _look(self) -> Usage | None:
        usage = None if self._watch is None else self._watch.look()
        if usage is not None:
            self._result.usage.append(usage)
        return usage

    def _progress(self, second: int, usage: Usage | None) -> LoadProgress:
        tally, total, plan = self._result.seconds[second], self._result.total, self._plan
        return LoadProgress(
            at=self._clock.now(),
            second=second + 1,
            of_seconds=-(-plan.schedule.end_ns // SECOND),
            calls=plan.calls,
            open_calls=tally.open_calls,
            failed=total.failed,
            dropped=total.dropped,
            sent=tally.sent,
            returned=tally.returned,
            late=tally.late,
            lost=max(0, total.lost),
            p50_ms=ms(tally.round_trip.quantile_ns(0.5)),
            p99_ms=ms(tally.round_trip.quantile_ns(0.99)),
            max_ms=ms(tally.round_trip.max_ns) if tally.round_trip.counts else None,
            own_lateness_p99_ms=ms(tally.own_lateness.quantile_ns(0.99)),
            read_late_p99_ms=ms(tally.read_late.quantile_ns(0.99)),
            server_cpu_percent=None if usage is None else usage.cpu_percent,
            server_rss_mb=None if usage is None else round(usage.rss_bytes / 1e6, 1),
            so_far=_so_far(total),
        )


def _so_far(total: Tally) -> JsonObject:
    return {
        "sent": total.sent,
        "returned": total.returned,
        "late": total.late,
        "out_of_order": total.out_of_order,
        "round_trip_ms": total.round_trip.summary_ms(),
        "connect_ms": total.connect.summary_ms(),
        "own_lateness_ms": total.own_lateness.summary_ms(),
        "read_late_ms": total.read_late.summary_ms(),
        "findings": {code: found.calls for code, found in total.findings.items()},
    }


class _Worker:
    """A generating process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.told = 0
        """How many seconds it has told."""

        self._stderr = b""
        self._draining = asyncio.create_task(self._drain())

    @classmethod
    async def start(cls, python: str) -> _Worker:
        """Start one; Ctrl-C reaches only us, and we tell it."""
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = await asyncio.create_subprocess_exec(
            python,
            "-P",
            "-m",
            "vonage_sock.simulator.load.worker",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=env,
            start_new_session=True,
            limit=MAX_LINE_BYTES,
        )
        return cls(process)

    def tell(self, message: JsonObject) -> None:
        """Give an order."""
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def hear(self) -> JsonObject:
        """
        What it says next.

        Raises:
            GeneratorError: it failed.
        """
        assert self._process.stdout is not None  # noqa: S101  (it was started so)
        line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            await self._draining
            last = self._stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise GeneratorError(f"a generating process ended early: {last[0] if last else self._process.returncode}")
        message: JsonObject = json.loads(line)
        if "error" in message:
            raise GeneratorError(message["error"], ExitCode(message["exit_code"]))
        return message

    async def end(self) -> None:
        """Let it end, or end it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_WAIT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._draining

    async def _drain(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  (it was started so)
        while more := await self._process.stderr.read(KEPT_STDERR):
            self._stderr = (self._stderr + more)[-KEPT_STDERR:]


MakeRun = Callable[[LoadPlan], LoadRun]


class MostCalls:
    """
    Finds the largest number of calls that keeps to the thresholds.

    Args:
        make_run: makes the run of a plan.
        ramp_ns: the same for all tries; None for that which goes with the calls.
    """

    def __init__(
        self,
        plan: LoadPlan,
        thresholds: Thresholds,
        make_run: MakeRun,
        *,
        most: int,
        ramp_ns: int | None,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._plan = plan
        self._thresholds = thresholds
        self._make_run = make_run
        self._ramp_ns = ramp_ns
        self._search = Search(plan.calls, most)
        self._observer = observer
        self._clock = clock
        self._running: LoadRun | None = None
        self._stopped = False
        self._tries = 0
        self.refusals: dict[str, int] = {}
        """Why calls couldn't be opened where they were one too many, and how often."""

    @property
    def most(self) -> int:
        """The largest number that was found; 0 for none."""
        return self._search.passed

    @property
    def tried(self) -> bool:
        """A try was over."""
        return self._tries > 0

    async def run(self) -> LoadResult:
        """
        Try; the result of the largest number that passed, or of the last one where none did.

        Stopped before a try was over, the result is what there is of the first one.

        Raises:
            VsockError: as ``LoadRun.run``.
        """
        best: LoadResult | None = None
        begun = LoadResult(self._plan, 1, Tally(), [])
        while not self._stopped and (calls := self._search.next()) is not None:
            self._running = self._make_run(self._plan.with_calls(calls, self._ramp_ns))
            result = await self._running.run()
            if result.stopped:
                begun = result
                break
            self._tries += 1
            passed = all(row.met for row in result.rows(self._thresholds))
            self._search.tell(calls, passed=passed)
            if not passed:
                self.refusals = dict(result.total.refusals)
            self._observer(self._tried(result, passed=passed))
            if passed or best is None or not self._search.passed:
                best = result
        best = best or begun
        best.stopped = self._stopped
        return best

    def stop(self) -> None:
        """Break off."""
        self._stopped = True
        if self._running is not None:
            self._running.stop()

    def _tried(self, result: LoadResult, *, passed: bool) -> Event:
        total = result.total
        return LoadTried(
            at=self._clock.now(),
            calls=result.plan.calls,
            met=passed,
            missed=tuple(row.sentence() for row in result.rows(self._thresholds) if not row.met),
            p99_ms=ms(total.round_trip.quantile_ns(0.99)),
            lost=total.lost if result.measured_by is not None else None,
            own_lateness_p99_ms=ms(total.own_lateness.quantile_ns(0.99)),
            read_late_p99_ms=ms(total.read_late.quantile_ns(0.99)),
            generator_was_late=result.generator_was_late,
            refusals=dict(total.refusals),
        )
