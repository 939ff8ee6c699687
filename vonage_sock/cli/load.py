"""``vsock load``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from vonage_sock.call.events import LoadReported
from vonage_sock.cli import say_error
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.loop import on_stop, run
from vonage_sock.cli.numbers import Number, WholeNumber
from vonage_sock.cli.options import (
    CA,
    HEADER,
    JSON,
    QUIET,
    RATE,
    ca_of,
    option,
    option_group,
    parse_headers,
    signature_secret,
)
from vonage_sock.cli.printing import cannot_write, discard_stdout
from vonage_sock.clock import SECOND, SystemClock, iso_utc
from vonage_sock.display import load_words as words
from vonage_sock.display.load import make_load_display, times_table
from vonage_sock.display.load_page import load_page
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError
from vonage_sock.media.naming import RecordingPath
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.simulator.caller import open_audio
from vonage_sock.simulator.load.conducting import LoadRun, MostCalls, check_plan
from vonage_sock.simulator.load.plan import LoadPlan, default_ramp_ns
from vonage_sock.simulator.load.report import LoadResult, exit_code, make_report, series
from vonage_sock.simulator.load.usage import UsageWatch
from vonage_sock.simulator.load.verdict import DEFAULT_P99_NS, DEFAULTS, Thresholds, parse_span
from vonage_sock.simulator.order import check_target

SHOW_WAIT_S: Final = 0.5
MAX_CALLS: Final = 20_000
MAX_DURATION_S: Final = 86_400
MAX_RECORDED: Final = 100
MAX_PROCS: Final = 64

EXAMPLES = """\b
Examples:
  vsock serve --echo --max-calls 2000 --max-silent 200  a server to try it with
  vsock load ws://127.0.0.1:8000/socket -n 100
  vsock load http://127.0.0.1:8000/webhooks/answer -n 300 --duration 60 --html load.html
  vsock load ws://127.0.0.1:8000/socket -n 500 --max-p99 20ms --max-lost 0 --pid 4242
  vsock load ws://127.0.0.1:8000/socket --find-max --procs 2
  vsock load wss://staging.example.com/socket -n 200 --i-may-load-this --json
