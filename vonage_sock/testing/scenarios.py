"""Scenarios against behaviours of the test's own, in no time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vonage_sock.audio.source import OpenSource
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.media.decode import AudioFile
from vonage_sock.protocol.logtext import logger
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.preparing import prepare_rehearsal
from vonage_sock.simulator.scenario.rehearsal import at_once as decoded
from vonage_sock.simulator.scenario.running import Outcome
from vonage_sock.testing.plans import DEFAULT_RATE_HZ, plan_of
from vonage_sock.testing.reports import CallReport, fill_in
from vonage_sock.testing.wire import HeardPcm, run_call

_log = logger("vonage_sock.failures")


def run_scenario(
    scenario: str | Path | Scenario,
    *behaviours: Behaviour,
    rate_hz: int | None = None,
    headers: Mapping[str, object] | None = None,
    strict: bool = False,
    platform: str = "current",
) -> CallReport:
    """
    Run a scenario against behaviours of yours in no time: under a manual clock, and the same in each run.

    Args:
        scenario: a file, or what ``vonage_sock.simulator.scenario.reading.read`` gives.
        behaviours: what the server does in this call; files that they play are best given through ``at_once``, since a
            decoder takes its own time.
        rate_hz: the scenario's, or 16,000, when None.

    What a behaviour raises is VS307 in the report, and logged with its traceback.

    Raises:
        UsageError: the scenario can't be used; one that needs webhooks can't.
        AudioFileError: a file that it plays can't be played.
    """
    plan = plan_of("", None, rate_hz or DEFAULT_RATE_HZ, headers or {}, platform, strict=strict)
    sink = HeardPcm()
    both = prepare_rehearsal(scenario, behaviours, plan, given=() if rate_hz is None else ("rate",), heard=sink)
    transcript = run_call(both.leg, both.session, clock=both.clock, keep_messages=False)
    if both.session.failure is not None:
        _log.error("a behaviour failed", exc_info=both.session.failure)
    outcome = both.outcome(transcript.platform_events)
    report = CallReport(target=both.target, events=list(outcome.events))
    judge(report, outcome)
    report.said_pcm, report.heard_pcm = bytes(sink.said), bytes(sink.heard)
    return report


def at_once(audio: str | Path | OpenSource) -> OpenSource:
    """
    Audio for behaviours under a manual clock: decoded whole, and not by a decoder that takes its own time.

    Raises:
        AudioFileError: the file can't be played.
    """
    return decoded(AudioFile(Path(audio)) if isinstance(audio, str | Path) else audio)


def judge(report: CallReport, outcome: Outcome) -> None:
    """Take over how a run went."""
    fill_in(report, outcome.report)
    report.passed = outcome.passed
    report.expectations = list(outcome.judgements)
    report.steps = outcome.report.get("steps", [])
    report.failures = outcome.failures
