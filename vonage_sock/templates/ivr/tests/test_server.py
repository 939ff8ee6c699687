"""The menu, called as Vonage would; its prompts are beeps here, which are told by their pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vonage_sock import Drills
from vonage_sock.testing import ServerMaker, VonageCaller

import prompts
from server import FALLBACK, Ivr

SCENARIO = Path(__file__).parent.parent / "scenarios" / "menu.yaml"
LISTEN_S = 0.2
NAMES = {pitch_hz: name for name, pitch_hz in prompts.PITCHES_HZ.items()}


@pytest.fixture(scope="session")
def beeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a beep for each prompt."""
    directory = tmp_path_factory.mktemp("prompts")
    prompts.make(directory, speak=False)
    return directory


def heard(pcm: bytes, rate_hz: int) -> list[str]:
    """The prompts, in the order in which they were heard."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    size = int(LISTEN_S * rate_hz)
    names: list[str] = []
    for piece in (samples[at : at + size] for at in range(0, len(samples) - size, size // 2)):
        if np.abs(piece).mean() > 1000:
            pitch_hz = np.argmax(np.abs(np.fft.rfft(piece * np.hanning(size)))) / LISTEN_S
            name = NAMES.get(int(min(NAMES, key=lambda known: abs(known - pitch_hz))), "")
            if names[-1:] != [name]:
                names.append(name)
    return names


async def test_keys_choose_what_is_said(vonage_call: VonageCaller, vonage_server: ServerMaker, beeps: Path) -> None:
    """Each key cuts off what is being said; 9 says goodbye and hangs up."""
    server = await vonage_server(Ivr(beeps).answer)

    report = await vonage_call(server.addresses.answer_url, audio="silence", press=",1,7,2,9", duration_s=20)

    assert ["menu", "hours", "unknown", "way", "goodbye"] == heard(report.heard_pcm, report.rate_hz)
    assert report.closed_by == "server"
    assert not [found for found in report.findings if found.level == "error"]


async def test_a_key_is_heard_over_a_prompt(vonage_call: VonageCaller, vonage_server: ServerMaker, beeps: Path) -> None:
    """What ``make scenario`` plays: the menu falls silent at once."""
    server = await vonage_server(Ivr(beeps).answer)

    report = await vonage_call(server.addresses.answer_url, scenario=SCENARIO)

    assert report.passed, report.failures


async def test_who_presses_nothing_is_not_kept_for_ever(
    vonage_call: VonageCaller, vonage_server: ServerMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few tries it says goodbye and hangs up."""
    monkeypatch.setattr(prompts, "BEEP_S", 0.2)
    prompts.make(tmp_path, speak=False)
    server = await vonage_server(Ivr(tmp_path, patience_s=0.1).answer)

    report = await vonage_call(server.addresses.socket_url, audio="silence", duration_s=20)

    assert report.closed_by == "server"
    assert report.duration_s < 10


async def test_something_is_said_when_the_socket_is_lost(
    vonage_call: VonageCaller, vonage_server: ServerMaker, beeps: Path
) -> None:
    """Vonage asks the event URL what to do, and is told."""
    server = await vonage_server(Ivr(beeps).answer, fallback=FALLBACK)

    report = await vonage_call(server.addresses.answer_url, drills=Drills(drop_after_s=0.3), fast=True)

    assert FALLBACK[0]["text"] in " ".join(report.ladder().replace("│", "").split())
