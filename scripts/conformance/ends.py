"""
Whom the suite judges: our servers' sockets and our callers', each echoing through the very code that calls go through.

A call's session would answer with audio of its own, so a machine that echoes stands in its place; everything under it is
what ``vsock serve``, ``vsock call`` and ``vsock load`` run.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme
from suite import AGENT, FuzzingServer, Verdicts, judge_server

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "transport")]

from echoes import EchoMachine, echo_server, unobserved  # noqa: E402  (its folder must be on the path first)

from vonage_sock.clock import SystemClock  # noqa: E402
from vonage_sock.simulator.socket import open_socket  # noqa: E402
from vonage_sock.transport import Driver  # noqa: E402
from vonage_sock.transport.dial import open_client  # noqa: E402
from vonage_sock.transport.poller import Poller  # noqa: E402

CASE_WAIT_S: Final = 20
MAX_MESSAGE_BYTES: Final = 1 << 17

Call = Callable[[str, Callable[[str], None]], Awaitable[None]]
"""Opens an address, echoes until it is closed, and gives away each text that comes."""


class Certificate:
    """One for this machine, made for this run, in files where the suite wants them."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        self.files = directory / "certificate.pem", directory / "key.pem"
        issued.cert_chain_pems[0].write_to_path(self.files[0])
        issued.private_key_pem.write_to_path(self.files[1])
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.server)
        # What our caller trusts is what the system trusts, and this says what that is.
        trusted = directory / "authority.pem"
        authority.cert_pem.write_to_path(trusted)
        os.environ["SSL_CERT_FILE"] = str(trusted)


@dataclass(frozen=True, slots=True)
class End:
    """
    One of ours, and how to have it judged.

    Args:
        expects: which column of what is expected it has.
    """

    name: str
    expects: str
    judge: Callable[[str, Sequence[str], Path, Certificate], Awaitable[Verdicts]]


def server(engine: str, *, secure: bool = False) -> End:
    """A server's socket."""

    async def judge(program: str, cases: Sequence[str], directory: Path, certificate: Certificate) -> Verdicts:
        tls = certificate.server if secure else None
        async with echo_server(engine, tls=tls) as port:
            scheme = "wss" if secure else "ws"
            return await judge_server(program, f"{scheme}://127.0.0.1:{port}", cases, directory)

    return End(f"server-{engine}-{'wss' if secure else 'ws'}", f"server-{engine}", judge)


def caller(name: str, call: Call, *, secure: bool = False) -> End:
    """A caller's socket."""

    async def judge(program: str, cases: Sequence[str], directory: Path, certificate: Certificate) -> Verdicts:
        tls = certificate.files if secure else None
        async with FuzzingServer(program, free_port(), cases, directory, tls) as fuzzer:
            told: list[str] = []
            await call(f"{fuzzer.url}/getCaseCount", told.append)
            for number in range(1, int(told[0]) + 1):
                async with asyncio.timeout(CASE_WAIT_S):
                    await call(f"{fuzzer.url}/runCase?case={number}&agent={AGENT}", lambda _text: None)
            await call(f"{fuzzer.url}/updateReports?agent={AGENT}", lambda _text: None)
            return fuzzer.verdicts()

    return End(f"caller-{name}-{'wss' if secure else 'ws'}", f"caller-{name}", judge)


def free_port() -> int:
    """One that nobody listens on; the suite can't pick its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class _Telling(EchoMachine):
    """Echoes, and gives texts away."""

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__()
        self._told = told

    def receive_text(self, text: str, now: int) -> None:
        self._told(text)
        super().receive_text(text, now)


async def call_with_websockets(url: str, told: Callable[[str], None]) -> None:
    """As ``vsock call`` does: the driver on the websockets library's client."""
    opened = await open_socket(url, {})
    await Driver(_Telling(told), opened, clock=SystemClock(), observer=unobserved).run()


class _Echo:
    """A receiver that sends each message back."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self.over = asyncio.Event()

    def binary(self, data: bytes, now: int) -> None:
        self.socket.send(data)

    def text(self, text: str, now: int) -> None:
        self._told(text)
        self.socket.send(text)

    def gone(self, code: int, reason: str, now: int) -> None:
        self.over.set()


async def call_with_frames(url: str, told: Callable[[str], None]) -> None:
    """As ``vsock load`` does: a frame socket that is a client."""
    poller = Poller(SystemClock())
    try:
        echo = _Echo(told)
        echo.socket = await open_client(poller, url, echo, max_message_bytes=MAX_MESSAGE_BYTES)
        await echo.over.wait()
    finally:
        poller.close()


ENDS: Final = {
    end.name: end
    for end in (
        server("direct"),
        server("aiohttp"),
        server("aiohttp", secure=True),
        caller("websockets", call_with_websockets),
        caller("websockets", call_with_websockets, secure=True),
        caller("frames", call_with_frames),
    )
}
"""The direct engine and the frame socket have no TLS: wss goes by aiohttp and by websockets."""
