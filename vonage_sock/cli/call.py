"""``vsock call``."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import AnswerRequested, Event, Notice, RecordingFailed
from vonage_sock.cli.call_api import make_api
from vonage_sock.cli.call_options import (
    API,
    CALLER,
    DRILLS,
    OUTPUT,
    PLATFORM,
    SCENARIOS,
    WEBHOOKS,
    check_options,
    drills_of,
)
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.loop import on_stop, run
from vonage_sock.cli.options import ca_of, parse_headers
from vonage_sock.cli.showing import finish, restore_terminal, tick
from vonage_sock.clock import SECOND, SystemClock
from vonage_sock.display import Display, make_display
from vonage_sock.display.ladder import ladder
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError, VsockError
from vonage_sock.media.naming import RecordingPath
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.protocol.signing import SAFE_SECRET_BYTES
from vonage_sock.simulator.api.beside import RestApi
from vonage_sock.simulator.caller import open_audio
from vonage_sock.simulator.heard import HeardRecording
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.simulator.leg.plan import LegPlan, Platform
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.report import summary_lines
from vonage_sock.simulator.scenario.rehearsal import STAND_IN, is_rehearsal
from vonage_sock.simulator.telling import CALL_ID
from vonage_sock.simulator.vonage import MakeCall, VonageCall

_NOT_GIVEN = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None)

_WORST_FIRST = (ExitCode.PROTOCOL, ExitCode.CONNECT)

MAX_EVENTS = 2000
MAX_LINE = 2000
MAX_SHOWN = 50
NOBODY = "http://127.0.0.1:9/nobody"
"""Stands where orders come without a target of their own."""

SAVE_WAIT_S = 30.0

EXAMPLES = """\b
Examples:
  vsock call http://127.0.0.1:8000/webhooks/answer
  vsock call ws://127.0.0.1:8000/socket --audio hi.wav --save heard.wav
  vsock call ws://localhost:5000/ws --audio say:hello --dtmf "1,w2,34#"
  vsock call wss://example.ngrok.app/socket --rate 8000 --json
  vsock call http://127.0.0.1:8000/answer --fast --connect-outcome busy
  vsock call http://127.0.0.1:8000/answer --scenario menu.yaml --jobs 4
  vsock call vsock:echo --scenario menu.yaml --repeat 20 --junit report.xml
  vsock call http://127.0.0.1:5000/answer --api-port 8100
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("target", required=False)
@CALLER
@SCENARIOS
@WEBHOOKS
@PLATFORM
@DRILLS
@API
@OUTPUT
@click.pass_context
def call(ctx: click.Context, /, **options: Any) -> None:
    """Be Vonage: call TARGET, a socket (ws://, wss://) or an answer URL (http://, https://).

    For an answer URL the NCCO is fetched and carried out in its order, and events are posted. A socket's leg ends when its
    audio is sent and what it was sent has been played, or at --duration; then the caller hangs up. With --scenario the
    caller does what a file says, and the exit code tells whether all that it expects came true. With --api-port the
    application can order and control calls; without TARGET vsock waits for such orders.
    """
    if options["target"] is None and options["api_port"] is None:
        raise click.UsageError("Missing argument 'TARGET'; with --api-port calls are ordered instead.", ctx)
    given = frozenset(name for name in options if ctx.get_parameter_source(name) not in _NOT_GIVEN)
    ctx.exit(run(choose(options, given).run()))


if TYPE_CHECKING:
    from vonage_sock.cli.scenario_runs import ScenarioCaller


def choose(options: dict[str, Any], given: frozenset[str]) -> Caller | ScenarioCaller:
    """
    Who makes the call, or calls.

    Args:
        given: the names of the options that somebody gave.

    Raises:
        VsockError: something in the options can't be used.
    """
    check_options(options, given)
    if not options["scenarios"]:
        return Caller(options)
    from vonage_sock.cli.scenario_runs import ScenarioCaller  # noqa: PLC0415  (YAML and its schema cost 0.1 s)

    target = STAND_IN if is_rehearsal(options["target"]) else options["target"]
    caller = Caller({**options, "target": target})
    recording = caller.saving.mono, caller.saving.stereo
    return ScenarioCaller(options, given, order=caller.order, recording=recording, settings=caller.settings)


