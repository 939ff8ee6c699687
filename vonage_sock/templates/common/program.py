"""What every server needs: settings from the environment, a line for what happens, and an orderly end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from vonage_sock import Event, VsockError

SHOWN = {
    "server.started": ("answer_url", "event_url"),
    "server.notice": ("message",),
    "call.connected": ("rate_hz",),
    "call.finding": ("code", "message"),
    "call.ended": ("duration_s", "closed_by"),
    "recording.saved": ("path", "seconds"),
    "recording.failed": ("path", "error"),
}
"""What is shown of which events. All events and their fields stand in vsock's README, under "JSON lines"."""


def settings() -> dict[str, Any]:
    """What the environment says, as ``Server`` takes it; ``.env.example`` explains each."""
    port = os.environ.get("VSOCK_PORT") or "8000"
    if not port.isdecimal() or int(port) > 65535:
        sys.exit(f"Error: VSOCK_PORT={port} isn't a port; give a number up to 65535")
    return {
        "host": os.environ.get("VSOCK_HOST") or "127.0.0.1",
        "port": int(port),
        "url": os.environ.get("VSOCK_URL") or None,
        "signature_secret": os.environ.get("VONAGE_SIGNATURE_SECRET") or None,
    }


def show(event: Event) -> None:
    """An observer: prints a line. JSON, as what comes from a call may hold anything."""
    if event.name in SHOWN:
        told = {name: getattr(event, name) for name in SHOWN[event.name]}
        print(event.call or "server", event.name, json.dumps(told), flush=True)


async def stopped() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def run(program: Coroutine[Any, Any, None]) -> None:
    """Run it; what vsock can't do ends it with one sentence."""
    try:
        asyncio.run(program)
    except VsockError as error:
        sys.exit(f"Error: {error} (settings stand in .env: VSOCK_PORT and so on)")
