"""
``vsock call TARGET --scenario FILE``: all runs of all scenarios, some of them at once.

One run is shown as any other call is, with its expectations below; of several there is a line for each that ends, and a
table. ``Caller`` of ``cli.call`` reads the options that both have in common.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from vonage_sock.call.events import CallReported, Event, Observer, RecordingFailed, ScenariosSummed
from vonage_sock.cli import say_error
from vonage_sock.cli.junit import Case, JunitFile
from vonage_sock.cli.loop import on_stop
from vonage_sock.cli.printing import cannot_write
from vonage_sock.cli.scenario_table import (
    expectation_lines,
    failure_lines,
    first_heard,
    result_table,
    run_line,
    summary_line,
)
from vonage_sock.cli.showing import finish, restore_terminal, tick
from vonage_sock.clock import SECOND, Clock, ManualClock, SystemClock
from vonage_sock.display import Display, make_display
from vonage_sock.display.ladder import ladder, ladder_text
from vonage_sock.display.output import Target
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError
from vonage_sock.simulator.heard import HeardRecording
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.reading import load
from vonage_sock.simulator.scenario.rehearsal import MakeBehaviours, Rehearsal, behaviours_of, is_rehearsal
from vonage_sock.simulator.scenario.running import (
    SEVERITY,
    Outcome,
    ScenarioRun,
    check_webhooks,
    rates_for,
    with_settings,
)
from vonage_sock.simulator.scenario.voices import Voices, load_voices
from vonage_sock.simulator.telling import CALL_ID
from vonage_sock.testing import run_call

LADDER_WIDTH: Final = 100
SAVE_WAIT_S: Final = 30.0
MAX_DETAILED: Final = 10
"""Of so many runs that failed it is shown why."""


@dataclass(frozen=True, slots=True)
class Job:
    """A scenario, ready to be run."""

    scenario: Scenario
    voices: Voices
    order: CallOrder


class ScenarioCaller:
    """
    One run of ``vsock call --scenario``.

    Args:
        order: the call that the options describe; a scenario may know some of it better.
        recording: the files that ``--save`` and ``--save-stereo`` name.
        settings: of ``VonageCall``.

    Raises:
        VsockError: a scenario, or something in the options, can't be used.
    """

    def __init__(
        self,
        options: dict[str, Any],
        given: frozenset[str],
        *,
        order: CallOrder,
        recording: tuple[Any, Any],
        settings: Mapping[str, Any],
    ) -> None:
        self._options = options
        self._given = given
        self._settings = settings
        self._recording = recording
        self._target: str = options["target"]
        self._clock: Clock = ManualClock() if is_rehearsal(self._target) else SystemClock()
        self._behaviours = self._open_rehearsal()
        self._junit = None if options["junit"] is None else JunitFile(options["junit"])
        self._jobs = [self._job(load(Path(path)), order) for path in options["scenarios"]]
        self._runs = list(_numbered(self._jobs, options["repeat"]))
        self._running: set[ScenarioRun] = set()
        self._cases: list[Case] = []
        self._stopped = False
        self._target_out = Target(sys.stdout)
        self._console = Console(file=cast("IO[str]", self._target_out), soft_wrap=True, highlight=False)

    async def run(self) -> ExitCode:
        """
        Make all calls, show what came of them, and say how it went.

        Raises:
            VsockError: the only call there is couldn't be made, or the JUnit file can't be written.
        """
        wall = SystemClock()
        began_at, wall_ns = wall.now(), wall.wall_ns()
        self._display = self._make_display()
        on_stop(self._stop, lambda: restore_terminal(self._display) if self._display is not None else None)
        with self._progress() as told:
            left = iter(list(enumerate(self._runs, 1)))
            workers = min(self._options["jobs"], len(self._runs))
            await asyncio.gather(*(self._work(left, told) for _ in range(workers)))
        duration_s = round((wall.now() - began_at) / SECOND, 3)
        outcomes = [case.outcome for case in self._sorted()]
        code = self._exit_code(outcomes)
        try:
            # Before all that may be shown: whoever reads that may have gone.
            if self._junit is not None:
                self._junit.write(self._target, self._sorted(), wall_ns=wall_ns)
        finally:
            code = self._close(outcomes, code, duration_s)
        if len(self._runs) == 1 and outcomes and outcomes[0].error is not None:
            raise outcomes[0].error
        return code

    # What is run.

    def _open_rehearsal(self) -> MakeBehaviours | None:
        if not is_rehearsal(self._target):
            return None
        if any(self._recording):
            raise UsageError(f"{self._target}: what is heard there isn't saved; save it from a server of its own")
        return behaviours_of(self._target)

    def _job(self, scenario: Scenario, order: CallOrder) -> Job:
        order = with_settings(order, scenario, given=self._given)
        check_webhooks(scenario, self._target)
        rates_hz = rates_for(self._target, order.plan.audio_format.rate_hz)
        return Job(scenario, load_voices(scenario, rates_hz), order)

    async def _work(self, left: Iterator[tuple[int, tuple[Job, int]]], told: _Progress) -> None:
        for number, (job, run) in left:
            if self._stopped:
                return
            told.begins(job.scenario)
            outcome = await (self._rehearse(number, job, run) if self._behaviours else self._call(number, job, run))
            drawn = "" if self._junit is None else ladder_text(outcome.events, outcome.report, LADDER_WIDTH)
            if len(self._runs) > 1 and self._options["verbose"] and not self._options["as_json"] and not outcome.passed:
                told.show(outcome, ladder_text(outcome.events, outcome.report, told.width))
            else:
                told.show(outcome)
            self._cases.append(Case(outcome if len(self._runs) == 1 else replace(outcome, events=()), drawn))

    async def _call(self, number: int, job: Job, run: int) -> Outcome:
        observers = self._observers(number)
        heard = HeardRecording(*self._recording, observer=observers[0] if observers else _nobody, clock=self._clock)
        heard.start()
        scenario_run = ScenarioRun(
            job.scenario,
            job.order,
            job.voices,
            run=run,
            observers=[heard.observe, *observers],
            heard=heard if heard.wanted else None,
            clock=self._clock,
            **self._settings,
        )
        self._running.add(scenario_run)
        ticker = None
        if self._display is not None and isinstance(self._clock, SystemClock):
            ticker = asyncio.create_task(tick(self._display, self._clock, scenario_run.phone.tell_stats))
        try:
            outcome = await scenario_run.run()
        finally:
            self._running.discard(scenario_run)
            if ticker is not None:
                ticker.cancel()
            await heard.stop(SAVE_WAIT_S)
        lost = heard.failures or any(isinstance(event, RecordingFailed) for event in outcome.events)
        return replace(outcome, exit_code=ExitCode.RECORDING) if lost and outcome.error is None else outcome

    async def _rehearse(self, number: int, job: Job, run: int) -> Outcome:
        assert self._behaviours is not None  # noqa: S101  (what the caller has looked at)
        both = Rehearsal(job.scenario, job.voices, self._behaviours(), job.order.plan, target=self._target, run=run)
        transcript = run_call(both.leg, both.session, clock=both.clock, keep_messages=False)
        outcome = both.outcome(transcript.platform_events)
        reported = CallReported(at=both.clock.now(), call=CALL_ID, report=outcome.report)
        for observer in self._observers(number):
            for event in (*outcome.events, reported):
                observer(event)
        await asyncio.sleep(0)  # for Ctrl-C
        return outcome

    def _stop(self) -> None:
        self._stopped = True
        for run in self._running:
            run.stop()

    def _exit_code(self, outcomes: Sequence[Outcome]) -> ExitCode:
        codes = {outcome.exit_code for outcome in outcomes}
        if len(outcomes) < len(self._runs):
            codes.add(ExitCode.THRESHOLD)
        others = sorted(codes - set(SEVERITY))
        return others[0] if others else next(code for code in SEVERITY if code in codes)

    def _sorted(self) -> list[Case]:
        """In the order of the command line, whichever was over first."""
        order = {job.scenario.path: number for number, job in enumerate(self._jobs)}
        return sorted(self._cases, key=lambda case: (order[case.outcome.scenario.path], case.outcome.run))

    # What is shown.

    def _make_display(self) -> Display | None:
        """What shows single events: of one call everything, of several, and for the quiet ones, only what scripts read."""
        if (len(self._runs) > 1 or self._options["quiet"]) and not self._options["as_json"]:
            return None
        return make_display(
            json=self._options["as_json"],
            quiet=self._options["quiet"],
            verbose=self._options["verbose"],
            stream=sys.stdout,
            clock=self._clock,
            simulated=True,
            people=sys.stderr,
        )

    def _observers(self, number: int) -> list[Observer]:
        display = self._display
        if display is None:
            return []
        if len(self._runs) == 1:
            return [display]
        call = f"call-{number}"
        return [lambda event: display(replace(event, call=call))]

    @contextlib.contextmanager
    def _progress(self) -> Iterator[_Progress]:
        quiet = self._options["quiet"] or self._display is not None
        progress = _Progress(len(self._runs), self._console, quiet=quiet)
        with progress:
            yield progress

    def _close(self, outcomes: Sequence[Outcome], code: ExitCode, duration_s: float) -> ExitCode:
        """Show what came of it all; what can't be shown for want of space is said, and is no success."""
        display = self._display
        if display is not None:
            if len(self._runs) > 1:
                display(self._summed(outcomes, code, duration_s))
            code = finish(display, code)
            if self._options["as_json"] or display.broken:
                return code
        console = self._console
        if len(self._runs) == 1 and outcomes:
            if outcomes[0].error is None:
                self._show_one(console, outcomes[0])
        else:
            self._show_many(console, outcomes, duration_s)
        if self._target_out.fault is not None:
            say_error(cannot_write(self._target_out.fault))
            return code or ExitCode.ERROR
        return code

    def _summed(self, outcomes: Sequence[Outcome], code: ExitCode, duration_s: float) -> Event:
        failures = [
            f"{outcome.scenario.name}, run {outcome.run}: {failure}"
            for outcome in outcomes
            for failure in outcome.failures
        ]
        passed = sum(outcome.passed for outcome in outcomes)
        return ScenariosSummed(
            at=self._clock.now(),
            runs=len(outcomes),
            passed=passed,
            failed=len(outcomes) - passed,
            exit_code=int(code),
            duration_s=duration_s if isinstance(self._clock, SystemClock) else 0.0,
            first_heard_ms=first_heard(outcomes),
            failures=tuple(failures),
        )

    def _show_one(self, console: Console, outcome: Outcome) -> None:
        if self._options["quiet"]:
            console.print(run_line(outcome, whole=True))
            return
        console.print()
        console.print(ladder(outcome.events, outcome.report, console.width, ascii_only=console.options.ascii_only))
        console.print()
        for line in expectation_lines(outcome, min(console.width, 120)):
            console.print(line)

    def _show_many(self, console: Console, outcomes: Sequence[Outcome], duration_s: float) -> None:
        quiet = self._options["quiet"]
        if not quiet:
            console.print()
            console.print(result_table(outcomes), soft_wrap=False)
        failed = [outcome for outcome in outcomes if not outcome.passed]
        for number, outcome in enumerate(failed[:MAX_DETAILED]):
            run = f", run {outcome.run}" if self._is_repeated(outcome) else ""
            if number or not quiet:
                console.print()
            console.print(Text(f"{clean(outcome.scenario.name)}{run} ({clean(outcome.scenario.path)})"))
            for line in failure_lines(outcome, min(console.width, 120)):
                console.print(line)
        if len(failed) > MAX_DETAILED:
            console.print(f"\n… and {len(failed) - MAX_DETAILED} more; --junit FILE has them all")
        if failed or not quiet:
            console.print()
        console.print(Text(summary_line(outcomes, len(self._runs), duration_s)))

    def _is_repeated(self, outcome: Outcome) -> bool:
        return sum(job.scenario.path == outcome.scenario.path for job, _ in self._runs) > 1


def _numbered(jobs: Sequence[Job], repeat: int) -> Iterator[tuple[Job, int]]:
    """All runs; a file that is named twice goes on counting."""
    runs: Counter[Path] = Counter()
    for _ in range(repeat):
        for job in jobs:
            runs[job.scenario.path] += 1
            yield job, runs[job.scenario.path]


def _nobody(_: Event) -> None:
    """Nobody is told."""


class _Progress:
    """How far several runs are: a bar where there is a terminal, and a line for each that is over."""

    def __init__(self, runs: int, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet or runs < 2
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._runs = runs
        if not self._quiet and self._console.is_terminal:
            columns = TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn()
            self._bar = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)

    @property
    def width(self) -> int:
        """Of the terminal."""
        return self._console.width

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("calling", total=self._runs)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begins(self, scenario: Scenario) -> None:
        """A run begins."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=clean(scenario.name, 30))

    def show(self, outcome: Outcome, drawn: str = "") -> None:
        """A run is over."""
        if self._quiet:
            return
        self._console.print(run_line(outcome))
        if drawn:
            self._console.out(f"{drawn}\n", highlight=False)
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
