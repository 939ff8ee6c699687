"""The REST API of ``vsock call``: from options to a server and to the calls that are ordered there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from vonage_sock.call.events import Observer
from vonage_sock.cli.options import read_file
from vonage_sock.clock import Clock, iso_utc
from vonage_sock.errors import UsageError
from vonage_sock.simulator.api.app import VoiceApi
from vonage_sock.simulator.api.certificate import tls_context
from vonage_sock.simulator.api.exchange import Exchange, RunCall
from vonage_sock.simulator.api.tokens import TokenCheck
from vonage_sock.simulator.control import CallBook
from vonage_sock.simulator.vonage import CallOrder

_NEEDS_PORT: Final = {
    "api_public_key": "--api-public-key",
    "api_application_id": "--api-application-id",
    "api_tls": "--api-tls",
    "calls": "--calls",
}


def check_api_options(options: dict[str, Any]) -> None:
    """
    An option that would have no effect is a mistake that is told.

    Raises:
        UsageError: an option of the API without its port.
    """
    idle = [name for key, name in _NEEDS_PORT.items() if options[key] is not None]
    if options["api_port"] is None and idle:
        raise UsageError(f"{idle[0]} is about the REST API; give --api-port PORT as well")


class CallApi:
    """
    The API and what is ordered through it.

    Args:
        template: what all calls have in common.
        run_call: makes one.

    Raises:
        UsageError: a key or a certificate can't be used.
    """

    def __init__(
        self, options: dict[str, Any], template: CallOrder, run_call: RunCall, *, observer: Observer, clock: Clock
    ) -> None:
        key = options["api_public_key"]
        tokens = TokenCheck(
            public_key=None if key is None else read_file(key, option_name="--api-public-key"),
            application_id=options["api_application_id"],
        )
        tls = options["api_tls"]
        host = options["api_host"]
        self.book = CallBook()
        self.exchange = Exchange(
            template,
            run_call,
            book=self.book,
            now_text=lambda: iso_utc(clock.wall_ns()),
            calls_made=0 if options["target"] is None else 1,
            most=options["calls"],
        )
        self.server = VoiceApi(
            self.book,
            self.exchange,
            tokens,
            observer=observer,
            clock=clock,
            host=host,
            port=options["api_port"],
            tls=None if tls is None else tls_context(Path(tls), host=host, wall_ns=clock.wall_ns()),
        )
