"""Who may come in, when the address is public."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import wire
from rows import Row
from running import Bench

NAME: Final = "door"
PROMISE: Final = (
    "once an address is public, only who has our answer opens a socket, and the answer leads to no other host"
)
QUICK: Final = True
ALONE: Final = False

HOST: Final = "scoreboard.example"
PUBLIC: Final = f"https://{HOST}"
ELSEWHERE: Final = "elsewhere.example"


def run(bench: Bench) -> Iterator[Row]:
    """One server with a public address, one without."""
    with bench.server("serve", "--echo", "--url", PUBLIC, "--tunnel", "none") as server:
        port = server.port
        endpoint = answered(port)
        bearer = value_of(endpoint)
        ours = f"Authorization: {bearer}\r\n"
        yield row("no authorization", 401, upgraded(port))
        yield row("a guessed one", 401, upgraded(port, "Authorization: Bearer guessed\r\n"))
        yield row("the NCCO's", 101, upgraded(port, ours))
        yield row("the NCCO's, with an Origin", 403, upgraded(port, f"{ours}Origin: https://{ELSEWHERE}\r\n"))
        yield row("the NCCO's, unknown Host", 421, upgraded(port, ours, host=ELSEWHERE))
        yield row("a webhook, unknown Host", 421, wire.post(port, "/webhooks/answer", {}, host=ELSEWHERE)[0])
        leads = answered(port, f"X-Forwarded-Host: {ELSEWHERE}\r\n").get("uri", "nowhere")
        yield Row("forwarded elsewhere", f"the NCCO names {HOST}", leads, ok=ELSEWHERE not in leads and HOST in leads)
        shown = bearer and bearer.removeprefix("Bearer ") in server.output.read_text() + server.said()
        yield Row("the bearer value", "never shown", "shown" if shown else "not shown", ok=bool(bearer) and not shown)
    with bench.server("serve", "--echo") as server:
        yield row("on loopback, not public", 101, upgraded(server.port, host=f"127.0.0.1:{server.port}"))
    with bench.server("serve", "--echo", "--url", PUBLIC, "--tunnel", "none", "--no-auth") as server:
        yield row("--no-auth", 101, upgraded(server.port))


def answered(port: int, headers: str = "") -> dict[str, Any]:
    """The websocket endpoint of the NCCO that the answer webhook is given; empty when it is given none."""
    status, body = wire.post(
        port, "/webhooks/answer", {"uuid": "aaaa", "from": "1", "to": "2"}, headers=headers, host=HOST
    )
    if status != 200:
        return {}
    endpoints = [action["endpoint"][0] for action in json.loads(body) if action["action"] == "connect"]
    return dict(endpoints[0]) if endpoints else {}


def value_of(endpoint: dict[str, Any]) -> str:
    """The header that the NCCO asks the platform for; empty when it asks for none."""
    return str(endpoint.get("authorization", {}).get("value", ""))


def upgraded(port: int, headers: str = "", *, host: str = HOST) -> int:
    """The status of an upgrade's answer."""
    with wire.Peer(port, headers=headers, host=host) as peer:
        if peer.status == 101:
            peer.hang_up()
        return peer.status


def row(name: str, wanted: int, status: int) -> Row:
    """A status."""
    return Row(name, str(wanted), str(status), ok=status == wanted)
