"""One leg's mouth and ear, as they can be stopped and spoken into."""

from __future__ import annotations

import struct

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.simulator.party import Bridge, OpenAgain, Party

FORMAT = AudioFormat(8000)


def frame(value: int) -> bytes:
    """A frame of one value."""
    return struct.pack("<h", value) * 160


def playing(*values: int) -> OpenAgain:
    """What gives these frames, each time it is opened."""
    return lambda: FramesSource("x", map(frame, values), len(values))


def heard(party: Party, steps: int, value: int = 1) -> list[int]:
    """The first sample of each step, where others say ``value``."""
    return [struct.unpack_from("<h", party.hears(frame(value)))[0] for _ in range(steps)]


def test_left_alone_it_says_and_hears_everything() -> None:
    """Nothing is changed."""
    party = Party()

    assert (frame(5), frame(7), False) == (party.says(frame(5)), party.hears(frame(7)), party.busy)


def test_muted_it_is_not_heard_and_hears() -> None:
    """Silence of the same length goes out."""
    party = Party()
    party.muted = True

    assert (frame(0), frame(7)) == (party.says(frame(5)), party.hears(frame(7)))


def test_with_earmuffs_it_hears_nothing_and_is_heard() -> None:
    """Not even what is played into it; that goes on all the same."""
    party = Party()
    party.earmuffed = True
    party.play("talk", playing(100, 200))

    assert ([0, 0, 0], frame(5)) == (heard(party, 3), party.says(frame(5)))
    assert not party.busy


def test_what_is_played_is_mixed_with_what_it_hears() -> None:
    """And clipped where the sum is too large."""
    party = Party()
    party.play("stream", playing(100, 32767))

    assert [101, 32767, 1] == heard(party, 3)


def test_it_is_played_as_often_as_was_asked_for() -> None:
    """Without a gap between."""
    party = Party()
    party.play("stream", playing(10, 20), times=2)

    assert [11, 21, 11, 21, 1] == heard(party, 5)


def test_zero_times_is_for_ever() -> None:
    """Until it is stopped."""
    party = Party()
    party.play("stream", playing(10), times=0)

    assert [11] * 50 == heard(party, 50)
    assert (True, False) == (party.stop("stream"), party.stop("stream"))
    assert [1] == heard(party, 1)


def test_what_is_empty_ends_at_once_and_is_not_begun_for_ever() -> None:
    """A file without a sample."""
    party = Party()
    party.play("stream", playing(), times=0)

    assert ([1], False) == (heard(party, 1), party.busy)


def test_a_talk_and_a_stream_are_heard_together_and_a_second_talk_takes_the_first_s_place() -> None:
    """Each kind once."""
    party = Party()
    party.play("stream", playing(100, 100))
    party.play("talk", playing(10, 10))
    party.play("talk", playing(20, 20), gain=2.0)

    assert [141, 141] == heard(party, 2)


def test_closing_ends_whatever_is_played() -> None:
    """The leg is gone."""
    party = Party()
    party.play("talk", playing(1, 2, 3))
    party.close()

    assert not party.busy


def test_between_the_caller_and_the_socket_each_has_a_mouth_and_an_ear() -> None:
    """Whom the caller mutes the server doesn't hear, and the other way round; what is played keeps the leg."""
    caller, socket = Party(), Party()
    bridge = Bridge(caller, socket)
    caller.muted = socket.muted = True

    assert (frame(0), frame(0), None) == (
        bridge.to_server(frame(3)),
        bridge.from_server(frame(3)),
        bridge.from_server(None),
    )
    assert not bridge.busy
    caller.play("talk", playing(1))
    assert bridge.busy
