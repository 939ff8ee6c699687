"""The outcomes of scenarios, for a person: pure text, harmless, and good to read at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from vonage_sock.clock import MS
from vonage_sock.display import wording
from vonage_sock.display.render import wrap
from vonage_sock.display.safe import clean
from vonage_sock.simulator.leg.measure import Spread
from vonage_sock.simulator.scenario.running import Outcome

PASS, FAIL = "pass", "FAIL"
STYLES = {True: "green", False: "bold red"}

NAME_WIDTH = 30
WHY_WIDTH = 30


def run_line(outcome: Outcome, *, whole: bool = False) -> Text:
    """
    One run that has just ended.

    Args:
        whole: say everything that went wrong, however long that is.
    """
    run = f" (run {outcome.run})" if outcome.run > 1 else ""
    line = Text.assemble(_verdict(outcome.passed), "  ", clean(outcome.scenario.name, NAME_WIDTH), run)
    line.append(f"  {wording.span_text(outcome.duration_s)}", "dim")
    failures = outcome.failures
    if whole and failures:
        line.append(f"  {clean('; '.join(failures), 1000)}")
    elif failures:
        more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
        line.append(f"  {clean(failures[0].split(': ')[0], WHY_WIDTH)}{more}")
    return line


def expectation_lines(outcome: Outcome, width: int) -> Iterator[Text]:
    """Each expectation of one run, and where it failed what was wanted and what was found."""
    yield Text.assemble(
        _verdict(outcome.passed),
        "  ",
        clean(outcome.scenario.name, NAME_WIDTH),
        (f"  {wording.span_text(outcome.duration_s)}", "dim"),
    )
    for judgement in outcome.judgements:
        if judgement.passed:
            text = f"{clean(judgement.expect, 200)} · {clean(judgement.found, 200)}"
            yield from _indented(PASS, text, width, passed=True)
    yield from failure_lines(outcome, width)


def failure_lines(outcome: Outcome, width: int) -> Iterator[Text]:
    """What failed in one run."""
    if outcome.step_failure is not None:
        yield from _indented(FAIL, clean(outcome.step_failure, 600), width, passed=False)
    for judgement in outcome.judgements:
        if not judgement.passed:
            yield from _indented(FAIL, clean(judgement.expect, 400), width, passed=False)
            yield from _indented("", f"wanted  {clean(judgement.wanted, 400)}", width, hang=8)
            yield from _indented("", f"found   {clean(judgement.found, 400)}", width, hang=8)
    told = {outcome.step_failure, *(judgement.failure for judgement in outcome.judgements)}
    for failure in outcome.failures:
        if failure not in told:
            yield from _indented(FAIL, clean(failure, 600), width, passed=False)


def result_table(outcomes: Sequence[Outcome]) -> Table:
    """A row for each run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("")
    table.add_column("scenario", max_width=NAME_WIDTH, overflow="fold")
    table.add_column("run", justify="right")
    table.add_column("time", justify="right")
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("first heard", justify="right", no_wrap=True)
    table.add_column("findings", overflow="fold")
    for outcome in outcomes:
        table.add_row(
            _verdict(outcome.passed),
            Text(clean(outcome.scenario.name)),
            str(outcome.run),
            wording.span_text(outcome.duration_s),
            _held(outcome),
            _first_heard(outcome),
            _codes(outcome),
        )
    return table


def summary_line(outcomes: Sequence[Outcome], wanted: int, duration_s: float) -> str:
    """All runs in one sentence, and how soon the server was first heard in them."""
    passed = sum(outcome.passed for outcome in outcomes)
    left = f", {wanted - len(outcomes)} not made" if wanted > len(outcomes) else ""
    line = f"{passed} of {wording.counted(wanted, 'run')} passed in {wording.span_text(duration_s)}{left}"
    heard = first_heard(outcomes)
    if heard is None:
        return line
    return (
        f"first heard after {heard['p50']:,.0f} ms p50, {heard['p95']:,.0f} ms p95; "
        f"own timer late by {heard['own_lateness_ms']:.1f} ms p99\n{line}"
    )


def first_heard(outcomes: Sequence[Outcome]) -> dict[str, float] | None:
    """When the server was first heard, over several runs, in milliseconds; None where it never was."""
    reports = [outcome.report for outcome in outcomes if outcome.report.get("first_heard_ms") is not None]
    if not reports:
        return None
    spread = Spread()
    for report in reports:
        spread.add(round(report["first_heard_ms"] * MS))
    worst_ms = max(report["own_lateness_ms"]["p99"] for report in reports)
    return {"p50": spread.percentile_ms(50), "p95": spread.percentile_ms(95), "own_lateness_ms": worst_ms}


def _verdict(passed: bool) -> Text:  # noqa: FBT001  (it is the value that is shown)
    return Text(PASS if passed else FAIL, STYLES[passed])


def _indented(head: str, text: str, width: int, *, passed: bool | None = None, hang: int = 0) -> Iterator[Text]:
    style = "" if passed is None else STYLES[passed]
    room = max(20, width - 8 - hang)
    for number, part in enumerate(wrap(text, room if hang else width - 8)):
        shown = head if not number else ""
        yield Text.assemble("  ", (shown, style), " " * (6 - cell_len(shown)), " " * (hang if number else 0), part)


def _held(outcome: Outcome) -> str:
    held = sum(judgement.passed for judgement in outcome.judgements)
    return f"{held} of {len(outcome.judgements)}" if outcome.judgements else "-"


def _first_heard(outcome: Outcome) -> str:
    first_ms = outcome.report.get("first_heard_ms")
    return "-" if first_ms is None else f"{first_ms:,.0f} ms"


def _codes(outcome: Outcome) -> str:
    return " ".join(found["code"] for found in outcome.report.get("findings", ())) or "-"
