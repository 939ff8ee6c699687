"""
Who is measured beside whom: data, so that another server is one more entry.

A command is a list of words; {python}, {vsock}, {node}, {bin} (what cc made) and {servers} stand for where those are. A
server listens on a free port of 127.0.0.1, prints it as its first line (alone, or as "port" in a line of JSON), and answers
an upgrade on /socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """
    A server to measure.

    Args:
        name: as tables and charts show it.
        package: whose version the table tells: a Python distribution, or `npm:NAME`; empty where there is none.
        expected_calls: where the search for the most calls begins; far off, it only takes longer.
        asks: an option that its command must know (its --help names it); where it doesn't, the peer is left out.
    """

    name: str
    command: tuple[str, ...]
    package: str = ""
    expected_calls: int = 500
    asks: str = ""
    record: tuple[str, ...] = ()
    """Words that make it record each call besides; {out} is the folder."""
    play: tuple[str, ...] = ()
    """Words that make it play a file into each call instead; {wav} and {raw} are that file."""


SERVE: Final = (
    *("{vsock}", "serve", "--port", "0", "--url", "http://127.0.0.1", "--tunnel", "none", "--json"),
    *("--no-auth", "--max-calls", "4000", "--max-silent", "4000"),
)

PEERS: Final = {
    "floor": Peer(name="C with epoll (the floor)", command=("{bin}/floor",), expected_calls=1800),
    "vsock": Peer(
        name="vsock",
        command=(*SERVE, "--echo"),
        package="vonage-sock",
        expected_calls=1300,
        record=(*SERVE, "--echo", "--record", "{out}/{{call}}.wav"),
        play=(*SERVE, "--play", "{wav}", "--lead", "20000"),
    ),
    "vsock-aiohttp": Peer(
        name="vsock, engine aiohttp",
        command=(*SERVE, "--engine", "aiohttp", "--echo"),
        package="vonage-sock",
        expected_calls=600,
        asks="--engine",
        record=(*SERVE, "--engine", "aiohttp", "--echo", "--record", "{out}/{{call}}.wav"),
        play=(*SERVE, "--engine", "aiohttp", "--play", "{wav}", "--lead", "20000"),
    ),
    "picows": Peer(
        name="picows on uvloop, sockets only",
        command=("{python}", "{servers}/picows_sockets.py"),
        package="picows",
        expected_calls=1600,
    ),
    "picows-aiohttp": Peer(
        name="picows behind aiohttp, one port",
        command=("{python}", "{servers}/picows_behind_aiohttp.py"),
        package="picows",
        expected_calls=1500,
    ),
    "ws": Peer(
        name="Node ws",
        command=("{node}", "{servers}/ws.js", "echo"),
        package="npm:ws",
        expected_calls=1000,
        record=("{node}", "{servers}/ws.js", "record", "{out}"),
        play=("{node}", "{servers}/ws.js", "play", "{raw}"),
    ),
    "aiohttp": Peer(
        name="aiohttp, async for, uvloop",
        command=("{python}", "{servers}/aiohttp_echo.py", "echo"),
        package="aiohttp",
        expected_calls=800,
        record=("{python}", "{servers}/aiohttp_echo.py", "record", "{out}"),
        play=("{python}", "{servers}/aiohttp_echo.py", "play", "{raw}"),
    ),
    "websockets": Peer(
        name="websockets, uvloop",
        command=("{python}", "{servers}/websockets_echo.py"),
        package="websockets",
        expected_calls=450,
    ),
    "starlette": Peer(
        name="Starlette on uvicorn, uvloop",
        command=("{python}", "{servers}/starlette_echo.py"),
        package="starlette",
        expected_calls=350,
    ),
    "tornado": Peer(
        name="Tornado", command=("{python}", "{servers}/tornado_echo.py"), package="tornado", expected_calls=200
    ),
    "flask": Peer(
        name="Flask with flask-sock",
        command=("{python}", "{servers}/flask_echo.py"),
        package="flask-sock",
        expected_calls=150,
    ),
}
