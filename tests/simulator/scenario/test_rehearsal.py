"""A scenario with one of our own servers, under a manual clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.simulator.scenario.writing import scenario
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.errors import AudioFileError, UsageError
from vonage_sock.media.decode import AudioFile
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.scenario.rehearsal import Rehearsal, at_once, behaviours_of, is_rehearsal
from vonage_sock.simulator.scenario.running import Outcome
from vonage_sock.testing import run_call


def rehearsed(target: str, text: str) -> Outcome:
    """What comes of a scenario with this server."""
    plan = LegPlan(audio_format=AudioFormat(8000))
    both = Rehearsal(scenario(text), {}, behaviours_of(target)(), plan, target=target)
    return both.outcome(run_call(both.leg, both.session, clock=both.clock).platform_events)


def test_our_servers_have_names() -> None:
    """That no address has."""
    assert is_rehearsal("vsock:echo")
    assert not is_rehearsal("ws://vsock:80/")


def test_a_server_that_listens_says_nothing() -> None:
    """The caller hangs up after a second."""
    outcome = rehearsed("vsock:listen", "expect: [close_code: 1000]")

    assert outcome.passed
    assert (0, "vsock:listen", 1.001) == (outcome.report["frames_heard"], outcome.report["target"], outcome.duration_s)


def test_a_server_plays_a_file_to_its_last_frame(tmp_path: Path) -> None:
    """The same in each run: nothing waits for a decoder."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(8000, 0.25), 8000, subtype="PCM_16")
    first, second = (rehearsed(f"vsock:play={path}", "steps: [{wait_for: audio}]") for _ in range(2))

    assert 50 == first.report["frames_heard"]
    assert first.report == second.report
    assert first.events == second.events


@pytest.mark.parametrize(
    "target", ["vsock:", "vsock:eco", "vsock:echo=1", "vsock:listen=1", "vsock:play", "vsock:play="]
)
def test_another_name_is_refused(target: str) -> None:
    """With those there are."""
    with pytest.raises(UsageError, match="vsock:echo, vsock:listen or vsock:play=FILE"):
        behaviours_of(target)


def test_a_file_that_can_t_be_played_is_refused_before_the_call() -> None:
    """As anywhere."""
    with pytest.raises(AudioFileError, match="no such file"):
        behaviours_of("vsock:play=none.wav")


def test_audio_that_is_there_at_once_is_decoded_once() -> None:
    """And each call has a source of its own."""
    opener = at_once(AudioFile.shipped_clip())
    first, second = opener(AudioFormat(8000)), opener(AudioFormat(8000))

    assert first.take() == second.take()
    assert first.total_frames == second.total_frames is not None
