"""``vsock demo``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click
from rich.console import Console

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Event, Notice, ServerStarted
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.loop import on_stop, run
from vonage_sock.cli.options import QUIET, VERBOSE, option
from vonage_sock.cli.showing import finish, restore_terminal, tick_server
from vonage_sock.clock import SystemClock
from vonage_sock.display import make_display
from vonage_sock.display.ladder import ladder
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode
from vonage_sock.media.decode import AudioFile
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import ServerConfig
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.report import summary_lines
from vonage_sock.simulator.vonage import VonageCall

METADATA = {"language": "en", "demo": True}
KEYS = "w0.5,1,w0.5,2,3,#"
MAX_LINE = 400
SAVE_WAIT_S = 5.0

EXAMPLES = """\b
Examples:
  vsock demo
  vsock demo --record demo.flac
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@option("--record", "path", default="vsock-demo.wav", metavar="PATH", help="Where the recording goes.")
@QUIET
@VERBOSE
@click.pass_context
def demo(ctx: click.Context, /, **options: Any) -> None:
    """Show a whole call on this machine: webhooks, NCCO, socket, audio, key presses, hang-up.

    Our server answers with echo and a stereo recording, and our own Vonage calls it with a speech-like clip, metadata and
    the keys 1 2 3 #. Needs no account and no network.
    """
    ctx.exit(run(_demo(**options)))


async def _demo(*, path: str, quiet: bool, verbose: bool) -> ExitCode:
    clock = SystemClock()
    recording = RecordingPath(path).check_first()
    display = make_display(quiet=quiet, verbose=verbose, stream=sys.stdout, clock=clock)
    recorder: Recorder
    events: list[Event] = []

    def behaviours() -> list[Behaviour]:
        return [Record(recorder.open, stereo=True), Echo()]

    server = VsockServer(
        ServerConfig(port=0, headers=METADATA),
        behaviours,
        observers=(lambda event: display(_as_demo(event)),),
        behaviour_names=("record", "echo"),
        clock=clock,
    )
    recorder = Recorder(recording, observer=server.tell, clock=clock)
    recorder.start()
    async with server:
        phone = VonageCall(
            CallOrder(
                target=server.addresses.answer_url,
                audio=AudioFile.shipped_clip(),
                plan=LegPlan(audio_format=AudioFormat(16000), key_presses=parse_dtmf(KEYS)),
            ),
            observers=[events.append],
            clock=clock,
        )
        on_stop(phone.hang_up, lambda: restore_terminal(display))
        ticker = asyncio.create_task(tick_server(display, clock, server))
        report = await phone.run()
        await recorder.stop(SAVE_WAIT_S)
        ticker.cancel()
    code = finish(display, ExitCode.RECORDING if recorder.failures else ExitCode.OK)
    if not display.broken:
        _summarise(report, [] if quiet else events, recorder)
    return code


def _as_demo(event: Event) -> Event:
    """The server's addresses are of no use to anybody when the demo is over; a sentence says what comes instead."""
    if not isinstance(event, ServerStarted):
        return event
    message = f"our server listens on {event.url} (record, echo); our own Vonage calls it now"
    return Notice(at=event.at, level="info", message=message)


def _summarise(report: dict[str, Any], events: list[Event], recorder: Recorder) -> None:
    click.echo("\nWhat the caller's side measured:")
    for line in summary_lines(report):
        click.echo(f"  {clean(line, MAX_LINE)}")
    if events:
        console = Console(soft_wrap=True, highlight=False)
        click.echo("\nThe call as the caller's side saw it:")
        console.print(ladder(events, report, console.width, ascii_only=console.options.ascii_only, numbers=False))
    for path in recorder.saved:
        click.echo(
            f"\nThe call is recorded in {clean(path, MAX_LINE)} (left: the caller, right: what the caller heard)."
        )
    click.echo("Next: vsock serve --echo, and in another terminal vsock call http://127.0.0.1:8000/webhooks/answer")
