"""The platform's playout buffer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio import playout as module
from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.playout import Gap, MarkerReached, Played, PlayoutBuffer, PlayoutCount
from vonage_sock.clock import MS

PROPERTY = settings(deadline=None, database=None, max_examples=150)


def test_a_frame_plays_the_moment_it_arrives() -> None:
    """Nothing waits where nothing is playing."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 7)

    assert [Played(7, "a")] == buffer.advance(7)


def test_frames_play_20_ms_apart() -> None:
    """What arrives together is played one after the other."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    for frame in "abc":
        buffer.push(frame, 0)

    assert [Played(0, "a"), Played(FRAME_NS, "b")] == buffer.advance(2 * FRAME_NS - 1)
    assert 1 == buffer.depth_frames


def test_a_buffer_is_idle_when_the_last_frame_has_played_to_its_end() -> None:
    """A frame that left the queue still sounds for 20 ms."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    was_idle = [buffer.idle]
    buffer.push("a", 0)
    for now in (0, FRAME_NS - 1, FRAME_NS):
        buffer.advance(now)
        was_idle.append(buffer.idle)

    assert [True, False, False, True] == was_idle


def test_playing_starts_on_the_grid() -> None:
    """With a grid at 5 ms, a frame that comes at 26 ms plays at 45 ms."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer(grid_at=5 * MS)
    buffer.push("a", 26 * MS)

    assert [Played(45 * MS, "a")] == buffer.advance(100 * MS)


def test_a_frame_that_comes_on_the_grid_plays_at_once() -> None:
    """No step of the grid is lost."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer(grid_at=5 * MS)
    buffer.push("a", 25 * MS)

    assert [Played(25 * MS, "a")] == buffer.advance(25 * MS)


def test_the_prebuffer_delays_the_first_frame_only() -> None:
    """Two frames' time passes before playing starts; later frames follow without a gap."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer(prebuffer_frames=2)
    buffer.push("a", 0)
    buffer.push("b", 30 * MS)

    assert [Played(40 * MS, "a"), Played(60 * MS, "b")] == buffer.advance(100 * MS)


def test_a_frame_beyond_the_capacity_is_lost_and_counted() -> None:
    """The newest is dropped; the time at which that began is kept."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer(2)
    taken = [buffer.push(frame, at) for at, frame in enumerate("abcd")]

    assert [True, True, False, False] == taken
    assert (2, [2]) == (buffer.frames_overflowed, buffer.overflows_at)
    assert ["a", "b"] == [item.frame for item in buffer.advance(10 * FRAME_NS) if isinstance(item, Played)]


def test_each_run_of_lost_frames_has_its_time() -> None:
    """A frame that found room ends a run; the next one lost begins another."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer(1)
    for at, frame in enumerate("abc"):
        buffer.push(frame, at)
    buffer.advance(0)
    for at, frame in enumerate("defg", 10):
        buffer.push(frame, at)

    assert (5, [1, 11]) == (buffer.frames_overflowed, buffer.overflows_at)


def test_the_times_of_lost_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count goes on."""
    monkeypatch.setattr(module, "MAX_LISTED", 2)
    buffer: PlayoutBuffer[str] = PlayoutBuffer(1)
    for at in range(4):
        buffer.push("a", at * FRAME_NS)
        buffer.push("b", at * FRAME_NS)
        buffer.advance(at * FRAME_NS)

    assert (4, [0, FRAME_NS]) == (buffer.frames_overflowed, buffer.overflows_at)


def test_a_frame_that_played_makes_room() -> None:
    """Depth counts what waits, not what ever came."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer(1)
    buffer.push("a", 0)
    buffer.advance(0)

    assert buffer.push("b", 0)


def test_a_short_pause_is_an_underrun() -> None:
    """The caller heard a gap of 30 ms in the middle of speech; where and how long is kept."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 0)
    buffer.advance(50 * MS)
    buffer.push("b", 50 * MS)

    assert (1, 30 * MS, [Gap(20 * MS, 30 * MS)]) == (buffer.underruns, buffer.underrun_ns, buffer.gaps)


