"""What a frame costs our machine, without a socket; and an hour of call under the manual clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.session import CallSession
from vonage_sock.clock import ManualClock
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.testing import PcmSource, run_call

FRAME: Final = bytes(range(128)) * 5
CONNECTED: Final = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'


def frame() -> None:
    """CPU per echoed frame, and of an hour of call."""
    audio_format = AudioFormat(16000)
    session = CallSession("c1", [Echo()], assumed_format=audio_format, now=0)
    session.receive_text(CONNECTED, 0)
    count = 100_000

    def one(now: int) -> None:
        session.receive_bytes(FRAME, now)
        session.messages_to_send()
        session.next_event()
        session.next_deadline()

    print(f"machine: {cost_us(one, count):.2f} us per echoed frame ({count:,} frames)")
    clock = ManualClock()
    pcm = os.urandom(640 * 50 * 60) * 60
    leg = VonageLeg("p", LegPlan(audio_format=audio_format), PcmSource(pcm, audio_format), now=0)
    hour = CallSession("c1", [Echo()], assumed_format=audio_format, now=0)
    started = time.process_time()
    run_call(leg, hour, clock=clock, keep_messages=False)
    print(f"whole call: an hour of two-way audio in {time.process_time() - started:.1f} s of CPU")


def cost_us(one: Callable[[int], None], count: int) -> float:
    """CPU per call of ``one``, in microseconds."""
    started = time.process_time_ns()
    for number in range(count):
        one(number * FRAME_NS)
    return (time.process_time_ns() - started) / count / 1000
