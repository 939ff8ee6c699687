"""The schedule of a playback, alone and against the platform's buffer."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.pacer import Pacer
from vonage_sock.audio.playout import BUFFER_FRAMES_2021, Played, PlayoutBuffer
from vonage_sock.clock import MS, SECOND

PROPERTY = settings(deadline=None, database=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
PACE_NS = 18_500_000
HOUR_FRAMES = 3600 * 50


def due_times(pacer: Pacer, frames: int, *, now: int = 0) -> list[int]:
    """When each frame leaves where every wake-up comes on time."""
    pacer.start(now)
    times: list[int] = []
    while len(times) < frames:
        now = max(now, pacer.due_at)
        times += [now] * pacer.take(now)
    return times[:frames]


class Model:
    """A pacer that sends numbered frames into the platform's buffer; the wire takes no time."""

    def __init__(self, pacer: Pacer, *, capacity_frames: int = BUFFER_FRAMES_2021) -> None:
        self.pacer = pacer
        self.playout: PlayoutBuffer[int] = PlayoutBuffer(capacity_frames)
        self.played: list[int] = []
        self.sent_at: list[int] = []
        self.deepest = 0
        pacer.start(0)

    def wake(self, now: int) -> None:
        """Send what is due at ``now``."""
        self._play(now)
        for _ in range(self.pacer.take(now)):
            self.playout.push(len(self.sent_at), now)
            self.sent_at.append(now)
        self.deepest = max(self.deepest, self.playout.depth_frames)

    def end(self) -> None:
        """Let everything play out."""
        self._play(self.sent_at[-1] + HOUR_FRAMES * FRAME_NS)

    def _play(self, now: int) -> None:
        self.played += [item.frame for item in self.playout.advance(now) if isinstance(item, Played)]


def test_the_first_frames_go_out_at_once() -> None:
    """A short burst fills the platform's buffer before anything is due."""
    pacer = Pacer(burst_frames=3)
    pacer.start(7)

    assert 3 == pacer.take(7)


def test_after_the_burst_a_frame_goes_out_each_pace() -> None:
    """While the lead builds up, frames are 18.5 ms apart."""
    assert [0, 0, 0, PACE_NS, 2 * PACE_NS, 3 * PACE_NS] == due_times(Pacer(burst_frames=3), 6)


def test_with_the_lead_reached_one_frame_goes_out_per_20_ms() -> None:
    """The lead of 2 s takes until frame 1,209; from there on the schedule is that of playing, less the lead."""
    times = due_times(Pacer(), 5000)

    for number in (1300, 2000, 4999):
        assert (number + 1) * FRAME_NS - 2 * SECOND == times[number]


def test_the_schedule_turns_where_the_lead_is_reached() -> None:
    """Every frame is due at the later of the two times that the formula names."""
    times = due_times(Pacer(lead_ns=200 * MS, burst_frames=5), 300)

    assert [max((n - 4) * PACE_NS, (n + 1) * FRAME_NS - 200 * MS, 0) for n in range(300)] == times


@pytest.mark.no_cover
def test_an_hour_of_schedule_does_not_drift() -> None:
    """The last frame of an hour is due to the nanosecond."""
    assert HOUR_FRAMES * FRAME_NS - 2 * SECOND == due_times(Pacer(), HOUR_FRAMES)[-1]


def test_the_burst_is_no_larger_than_the_lead() -> None:
    """A lead of two frames sends two at once, however large the burst may be."""
    assert [0, 0, FRAME_NS, 2 * FRAME_NS] == due_times(Pacer(lead_ns=2 * FRAME_NS, burst_frames=10), 4)


@pytest.mark.parametrize("lead_ns", [0, -1, FRAME_NS - 1])
def test_the_lead_is_at_least_one_frame(lead_ns: int) -> None:
    """A frame can't be sent later than it is to be played."""
    assert [0, FRAME_NS, 2 * FRAME_NS] == due_times(Pacer(lead_ns=lead_ns), 3)


@pytest.mark.parametrize("burst_frames", [0, -5])
def test_the_burst_is_at_least_one_frame(burst_frames: int) -> None:
    """The first frame is due at the start whatever is asked for."""
    assert [0, PACE_NS, 2 * PACE_NS] == due_times(Pacer(burst_frames=burst_frames), 3)


def test_a_late_wakeup_sends_all_due_frames_and_keeps_the_schedule() -> None:
    """After a stall the pacer catches up at once; later frames stay on the grid."""
    pacer = Pacer(lead_ns=10 * FRAME_NS, burst_frames=10)
    pacer.start(0)

    taken = [pacer.take(now) for now in (0, 90 * MS, 100 * MS)]

    assert [10, 4, 1] == taken
    assert 120 * MS == pacer.due_at


