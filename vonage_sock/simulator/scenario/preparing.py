"""From a scenario's file and a call's order to a run that can begin, with all its audio in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Observer
from vonage_sock.simulator.leg.plan import HeardSink, LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.reading import load
from vonage_sock.simulator.scenario.rehearsal import PREFIX, STAND_IN, Rehearsal
from vonage_sock.simulator.scenario.running import (
    ScenarioRun,
    check_webhooks,
    nothing_to_say,
    rates_for,
    with_settings,
)
from vonage_sock.simulator.scenario.voices import load_voices


async def prepare_run(
    scenario: str | Path | Scenario,
    order: CallOrder,
    *,
    given: Collection[str] = (),
    observers: Sequence[Observer] = (),
    heard: HeardSink | None = None,
    settings: Mapping[str, Any] | None = None,
) -> ScenarioRun:
    """
    A run in real time.

    Args:
        given: what was said of the call beside the scenario; see ``with_settings``.
        settings: of ``VonageCall``.

    Raises:
        UsageError, AudioFileError: the scenario, or what it plays, can't be used.
    """
    loaded = _loaded(scenario)
    order = with_settings(order, loaded, given=given)
    check_webhooks(loaded, order.target)
    rates_hz = rates_for(order.target, order.plan.audio_format.rate_hz)
    voices = await asyncio.to_thread(load_voices, loaded, rates_hz)
    return ScenarioRun(loaded, order, voices, observers=observers, heard=heard, **(settings or {}))


def prepare_rehearsal(
    scenario: str | Path | Scenario,
    behaviours: Sequence[Behaviour],
    plan: LegPlan,
    *,
    given: Collection[str] = (),
    heard: HeardSink | None = None,
) -> Rehearsal:
    """
    A run under a manual clock, with behaviours of somebody's own.

    Raises:
        UsageError, AudioFileError: as ``prepare_run``; there are no webhooks.
    """
    loaded = _loaded(scenario)
    target = f"{PREFIX}{'+'.join(type(behaviour).__name__ for behaviour in behaviours).lower()}"
    check_webhooks(loaded, target)
    order = CallOrder(target=STAND_IN, audio=nothing_to_say, plan=plan)
    plan = with_settings(order, loaded, given=given).plan
    voices = load_voices(loaded, (plan.audio_format.rate_hz,))
    return Rehearsal(loaded, voices, behaviours, plan, target=target, heard=heard)


def _loaded(scenario: str | Path | Scenario) -> Scenario:
    return scenario if isinstance(scenario, Scenario) else load(Path(scenario))
