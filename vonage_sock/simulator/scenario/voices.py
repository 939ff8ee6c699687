"""
The audio of a scenario, whole and in memory before a call begins.

A step must not wait for a decoder or a synthesiser: a run would be another each time. What is played is bounded by the
scenario's limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import soundfile

from vonage_sock.audio.frames import FRAME_NS, AudioFormat, Packetizer
from vonage_sock.audio.source import OpenSource
from vonage_sock.clock import SECOND
from vonage_sock.errors import AudioFileError, UsageError, VsockError
from vonage_sock.media.decode import AudioFile, pcm_blocks
from vonage_sock.simulator.caller import CLIP, open_audio, say
from vonage_sock.simulator.scenario.model import Interrupt, Play, Say, Scenario, Step

DEFAULT_FOR_NS: Final = 5 * SECOND
"""How long a tone, noise or silence lasts."""

_MADE: Final = ("tone:", "noise", "silence")

Voices = Mapping[int, Mapping[int, Sequence[bytes]]]
"""By the number of a step and a sample rate: what is said in it, in frames."""


def load_voices(scenario: Scenario, rates_hz: Sequence[int]) -> Voices:
    """
    Everything that a scenario's caller says, at these rates.

    Raises:
        UsageError, AudioFileError: something can't be spoken or played; the sentence begins with the file and its line.
    """
    voices: dict[int, dict[int, Sequence[bytes]]] = {}
    spoken: dict[Say | Play, dict[int, Sequence[bytes]]] = {}
    for step in scenario.steps:
        action = step.action.action if isinstance(step.action, Interrupt) else step.action
        if not isinstance(action, Say | Play):
            continue
        if action not in spoken:
            try:
                spoken[action] = _frames(action, scenario, rates_hz)
            except VsockError as error:
                raise type(error)(f"{scenario.path}, line {step.line}: {error}") from error
        voices[step.number] = spoken[action]
        _check_length(scenario, step, spoken[action])
    return voices


def _check_length(scenario: Scenario, step: Step, frames: Mapping[int, Sequence[bytes]]) -> None:
    longest_ns = max(map(len, frames.values()), default=0) * FRAME_NS
    if longest_ns > scenario.limit_ns:
        raise UsageError(
            f"{scenario.path}, line {step.line}: this lasts longer than the scenario's limit of "
            f"{scenario.limit_ns / SECOND:g} s; raise the limit, or give {{audio: …, for: 5s}}"
        )


def _frames(action: Say | Play, scenario: Scenario, rates_hz: Sequence[int]) -> dict[int, Sequence[bytes]]:
    if isinstance(action, Say):
        opener = say(action.text, voice=action.voice)
    elif action.audio.startswith("say:"):
        raise UsageError("play: doesn't speak; write say: instead")
    elif action.audio == CLIP or action.audio.startswith(_MADE):
        opener = open_audio(action.audio, seconds=(action.for_ns or DEFAULT_FOR_NS) / SECOND)
    else:
        opener = AudioFile(scenario.path.parent / action.audio, name=action.audio)
    # One more than allowed, so that what is too long can be told.
    most = scenario.limit_ns // FRAME_NS + 1
    if isinstance(action, Play) and action.for_ns is not None:
        most = min(most, action.for_ns // FRAME_NS)
    return {rate_hz: whole(opener, AudioFormat(rate_hz), most_frames=most) for rate_hz in rates_hz}


def whole(opener: OpenSource, audio_format: AudioFormat, *, most_frames: int | None = None) -> list[bytes]:
    """
    The frames of a source, all of them or the first ones.

    Raises:
        AudioFileError: a file is damaged.
    """
    if isinstance(opener, AudioFile):
        return _decoded(opener, audio_format, most_frames)
    source = opener(audio_format)
    frames: list[bytes] = []
    while (most_frames is None or len(frames) < most_frames) and (frame := source.take()) is not None:
        frames.append(frame)
    source.close()
    return frames


def _decoded(file: AudioFile, audio_format: AudioFormat, most_frames: int | None) -> list[bytes]:
    packetizer = Packetizer(audio_format.frame_bytes)
    frames: list[bytes] = []
    try:
        for pcm in pcm_blocks(Path(file.path), audio_format.rate_hz):
            frames += packetizer.push(pcm)
            if most_frames is not None and len(frames) >= most_frames:
                return frames[:most_frames]
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{file.name}: the file is damaged ({error})") from error
    tail = packetizer.flush()
    return frames if tail is None else [*frames, tail]
