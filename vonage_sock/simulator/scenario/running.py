"""
One run of a scenario, and what came of it.

``ScenarioRun`` makes the call, to a server anywhere; ``outcome_of`` is what every run ends with, also one under a manual
clock. What a person expected comes before what we find by ourselves: a run with a failed expectation is told by that, and
an error that an expectation names doesn't count against the server.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vonage_sock.audio.frames import RATES_HZ, AudioFormat
from vonage_sock.audio.source import FramesSource, Source
from vonage_sock.call.events import Event, Observer, StatsUpdated
from vonage_sock.clock import SECOND, Clock, SystemClock
from vonage_sock.errors import ExitCode, UsageError, VsockError
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.simulator.leg.plan import HeardSink, LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.scenario.conductor import Conductor
from vonage_sock.simulator.scenario.judging import Evidence, Judgement, judge
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.voices import Voices
from vonage_sock.simulator.telling import CALL_ID
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.transport import tell

SEVERITY: Final = (ExitCode.CONNECT, ExitCode.RECORDING, ExitCode.THRESHOLD, ExitCode.PROTOCOL, ExitCode.OK)
"""Of several exit codes the first of these is given."""

MAX_EVENTS: Final = 2000
SPARE_NS: Final = SECOND
"""A leg outlasts its scenario by so much, so that it is the scenario that ends at its limit, and says so."""


JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How a run went.

    Args:
        run: its number among the runs of its scenario, from 1 on.
        report: that of the call, with the scenario's own parts.
        error: why the call couldn't be made, unless that was expected.
        stopped: somebody ended it before it was over.
        events: everything that was told.
    """

    scenario: Scenario
    run: int
    report: JsonObject
    judgements: Sequence[Judgement] = ()
    step_failure: str | None = None
    error: VsockError | None = None
    stopped: bool = False
    exit_code: ExitCode = ExitCode.OK
    duration_s: float = 0.0
    events: Sequence[Event] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        """All steps were done and all expectations hold, in a call that broke no rule."""
        return self.exit_code is ExitCode.OK

    @property
    def failures(self) -> list[str]:
        """What went wrong, a sentence each."""
        unmet = [judgement.failure for judgement in self.judgements if not judgement.passed]
        if self.error is not None:
            return [str(self.error), *unmet]
        failed = [] if self.step_failure is None else [self.step_failure]
        failed += unmet
        failed += [f"{found['code']}: {found['message']}" for found in unexpected_errors(self.scenario, self.report)]
        return failed + (
            ["what was heard or recorded couldn't be saved"] if self.exit_code is ExitCode.RECORDING else []
        )


def plan_for(scenario: Scenario, plan: LegPlan, conductor: Conductor) -> LegPlan:
    """A leg that this conductor leads, and that ends soon after the scenario's limit, whatever happens."""
    return replace(plan, script=conductor, duration_ns=scenario.limit_ns + SPARE_NS, key_presses=scenario.caller.dtmf)


def order_for(scenario: Scenario, order: CallOrder, conductor: Conductor) -> CallOrder:
    """The call that a scenario asks for, with what the command line or a test says of it."""
    speech = order.speech or scenario.caller.speech
    return replace(order, plan=plan_for(scenario, order.plan, conductor), audio=nothing_to_say, speech=speech)


def with_settings(order: CallOrder, scenario: Scenario, *, given: Collection[str] = ()) -> CallOrder:
    """
    The same call with the caller that a scenario describes.

    Args:
        given: what else was said of the call, which comes first: ``rate``, ``from_number``, ``to_number``; headers are
            put together.

    Raises:
        UsageError: the headers are too long together.
    """
    caller = scenario.caller
    plan = replace(order.plan, headers={**(caller.headers or {}), **order.plan.headers})
    check_headers(plan.headers)
    if caller.rate_hz is not None and "rate" not in given:
        plan = replace(plan, audio_format=AudioFormat(caller.rate_hz))
    numbers = {"from_number": caller.from_number, "to_number": caller.to_number}
    said = {name: number for name, number in numbers.items() if number is not None and name not in given}
    return replace(
        order,
        plan=plan,
        from_number=said.get("from_number", order.from_number),
        to_number=said.get("to_number", order.to_number),
    )


def check_webhooks(scenario: Scenario, target: str) -> None:
    """
    Refuse a scenario that waits for webhooks, or expects them, where there are none.

    Raises:
        UsageError: such a step or expectation.
    """
    needs = scenario.need_of_webhooks()
    if needs is not None and not target.startswith(("http:", "https:")):
        raise UsageError(
            f"{scenario.path}, line {needs.line}: {needs.text} needs webhooks, and {target} has none; "
            "call an answer URL instead"
        )


def nothing_to_say(_: AudioFormat) -> Source:
    """The source of a leg that a script leads."""
    return FramesSource("scenario", (), 0)


def rates_for(target: str, rate_hz: int) -> tuple[int, ...]:
    """Which sample rates may be needed: an NCCO's is known only when it has been fetched."""
    return (rate_hz,) if target.startswith(("ws:", "wss:", "vsock:")) else RATES_HZ


