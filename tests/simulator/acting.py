"""What tests of the NCCO's actions share: a whole call that takes no time, and what became of it."""

from __future__ import annotations

import asyncio
import io
import struct
from typing import Any

import numpy as np
import soundfile
from answering import Application
from timing import Kept, Stopwatch

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.call.events import Event, Notice
from vonage_sock.clock import SECOND
from vonage_sock.errors import UsageError
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource

PHONE = AudioFormat(8000)
BYE = [{"action": "talk", "text": "bye"}]
STEPS = b"".join(struct.pack("<h", 500 + number) * 160 for number in range(20))


class Ran:
    """What became of a call."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.kept = Kept()
        self.report: dict[str, Any] = {}
        self.bodies: list[dict[str, Any]] = []
        self.took_s = 0.0

    @property
    def notes(self) -> list[str]:
        """What the person at the screen reads, but for the missing voice."""
        notes = [event.message for event in self.events if isinstance(event, Notice)]
        return [note for note in notes if "nobody speaks here" not in note]

    @property
    def codes(self) -> list[str]:
        """What was found, but for the missing websocket."""
        return [finding["code"] for finding in self.report["findings"] if finding["code"] != "VS409"]

    def of(self, key: str) -> list[dict[str, Any]]:
        """The events that hold this."""
        return [body for body in self.bodies if key in body]

    def heard(self) -> bytes:
        """All that was heard."""
        return b"".join(self.kept.heard)


async def run(*ncco: dict[str, Any], keys: str = "", app: Application | None = None, **options: Any) -> Ran:
    """A call without a websocket, in which time passes by itself."""
    ran, watch = Ran(), Stopwatch()
    options.setdefault("fast", True)
    speak = options.pop("speak", _no_voice)
    async with (app or Application()).running() as running:
        running.ncco = list(ncco)
        order = CallOrder(
            target=running.answer_url,
            audio=options.pop("audio", lambda fmt: PcmSource(STEPS, fmt)),
            plan=LegPlan(audio_format=PHONE, key_presses=parse_dtmf(keys), duration_ns=options.pop("limit_ns", None)),
            **options,
        )
        phone = VonageCall(
            order, observers=[ran.events.append], heard=ran.kept, clock=watch.clock, pause=watch.pause, speak=speak
        )
        async with asyncio.timeout(20):
            ran.report = await phone.run()
        ran.bodies = [request.json() for request in running.to("/event")]
    ran.took_s = watch.clock.now() / SECOND
    return ran


def _no_voice(text: str, voice: str | None) -> OpenSource:
    raise UsageError("nobody speaks here")


def wav(samples: int, value: int = 1000) -> bytes:
    """A WAV file of 8 kHz."""
    file = io.BytesIO()
    soundfile.write(file, np.full(samples, value, np.int16), 8000, format="WAV")
    return file.getvalue()
