"""Where frames come from."""

from __future__ import annotations

from vonage_sock.audio.source import FramesSource


def test_frames_are_given_one_by_one_until_the_last() -> None:
    """Then there is none, and none will come."""
    source = FramesSource("x", iter([b"a", b"b"]), 2)
    given = []
    while not source.ended():
        given.append(source.take())

    assert ([b"a", b"b"], None) == (given, source.take())


def test_a_source_knows_its_name_and_length() -> None:
    """For the event that tells of it; nothing is wrong with it."""
    source = FramesSource("x", [b"a"], 1)
    source.close()

    assert ("x", 1, None) == (source.name, source.total_frames, source.error)


def test_an_empty_source_has_ended_before_it_began() -> None:
    """No frame is asked for."""
    assert FramesSource("x", [], 0).ended()
