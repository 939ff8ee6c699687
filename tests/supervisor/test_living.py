"""What a worker's death takes with it."""

from __future__ import annotations

from tests.supervisor.telling import connected, ended, stats
from vonage_sock.call.events import DtmfPressed, Ended, Event, RecordingFailed, RecordingSaved, RecordingStarted
from vonage_sock.clock import SECOND
from vonage_sock.supervisor.living import MAX_DIGITS_KEPT, Living


def told(slot: int, *events: Event) -> Living:
    """Two workers, of whom one has told this."""
    living = Living(2)
    for event in events:
        living.note(slot, event)
    return living


def test_a_lost_call_is_told_as_ended_with_what_was_known_of_it() -> None:
    """Closed by the network without a close frame; duration to the death, frames and keys as last heard."""
    living = told(
        1,
        connected("c1", SECOND),
        stats("c1", 3 * SECOND, 2.5, 100),
        DtmfPressed(at=3 * SECOND, call="c1", digit="1", duration_ms=None),
        DtmfPressed(at=3 * SECOND, call="c1", digit="#", duration_ms=None),
    )
    lost = living.lose(1, 4 * SECOND)

    assert ("c1",) == lost.calls
    assert [
        Ended(
            at=4 * SECOND,
            call="c1",
            duration_s=3.5,
            frames_in=100,
            frames_out=101,
            dtmf="1#",
            close_code=1006,
            close_reason="its worker died",
            closed_by="network",
        )
    ] == [*lost.events]


def test_a_call_that_is_over_and_those_of_other_workers_are_not_lost() -> None:
    """Only what the dead one was in the middle of."""
    living = told(0, connected("c1", 0), ended("c1", SECOND), connected("c2", 0))
    living.note(1, connected("c3", 0))

    assert ("c2",) == living.lose(0, SECOND).calls
    assert () == living.lose(0, SECOND).calls
    assert ("c3",) == living.lose(1, SECOND).calls


def test_a_recording_that_was_not_complete_has_failed_and_the_sentence_says_where_its_audio_is() -> None:
    """A WAV is a valid file; FLAC, OGG and MP3 are WAVs until they are complete."""
    living = told(
        0,
        connected("c1", 0),
        RecordingStarted(at=0, call="c1", path="a.wav"),
        RecordingStarted(at=0, call="c1", path="b.flac"),
        RecordingStarted(at=0, call="c1", path="saved.wav"),
        RecordingSaved(at=0, call="c1", path="saved.wav", seconds=1.0, frames=50, bytes=32044),
        RecordingStarted(at=0, call="c1", path="failed.wav"),
        RecordingFailed(at=0, call="c1", path="failed.wav", error="No space left on device"),
        RecordingStarted(at=0, call="c2", path="taken.wav"),
        RecordingSaved(at=0, call="c2", path="taken-2.wav", seconds=1.0, frames=50, bytes=32044),
    )
    failed = [event for event in living.lose(0, SECOND).events if isinstance(event, RecordingFailed)]

    assert [("a.wav", "a.wav.part"), ("b.flac", "b.flac.part")] == [
        (event.path, event.error.removeprefix("its worker died; what was recorded is in ")) for event in failed
    ]
    assert {"c1"} == {event.call for event in failed}


def test_the_recording_of_a_call_that_has_ended_can_still_be_lost() -> None:
    """It is complete only a moment after its call."""
    living = told(0, connected("c1", 0), RecordingStarted(at=0, call="c1", path="a.wav"), ended("c1", SECOND))
    lost = living.lose(0, SECOND)

    assert ((), ["recording.failed"]) == (lost.calls, [event.name for event in lost.events])


def test_what_is_kept_of_a_call_is_bounded() -> None:
    """Whatever a caller presses."""
    living = told(0, connected("c1", 0))
    for _ in range(MAX_DIGITS_KEPT + 5):
        living.note(0, DtmfPressed(at=0, call="c1", digit="1", duration_ms=None))
    (event,) = living.lose(0, SECOND).events

    assert isinstance(event, Ended)
    assert MAX_DIGITS_KEPT == len(event.dtmf)


def test_words_about_a_call_that_is_not_known_change_nothing() -> None:
    """Statistics and keys that come after its end."""
    living = told(
        0, stats("c9", SECOND, 1.0, 50), DtmfPressed(at=SECOND, call="c9", digit="1", duration_ms=None), ended("c9", 0)
    )

    assert ((), ()) == (living.lose(0, SECOND).calls, living.lose(0, SECOND).events)
