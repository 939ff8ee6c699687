"""``vsock play``."""

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
  vsock play welcome.mp3 --then hangup        play, then end the call
  vsock play a.wav b.flac --loop 0            a playlist, for ever
  vsock play menu.wav --on-dtmf 1=sales.wav --on-dtmf 2=help.wav --barge-in
  espeak-ng --stdout 'Hello' | vsock play -   from another program
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("files", nargs=-1, required=True)
@SERVER
@LIMITS
@CREDENTIALS
@CA
@option("--record", metavar="PATH", help="Record calls as well: .wav .flac .ogg .mp3 .raw, or - for stdout.")
@click.pass_context
def play(ctx: click.Context, /, files: tuple[str, ...], **options: Any) -> None:
    """Answer calls and play FILES into them, one after the other.

    Any file that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF and more), at any rate, mono or not; - is standard
    input, which is read to its end first.
    """
    ctx.exit(serve_and_exit(options, play=files))