def test_the_moment_of_running_dry_is_no_underrun() -> None:
    """A frame that comes when the last one ends continues without a gap."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 0)
    buffer.advance(FRAME_NS)
    buffer.push("b", FRAME_NS)

    assert (0, []) == (buffer.underruns, buffer.gaps)


def test_a_long_pause_is_the_end_of_what_was_said() -> None:
    """Two hundred milliseconds of nothing aren't a fault."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 0)
    buffer.advance(220 * MS)
    buffer.push("b", 220 * MS)

    assert (0, []) == (buffer.underruns, buffer.gaps)


def test_the_list_of_gaps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every gap is counted, not every one is listed."""
    monkeypatch.setattr(module, "MAX_LISTED", 2)
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    for number in range(4):
        buffer.advance(number * 30 * MS)
        buffer.push("a", number * 30 * MS)

    assert (3, 30 * MS, 2) == (buffer.underruns, buffer.underrun_ns, len(buffer.gaps))


def test_clear_drops_frames_and_markers_and_says_how_many() -> None:
    """After it nothing plays and nothing is reached."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    for frame in "abc":
        buffer.push(frame, 0)
    buffer.mark("m", 0)
    buffer.advance(0)

    assert (2, 1) == buffer.clear()
    assert ([], 0, True) == (buffer.advance(100 * FRAME_NS), buffer.depth_frames, buffer.idle)


def test_what_comes_after_clear_plays_at_once_and_is_no_underrun() -> None:
    """The pause was asked for."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 0)
    buffer.push("b", 0)
    buffer.advance(0)
    buffer.clear()
    buffer.push("c", 10 * MS)

    assert [Played(10 * MS, "c")] == buffer.advance(10 * MS)
    assert 0 == buffer.underruns


def test_a_marker_is_reached_when_the_audio_before_it_has_played_to_its_end() -> None:
    """Not when its last frame begins, and before the frame behind it."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 0)
    buffer.mark("m", 0)
    buffer.push("b", 0)

    assert [Played(0, "a")] == buffer.advance(FRAME_NS - 1)
    assert [MarkerReached(FRAME_NS, "m"), Played(FRAME_NS, "b")] == buffer.advance(FRAME_NS)


def test_a_marker_in_an_idle_buffer_is_reached_at_once() -> None:
    """No audio came before it that could still play."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.mark("m", 7)

    assert [MarkerReached(7, "m")] == buffer.advance(9)


def test_markers_keep_their_order() -> None:
    """Several behind the same frame are reached together, first come first served."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 0)
    buffer.mark(1, 0)
    buffer.mark(2, 0)
    buffer.advance(0)

    assert [MarkerReached(FRAME_NS, 1), MarkerReached(FRAME_NS, 2)] == buffer.advance(FRAME_NS)


def test_the_number_of_waiting_markers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that asks without end doesn't fill the memory; a reached marker makes room."""
    monkeypatch.setattr(module, "MAX_MARKERS", 2)
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    taken = [buffer.mark(number, 0) for number in range(3)]
    buffer.advance(0)

    assert [True, True, False, True] == [*taken, buffer.mark(3, 0)]
    assert 1 == buffer.markers_refused


@PROPERTY
@given(
    steps=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 12), st.booleans()), max_size=60),
    capacity=st.integers(1, 20),
    grid_at=st.none() | st.integers(0, 100),
    prebuffer=st.integers(0, 3),
)
def test_what_is_taken_in_is_played_once_in_order_and_never_two_at_a_time(
    steps: list[tuple[int, int, bool]], capacity: int, grid_at: int | None, prebuffer: int
) -> None:
    """Every accepted frame and marker comes out, in order; frames are at least 20 ms apart; depth stays in its bounds."""
    buffer: PlayoutBuffer[int] = PlayoutBuffer(capacity, grid_at=grid_at, prebuffer_frames=prebuffer)
    now = number = 0
    taken: list[int] = []
    done: list[Played[int] | MarkerReached] = []
    for gap_ms, frames, marked in steps:
        now += gap_ms * MS
        done += buffer.advance(now)
        for _ in range(frames):
            number += 1
            if buffer.push(number, now):
                taken.append(number)
        if marked:
            number += 1
            buffer.mark(number, now)
            taken.append(number)
        assert 0 <= buffer.depth_frames <= capacity
    done += buffer.advance(now + 1000 * FRAME_NS)

    assert taken == [item.frame if isinstance(item, Played) else item.payload for item in done]
    assert sorted(item.at for item in done) == [item.at for item in done]
    played_at = [item.at for item in done if isinstance(item, Played)]
    assert all(later - earlier >= FRAME_NS for earlier, later in itertools.pairwise(played_at))
    assert buffer.frames_played == len(played_at)
    assert buffer.idle


