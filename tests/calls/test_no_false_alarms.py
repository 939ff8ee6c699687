"""Whole calls in which nothing is wrong."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import vonage_sock
from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.call.events import FindingRaised
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.media.decode import pcm_blocks
from vonage_sock.simulator.caller import noise, tone
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan, Platform
from vonage_sock.testing import PcmSource, run_call

RATE = AudioFormat(16000)
LENGTH = 400
CLIP = b"".join(pcm_blocks(Path(vonage_sock.__file__).parent / "data" / "clip.flac", 16000))


def said(what: str) -> FramesSource:
    """What the caller says, eight seconds of it."""
    match what:
        case "tone":
            return FramesSource(what, tone(RATE, LENGTH, 440), LENGTH)
        case "noise":
            return FramesSource(what, noise(RATE, LENGTH), LENGTH)
        case "silence":
            return FramesSource(what, itertools.repeat(RATE.silence, LENGTH), LENGTH)
    return PcmSource(CLIP, RATE)


@pytest.mark.parametrize("what", ["clip", "tone", "noise", "silence"])
@pytest.mark.parametrize("delay_ms", [None, 0, 700], ids=["recorder", "echo", "late echo"])
@pytest.mark.parametrize("late_ms", [0, 15])
def test_a_clean_call_raises_no_alarm(what: str, delay_ms: int | None, late_ms: int) -> None:
    """Neither end finds more than a note: a recorder sends nothing, and that may be right."""
    clock = ManualClock()
    behaviours = [] if delay_ms is None else [Echo(delay_ms=delay_ms)]
    leg = VonageLeg("c1", LegPlan(audio_format=RATE), said(what), now=clock.now())
    call = CallSession("c1", behaviours, assumed_format=RATE, now=clock.now())
    result = run_call(
        leg,
        call,
        clock=clock,
        platform_lateness=lambda deadline: deadline // FRAME_NS % 3 * late_ms * MS // 2,
        limit_ns=60 * SECOND,
    )
    found = [event.code for event in result.platform_events + result.server_events if isinstance(event, FindingRaised)]

    assert ([] if behaviours else ["VS207"]) == found


@pytest.mark.parametrize("what", ["clip", "tone", "noise", "silence"])
@pytest.mark.parametrize("then", list(Then))
@pytest.mark.parametrize("platform", list(Platform))
def test_a_file_and_what_follows_it_raise_no_alarm(what: str, then: Then, platform: Platform) -> None:
    """The pause between a greeting and the echo behind it is no gap in either."""
    clock = ManualClock()
    files = [lambda audio_format: PcmSource(CLIP[: 640 * 77], audio_format)] * 2
    plan = LegPlan(audio_format=RATE, platform=platform)
    leg = VonageLeg("c1", plan, said(what), now=clock.now())
    call = CallSession("c1", [Play(files, then=then)], assumed_format=RATE, now=clock.now())
    result = run_call(leg, call, clock=clock, latency_ns=15 * MS, limit_ns=60 * SECOND)
    found = {event.code for event in result.platform_events + result.server_events if isinstance(event, FindingRaised)}

    assert (set() if platform is Platform.CURRENT else {"VS312"}) == found
