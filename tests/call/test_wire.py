"""What a WebSocket library sees and doesn't pass on."""

from __future__ import annotations

from vonage_sock.call.inspect import Found
from vonage_sock.call.wire import PONG_WAIT_NS, UNDER_WAY_NS, WireWatch
from vonage_sock.clock import MS, SECOND


def test_whole_messages_are_nothing_to_tell() -> None:
    """Of any size, at any time."""
    watch = WireWatch()
    for at in range(3):
        watch.data(640, at)

    assert ([], False) == (watch.found(3), watch.awaits_pong)


def test_a_message_in_fragments_is_told_once_with_its_size() -> None:
    """When its last piece is there; the next is another."""
    watch = WireWatch()
    watch.data(300, 0, last=False)
    before = watch.found(0)
    watch.data(340, 1, last=True)
    watch.data(640, 2)

    assert [] == before
    assert [Found("VS313", {"size": 640, "fragments": 2})] == watch.found(2)
    assert [] == watch.found(2)


def test_a_missing_pong_is_told_once() -> None:
    """Ten seconds are given, and any pong answers all pings before it."""
    watch = WireWatch()
    watch.pinged(0)
    watch.pinged(5 * SECOND)
    early = watch.found(PONG_WAIT_NS - 1)
    late = [watch.found(PONG_WAIT_NS), watch.found(2 * PONG_WAIT_NS)]
    waiting = watch.awaits_pong
    watch.ponged()

    assert [] == early
    assert [[Found("VS315", {"waited_s": 10})], []] == late
    assert (True, False) == (waiting, watch.awaits_pong)


def test_audio_under_way_when_we_close_is_no_fault() -> None:
    """Half a second of it, and all of it where the peer answers our close in the end."""
    prompt, slow = WireWatch(), WireWatch()
    for watch in (prompt, slow):
        watch.closing(1000, SECOND)
        watch.data(640, SECOND + UNDER_WAY_NS)
    slow.data(640, SECOND + UNDER_WAY_NS + 300 * MS)
    prompt.over(answered=False)
    slow.over(answered=True)

    assert ([], []) == (prompt.found(0), slow.found(0))


def test_audio_that_goes_on_after_our_close_is_told() -> None:
    """With how much, and for how long, once."""
    watch = WireWatch()
    watch.closing(1000, SECOND)
    for late_ms in (600, 700, 900):
        watch.data(640, SECOND + late_ms * MS)
    watch.over(answered=False)
    watch.over(answered=False)

    assert [Found("VS316", {"frames": 3, "late_ms": 900})] == watch.found(0)


def test_a_socket_is_left_open_where_we_have_to_close_tcp_too() -> None:
    """A peer that closes TCP without a close frame has seen ours."""
    told = []
    for answered, left_open in ((False, True), (False, False), (True, True)):
        watch = WireWatch()
        watch.closing(1001, 0)
        watch.over(answered=answered, left_open=left_open)
        told.append(watch.found(0))

    assert [[Found("VS310", {"close_code": 1001})], [], []] == told


def test_a_connection_that_we_did_not_close_is_not_left_open() -> None:
    """It was lost."""
    watch = WireWatch()
    watch.over(answered=False, left_open=True)

    assert [] == watch.found(0)