"""

_calls = partial(option, section="The calls")
_judged = partial(option, section="Thresholds: exit code 8 when one is missed")
_shown = partial(option, section="What is kept and shown")


class Span(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases only
    """A time with its unit, in nanoseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        try:
            return parse_span(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


CALLS = option_group(
    _calls("-n", "--calls", type=WholeNumber(1, MAX_CALLS), metavar="N", help="Calls at once.  [default: 10]"),
    _calls(
        "--ramp",
        "ramp_s",
        type=Number(0, MAX_DURATION_S),
        metavar="S",
        help="Time over which they are opened, evenly.  [default: a second for each 100]",
    ),
    _calls(
        "--duration",
        "duration_s",
        type=Number(0.1, MAX_DURATION_S),
        default=10.0,
        metavar="S",
        help="How long all of them speak together, after the ramp.",
    ),
    _calls("--procs", type=WholeNumber(1, MAX_PROCS), default=1, metavar="N", help="Divide them among N processes."),
    _calls(
        "--audio",
        default="clip",
        metavar="WHAT",
        help="What they say, with faint marks in it: a file, clip (a speech-like clip of ours), noise, say:TEXT; "
        "of 6 s or more where a server that changes it is to be timed.",
    ),
    _calls("--method", type=click.Choice(["GET", "POST"]), default="GET", help="How the answer URL is asked."),
    signature_secret(help="Sign the webhooks and the upgrade with this.", section=_calls.keywords["section"]),
    _calls(
        "--open-timeout",
        "open_timeout_s",
        type=Number(0.1, 120),
        default=10.0,
        metavar="S",
        help="How long an answer, and then a socket's opening, may take.",
    ),
    _calls(
        "--engine",
        type=click.Choice(["auto", "library"]),
        default="auto",
        envvar="VSOCK_LOAD_ENGINE",
        help="What carries the frames: our own poller where there is one (Linux, ws://), or the websockets library.",
    ),
    _calls("--i-may-load-this", "may_load", is_flag=True, help="TARGET isn't on this machine, and may be loaded."),
)

THRESHOLDS = option_group(
    *(
        _judged(f"--max-{name}", name, type=Span(), metavar="TIME", help=f"Round trip, {words_}: 20ms, 500us, 1.5s.")
        for name, words_ in (("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("p999", "p99.9"))
    ),
    _judged("--max-lost", "lost", type=WholeNumber(0), metavar="N", help="Frames that didn't come back."),
    _judged(
        "--max-failed",
        "failed",
        type=WholeNumber(0),
        metavar="N",
        help="Calls that couldn't be opened or were dropped.  [default: 0 as soon as there is any threshold]",
    ),
    _judged(
        "--late-after",
        "late_ns",
        type=Span(),
        metavar="TIME",
        help="A frame that takes longer to come back counts as late.  [default: --max-p99, else 20ms]",
    ),
    _judged(
        "--find-max",
        is_flag=True,
        help="Double the calls, from -n on, then halve the step, to the largest number that keeps to the thresholds.  "
        "[default thresholds: --max-p99 20ms --max-lost 0]",
    ),
    _judged("--find-up-to", type=WholeNumber(1, MAX_CALLS), default=5000, metavar="N", help="Where --find-max stops."),
)

SHOWN = option_group(
    _shown(
        "--pid",
        type=WholeNumber(1),
        metavar="PID",
        help="Watch this server's processor time and memory, children included.",
    ),
    _shown("--html", "html_path", metavar="FILE", help="Write a page: latency over time, histogram, all figures."),
    _shown(
        "--record-heard",
        "record",
        type=WholeNumber(0, MAX_RECORDED),
        default=0,
        metavar="N",
        help="Write what the first N callers heard, as heard-1.wav and so on.",
    ),
    _shown(
        "--record-path", default="heard-{n}.wav", metavar="PATH", help="Other names for them; {n} is the call's number."
    ),
    _shown("--overwrite", is_flag=True, help="Recordings and the page may replace files."),
    JSON,
    QUIET,
)


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("target")
@CALLS
@RATE
@HEADER
@CA
@THRESHOLDS
@SHOWN
@click.pass_context
def load(ctx: click.Context, /, **options: Any) -> None:
    """Make many calls at once to TARGET, and measure how long it takes to return what they say.

    TARGET is a socket (ws://, wss://), or an answer URL (http://, https://), which is asked once for each call; the first
    websocket of its NCCO is opened, other actions are passed over, and no events are posted. Each call sends a frame every
    20 ms on an absolute schedule. A frame is known again by a mark in it; where the server changes the audio, what a few
    calls heard is compared with what they said. A server that returns nothing of it can be loaded, too: then there is no
    round trip, and connections, findings and its load are what is measured.

    The exit code is 8 when a threshold is missed, 3 when the protocol was broken, 7 when a call couldn't be opened.
    """
    ctx.exit(run(Loader(options).run()))


class Loader:
    """
    One run of ``vsock load``.

    Raises:
        UsageError: something in the options can't be used.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._clock = SystemClock()
        headers = parse_headers(options["headers"])
        check_headers(headers)
        check_target(options["target"])
        self._ramp_ns = None if options["ramp_s"] is None else round(options["ramp_s"] * SECOND)
        self._thresholds = _thresholds(options)
        calls = options["calls"] or 10
        self._plan = LoadPlan(
            target=options["target"],
            calls=calls,
            ramp_ns=default_ramp_ns(calls) if self._ramp_ns is None else self._ramp_ns,
            duration_ns=round(options["duration_s"] * SECOND),
            rate_hz=int(options["rate"]),
            headers=headers,
            method=options["method"],
            signature_secret=options["signature_secret"],
            late_ns=_first(options["late_ns"], self._thresholds.p99_ns, DEFAULT_P99_NS),
            record=options["record"],
            record_path=options["record_path"],
            overwrite=options["overwrite"],
            open_timeout_s=options["open_timeout_s"],
            engine=options["engine"],
            ca=None if (ca := ca_of(options)) is None else str(ca),
            may_leave=options["may_load"],
        )
        self._check()
        self._page = None if options["html_path"] is None else _page_path(options["html_path"], options["overwrite"])
        self._watch = None if options["pid"] is None else UsageWatch(options["pid"], self._clock)
        self._display = make_load_display(
            json=options["as_json"], quiet=options["quiet"], stream=sys.stdout, clock=self._clock
        )

    async def run(self) -> ExitCode:
        """
        Make the load, say what came of it, and give the exit code.

        Raises:
            VsockError: it can't be made.
        """
        runner = self._searcher() if self._options["find_max"] else self._make_run(self._plan)
        on_stop(runner.stop, lambda: _close(self._display))
        try:
            result = await runner.run()
        except BaseException:
            _close(self._display)
            raise
        report = make_report(result, self._thresholds)
        code = exit_code(result, self._thresholds)
        if isinstance(runner, MostCalls):
            report["max_calls"] = runner.most if runner.tried else None
            report["limited_by"] = runner.refusals
            code = ExitCode.OK if runner.most or not runner.tried else code
        self._write_page(result, report)
        self._display(LoadReported(at=self._clock.now(), report=report))
        code = self._finish(code)
        if not self._options["as_json"] and not self._display.broken:
            self._show(report)
        return code

    def _check(self) -> None:
        plan, options = self._plan, self._options
        open_audio(options["audio"])
        if options["audio"] in ("silence", "-") or options["audio"].startswith("tone"):
            raise UsageError(
                f"--audio {options['audio']}: frames that are alike can't be told apart when a server changes them; "
                "give a file, clip, noise or say:TEXT"
            )
        if plan.record:
            path = plan.record_path
            if plan.record > 1 and "{n}" not in path:
                raise UsageError(f"--record-path {path} names one file for {plan.record} callers; put {{n}} into it")
            if RecordingPath(path).is_stdout:
                raise UsageError("--record-path - isn't possible here; name a file")
        if options["find_max"] and plan.calls > options["find_up_to"]:
            raise UsageError(f"-n {plan.calls} is more than --find-up-to {options['find_up_to']}")
        most = options["find_up_to"] if options["find_max"] else plan.calls
        check_plan(plan.with_calls(most, 0), options["procs"])

    def _make_run(self, plan: LoadPlan) -> LoadRun:
        return LoadRun(
            plan,
            procs=min(self._options["procs"], plan.calls),
            audio=self._options["audio"],
            observer=self._display,
            clock=self._clock,
            watch=self._watch,
        )

    def _searcher(self) -> MostCalls:
        return MostCalls(
            self._plan,
            self._thresholds,
            self._make_run,
            most=self._options["find_up_to"],
            ramp_ns=self._ramp_ns,
            observer=self._display,
            clock=self._clock,
        )

    def _write_page(self, result: LoadResult, report: dict[str, Any]) -> None:
        if self._page is None:
            return
        text = load_page(report, series(result), written=iso_utc(self._clock.wall_ns()))
        try:
            self._page.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--html {self._page}: {error.strerror or error}") from error

    def _finish(self, code: ExitCode) -> ExitCode:
        _close(self._display)
        if self._display.broken:
            discard_stdout()
        if self._display.fault is not None:
            say_error(cannot_write(self._display.fault))
            return code or ExitCode.ERROR
        return code

    def _show(self, report: dict[str, Any]) -> None:
        console = Console(soft_wrap=False, highlight=False)
        if not self._options["quiet"]:
            calls = words.counted(report["calls"], "call")
            where = clean(report["target"], words.MAX_TARGET)
            click.echo(f"\n{calls} to {where}, {report['duration_s']:g} s after a ramp of {report['ramp_s']:g} s\n")
            console.print(times_table(report))
            click.echo()
        for line in words.summary(report):
            console.print(Text(line), soft_wrap=not console.is_terminal)
        if "max_calls" in report:
            click.echo(_most(report, self._options["find_up_to"]))
        if self._page is not None:
            click.echo(f"the page is {clean(self._page, 400)}")


def _most(report: dict[str, Any], allowed: int) -> str:
    most = report["max_calls"]
    if most is None:
        return "stopped before the first try was over"
    if not most:
        return "stopped: no number of calls kept to the thresholds" if report["stopped"] else _NOT_ONE
    calls = words.counted(most, "call")
    verb = "keeps" if most == 1 else "keep"
    late = f"({words.own_of(report)})"
    if most == allowed:
        return f"{calls}, the most that --find-up-to allows, {verb} to the thresholds {late}"
    if report["stopped"]:
        return f"stopped: at least {calls} {verb} to the thresholds {late}"
    limit = f"; beyond that, {words.refused(report['limited_by'])}" if report["limited_by"] else ""
    return f"{calls} at most {verb} to the thresholds {late}{limit}"


_NOT_ONE: Final = "not even one call keeps to the thresholds"


def _thresholds(options: dict[str, Any]) -> Thresholds:
    given = Thresholds(
        p50_ns=options["p50"],
        p95_ns=options["p95"],
        p99_ns=options["p99"],
        p999_ns=options["p999"],
        lost=options["lost"],
        failed=options["failed"],
    )
    return DEFAULTS if options["find_max"] and not given.any else given


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _page_path(text: str, overwrite: bool) -> Path:  # noqa: FBT001  (an option's value)
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"--html {text}: this can't be a file; name one in a directory that exists")
    if path.exists() and not overwrite:
        raise UsageError(f"--html {text} exists; choose another name, or give --overwrite")
    return path


def _close(display: Any) -> None:
    display.close(SHOW_WAIT_S)
