"""``vsock record``."""

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
  vsock record out.wav                        out.wav, out-2.wav, out-3.wav …
  vsock record '{time}-{from}.flac' --stereo --echo
  vsock record phrases.wav --split            phrases-001.wav, phrases-002.wav …
  vsock record - --once | sox -t wav - -d     listen in
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("path")
@SERVER
@LIMITS
@CREDENTIALS
@CA
@option("--play", multiple=True, metavar="FILE", help="Play this file into each call (repeatable).")
@click.pass_context
def record(ctx: click.Context, /, path: str, **options: Any) -> None:
    """Answer calls and record them to PATH.

    The suffix chooses the format: .wav .flac .ogg .mp3 .raw, or - for a WAV on standard output. PATH may hold {call},
    {from}, {to}, {time} and {n}; without any, later calls get -2, -3 and so on. Nothing is overwritten without --overwrite.
    A recording is NAME.part until it is complete, and a valid file at every moment, also after a crash: vsock repair, or the
    next start, then gives it its name.
    """
    ctx.exit(serve_and_exit(options, record=path))
