"""``vsock call``."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.events import Event, RecordingFailed
from vonage_sock.cli.call_options import CALLER, DRILLS, OUTPUT, PLATFORM, SCENARIOS, WEBHOOKS, check_options, drills_of
from vonage_sock.cli.loop import on_stop, run
from vonage_sock.cli.options import SectionedCommand, parse_headers
from vonage_sock.cli.run_server import finish, restore_terminal, tick
from vonage_sock.clock import SECOND, SystemClock
from vonage_sock.display import Display, make_display
from vonage_sock.display.ladder import ladder
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError, VsockError
from vonage_sock.media.naming import RecordingPath
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.simulator.caller import open_audio
from vonage_sock.simulator.dtmf import parse_dtmf
from vonage_sock.simulator.heard import HeardRecording
from vonage_sock.simulator.leg import LegPlan, Platform
from vonage_sock.simulator.report import summary_lines
from vonage_sock.simulator.scenario.rehearsal import STAND_IN, is_rehearsal
from vonage_sock.simulator.vonage import CallOrder, VonageCall

_NOT_GIVEN = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None)

MAX_EVENTS = 2000
MAX_LINE = 2000
SAVE_WAIT_S = 30.0

EXAMPLES = """\b
Examples:
  vsock call http://127.0.0.1:8000/webhooks/answer
  vsock call ws://127.0.0.1:8000/socket --audio question.wav --save heard.wav
  vsock call ws://localhost:5000/ws --audio say:hello --dtmf "1,w2,34#" --duration 20
  vsock call wss://example.ngrok.app/socket --rate 8000 --json
  vsock call http://127.0.0.1:8000/webhooks/answer --fast --connect-outcome busy --shuffle-events
  vsock call http://127.0.0.1:8000/webhooks/answer --scenario menu.yaml --repeat 20 --jobs 4 --junit report.xml
  vsock call vsock:echo --scenario menu.yaml
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("target")
@CALLER
@SCENARIOS
@WEBHOOKS
@PLATFORM
@DRILLS
@OUTPUT
@click.pass_context
def call(ctx: click.Context, /, **options: Any) -> None:
    """Be Vonage: call TARGET, a socket (ws://, wss://) or an answer URL (http://, https://).

    For an answer URL the NCCO is fetched and carried out in its order, and events are posted. A socket's leg ends when its
    audio is sent and what it was sent has been played, or at --duration; then the caller hangs up. With --scenario the
    caller does what a file says, and the exit code tells whether all that it expects came true.
    """
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


@dataclass(frozen=True, slots=True)
class Saving:
    """The files that ``--save`` and ``--save-stereo`` name."""

    mono: RecordingPath | None
    stereo: RecordingPath | None


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
            target=options["target"],
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
        )
        self.settings = {
            "answer_timeout_s": options["answer_timeout_s"],
            "connect_timeout_s": options["connect_timeout_s"],
        }
        self._lost_recordings = 0

    async def run(self) -> ExitCode:
        """
        Make the call; the exit code.

        Raises:
            ConnectError: the target can't be reached or refuses.
        """
        display = self._make_display()
        heard = HeardRecording(self.saving.mono, self.saving.stereo, observer=display, clock=self._clock)
        heard.start()
        events: deque[Event] = deque(maxlen=MAX_EVENTS)
        phone = VonageCall(
            self.order,
            observers=(heard.observe, self._count_lost, display, events.append),
            heard=heard if heard.wanted else None,
            clock=self._clock,
            **self.settings,
        )
        on_stop(phone.hang_up, lambda: restore_terminal(display))
        ticker = asyncio.create_task(tick(display, self._clock, phone.tell_stats))
        try:
            report = await phone.run()
            await heard.stop(SAVE_WAIT_S)
        except VsockError as error:
            await heard.stop(SAVE_WAIT_S)
            phone.tell_report(phone.failure(error))
            finish(display, ExitCode.CONNECT)
            raise
        finally:
            ticker.cancel()
        phone.tell_report(report)
        code = finish(display, self._exit_code(report, heard))
        if not self._options["as_json"] and not display.broken:
            self._show(report, list(events))
        return code

    def _show(self, report: dict[str, Any], events: list[Event]) -> None:
        """The ladder of the call with its numbers; for the quiet ones only how it went, in a line."""
        if self._options["quiet"] or "frames_sent" not in report:
            lines = summary_lines(report)
            click.echo(clean("; ".join(lines if self._options["quiet"] else lines[:1]), MAX_LINE))
        if self._options["quiet"]:
            return
        console = Console(soft_wrap=True, highlight=False)
        console.print()
        console.print(ladder(events, report, console.width, ascii_only=console.options.ascii_only))

    def _make_display(self) -> Display:
        return make_display(
            json=self._options["as_json"],
            quiet=self._options["quiet"],
            verbose=self._options["verbose"],
            stream=sys.stdout,
            clock=self._clock,
            simulated=True,
        )

    def _count_lost(self, event: Event) -> None:
        self._lost_recordings += isinstance(event, RecordingFailed)

    def _path(self, name: str) -> RecordingPath | None:
        template = self._options[name]
        return None if template is None else RecordingPath(template, overwrite=self._options["overwrite"])

    def _exit_code(self, report: dict[str, Any], heard: HeardRecording) -> ExitCode:
        if heard.failures or self._lost_recordings:
            return ExitCode.RECORDING
        if any(finding["level"] == "error" for finding in report["findings"]):
            return ExitCode.PROTOCOL
        return ExitCode.OK
