"""The REST API of ``vsock call``, as its options want it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from vonage_sock.call.events import Observer
from vonage_sock.cli.options import read_file
from vonage_sock.clock import Clock
from vonage_sock.errors import UsageError
from vonage_sock.simulator.api.beside import RestApi
from vonage_sock.simulator.api.certificate import tls_context
from vonage_sock.simulator.api.exchange import RunCall
from vonage_sock.simulator.api.tokens import TokenCheck
from vonage_sock.simulator.order import CallOrder

_NEEDS_PORT: Final = {
    "api_public_key": "--api-public-key",
    "api_application_id": "--api-application-id",
    "api_tls": "--api-tls",
    "calls": "--calls",
}


def make_api(
    options: dict[str, Any], template: CallOrder, run_call: RunCall, *, observer: Observer, clock: Clock
) -> RestApi | None:
    """
    The API that the options ask for; None where they don't.

    Raises:
        UsageError: a key or a certificate can't be used, or an option would have no effect.
    """
    idle = [name for key, name in _NEEDS_PORT.items() if options[key] is not None]
    if options["api_host"] is not None:
        idle.append("--api-host")
    if options["api_other_ports"]:
        idle.append("--api-other-port")
    if options["api_port"] is None:
        if idle:
            raise UsageError(f"{idle[0]} is about the REST API; give --api-port PORT as well")
        return None
    key, tls, host = options["api_public_key"], options["api_tls"], options["api_host"] or "127.0.0.1"
    return RestApi(
        template,
        run_call,
        tokens=TokenCheck(
            public_key=None if key is None else read_file(key, option_name="--api-public-key"),
            application_id=options["api_application_id"],
        ),
        observer=observer,
        clock=clock,
        host=host,
        port=options["api_port"],
        tls=None if tls is None else tls_context(Path(tls), host=host, wall_ns=clock.wall_ns()),
        most=options["calls"],
        other_ports=options["api_other_ports"],
    )
