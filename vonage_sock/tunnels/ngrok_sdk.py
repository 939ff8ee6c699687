"""
A tunnel by ngrok's Python SDK (the extra ``vonage-sock[ngrok]``), in a process of its own that prints what the agent would.

It is no part of our process: its threads would take turns with the calls', and at the end of a program it has been seen to
crash. Rule: the authtoken is taken from the environment, and stands nowhere else.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from vonage_sock.tunnels.child import ours

PROGRAM: Final = "vonage_sock.tunnels.ngrok_sdk"
TOKEN_VARIABLE: Final = "NGROK_AUTHTOKEN"  # noqa: S105  (its name, and not what it holds)
SERVER_VARIABLE: Final = "NGROK_SERVER_ADDR"


def installed() -> bool:
    """Whether the SDK can be imported; it isn't yet."""
    return importlib.util.find_spec("ngrok") is not None


def has_token(environ: Mapping[str, str]) -> bool:
    """Whether there is an authtoken for it."""
    return bool(environ.get(TOKEN_VARIABLE))


def sdk_command(port: int, *, tls: bool) -> list[str]:
    """Runs the SDK, so that its public address leads to this port of ours."""
    return [*ours(PROGRAM), f"{'https' if tls else 'http'}://localhost:{port}"]


def main() -> None:
    """Open a tunnel to the upstream that the last argument is, and keep it open."""
    code = 1
    try:
        asyncio.run(_keep_open(sys.argv[-1]))
    except Exception as error:  # noqa: BLE001  (the library raises ValueError for all that may be)
        _print(lvl="crit", msg="command failed", err="\n".join(map(str, error.args)) or type(error).__name__)
    # The library's threads run on, and crash what is left of an interpreter that ends.
    os._exit(code)


async def _keep_open(upstream: str) -> None:
    import ngrok  # noqa: PLC0415  (it isn't installed everywhere)

    def lost(address: str, error: str) -> None:
        _print(lvl="eror", msg="session closed, starting reconnect loop", err=str(error), addr=str(address))

    def beat(_latency_ms: int) -> None:
        _print(lvl="info", msg="client session established")

    session: Any = ngrok.SessionBuilder().authtoken_from_env().handle_disconnection(lost).handle_heartbeat(beat)
    if address := os.environ.get(SERVER_VARIABLE):
        session = session.server_addr(address)
    connected = await session.connect()
    listener = await connected.http_endpoint().verify_upstream_tls(False).listen_and_forward(upstream)  # noqa: FBT003
    _print(lvl="info", msg="started tunnel", addr=upstream, url=listener.url())
    await listener.join()
    _print(lvl="crit", msg="command failed", err="ngrok's service has closed the tunnel")


def _print(**entry: str) -> None:
    print(json.dumps(entry), flush=True)
