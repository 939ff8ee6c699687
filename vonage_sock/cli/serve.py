"""``vsock serve``."""

from __future__ import annotations

from typing import Any

import click

from vonage_sock.cli.credential_options import CREDENTIALS
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.limit_options import LIMITS
from vonage_sock.cli.options import CA, SERVER, option
from vonage_sock.cli.run_server import serve_and_exit

EXAMPLES = """\b
Examples:
  vsock serve --echo                          callers hear themselves
  vsock serve --echo --record call.wav        … and are recorded
  vsock serve --play menu.wav --on-dtmf 1=sales.mp3 --barge-in
  vsock serve --ncco my.json --json           your own NCCO, and JSON lines
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@SERVER
@LIMITS
@CREDENTIALS
@CA
@option("--record", metavar="PATH", help="Record calls: .wav .flac .ogg .mp3 .raw, or - for stdout.")
@option("--play", multiple=True, metavar="FILE", help="Play this file into each call (repeatable).")
@click.pass_context
def serve(ctx: click.Context, /, **options: Any) -> None:
    """Answer calls: one server for the webhooks and the socket, on one port.

    With none of --echo, --record and --play it listens, shows what happens, and sends nothing.
    """
    ctx.exit(serve_and_exit(options))
