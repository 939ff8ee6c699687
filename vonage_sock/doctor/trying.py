"""
A short call on a socket: it is opened as Vonage does, told who calls, and spoken to for some seconds. ``calls`` judges it.

Rule: it has an end, whatever the server does, and the caller hangs up at it.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.exceptions import InvalidStatus

from vonage_sock.audio.frames import FRAMES_PER_SECOND, AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.call.events import Ended, Event, StatsUpdated
from vonage_sock.clock import MS, SECOND, Clock
from vonage_sock.errors import ConnectError
from vonage_sock.simulator.caller import noise
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.socket import ClientSocket, UnofferedError, open_socket
from vonage_sock.transport import Driver

OPEN_WAIT_S: Final = 10.0
TRY_S: Final = 4.0
"""A pace is plain after 3.2 s of audio, and many a server takes its time before it speaks."""

KEY: Final = "5"
END_WAIT_S: Final = 3.0
"""How much later than it should the call may be over."""

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """
    How a socket was opened, or why it wasn't.

    Args:
        status, headers, body: of the answer to the upgrade, where it was refused.
        error: one sentence, where nothing was answered, or what isn't HTTP.
        unoffered: what the answer takes that wasn't offered.
    """

    took_ms: int
    socket: ClientSocket | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None
    unoffered: str | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How the call went; ``ended`` is None where the server let it go on after its end."""

    report: JsonObject
    stats: StatsUpdated
    ended: Ended | None


async def open_as_vonage(
    url: str,
    headers: Mapping[str, str],
    clock: Clock,
    *,
    trust: ssl.SSLContext | None = None,
    wait_s: float = OPEN_WAIT_S,
) -> Opening:
    """Open a socket with these headers; never raises."""
    begun_at = clock.now()

    def took_ms() -> int:
        return (clock.now() - begun_at) // MS

    try:
        socket = await open_socket(url, headers, timeout_s=wait_s, trust=trust)
    except UnofferedError as error:
        return Opening(took_ms=took_ms(), unoffered=str(error.found.numbers["reason"]))
    except ConnectError as error:
        cause = error.__cause__
        if isinstance(cause, InvalidStatus):
            answer = cause.response
            plain = {name.lower(): value for name, value in answer.headers.raw_items()}
            return Opening(took_ms=took_ms(), status=answer.status_code, headers=plain, body=bytes(answer.body or b""))
        return Opening(took_ms=took_ms(), error=str(error), late=isinstance(cause, TimeoutError))
    return Opening(took_ms=took_ms(), socket=socket)


async def try_call(
    socket: ClientSocket, audio_format: AudioFormat, headers: JsonObject, clock: Clock, *, span_s: float = TRY_S
) -> Tried:
    """
    Silence, a key, noise, silence; then the caller hangs up.

    Args:
        span_s: how long that is.
    """
    frames = round(span_s * FRAMES_PER_SECOND)
    plan = LegPlan(
        audio_format=audio_format,
        headers=headers,
        key_presses=(KeyPress(round(span_s * SECOND / 4), KEY),),
        duration_ns=round(span_s * SECOND),
        strict=True,
    )
    ended: list[Ended] = []

    def watch(event: Event) -> None:
        if isinstance(event, Ended):
            ended.append(event)

    source = FramesSource("doctor", said(audio_format, frames), frames)
    leg = VonageLeg("doctor", plan, source, now=clock.now())
    try:
        async with asyncio.timeout(span_s + END_WAIT_S):
            await Driver(leg, socket, clock=clock, observer=watch).run()
    except TimeoutError:
        socket.abort()
    return Tried(report=leg.report(), stats=leg.stats(clock.now()), ended=ended[0] if ended else None)


def said(audio_format: AudioFormat, frames: int) -> Iterator[bytes]:
    """Noise between two silences, a half of the frames: each frame of it is found again in an echo."""
    silence = itertools.repeat(audio_format.silence, frames // 4)
    return itertools.chain(silence, noise(audio_format, frames // 2), itertools.repeat(audio_format.silence, frames))