@pytest.mark.parametrize("marked_at", [0, 2 * FRAME_NS], ids=["before it is dry", "after"])
def test_a_pause_behind_a_marker_is_no_gap(marked_at: int) -> None:
    """Who asks when audio has been played knows that it ends there; the next begins anew."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer()
    buffer.push("a", 0)
    buffer.advance(marked_at)
    buffer.mark("played", marked_at)
    buffer.advance(3 * FRAME_NS)
    buffer.push("b", 3 * FRAME_NS)
    buffer.advance(9 * FRAME_NS)
    buffer.push("c", 9 * FRAME_NS)

    assert (1, [Gap(4 * FRAME_NS, 5 * FRAME_NS)]) == (buffer.underruns, buffer.gaps)


@pytest.mark.parametrize(
    ("goes_on", "pause_ms", "gaps"),
    [(True, 400, 1), (False, 400, 0), (True, 1000, 0), (False, 190, 1)],
    ids=["cut", "ended", "too long", "short"],
)
def test_a_longer_pause_is_a_gap_where_what_follows_goes_on_in_mid_sound(
    goes_on: bool, pause_ms: int, gaps: int
) -> None:
    """Who knows the frames says so, given those that were played last; the pause counts from where nothing was left."""
    asked: list[tuple[list[str], str]] = []

    def continues(before: Sequence[str], after: str) -> bool:
        asked.append((list(before), after))
        return goes_on

    buffer: PlayoutBuffer[str] = PlayoutBuffer(continues=continues, remembered_frames=2, prebuffer_frames=1)
    for frame in "abc":
        buffer.push(frame, 0)
    resumes_at = 80 * MS + (pause_ms - 20) * MS
    buffer.advance(resumes_at)
    buffer.push("d", resumes_at)

    assert gaps == buffer.underruns
    assert ([(["b", "c"], "d")] if pause_ms == 400 else []) == asked


def test_a_pause_that_was_asked_for_is_no_gap_however_it_sounds() -> None:
    """After ``clear``, and behind a marker."""
    buffer: PlayoutBuffer[str] = PlayoutBuffer(continues=lambda _before, _after: True, remembered_frames=2)
    buffer.push("a", 0)
    buffer.advance(0)
    buffer.clear()
    buffer.push("b", 400 * MS)
    buffer.mark("m", 400 * MS)
    buffer.advance(800 * MS)
    buffer.push("c", 800 * MS)

    assert 0 == buffer.underruns


@PROPERTY
@given(
    capacity=st.integers(1, 8),
    steps=st.lists(
        st.tuples(st.sampled_from(["push", "push", "push", "clear", "look"]), st.integers(0, 12), st.integers(1, 12)),
        max_size=60,
    ),
)
def test_the_numbers_alone_are_those_of_the_buffer(capacity: int, steps: list[tuple[str, int, int]]) -> None:
    """Depth, idleness and what is lost, for any pushes, clears and times: one model, told in two ways."""
    buffer: PlayoutBuffer[None] = PlayoutBuffer(capacity)
    count = PlayoutCount(capacity)
    now = 0
    for what, quarters, frames in steps:
        now += quarters * FRAME_NS // 4
        buffer.advance(now)
        if what == "push":
            lost = 0
            for _ in range(frames):
                buffer.advance(now)
                lost += not buffer.push(None, now)
            assert lost == count.push([now] * frames)
            buffer.advance(now)
        elif what == "clear":
            buffer.clear()
            count.clear()

        assert (buffer.depth_frames, buffer.idle) == (count.depth_frames(now), count.idle(now))
    assert buffer.frames_overflowed == count.frames_overflowed


def test_frames_that_come_one_after_the_other_may_be_counted_together() -> None:
    """Each at its own time."""
    together, one_by_one = PlayoutCount(3), PlayoutCount(3)
    times = [0, 0, 0, 0, 0, 5 * MS, 70 * MS, 70 * MS, 500 * MS]

    assert together.push(times) == sum(one_by_one.push([at]) for at in times) == 2
    assert together.depth_frames(500 * MS) == one_by_one.depth_frames(500 * MS) == 0
    assert not together.idle(500 * MS)
