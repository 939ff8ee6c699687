"""A server that stands still in the middle of what it says, against one that says something new."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.audio.level import rms_of_each
from vonage_sock.clock import MS
from vonage_sock.media.decode import pcm_blocks
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.testing import PcmSource

AHEAD_FRAMES = 2


def clip(rate_hz: int) -> list[bytes]:
    """The speech that comes with the package, in frames."""
    with resources.as_file(resources.files("vonage_sock") / "data" / "clip.flac") as path:
        pcm = b"".join(pcm_blocks(path, rate_hz))
    size = AudioFormat(rate_hz).frame_bytes
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def hears(frames: list[bytes], rate_hz: int, *, stall_at: int, stall_ms: int) -> list[tuple[str, float]]:
    """What is found where a server is 40 ms ahead, and its loop stands still once: the codes, and where each gap was."""
    audio_format = AudioFormat(rate_hz)
    leg = VonageLeg(
        "1", LegPlan(audio_format=audio_format, duration_ns=60_000 * MS), PcmSource(b"", audio_format), now=0
    )
    for number, frame in enumerate(frames):
        at = max(0, number - AHEAD_FRAMES) * FRAME_NS + MS
        if number >= stall_at:
            at = max(at, max(0, stall_at - AHEAD_FRAMES) * FRAME_NS + stall_ms * MS)
        while (due := leg.next_deadline()) is not None and due <= at:
            leg.handle_deadline(due)
        leg.receive_bytes(frame, at)
    report = leg.report()
    return list(zip((finding["code"] for finding in report["findings"]), report["underruns_at_s"], strict=True))


@pytest.mark.no_cover
@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
@pytest.mark.parametrize("stall_ms", [250, 400, 900])
def test_a_stall_in_mid_speech_is_a_gap_however_long(rate_hz: int, stall_ms: int) -> None:
    """At places drawn at random among the loud ones, most are told, each at the moment when nothing was left to play."""
    frames = clip(rate_hz)
    levels = rms_of_each(frames)
    loud = [at for at in range(30, len(frames)) if min(levels[at - 1 : at + 1]) > max(levels[at - 25 : at]) - 12]
    places = np.random.default_rng(4).choice(loud, 20, replace=False)

    found = [hears(frames, rate_hz, stall_at=int(at), stall_ms=stall_ms) for at in places]

    assert all(item in ([], [("VS201", round(0.06 + at * 0.02, 3))]) for at, item in zip(places, found, strict=True))
    assert sum(map(bool, found)) >= 11


@pytest.mark.parametrize("pause_ms", [250, 400, 900])
def test_a_new_sentence_after_a_pause_is_no_gap(pause_ms: int) -> None:
    """The same speech, sent again from its beginning without a silence between."""
    frames = clip(16000)
    levels = rms_of_each(frames)
    sentence = frames[: max(at for at, level in enumerate(levels) if level > -45) + 1]

    assert [] == hears(sentence + sentence, 16000, stall_at=len(sentence), stall_ms=pause_ms)
