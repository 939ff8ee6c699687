"""``vsock doctor``."""

from __future__ import annotations

from typing import Any

import click

from vonage_sock import native
from vonage_sock.account.sdk import Sdk
from vonage_sock.cli.credential_options import ACCOUNT, CREDENTIALS, credentials_of
from vonage_sock.cli.doctor_lines import DoctorJson, DoctorLines
from vonage_sock.cli.loop import run
from vonage_sock.cli.options import CA, JSON, RATE, SectionedCommand, ca_of, option, signature_secret
from vonage_sock.clock import SystemClock
from vonage_sock.doctor.addresses import WEB, is_address, read_target
from vonage_sock.doctor.checks import fine
from vonage_sock.doctor.examination import Examination
from vonage_sock.doctor.order import Order
from vonage_sock.errors import UsageError
from vonage_sock.transport.tls import trusting

OURSELVES = "this vsock"

EXAMPLES = """\b
Examples:
  vsock doctor                                    where the application leads
  vsock doctor https://example.ngrok.app          what is there
  vsock doctor https://example.com/answer --event-url https://example.com/event
  vsock doctor wss://example.com/socket --json
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("url", required=False, metavar="[URL]")
@option(
    "--method",
    type=click.Choice(["GET", "POST"]),
    help="How to ask the answer URL.  [default: the application's, else GET]",
)
@option("--event-url", metavar="URL", help="Where to post an event.  [default: what the NCCO or the application names]")
@RATE
@CREDENTIALS
@signature_secret(help="Sign the requests as Vonage does.", section=ACCOUNT)
@CA
@option("--strict", is_flag=True, envvar="VSOCK_DOCTOR_STRICT", help="What could be better is a fault too.")
@JSON
@click.pass_context
def doctor(ctx: click.Context, /, **options: Any) -> None:
    """Look at all that stands between a telephone and a server, and say what is wrong, each with its cure.

    URL is a base address, an answer URL or a socket, of anybody's server. With credentials the application is looked at
    too: its voice, addresses, number, region and signed webhooks, and without URL its answer URL is examined. Nothing is
    changed: the answer URL is asked as for a call, the socket that its NCCO names is called for four seconds, and the event
    of that call's end is posted. The exit code is 3 when something is wrong.
    """
    order = _order_of(options)
    sdk = Sdk(order.credentials, api_host=options["api_host"], ca=ca_of(options))
    clock = SystemClock()
    kind = DoctorJson if options["as_json"] else DoctorLines
    shown = kind(clock, strict=options["strict"])
    examination = Examination(order, sdk, clock=clock, tell=shown.tell, doing=shown.doing)
    try:
        run(examination.run())
        shown.tell(OURSELVES, fine("frames", native.explain()))
    finally:
        shown.clear()
    ctx.exit(shown.finish())


def _order_of(options: dict[str, Any]) -> Order:
    """
    What the options ask for.

    Raises:
        UsageError: an address, a file or a region in them can't be used.
    """
    event_url = options["event_url"]
    if event_url is not None and not is_address(event_url, WEB):
        raise UsageError(f"--event-url {event_url!r} isn't a web address; give it as https://example.com/events")
    credentials = credentials_of(options)
    credentials.wanted_region()
    secret = credentials.signature_secret
    ca = ca_of(options)
    return Order(
        target=None if options["url"] is None else read_target(options["url"]),
        credentials=credentials,
        method=options["method"],
        event_url=event_url,
        signature_secret=None if secret is None else secret.value,
        trust=trusting(ca),
        own_authority=ca is not None,
        rate_hz=int(options["rate"]),
    )
