"""One run of a scenario, with a server on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulator.answering import Application
from tests.simulator.scenario.writing import scenario
from vonage_sock.audio.frames import RATES_HZ, AudioFormat
from vonage_sock.call.events import CallReported, Event, EventPosted, ScenarioStepped
from vonage_sock.errors import ConnectError, ExitCode, UsageError
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.scenario.running import (
    Outcome,
    ScenarioRun,
    check_webhooks,
    nothing_to_say,
    rates_for,
    unexpected_errors,
    with_settings,
)
from vonage_sock.simulator.scenario.voices import load_voices

WEBHOOKS = """
steps:
  - wait_for: {webhook: answer}
  - wait_for: {webhook: answered}
  - play: {audio: tone:440, for: 100ms}
  - wait_for: {audio: true, within: 5s}
  - hang_up
  - wait_for: {webhook: completed}
expect:
  - ncco_has: {action: connect, endpoint: [{type: websocket}]}
  - event_reply: {event: answered, status: 204}
  - event_posted: completed
  - closed_by: platform
"""


def order(target: str, **options: Any) -> CallOrder:
    """A call to this address."""
    return CallOrder(target=target, audio=nothing_to_say, plan=LegPlan(audio_format=AudioFormat(16000)), **options)


async def outcome(text: str, target: str, *observers: Any, **settings: Any) -> Outcome:
    """What comes of a scenario."""
    made = scenario(text)
    run = ScenarioRun(made, order(target), load_voices(made, (8000, 16000)), observers=observers, **settings)
    async with asyncio.timeout(20):
        return await run.run()


async def test_a_scenario_goes_through_a_whole_call_with_its_webhooks() -> None:
    """At the NCCO's rate; what the event URL replied is known."""
    events: list[Event] = []
    async with Application().running() as app:
        came = await outcome(WEBHOOKS, app.answer_url, events.append)

    assert ([], ExitCode.OK) == (came.failures, came.exit_code)
    assert {204} == {event.reply_status for event in events if isinstance(event, EventPosted)}
    assert 6 == len([event for event in events if isinstance(event, ScenarioStepped)])
    assert isinstance(events[-1], CallReported)
    assert came.report == events[-1].report
    assert ("s", 1, True, 6, 4) == (
        came.report["scenario"],
        came.report["run"],
        came.report["passed"],
        len(came.report["steps"]),
        len(came.report["expectations"]),
    )
    assert 8000 == came.report["rate_hz"]


async def test_a_failed_expectation_is_told_with_what_was_found() -> None:
    """An event URL that replies with another status."""
    async with Application(event_status=500).running() as app:
        came = await outcome("expect: [event_reply: {event: started, status: 204}]", app.answer_url)

    assert (ExitCode.THRESHOLD, False) == (came.exit_code, came.passed)
    assert ["event_reply: event started, status 204: wanted HTTP 204 for each started; found HTTP 500, 500"] == (
        came.failures
    )


async def test_a_server_that_can_t_be_reached_is_an_error_of_its_own() -> None:
    """The report says why, and what was expected all the same."""
    events: list[Event] = []
    came = await outcome("steps: [hang_up]\nexpect: [no_underruns]", "ws://127.0.0.1:1/", events.append)

    assert isinstance(came.error, ConnectError)
    assert (ExitCode.CONNECT, False) == (came.exit_code, came.report["passed"])
    assert [str(came.error), "no_underruns: wanted no underrun; found no socket was opened"] == came.failures
    assert isinstance(events[-1], CallReported)


@pytest.mark.parametrize(
    ("expect", "code"),
    [("closed_by: platform", ExitCode.PROTOCOL), ("finding: VS420", ExitCode.OK), ("no_findings", ExitCode.THRESHOLD)],
)
async def test_a_broken_protocol_counts_unless_it_is_expected(expect: str, code: ExitCode) -> None:
    """And after what a person expected: a failed expectation comes first."""
    bad = {"action": "connect", "endpoint": [{"type": 5}]}
    ncco = [bad, *Application(port=1).connect()]
    async with Application(ncco=ncco).running() as app:
        app.ncco = [bad, *app.connect()]
        came = await outcome(f"steps: [hang_up]\nexpect: [{expect}]", app.answer_url)

    assert code is came.exit_code
    assert (code is ExitCode.OK) is (not came.failures)
    assert (code is ExitCode.OK) is (not unexpected_errors(came.scenario, came.report))


