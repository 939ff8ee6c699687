"""Where audio waits: the same in C and in Python."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ways import WAYS, on

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.record import Record
from vonage_sock.call.session import CallSession
from vonage_sock.clock import SECOND
from vonage_sock.media.sink import UNCOUNTED_FRAMES, FileSink, gathered_of

RATE = AudioFormat(rate_hz=16_000)
CONNECTED = '{"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}'

Step = tuple[str, int]
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 30)),
    st.tuples(st.just("take"), st.integers(0, 9)),
    st.tuples(st.just("allow"), st.integers(0, 20)),
)


def tell(way: str, story: list[Step]) -> list[object]:
    """What is held after each step, and what was asked about."""
    asked: list[bytes] = []

    def beyond(pcm: bytes) -> None:
        asked.append(pcm)
        if len(asked) % 3:
            gathered.frames.append(pcm)

    with on(way):
        gathered = gathered_of(4, beyond)
    told: list[object] = []
    for number, (step, count) in enumerate(story):
        if step == "add":
            for piece in range(count):
                gathered(b"%d.%d" % (number, piece))
        elif step == "take":
            del gathered.frames[:count]
        else:
            gathered.uncounted_frames = count
        told.append((list(gathered.frames), gathered.uncounted_frames))
    return [told, asked]


@given(story=st.lists(STEPS, max_size=20))
def test_both_ways_gather_the_same(story: list[Step]) -> None:
    """Nothing is lost, doubled, or let in unasked."""
    assert [tell("python", story)] * len(WAYS) == [tell(way, story) for way in WAYS]


class Full:
    """A room in which there is place for so many more."""

    def __init__(self, more: int) -> None:
        self.more = more
        self.completed = 0

    def has_room(self, sink: FileSink, more_bytes: int) -> bool:
        """Counted as the recorder does."""
        self.more -= 1
        sink.counted_bytes += more_bytes if self.more >= 0 else 0
        return self.more >= 0

    def complete(self, sink: FileSink) -> None:
        """It is over."""
        self.completed += 1


@pytest.mark.parametrize("way", WAYS)
def test_what_a_mirrored_call_says_waits_in_its_sink(way: str) -> None:
    """In order, up to where the room ends; who takes it gets what was counted too, and then there is place again."""
    frames = [b"%03d" % number + bytes(RATE.frame_bytes - 3) for number in range(UNCOUNTED_FRAMES + 4)]
    room = Full(3)
    with on(way):
        sink = FileSink(room, "c1", RATE, 1)
        session = CallSession("c1", [Record(lambda *_: sink), Echo()], assumed_format=RATE, now=0)
        mirror = session.mirror()
    session.receive_text(CONNECTED, 0)
    taken = [mirror.takes(frame, number * FRAME_NS) for number, frame in enumerate(frames)]
    waited = sink.take()
    taken.append(mirror.takes(frames[0], SECOND))
    mirror.settle(SECOND)
    session.receive_close(1000, "", SECOND)

    assert [True] * (len(frames) + 1) == taken
    assert (frames[:-1], 3 * RATE.frame_bytes) == waited
    assert ([frames[0]], 0) == sink.take()
    assert 1 == room.completed


@pytest.mark.parametrize("way", WAYS)
def test_a_mirrored_call_without_its_recorder_goes_on(way: str) -> None:
    """Who joins in the middle hears what comes from then on, and who has left hears nothing more."""
    frames = [b"%d" % number + bytes(RATE.frame_bytes - 1) for number in range(3)]
    with on(way):
        sink = FileSink(Full(0), "c1", RATE, 1)
        session = CallSession("c1", [Echo()], assumed_format=RATE, now=0)
        mirror = session.mirror()
    recorder = Record(lambda *_: sink)
    session.receive_text(CONNECTED, 0)
    taken = [mirror.takes(frames[0], 0)]
    session.join(recorder)
    taken.append(mirror.takes(frames[1], FRAME_NS))
    session.leave(recorder)
    taken.append(mirror.takes(frames[2], 2 * FRAME_NS))

    assert [True] * 3 == taken
    assert [frames[1]] == sink.take()[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_sink_that_nobody_has_is_gone(way: str) -> None:
    """At once, and not when the collector of garbage comes; who still writes to it writes to nobody."""
    gc.disable()
    try:
        with on(way):
            sink = FileSink(Full(UNCOUNTED_FRAMES), "c1", RATE, 1)
        seen, write, gathered = weakref.ref(sink), sink.write, sink.gathered
        del sink
        gone = seen() is None
    finally:
        gc.enable()
    for _ in range(UNCOUNTED_FRAMES + 1):
        write(b"ab")

    assert gone
    assert [b"ab"] * UNCOUNTED_FRAMES == gathered.frames


@pytest.mark.parametrize("way", WAYS)
def test_what_fails_beyond_is_raised(way: str) -> None:
    """To whoever adds."""

    def beyond(_pcm: bytes) -> None:
        raise OSError("no")

    with on(way):
        gathered: Callable[[bytes], None] = gathered_of(0, beyond)

    with pytest.raises(OSError, match="no"):
        gathered(b"ab")