def test_a_stall_of_just_the_lead_is_no_restart() -> None:
    """At the moment at which the platform runs dry, it hasn't yet."""
    pacer = Pacer(lead_ns=5 * FRAME_NS)
    pacer.start(0)
    pacer.take(0)

    assert [5, 6 * FRAME_NS] == [pacer.take(5 * FRAME_NS), pacer.due_at]


def test_a_stall_beyond_the_lead_starts_the_schedule_anew() -> None:
    """The platform has run dry and plays on from what comes now: a burst, and the lead that was asked for."""
    pacer = Pacer(lead_ns=5 * FRAME_NS)
    pacer.start(0)
    pacer.take(0)
    stalled_until = 5 * FRAME_NS + 1

    assert [5, 5, stalled_until + FRAME_NS] == [pacer.take(stalled_until), pacer.frames_sent, pacer.due_at]


def test_frames_that_could_not_be_sent_are_due_again() -> None:
    """A source that has nothing ready costs nothing but time."""
    pacer = Pacer(burst_frames=4)
    pacer.start(0)
    pacer.take(0)
    pacer.give_back(3)

    assert [1, FRAME_NS, 3] == [pacer.frames_sent, pacer.dry_at, pacer.take(1)]


def test_a_source_that_is_ready_late_does_not_make_the_lead_grow() -> None:
    """Ten seconds without a first frame aren't caught up: nobody has heard anything that could be late."""
    pacer = Pacer(lead_ns=5 * FRAME_NS)
    pacer.start(0)
    pacer.give_back(pacer.take(0))

    assert 5 == pacer.take(10 * SECOND)


def test_a_fresh_pacer_is_of_the_same_kind_and_has_not_started() -> None:
    """After the platform dropped what it had, the same schedule begins anew."""
    pacer = Pacer(pace_ns=7 * MS, lead_ns=60 * MS, burst_frames=2)
    pacer.take(0)
    fresh = pacer.fresh()

    assert 0 == fresh.frames_sent
    assert due_times(Pacer(pace_ns=7 * MS, lead_ns=60 * MS, burst_frames=2), 20) == due_times(fresh, 20)


def test_dry_at_is_when_everything_taken_has_been_played() -> None:
    """Ten frames that begin at 3 last until 200 ms later."""
    pacer = Pacer(burst_frames=10)
    pacer.start(3)
    pacer.take(3)

    assert 3 + 10 * FRAME_NS == pacer.dry_at


def test_the_pace_held_for_ever_loses_2351_frames_of_15_minutes() -> None:
    """The naive way, as documented: one frame per 18.5 ms overflows 1,024 frames after 252 s; half a second either way."""
    model = Model(Pacer(lead_ns=10**15, burst_frames=1))
    for number in range(15 * 60 * 50):
        model.wake(number * PACE_NS)
    model.end()

    assert pytest.approx(2351, abs=2) == model.playout.frames_overflowed
    assert pytest.approx(252.3 * SECOND, abs=SECOND / 2) == model.playout.overflows_at[0]


@pytest.mark.no_cover
@PROPERTY
@given(
    gaps_ms=st.lists(st.integers(0, 400), min_size=1, max_size=40),
    lead_frames=st.integers(1, 900),
    pace_ms=st.integers(1, 20),
    burst_frames=st.integers(1, 50),
)
def test_hours_of_late_wakeups_skip_nothing_and_never_overflow(
    gaps_ms: list[int], lead_frames: int, pace_ms: int, burst_frames: int
) -> None:
    """Whatever the timer does, each frame is played once, in order, and never sent more than the lead ahead."""
    lead_ns = lead_frames * FRAME_NS
    model = Model(Pacer(lead_ns=lead_ns, pace_ns=pace_ms * MS, burst_frames=burst_frames))
    now = 0
    late = itertools.cycle(gaps_ms)
    while len(model.sent_at) < 5000:
        model.wake(now)
        now = max(now, model.pacer.due_at) + next(late) * MS
    model.end()

    assert list(range(len(model.sent_at))) == model.played
    assert 0 == model.playout.frames_overflowed
    assert model.deepest <= lead_frames


@pytest.mark.no_cover
@PROPERTY
@given(lateness=st.lists(st.floats(0, 0.999), min_size=1, max_size=40), lead_frames=st.integers(2, 200))
def test_no_underrun_while_lateness_stays_under_the_lead(lateness: list[float], lead_frames: int) -> None:
    """A wake-up may come late by almost the lead that was reached so far; the caller hears no gap."""
    model = Model(Pacer(lead_ns=lead_frames * FRAME_NS))
    model.wake(0)
    share = itertools.cycle(lateness)
    while len(model.sent_at) < 3000:
        due_at = model.pacer.due_at
        spare_ns = max(model.pacer.dry_at - due_at, 0)
        model.wake(due_at + int(next(share) * spare_ns))

    assert 0 == model.playout.underruns