@dataclass(slots=True)
class Made:
    """One call of this run."""

    call_id: str
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    report: dict[str, Any] = field(default_factory=dict)
    error: VsockError | None = None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was wrong in it."""
        found: list[dict[str, Any]] = self.report.get("findings", [])
        return found

    @property
    def exit_code(self) -> ExitCode:
        """What it alone would end the program with."""
        if self.error is not None:
            return self.error.exit_code
        return ExitCode.PROTOCOL if any(found["level"] == "error" for found in self.findings) else ExitCode.OK


@dataclass(frozen=True, slots=True)
class Saving:
    """The files that ``--save`` and ``--save-stereo`` name."""

    mono: RecordingPath | None
    stereo: RecordingPath | None

    def kept(self) -> Saving:
        """The same for a later call, which must not replace the files of the first."""
        return Saving(*(path and replace(path, overwrite=False) for path in (self.mono, self.stereo)))


class Caller:
    """
    One run of ``vsock call``.

    Raises:
        VsockError: something in the options can't be used.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._clock = SystemClock()
        self.saving = Saving(self._path("save"), self._path("save_stereo"))
        if options["save"] is not None and options["save"] == options["save_stereo"]:
            raise UsageError("--save and --save-stereo name the same file; give each its own")
        headers = parse_headers(options["headers"])
        check_headers(headers)
        duration_s = options["duration_s"]
        self._format = AudioFormat(int(options["rate"]))
        self.order = CallOrder(
            target=NOBODY if options["target"] is None else options["target"],
            audio=open_audio(options["audio"], seconds=duration_s),
            plan=LegPlan(
                audio_format=self._format,
                headers=headers,
                key_presses=parse_dtmf(options["dtmf"]),
                duration_ns=None if duration_s is None else round(duration_s * SECOND),
                platform=Platform(options["platform"]),
                strict=options["strict"],
            ),
            from_number=options["from_number"],
            to_number=options["to_number"],
            event_url=options["event_url"],
            method=options["method"],
            signature_secret=options["signature_secret"],
            fallback_url=options["fallback_url"],
            fallback_method=options["method"],
            connect_outcomes=options["connect_outcomes"],
            speech=options["speech"],
            record_dir=None if options["record_dir"] is None else Path(options["record_dir"]),
            fast=options["fast"],
            shuffle_seed=options["seed"] if options["shuffle_events"] else None,
            drills=drills_of(options),
            ca=ca_of(options),
        )
        self.settings = {
            "answer_timeout_s": options["answer_timeout_s"],
            "connect_timeout_s": options["connect_timeout_s"],
        }
        self._lost_recordings = 0
        self._stopped = asyncio.Event()
        self._phones: list[VonageCall] = []
        self._made: dict[str, Made] = {}
        self._calls = 0
        self._codes: set[ExitCode] = set()
        """Of all calls, also of those that aren't kept."""
        self._api = make_api(options, self.order, self._make_call, observer=self._tell, clock=self._clock)
        self._display = self._make_display()

    async def run(self) -> ExitCode:
        """
        Make the call, and those that are ordered meanwhile; the exit code.

        Raises:
            ConnectError: the target can't be reached or refuses.
            ListenError: the API can't listen.
        """
        display = self._display
        on_stop(self._stop, lambda: restore_terminal(display))
        self._tell_short_secret()
        ticker = asyncio.create_task(tick(display, self._clock, self._tell_stats))
        try:
            await self._make_calls()
        except VsockError as error:
            finish(display, error.exit_code)
            if self._is_shown:
                self._show_webhooks()
            raise
        finally:
            ticker.cancel()
        code = finish(display, self._exit_code())
        if self._is_shown:
            self._show()
        return code

    @property
    def _is_shown(self) -> bool:
        return not self._options["as_json"] and not self._display.broken

    def _tell_short_secret(self) -> None:
        secret = self.order.signature_secret
        if secret is not None and len(secret.encode()) < SAFE_SECRET_BYTES:
            message = (
                f"a secret of fewer than {SAFE_SECRET_BYTES} bytes is weak for HS256, and some libraries warn of it; "
                "the tokens are signed with it all the same"
            )
            self._display(Notice(at=self._clock.now(), level="info", message=message))

    async def _make_calls(self) -> None:
        api = self._api
        if api is None:
            await self._call_target(CALL_ID, self.order)
            return
        await api.start()
        try:
            if self._options["target"] is not None:
                order = replace(self.order, region_url=api.url)
                if self._options["calls"] is None:
                    await self._call_target(api.exchange.next_id(), order)
                else:
                    await self._make_call(api.exchange.next_id(), order, beside_others=True)
            await self._wait_for_orders(api)
        finally:
            self._stop()
            await api.stop()

    async def _call_target(self, call_id: str, order: CallOrder) -> None:
        made = await self._make_call(call_id, order)
        if made.error is not None:
            raise made.error

    async def _wait_for_orders(self, api: RestApi) -> None:
        if self._options["target"] is None or self._options["calls"] is not None:
            waiting = asyncio.create_task(api.exchange.all_made())
            stopped = asyncio.create_task(self._stopped.wait())
            await asyncio.wait([waiting, stopped], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            stopped.cancel()
        await api.exchange.idle()

    def _make_call(
        self, call_id: str, order: CallOrder, answered: MakeCall | None = None, *, beside_others: bool = False
    ) -> Coroutine[Any, Any, Made]:
        """
        One call with its recordings and its report; what goes wrong is kept with it.

        It can be found by its id before it begins.
        """
        self._calls += 1
        if len(self._made) >= MAX_SHOWN:
            del self._made[next(iter(self._made))]
        made = self._made[call_id] = Made(call_id)
        return self._carry_out(made, order, answered, tells=beside_others or answered is not None)

    async def _carry_out(self, made: Made, order: CallOrder, answered: MakeCall | None, *, tells: bool) -> Made:
        call_id = made.call_id
        saving = self.saving if call_id == CALL_ID else self.saving.kept()
        heard = HeardRecording(saving.mono, saving.stereo, observer=self._display, clock=self._clock, call_id=call_id)
        heard.start()
        phone = VonageCall(
            order,
            observers=(heard.observe, self._count_lost, self._display, made.events.append),
            heard=heard if heard.wanted else None,
            clock=self._clock,
            call_id=call_id,
            book=None if self._api is None else self._api.book,
            answered=answered,
            **self.settings,
        )
        self._phones.append(phone)
        if self._stopped.is_set():
            phone.hang_up()  # it was ordered just before the end
        try:
            made.report = await phone.run()
        except VsockError as error:
            made.error = error
            made.report = phone.failure(error)
            if tells:
                self._display(Notice(at=self._clock.now(), call=call_id, level="warning", message=str(error)))
        finally:
            self._phones.remove(phone)
            await heard.stop(SAVE_WAIT_S)
            self._lost_recordings += heard.failures
        self._codes.add(made.exit_code)
        phone.tell_report(made.report)
        return made

    def _stop(self) -> None:
        self._stopped.set()
        if self._api is not None:
            self._api.exchange.close()
        for phone in list(self._phones):
            phone.hang_up()

    def _tell_stats(self) -> None:
        for phone in self._phones:
            phone.tell_stats()

    def _tell(self, event: Event) -> None:
        """What the API tells; a request belongs to the call that it is about."""
        self._display(event)
        if event.call in self._made:
            self._made[event.call].events.append(event)

    def _show(self) -> None:
        """How each call went; of many, the last ones."""
        if self._calls > len(self._made):
            click.echo(f"the last {len(self._made)} of {self._calls} calls are shown")
        console = Console(soft_wrap=True, highlight=False)
        several = len(self._made) > 1 or self._options["target"] is None
        for made in self._made.values():
            if self._options["quiet"]:
                head = f"{made.call_id}: " if several else ""
                click.echo(clean(head + "; ".join(_in_a_line(made)), MAX_LINE))
                continue
            if several:
                click.echo(f"\n{made.call_id}: {clean(made.report.get('target', ''), MAX_LINE)}")
            if made.error is not None:
                click.echo(clean(str(made.error), MAX_LINE))
            elif "frames_sent" not in made.report:
                click.echo(clean(summary_lines(made.report)[0], MAX_LINE))
            self._show_ladder(console, made)

    def _show_webhooks(self) -> None:
        """What came before the error that ends the program, where anything did."""
        console = Console(soft_wrap=True, highlight=False)
        for made in self._made.values():
            if not self._options["quiet"] and any(isinstance(event, AnswerRequested) for event in made.events):
                self._show_ladder(console, made)

    def _show_ladder(self, console: Console, made: Made) -> None:
        console.print()
        console.print(ladder(list(made.events), made.report, console.width, ascii_only=console.options.ascii_only))

    def _make_display(self) -> Display:
        return make_display(
            json=self._options["as_json"],
            quiet=self._options["quiet"],
            verbose=self._options["verbose"],
            stream=sys.stdout,
            clock=self._clock,
            simulated=True,
            people=sys.stderr,
        )

    def _count_lost(self, event: Event) -> None:
        self._lost_recordings += isinstance(event, RecordingFailed)

    def _path(self, name: str) -> RecordingPath | None:
        template = self._options[name]
        return None if template is None else RecordingPath(template, overwrite=self._options["overwrite"]).check_first()

    def _exit_code(self) -> ExitCode:
        """The worst that happened in any call."""
        if self._lost_recordings:
            return ExitCode.RECORDING
        return next((code for code in _WORST_FIRST if code in self._codes), max(self._codes, default=ExitCode.OK))


def _in_a_line(made: Made) -> list[str]:
    return summary_lines(made.report) if made.error is None else [str(made.error)]
