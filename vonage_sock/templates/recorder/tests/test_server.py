"""The recorder, called as Vonage would."""

from __future__ import annotations

import random
import wave
from pathlib import Path

from vonage_sock.testing import VonageCaller

from server import CONSENT, recording_server

SAID = random.Random(1).randbytes(32_000)
SCENARIO = Path(__file__).parent.parent / "scenarios" / "recorder.yaml"


def channels_of(path: Path) -> tuple[bytes, bytes]:
    """What a stereo recording holds: the caller, and what the caller heard."""
    with wave.open(str(path)) as file:
        assert (2, 2) == (file.getnchannels(), file.getsampwidth())
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    return samples[::2].tobytes(), samples[1::2].tobytes()


async def test_each_call_is_recorded_whole(vonage_call: VonageCaller, tmp_path: Path) -> None:
    """Every sample that was said stands in the file, in order, and the beep beside it."""
    async with recording_server(tmp_path, port=0) as server:
        report = await vonage_call(server.addresses.answer_url, pcm=SAID, fast=True)

    (path,) = tmp_path.iterdir()
    caller, heard = channels_of(path)

    assert path.name.endswith("-447700900001.wav")
    assert SAID in caller
    assert any(heard)
    assert not [found for found in report.findings if found.level == "error"]


async def test_nobody_is_recorded_before_being_told(vonage_call: VonageCaller, tmp_path: Path) -> None:
    """The first thing of the answer is the sentence; who hangs up while it is spoken leaves no file."""
    async with recording_server(tmp_path, port=0) as server:
        report = await vonage_call(server.addresses.answer_url, duration_s=0.5)

    assert CONSENT in " ".join(report.ladder().replace("│", "").split())
    assert report.close_code is None
    assert [] == list(tmp_path.iterdir())


async def test_the_scenario_passes(vonage_call: VonageCaller, tmp_path: Path) -> None:
    """What ``make scenario`` plays: the key that ends the recording ends the call."""
    async with recording_server(tmp_path, port=0) as server:
        report = await vonage_call(server.addresses.answer_url, scenario=SCENARIO, fast=True)

    assert report.passed, report.failures