@pytest.mark.no_cover
@PROPERTY
@given(lead_frames=st.integers(1, 300), before=st.integers(1, 3000), stall_ms=st.integers(0, 100_000))
def test_after_a_stall_beyond_the_lead_the_lead_is_built_anew(lead_frames: int, before: int, stall_ms: int) -> None:
    """It recovers, and never gets further ahead than was asked for."""
    model = Model(Pacer(lead_ns=lead_frames * FRAME_NS))
    model.wake(0)
    while len(model.sent_at) < before:
        model.wake(model.pacer.due_at)
    now = model.pacer.dry_at + 1 + stall_ms * MS
    model.wake(now)
    for _ in range(lead_frames * 20):
        now = model.pacer.due_at
        model.wake(now)

    assert model.deepest <= lead_frames
    assert lead_frames * FRAME_NS == model.pacer.dry_at - now


@PROPERTY
@given(wakeups_ms=st.lists(st.integers(0, 100), max_size=200), lead_frames=st.integers(1, 100))
def test_early_wakeups_send_nothing_early(wakeups_ms: list[int], lead_frames: int) -> None:
    """A frame is never sent more than the lead before it is played."""
    model = Model(Pacer(lead_ns=lead_frames * FRAME_NS))
    now = 0
    for gap_ms in wakeups_ms:
        now += gap_ms * MS
        model.wake(now)

        assert model.pacer.dry_at - now <= lead_frames * FRAME_NS


@PROPERTY
@given(
    pace_ns=st.one_of(st.just(PACE_NS), st.integers(0, 30 * MS)),
    frame_ns=st.integers(FRAME_NS - 10_000, FRAME_NS + 10_000),
    lead_ns=st.integers(0, 800 * MS),
    sent=st.integers(0, 300),
    most=st.integers(-1, 60),
    late=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
)
def test_even_steps_are_what_would_be_taken_one_by_one(
    pace_ns: int, frame_ns: int, lead_ns: int, sent: int, most: int, late: list[float]
) -> None:
    """Each alone in its time, the one behind them due a step later, and the schedule is the same after them."""
    pacer, twin = (Pacer(pace_ns=pace_ns, lead_ns=lead_ns) for _ in range(2))
    for each in (pacer, twin):
        each.start(SECOND)
        each.follow(frame_ns)
        for _ in range(sent):
            each.take(max(each.due_at, SECOND))
    frames, step_ns = pacer.even_steps(most)
    first_at = pacer.due_at
    taken = [
        twin.take(first_at + number * step_ns + int(late[number % len(late)] * step_ns)) for number in range(frames)
    ]
    pacer.advance(frames)

    assert [1] * frames == taken
    assert first_at + frames * step_ns == pacer.due_at
    assert (twin.due_at, twin.dry_at, twin.frames_sent) == (pacer.due_at, pacer.dry_at, pacer.frames_sent)
    assert frames <= max(most, 0)


@pytest.mark.parametrize(
    ("pace_ns", "lead_ns", "sent", "expected"),
    [
        (PACE_NS, 2 * SECOND, 20, (50, PACE_NS)),
        (PACE_NS, SECOND, 2000, (50, FRAME_NS)),
        (PACE_NS, SECOND, 410, (9, PACE_NS)),
        (PACE_NS, 2 * SECOND, 3, (0, 0)),
        (PACE_NS, 2 * FRAME_NS, 50, (50, FRAME_NS)),
        (PACE_NS, 2 * FRAME_NS - 1, 50, (0, 0)),
        (25 * MS, SECOND, 80, (11, 25 * MS)),
        (25 * MS, SECOND, 95, (0, 0)),
        (0, SECOND, 10, (0, 0)),
    ],
    ids=[
        "lead builds up",
        "lead is there",
        "lead nearly there",
        "burst",
        "just slack enough",
        "no slack",
        "slower",
        "slower, and dry",
        "at once",
    ],
)
def test_steps_are_even_but_for_where_the_schedule_turns(
    pace_ns: int, lead_ns: int, sent: int, expected: tuple[int, int]
) -> None:
    """And but for where the platform might run dry before a frame is late."""
    pacer = Pacer(pace_ns=pace_ns, lead_ns=lead_ns)
    pacer.start(SECOND)
    pacer.advance(sent)

    assert expected == pacer.even_steps(50)