async def test_a_call_without_a_socket_is_judged_too() -> None:
    """Its webhooks are all there is."""
    async with Application(ncco=[{"action": "talk", "text": "hi"}]).running() as app:
        came = await outcome("expect: [ncco_has: {text: hi}, event_posted: completed]", app.answer_url)

    assert came.passed, came.failures


async def test_a_run_that_is_stopped_isn_t_passed() -> None:
    """Ctrl-C in the middle of a step."""
    made = scenario("steps: [{silence: 20s}]")
    async with Application().running() as app:
        run = ScenarioRun(made, order(f"{app.base}/socket".replace("http", "ws")), {})
        task = asyncio.create_task(run.run())
        await app.called.wait()
        run.stop()
        came = await task

    assert ["step 1, silence 20s: stopped by Ctrl-C"] == came.failures
    assert (True, ExitCode.THRESHOLD) == (came.stopped, came.exit_code)


async def test_a_call_that_can_t_be_made_may_be_what_was_expected() -> None:
    """A finding of it that is named, with all else that holds: then no step is missed."""
    async with Application().running() as app:
        met = await outcome("steps: [hang_up]\nexpect: [finding: VS401]", f"{app.base}/nowhere")
        unmet = await outcome("expect: [finding: VS401, event_posted: answered]", f"{app.base}/nowhere")
        other = await outcome("expect: [no_underruns]", f"{app.base}/nowhere")

    assert (None, ExitCode.OK, []) == (met.error, met.exit_code, met.failures)
    assert [ExitCode.CONNECT] * 2 == [unmet.exit_code, other.exit_code]
    assert [True, False] == [judgement.passed for judgement in unmet.judgements]


def test_the_caller_of_the_scenario_takes_the_place_of_what_nobody_gave() -> None:
    """Options come first, headers are put together."""
    made = scenario('caller: {from: "1", to: "2", rate: 8000, headers: {a: 1, b: 1}}\nsteps: [hang_up]')
    mine = order("ws://x/", from_number="9")
    with_headers = CallOrder(
        target="ws://x/",
        audio=nothing_to_say,
        plan=LegPlan(audio_format=AudioFormat(24000), headers={"b": 2}),
        from_number="9",
    )
    all_his = with_settings(mine, made)
    some_mine = with_settings(with_headers, made, given=["rate", "from_number"])

    assert ("1", "2", 8000) == (all_his.from_number, all_his.to_number, all_his.plan.audio_format.rate_hz)
    assert ("9", "2", 24000) == (some_mine.from_number, some_mine.to_number, some_mine.plan.audio_format.rate_hz)
    assert {"a": 1, "b": 2} == some_mine.plan.headers


def test_headers_that_are_too_long_together_are_refused() -> None:
    """As Vonage would."""
    made = scenario(f"caller: {{headers: {{a: {'x' * 300}}}}}\nsteps: [hang_up]")
    plan = LegPlan(audio_format=AudioFormat(8000), headers={"b": "y" * 300})

    with pytest.raises(UsageError, match="512"):
        with_settings(CallOrder(target="ws://x/", audio=nothing_to_say, plan=plan), made)


def test_a_socket_has_no_webhooks_to_wait_for() -> None:
    """It is said before a call is made."""
    made = scenario("expect:\n  - event_posted: answered")
    check_webhooks(made, "https://x/answer")

    with pytest.raises(
        UsageError, match=r"s\.yaml, line 2: event_posted: answered needs webhooks, and ws://x/ has none"
    ):
        check_webhooks(made, "ws://x/")


def test_an_ncco_may_ask_for_any_rate() -> None:
    """A socket's is known."""
    assert (8000,) == rates_for("wss://x/", 8000) == rates_for("vsock:echo", 8000)
    assert RATES_HZ == rates_for("https://x/answer", 8000)