def unexpected_errors(scenario: Scenario, report: JsonObject) -> list[JsonObject]:
    """The findings of level error, but for those that are expected."""
    expected = {item.value for item in scenario.expectations if item.name == "finding"}
    return [
        found for found in report.get("findings", ()) if found["level"] == "error" and found["code"] not in expected
    ]


class ScenarioRun:
    """
    One run, in real time.

    Args:
        order: the call; what its caller says is the scenario's.
        run: its number among the runs of its scenario, from 1 on.
        observers: told of every event; the last is ``CallReported``.
        settings: of ``VonageCall``.
    """

    def __init__(
        self,
        scenario: Scenario,
        order: CallOrder,
        voices: Voices,
        *,
        run: int = 1,
        observers: Sequence[Observer] = (),
        heard: HeardSink | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        self.scenario = scenario
        self.run_number = run
        self._clock = clock or SystemClock()
        self._events: list[Event] = []
        self._observers = [*observers, self._keep]
        self._conductor = Conductor(scenario, voices, call=CALL_ID)
        self.phone = VonageCall(
            order_for(scenario, order, self._conductor),
            observers=[self._conductor.watch, *self._observers],
            heard=heard,
            clock=self._clock,
            **settings,
        )

    def stop(self) -> None:
        """Somebody has had enough: hang up; the run is not passed then."""
        self._conductor.stop("stopped by Ctrl-C")
        self.phone.hang_up()

    async def run(self) -> Outcome:
        """Make the call; it is told to the observers, its report too. Raises nothing that concerns only this run."""
        began_at = self._clock.now()
        try:
            report = await self.phone.run()
        except VsockError as error:
            return self._failed(error, began_at)
        for event in self._conductor.finish(self._clock.now()):
            for observer in self._observers:
                tell(observer, event)
        outcome = outcome_of(
            self._conductor,
            report,
            run=self.run_number,
            duration_s=self._since(began_at),
            events=self._events,
        )
        self.phone.tell_report(outcome.report)
        return outcome

    def _failed(self, error: VsockError, began_at: int) -> Outcome:
        outcome = outcome_of(
            self._conductor,
            self.phone.failure(error),
            run=self.run_number,
            duration_s=self._since(began_at),
            events=self._events,
            error=error,
        )
        self.phone.tell_report(outcome.report)
        return outcome

    def _since(self, began_at: int) -> float:
        return round((self._clock.now() - began_at) / SECOND, 3)

    def _keep(self, event: Event) -> None:
        if len(self._events) < MAX_EVENTS and not isinstance(event, StatsUpdated):
            self._events.append(event)


def outcome_of(
    conductor: Conductor,
    report: JsonObject,
    *,
    run: int,
    duration_s: float,
    events: Sequence[Event],
    error: VsockError | None = None,
) -> Outcome:
    """
    What came of a call that is over.

    Args:
        error: why it couldn't be made; with an expectation that names what was found this is what was to be seen, and
            no step is missed.
    """
    scenario = conductor.scenario
    evidence = Evidence(
        report=report,
        nccos=[answer.ncco for answer in conductor.answers],
        posted=conductor.posted,
        messages=conductor.messages,
        first_heard_ms=conductor.first_heard_ms,
        heard_s=conductor.heard_s,
    )
    judgements = judge(scenario.expectations, evidence)
    failure = _step_failure(conductor)
    all_hold = all(judgement.passed for judgement in judgements)
    if error is not None and all_hold and _is_expected(scenario, report):
        error = None
    code = ExitCode.OK
    if error is not None:
        code = error.exit_code
    elif failure is not None or not all_hold:
        code = ExitCode.THRESHOLD
    elif unexpected_errors(scenario, report):
        code = ExitCode.PROTOCOL
    whole = report | {
        "first_heard_ms": conductor.first_heard_ms,
        "heard_s": conductor.heard_s,
        "scenario": scenario.name,
        "run": run,
        "passed": code is ExitCode.OK,
        "steps": [result.report() for result in conductor.results],
        "expectations": [judgement.report() for judgement in judgements],
    }
    return Outcome(
        scenario=scenario,
        run=run,
        report=whole,
        judgements=judgements,
        step_failure=failure,
        error=error,
        stopped=bool(conductor.stopped),
        exit_code=code,
        duration_s=duration_s,
        events=events,
    )


def _step_failure(conductor: Conductor) -> str | None:
    failed = conductor.failure
    if failed is not None:
        return f"step {failed.step.number}, {failed.step.text}: {failed.reason}"
    return conductor.stopped or None


def _is_expected(scenario: Scenario, report: JsonObject) -> bool:
    """That the call can't be made: a finding of it is what somebody wanted to see."""
    found = {item["code"] for item in report.get("findings", ()) if item["level"] == "error"}
    return any(item.name == "finding" and item.value in found for item in scenario.expectations)
