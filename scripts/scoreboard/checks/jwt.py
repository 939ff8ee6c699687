"""Signed webhooks and sockets: what is let in, and what isn't."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import wire
from rows import Row
from running import Bench
from vectors import SECRET, VECTORS, Vector

NAME: Final = "jwt"
PROMISE: Final = "22 JWT vectors are let in or refused as listed, on webhook and socket; the secret is never shown"
QUICK: Final = True
ALONE: Final = False

HOST: Final = "scoreboard.example"


def run(bench: Bench) -> Iterator[Row]:
    """A server that is public, as it were, and has a signature secret."""
    # In the environment: a secret on a command line is everybody's who asks for the list of processes.
    secret = {"VONAGE_SIGNATURE_SECRET": SECRET}
    with bench.server("serve", "--echo", "--url", f"https://{HOST}", "--tunnel", "none", "-v", env=secret) as server:
        told = [(vector, on_webhook(server.port, vector)) for vector in VECTORS]
        yield row("webhook", [(vector.name, vector.on_webhook, status) for vector, status in told])
        sockets = [vector for vector in VECTORS if vector.on_socket is not None]
        tried = [(vector, on_socket(server.port, vector)) for vector in sockets]
        yield row("socket", [(vector.name, vector.on_socket, status) for vector, status in tried])
        shown = [
            name for name, text in (("stdout", server.output.read_text()), ("stderr", server.said())) if SECRET in text
        ]
        yield Row("secret shown", "nowhere", ", ".join(shown) or "nowhere", ok=not shown)


def row(where: str, found: list[tuple[str, bool | None, int]]) -> Row:
    """How many were as listed, and which not."""
    odd = [
        f"{name}: {status}"
        for name, let_in, status in found
        if (status in (101, 204) if let_in else status == 401) is False
    ]
    count = len(found)
    told = f"{count - len(odd)} of {count}" + (f" ({'; '.join(odd)})" if odd else "")
    return Row(where, f"{count} of {count}", told, ok=not odd)


def headers(vector: Vector) -> str:
    """The line to send, if there is one."""
    value = vector.authorization()
    return "" if value is None else f"Authorization: {value}\r\n"


def on_webhook(port: int, vector: Vector) -> int:
    """The status of an event's answer."""
    if vector.name == "used before":
        wire.post(port, "/webhooks/event", vector.body, headers=headers(vector), host=HOST)
    return wire.post(port, "/webhooks/event", vector.body, headers=headers(vector), host=HOST)[0]


def on_socket(port: int, vector: Vector) -> int:
    """The status of an upgrade's answer."""
    with wire.Peer(port, headers=headers(vector), host=HOST) as peer:
        if peer.status == 101:
            peer.hang_up()
        return peer.status
