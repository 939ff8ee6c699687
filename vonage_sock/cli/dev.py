"""``vsock dev``."""

from __future__ import annotations

from typing import Any

import click

from vonage_sock.cli.credential_options import CREDENTIALS
from vonage_sock.cli.limit_options import LIMITS
from vonage_sock.cli.options import CA, SERVER, SectionedCommand, option, option_group

EXAMPLES = """\b
Examples:
  vsock dev --echo                   real callers hear themselves
  vsock dev --app 78d335fa-323d-0114-9c3d-d6f0d48968cf --record call.wav
  vsock dev --dry-run                what would be changed, and nothing is
  vsock dev --url https://example.ngrok.app --yes    ask nothing
  vsock restore                      put back what a killed vsock dev has left
"""

APPLICATION = "Application"
DEV = option_group(
    option("--no-check", is_flag=True, section=APPLICATION, help="Don't try the public address before it is used."),
    option("--yes", is_flag=True, section=APPLICATION, help="Ask nothing."),
    option("--keep", is_flag=True, section=APPLICATION, help="Leave the application as it is changed, at the end."),
    option("--dry-run", is_flag=True, section=APPLICATION, help="Show what would be changed, and change nothing."),
)


HELP = {
    "url": "Public base address.  [default: the tunnel's]",
    "tunnel": "Who leads a public address here: a running ngrok agent, or else the first that can be started of the ngrok "
    "SDK, ngrok and cloudflared (auto); or one of them by name; none takes --url as it is, and watches nothing.",
}
"""Where it differs from what vsock serve does."""


def _told_anew(command: click.Command) -> click.Command:
    for param in command.params:
        if isinstance(param, click.Option) and param.name in HELP:
            param.help = HELP[param.name]
    return command


@_told_anew
@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@DEV
@CREDENTIALS
@CA
@SERVER
@LIMITS
@option("--record", metavar="PATH", help="Record calls: .wav .flac .ogg .mp3 .raw, or - for stdout.")
@option("--play", multiple=True, metavar="FILE", help="Play this file into each call (repeatable).")
@click.pass_context
def dev(ctx: click.Context, /, **options: Any) -> None:
    """Answer real calls on this machine: vsock serve, with a Vonage application pointed at it.

    Finds or starts a tunnel, tries it from outside, points the application's answer, event and fallback addresses at it,
    serves, and puts them back at the end. What they were is on disk before they are changed: after a crash the next vsock
    that serves puts them back, or vsock restore does.
    """
    from vonage_sock.cli.dev_run import dev_and_exit  # noqa: PLC0415  (its help needs no server)

    ctx.exit(dev_and_exit(options))
