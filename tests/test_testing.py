"""Whole calls without waiting."""

from __future__ import annotations

import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import Ended
from vonage_sock.call.machine import Close
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.simulator.leg import LegPlan, VonageLeg
from vonage_sock.testing import PcmSource, Transcript, run_call

RATE_8K = AudioFormat(8000)
FRAME = bytes(range(160)) * 2


def call(
    *, start: int = 0, duration_ns: int | None = 100 * MS, pcm: bytes = FRAME * 3, **options: object
) -> Transcript:
    """A short call with an echo."""
    clock = ManualClock(start)
    platform = VonageLeg(
        "c1", LegPlan(audio_format=RATE_8K, duration_ns=duration_ns), PcmSource(pcm, RATE_8K), now=start
    )
    server = CallSession("c1", [Echo()], assumed_format=RATE_8K, now=start)
    return run_call(platform, server, clock=clock, **options)  # type: ignore[arg-type]


def test_messages_take_the_time_that_was_asked_for() -> None:
    """An echo leaves the server one latency after the frame left the platform."""
    transcript = call(start=5, latency_ns=7 * MS)

    assert [5, *[5 + number * FRAME_NS for number in range(5)]] == [sent.at for sent in transcript.platform_sent[:-1]]
    assert [5 + 7 * MS + number * FRAME_NS for number in range(5)] == [sent.at for sent in transcript.server_sent]


def test_the_call_ends_when_a_close_arrives() -> None:
    """Both ends are told with its code, at the same time."""
    transcript = call()

    assert Close(1000) == transcript.platform_sent[-1].message
    assert 101 * MS == transcript.ended_at
    for told in (transcript.platform_events, transcript.server_events):
        assert isinstance(told[-1], Ended)
        assert (101 * MS, 1000, "platform") == (told[-1].at, told[-1].close_code, told[-1].closed_by)


def test_both_directions_audio_can_be_compared() -> None:
    """What the echo sent is what it was sent."""
    transcript = call()

    assert FRAME * 3 + bytes(640) == transcript.platform_audio()
    assert transcript.platform_audio() == transcript.server_audio()


def test_a_dropped_connection_is_seen_as_1006() -> None:
    """Without a close frame there is no code of anybody's."""
    clock = ManualClock()
    platform = VonageLeg("c1", LegPlan(audio_format=RATE_8K, strict=True), PcmSource(FRAME * 9, RATE_8K), now=0)
    server = CallSession("c1", [Echo()], assumed_format=AudioFormat(16000), now=0)
    platform.messages_to_send()
    transcript = run_call(platform, server, clock=clock)
    ended = transcript.server_events[-1]

    assert isinstance(ended, Ended)
    assert (1006, "network") == (ended.close_code, ended.closed_by)


def test_messages_need_not_be_kept() -> None:
    """For calls of hours."""
    transcript = call(keep_messages=False)

    assert ([], []) == (transcript.platform_sent, transcript.server_sent)
    assert isinstance(transcript.server_events[-1], Ended)


def test_a_timer_can_come_late() -> None:
    """By what the function says, for that end alone."""
    transcript = call(platform_lateness=lambda _: 3 * MS)

    assert [3 * MS + number * FRAME_NS for number in range(5)] == [
        sent.at for sent in transcript.platform_sent[1:] if isinstance(sent.message, bytes)
    ]


def test_a_call_that_does_not_end_is_an_error() -> None:
    """No test runs for ever."""
    with pytest.raises(TimeoutError, match="after 2 s"):
        call(duration_ns=3600 * SECOND, limit_ns=2 * SECOND)


def test_a_call_in_which_nothing_can_happen_is_an_error() -> None:
    """Two ends that both wait for the other."""
    ends = [CallSession("c1", [], assumed_format=RATE_8K, now=0) for _ in range(2)]

    with pytest.raises(TimeoutError):
        run_call(ends[0], ends[1], clock=ManualClock())


def test_a_source_in_memory_pads_its_last_frame() -> None:
    """Every frame has the exact size."""
    source = PcmSource(FRAME + b"ab", RATE_8K)

    assert (2, FRAME, b"ab" + bytes(318), None) == (source.total_frames, source.take(), source.take(), source.take())
