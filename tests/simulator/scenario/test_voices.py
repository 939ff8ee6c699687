"""The audio of a scenario, in memory before a call begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.simulator.scenario.writing import scenario
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.errors import AudioFileError, UsageError, VsockError
from vonage_sock.media.decode import AudioFile
from vonage_sock.simulator import caller
from vonage_sock.simulator.scenario.voices import load_voices, whole


def test_each_step_has_its_frames_at_each_rate(tmp_path: Path) -> None:
    """A file beside the scenario, cut or whole, and what is made."""
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.25), 8000, subtype="PCM_16")
    path = tmp_path / "s.yaml"
    text = """
        steps:
          - play: a.wav
          - play: {audio: a.wav, for: 100ms}
          - silence: 1s
          - interrupt: {with: {play: {audio: tone:440, for: 200ms}}}
          - play: noise
        """
    voices = load_voices(scenario(text, path), (8000, 24000))

    assert {1: 50, 2: 5, 4: 10, 5: 250} == {number: len(frames[8000]) for number, frames in voices.items()}
    assert {320, 960} == {len(frames[0]) for rates in voices.values() for frames in rates.values()}
    assert np.full(160, 8192, "<i2").tobytes() == voices[1][8000][0]


def test_a_text_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the synthesiser, with the voice that the step names; once for two steps that say the same."""
    asked: list[tuple[str, str | None]] = []

    def speak(text: str, *, voice: str | None = None) -> object:
        asked.append((text, voice))
        return caller.open_audio("tone:440", seconds=0.1)

    monkeypatch.setattr("vonage_sock.simulator.scenario.voices.say", speak)
    text = "steps: [{say: hi}, {say: {text: oui, voice: fr}}, {interrupt: {with: {say: hi}}}]"
    voices = load_voices(scenario(text), (8000,))

    assert [("hi", None), ("oui", "fr")] == asked
    assert [1, 2, 3] == list(voices)


@pytest.mark.parametrize(
    ("step", "kind", "words"),
    [
        ("play: none.wav", AudioFileError, "none.wav: no such file"),
        ("play: tone:9999", UsageError, "between 0 and 4000 Hz"),
        ("play: say:hello", UsageError, "write say: instead"),
        ("play: s.yaml", AudioFileError, "not an audio file"),
        ("play: {audio: noise, for: 31s}", UsageError, "longer than the scenario's limit of 30 s"),
        ("play: long.wav", UsageError, "longer than the scenario's limit of 30 s"),
        ("play: cut.flac", AudioFileError, "damaged"),
    ],
    ids=str,
)
def test_what_can_t_be_played_is_told_with_its_line(
    step: str, kind: type[VsockError], words: str, tmp_path: Path
) -> None:
    """Before a call is made."""
    soundfile.write(tmp_path / "long.wav", np.zeros(31 * 8000), 8000, subtype="PCM_16")
    soundfile.write(tmp_path / "whole.flac", np.random.default_rng(1).uniform(-0.5, 0.5, 80000), 8000)
    (tmp_path / "cut.flac").write_bytes((tmp_path / "whole.flac").read_bytes()[:60000])
    path = tmp_path / "s.yaml"
    path.write_text(f"steps:\n  - silence: 1s\n  - {step}\n")

    with pytest.raises(kind) as caught:
        load_voices(scenario(path.read_text(), path), (8000,))

    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert words in str(caught.value)


def test_a_file_is_decoded_whole() -> None:
    """As many frames as it lasts, its last one filled up."""
    clip = AudioFile.shipped_clip()
    frames = whole(clip, AudioFormat(16000))

    assert -(-clip.samples * 50 // clip.rate_hz) == len(frames)
    assert {640} == {len(frame) for frame in frames}
    assert frames[:10] == whole(clip, AudioFormat(16000), most_frames=10)
