"""What a caller in a test does, from plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vonage_sock.audio.frames import SAMPLE_BYTES, AudioFormat
from vonage_sock.audio.source import OpenSource, PcmSource
from vonage_sock.clock import SECOND
from vonage_sock.errors import UsageError
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.simulator.caller import CLIP, open_audio
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.simulator.leg.plan import LegPlan, Platform

DEFAULT_RATE_HZ: Final = 16_000


def plan_of(
    press: str, duration_s: float | None, rate_hz: int, headers: Mapping[str, object], platform: str, *, strict: bool
) -> LegPlan:
    """
    What the caller does on a leg.

    Raises:
        UsageError: a value can't be used.
    """
    check_headers(headers)
    if duration_s is not None and not 0 < duration_s < math.inf:
        raise UsageError(f"duration_s={duration_s!r} can't be had; give more than 0 seconds, or None")
    editions = [edition.value for edition in Platform]
    if platform not in editions:
        raise UsageError(f"platform {platform!r} isn't known; give {' or '.join(editions)}")
    return LegPlan(
        audio_format=AudioFormat(rate_hz),
        headers=dict(headers),
        key_presses=parse_dtmf(press),
        duration_ns=None if duration_s is None else round(duration_s * SECOND),
        platform=Platform(platform),
        strict=strict,
    )


def said_of(
    *, say: str | None, audio: str | Path | OpenSource | None, pcm: bytes | None, seconds: float | None
) -> OpenSource:
    """
    What the caller says; the shipped clip when nothing is given. It may take its time: call it in a thread.

    Raises:
        UsageError: more than one thing, or one that can't be said.
        AudioFileError: the file can't be played.
    """
    if sum(given is not None for given in (say, audio, pcm)) > 1:
        raise UsageError("a caller says one thing: give say, audio or pcm")
    if say is not None:
        return open_audio(f"say:{say}")
    if pcm is not None:
        if len(pcm) % SAMPLE_BYTES:
            raise UsageError(f"pcm of {len(pcm):,} bytes isn't 16-bit PCM: a sample has two bytes")
        return lambda audio_format: PcmSource(pcm, audio_format)
    if audio is None or isinstance(audio, str | Path):
        return open_audio(CLIP if audio is None else str(audio), seconds=seconds)
    return audio
