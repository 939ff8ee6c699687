"""A leg that suffers, on integers and against our own server under a manual clock."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import DrillStruck, Event
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.simulator.drills.machine import DROP_WATCH_NS, HALF_OPEN_WATCH_NS, DrilledLeg
from vonage_sock.simulator.drills.plan import Drills, Stall
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.testing import PcmSource, Transcript, run_call

RATE_8K = AudioFormat(8000)
FRAME = bytes(range(160)) * 2


class FakeWire:
    """A connection that only notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.unsent = 0
        self.closed: tuple[int, str] | None = None
        self.ping_count = 0

    def drop(self) -> None:
        self.done.append("drop")

    def reset(self) -> None:
        self.done.append("reset")

    def vanish(self) -> None:
        self.done.append("vanish")

    def stop_reading(self) -> None:
        self.done.append("stop reading")

    def read_again(self) -> None:
        self.done.append("read again")

    def had_closed(self) -> tuple[int, str] | None:
        return self.closed

    def unsent_bytes(self) -> int:
        return self.unsent

    def pings(self) -> int:
        return self.ping_count


def drilled(wire: FakeWire, *, seconds: float = 2.0, seed: int = 1, **drills: Any) -> DrilledLeg:
    """A leg of so many seconds that suffers these drills; it begins at 0."""
    duration_ns = round(seconds * SECOND)
    plan = LegPlan(audio_format=RATE_8K, duration_ns=duration_ns)
    leg = VonageLeg("call", plan, PcmSource(FRAME * 10_000, RATE_8K), now=0)
    return DrilledLeg(
        leg, Drills(**drills), wire, call_id="call", chance=random.Random(seed), now=0, duration_ns=duration_ns
    )


def advance(machine: DrilledLeg, until: int) -> list[tuple[int, Outgoing]]:
    """Let its timer fire on time; what it sent, and when."""
    sent: list[tuple[int, Outgoing]] = [(0, message) for message in machine.messages_to_send()]
    while (deadline := machine.next_deadline()) is not None and deadline <= until:
        machine.handle_deadline(deadline)
        sent += [(deadline, message) for message in machine.messages_to_send()]
    return sent


def frames(sent: list[tuple[int, Outgoing]]) -> list[int]:
    """When the frames left."""
    return [at for at, message in sent if isinstance(message, bytes)]


def took(machine: DrilledLeg) -> str:
    """How the only drill was taken."""
    (row,) = machine.rows()
    return str(row["took"])


def events_of(machine: DrilledLeg) -> list[Event]:
    """All that weren't taken yet."""
    return list(iter(machine.next_event, None))


def echo_call(**drills: Any) -> tuple[DrilledLeg, Transcript]:
    """Two seconds with our own echo."""
    machine = drilled(FakeWire(), **drills)
    session = CallSession("c1", [Echo()], assumed_format=RATE_8K, now=0)
    return machine, run_call(machine, session, clock=ManualClock())


# What leaves, and when.


def test_a_driver_that_looks_before_it_asks_misses_nothing() -> None:
    """What leaves a leg that suffers is only known when it is asked for."""
    machine = drilled(FakeWire())
    before = len(machine.outbox), len(machine.untold), machine.deadline_changed
    sent = machine.messages_to_send()
    told = list(iter(machine.next_event, None))

    assert (1, 1, True) == before
    assert (1, 1, 0) == (len(sent), len(told), len(machine.untold))


def test_jitter_keeps_the_mean_rate_and_the_seed_decides() -> None:
    """The same seed gives the same times, another other ones."""
    sent = [frames(advance(drilled(FakeWire(), jitter_ms=30, seed=seed), 2 * SECOND)) for seed in (1, 1, 2)]

    assert sent[0] == sent[1] != sent[2]
    assert len(sent[0]) in range(98, 102)
    assert 10 * MS < sum(at - n * FRAME_NS for n, at in enumerate(sent[0])) / len(sent[0]) < 30 * MS


def test_a_stall_holds_back_and_lets_go_at_once() -> None:
    """Half a second of frames comes in one piece, and then the grid goes on."""
    times = frames(advance(drilled(FakeWire(), stalls=(Stall(0.5, 0.5),)), round(1.2 * SECOND)))
    expected = [n * FRAME_NS for n in range(25)] + [SECOND] * 26 + [n * FRAME_NS for n in range(51, 61)]

    assert expected == times


def test_a_stall_may_come_again() -> None:
    """Each as it was asked for."""
    times = frames(advance(drilled(FakeWire(), stalls=(Stall(0.2, 0.1), Stall(0.2, 0.6))), SECOND))

    assert {5: 0, 15: 11, 30: 0, 40: 11} == {n: times.count(n * FRAME_NS) for n in (5, 15, 30, 40)}


def test_who_hangs_up_in_a_stall_does_not_wait_for_its_end() -> None:
    """What was held back leaves at once, and the close frame behind it."""
    machine = drilled(FakeWire(), stalls=(Stall(60, 0.1),))
    before = advance(machine, SECOND)
    machine.close(1000, SECOND)
    after = machine.messages_to_send()

    assert 5 == len(frames(before))
    assert ([FRAME] * 46, Close(1000)) == (after[:-1], after[-1])


@pytest.mark.parametrize(
    ("drills", "expected"),
    [
        ({"late_connected": True}, 1),
        ({"no_connected": True}, 0),
        ({"dup_connected": True}, 2),
        ({"late_connected": True, "dup_connected": True}, 2),
    ],
    ids=str,
)
def test_connected_comes_late_never_or_twice(drills: dict[str, bool], expected: int) -> None:
    """Late and again means after 5 to 20 frames."""
    machine = drilled(FakeWire(), **drills)
    messages = [message for _, message in advance(machine, SECOND)]
    places = [place for place, message in enumerate(messages) if isinstance(message, str)]

    assert expected == len(places)
    assert "late_connected" in drills or places[:1] in ([], [0])
    assert [True] * len(places) == [place == 0 or 5 <= place <= 42 for place in places]
    told = [event.drill for event in events_of(machine) if isinstance(event, DrillStruck)]
    assert {name.replace("_", "-") for name in drills} == set(told)
    assert 2 * ("late_connected" in drills) == told.count("late-connected")


def test_bad_frames_are_of_every_kind_and_as_many_as_asked_for() -> None:
    """Half, odd, one and a half, double, empty; the rest is whole."""
    sent = advance(drilled(FakeWire(), seconds=20, bad_frames=10), 20 * SECOND)
    sizes = [len(message) for _, message in sent if isinstance(message, bytes)]

    assert sorted([160, 319, 480, 640, 0] * 2) == sorted(size for size in sizes if size != 320)
    assert 1000 == len(sizes)


def test_bad_frames_that_had_no_chance_are_not_claimed() -> None:
    """The report says how many there were."""
    machine = drilled(FakeWire(), seconds=1, bad_frames=100)
    advance(machine, SECOND)
    machine.receive_close(1000, "", SECOND)
    (row,) = machine.rows()

    assert "4 of 100 frames left in a wrong size, in bytes: 160, 480, 319, 0" == row["did"]


# What is done to the connection.


@pytest.mark.parametrize(
    ("drill", "done", "watch_ns"),
    [
        ("drop_after_s", "drop", DROP_WATCH_NS),
        ("reset_after_s", "reset", DROP_WATCH_NS),
        ("half_open_after_s", "vanish", HALF_OPEN_WATCH_NS),
    ],
)
def test_a_connection_that_was_hurt_is_watched_for_a_bounded_time(drill: str, done: str, watch_ns: int) -> None:
    """Nothing leaves after the strike, and in the end the connection is dropped."""
    wire = FakeWire()
    machine = drilled(wire, seconds=1000, **{drill: 0.5})
    sent = advance(machine, 200 * SECOND)

    assert ([done], True) == (wire.done, machine.killed)
    assert 25 == len(frames(sent))
    assert (500 * MS + watch_ns, Abort()) == sent[-1]


def test_the_callers_duration_ends_the_watch_too() -> None:
    """No drill makes a call longer than it was to be."""
    sent = advance(drilled(FakeWire(), seconds=2, half_open_after_s=0.5), 100 * SECOND)

    assert (2 * SECOND, Abort()) == sent[-1]


def test_who_hangs_up_ends_the_watch() -> None:
    """At once, and only once."""
    machine = drilled(FakeWire(), seconds=1000, half_open_after_s=0.5)
    advance(machine, SECOND)
    machine.close(1000, SECOND)
    machine.close(1000, SECOND)

    assert [Abort()] == machine.messages_to_send()
    assert machine.next_deadline() is None


@pytest.mark.parametrize(
    ("code", "reason", "ms", "expected"),
    [
        (1006, "", 12, "it closed its end after 12 ms"),
        (1006, "", 1500, "it closed its end after 1500 ms and sent 2 more frames"),
    ],
)
def test_how_a_drop_was_taken(code: int, reason: str, ms: int, expected: str) -> None:
    """By the server's own end of TCP, and what it still sent."""
    machine = drilled(FakeWire(), seconds=100, drop_after_s=0.5)
    advance(machine, SECOND)
    for late_ms in (5, 400):
        machine.receive_bytes(FRAME, (500 + min(late_ms, ms)) * MS)
    machine.receive_close(code, reason, (500 + ms) * MS)

    assert expected == took(machine)


def test_a_drop_that_the_server_takes_no_notice_of() -> None:
    """We give it up after three seconds."""
    machine = drilled(FakeWire(), seconds=100, drop_after_s=0.5)
    advance(machine, 10 * SECOND)
    machine.receive_close(1006, "", 500 * MS + DROP_WATCH_NS)

    assert "it left its end open for 3000 ms" == took(machine)


@pytest.mark.parametrize(
    ("ms", "code", "expected"),
    [
        (40_000, 1011, "it noticed: it closed with 1011 (keepalive ping timeout) after 40.0 s"),
        (700, 1006, "it noticed: the connection was lost after 700 ms"),
        (99_000, 1006, "it didn't notice within 90.0 s: it sent 1 frame and 1 ping"),
    ],
)
def test_how_a_cut_cable_was_taken(ms: int, code: int, expected: str) -> None:
    """Noticed, or not; only a full watch makes a finding of it."""
    wire = FakeWire()
    wire.ping_count = 1
    machine = drilled(wire, seconds=1000, half_open_after_s=0.5)
    advance(machine, 600 * MS)
    machine.receive_bytes(FRAME, 600 * MS)
    advance(machine, (500 + ms) * MS - 1)
    at = min(500 * MS + ms * MS, 500 * MS + HALF_OPEN_WATCH_NS)
    machine.receive_close(code, "keepalive ping timeout" if code == 1011 else "", at)

    assert expected == took(machine)
    assert (ms == 99_000) == any(getattr(event, "code", "") == "VS317" for event in events_of(machine))


@pytest.mark.parametrize(
    ("unsent", "expected"),
    [
        (0, "it kept reading ours; 64 kB of its own came when we read again"),
        (
            70_000,
            "it stopped reading ours, 70 kB of which wait; 64 kB of its own came when we read again",
        ),
    ],
)
def test_how_back_pressure_was_taken(unsent: int, expected: str) -> None:
    """What waited is counted when it is read again, which is when the caller hangs up."""
    wire = FakeWire()
    wire.unsent = unsent
    machine = drilled(wire, seconds=1.5, stop_reading_after_s=0.5)
    sent = advance(machine, 2 * SECOND)
    for _ in range(200):
        machine.receive_bytes(FRAME, 1500 * MS)
    machine.receive_close(1000, "", 1500 * MS)

    assert ["stop reading", "read again"] == wire.done
    assert (75, Close(1000)) == (len(frames(sent)), sent[-1][1])
    assert expected == took(machine)


def test_a_server_that_closes_while_nothing_is_read() -> None:
    """Is told with its code."""
    machine = drilled(FakeWire(), seconds=100, stop_reading_after_s=0.5)
    advance(machine, SECOND)
    machine.receive_close(1011, "slow reader", 20 * SECOND)

    assert "it closed with 1011 (slow reader) after 19.5 s" == took(machine)


# How it was taken.


@pytest.mark.parametrize(
    "drills",
    [
        {"jitter_ms": 60.0},
        {"stalls": (Stall(0.5, 0.5),)},
        {"late_connected": True},
        {"no_connected": True},
        {"dup_connected": True},
        {"bad_frames": 5},
    ],
    ids=str,
)
def test_our_own_server_goes_on_through_all_of_them(drills: dict[str, Any]) -> None:
    """Echo and all, to the caller's own hanging up; the same in each run."""
    runs = [echo_call(**drills) for _ in range(2)]
    machine, transcript = runs[0]

    assert took(machine).startswith("it went on: ")
    assert 1000 == transcript.platform_events[-1].close_code
    assert machine.rows() == runs[1][0].rows()


@pytest.mark.parametrize(
    ("heard", "end", "expected"),
    [
        ((), (1003, "no audio", 900), "it closed with 1003 (no audio) 900 ms later, 0 frames after it"),
        ((300,), (1006, "", 900), "the connection was lost 900 ms later, 1 frame after it"),
        ((), None, "it stayed, without audio before or after"),
        ((-1,), None, "it stayed, and sent nothing any more"),
        ((10, 30, 130), None, "it went on: 3 frames followed, the first after 10 ms, longest gap 100 ms"),
    ],
)
def test_what_follows_a_strike_is_put_in_a_sentence(
    heard: tuple[int, ...], end: tuple[int, str, int] | None, expected: str
) -> None:
    """With its numbers."""
    machine = drilled(FakeWire(), stalls=(Stall(0.1, 0.0),))
    if -1 in heard:
        machine.receive_bytes(FRAME, 0)
    advance(machine, 0)
    for ms in heard:
        if ms >= 0:
            machine.receive_bytes(FRAME, ms * MS)
    if end is None:
        machine.close(1000, SECOND)
        machine.messages_to_send()
    code, reason, ms = end or (1000, "", 1000)
    machine.receive_close(code, reason, ms * MS)

    assert expected == took(machine)


def test_a_drill_that_had_no_chance_says_so() -> None:
    """The call ended before its time."""
    machine = drilled(FakeWire(), drop_after_s=1.5)
    advance(machine, SECOND)
    machine.receive_close(1000, "", SECOND)

    assert [
        {"drill": "drop-after", "at_s": None, "did": "nothing: the call ended before", "took": ""}
    ] == machine.rows()


def test_a_strike_is_told_as_it_happens() -> None:
    """To whoever looks on, before the report."""
    machine = drilled(FakeWire(), drop_after_s=0.5, jitter_ms=5)
    advance(machine, SECOND)
    struck = [(e.drill, e.at, e.did) for e in events_of(machine) if isinstance(e, DrillStruck)]

    assert [
        ("jitter", 0, "each message leaves up to 5 ms late, in order"),
        ("drop-after", 500 * MS, "TCP was closed without a close frame"),
    ] == struck


def test_text_violations_and_what_the_socket_saw_reach_the_leg() -> None:
    """Until the connection was hurt."""
    machine = drilled(FakeWire(), seconds=10, drop_after_s=0.5)
    machine.receive_text("no json", 1)
    machine.receive_found(Found("VS313", {"size": 1, "fragments": 2}), 2)
    advance(machine, SECOND)
    machine.receive_text("no json either", SECOND)
    machine.receive_found(Found("VS314", {"reason": "x"}), SECOND)
    machine.receive_violation(1002, "HTTP/1.1 200 OK", SECOND)
    machine.receive_close(1002, "HTTP/1.1 200 OK", SECOND)
    codes = [event.code for event in events_of(machine) if hasattr(event, "code")]

    assert ["VS301", "VS313"] == codes
    assert "it closed its end after 500 ms" == took(machine)


def test_a_violation_of_a_connection_that_is_whole_is_a_finding() -> None:
    """Whatever else is drilled."""
    machine = drilled(FakeWire(), jitter_ms=5)
    machine.receive_violation(1002, "x", 1)

    assert ["VS311"] == [event.code for event in events_of(machine) if hasattr(event, "code")]


@pytest.mark.parametrize(
    ("closed", "code", "expected"),
    [
        (
            (1011, "keepalive ping timeout"),
            1000,
            "it had closed with 1011 (keepalive ping timeout) meanwhile; 0 kB of its own came when we read again",
        ),
        (
            None,
            1006,
            "it kept reading ours; 0 kB of its own came when we read again, and our close frame was not answered",
        ),
    ],
)
def test_a_close_that_came_while_nothing_was_read_is_told(
    closed: tuple[int, str] | None, code: int, expected: str
) -> None:
    """With the server's own code, not ours."""
    wire = FakeWire()
    wire.closed = closed
    machine = drilled(wire, seconds=1.5, stop_reading_after_s=0.5)
    advance(machine, 2 * SECOND)
    machine.receive_close(code, "", 1500 * MS)

    assert expected == took(machine)


def test_a_connection_is_read_again_before_it_is_dropped() -> None:
    """Else nobody would see how the server takes that; and what came too late is in no figure of delay."""
    wire = FakeWire()
    machine = drilled(wire, seconds=10, stop_reading_after_s=0.2, drop_after_s=1.0)
    advance(machine, 990 * MS)
    machine.receive_bytes(FRAME, 990 * MS)
    advance(machine, 2 * SECOND)
    machine.receive_close(1006, "", 1010 * MS)
    rows = {row["drill"]: row["took"] for row in machine.rows()}

    assert ["stop reading", "read again", "drop"] == wire.done
    assert (
        "it stayed until the connection was broken after 800 ms; 0 kB of its own came when we read again"
        == rows["stop-reading-after"]
    )
    assert "it closed its end after 10 ms" == rows["drop-after"]


def test_what_is_read_too_late_is_in_no_delay() -> None:
    """A socket that is lost gives what waited in it."""
    machine = drilled(FakeWire(), seconds=10, stop_reading_after_s=0.2)
    advance(machine, SECOND)
    for _ in range(10):
        machine.receive_bytes(FRAME, SECOND)
    machine.receive_close(1006, "", SECOND)

    assert 0 == machine._leg.report()["frames_received"]


def test_stalls_are_numbered_and_one_that_was_cut_short_says_how_long_it_was() -> None:
    """In the order of their times."""
    machine = drilled(FakeWire(), seconds=1.0, stalls=(Stall(9, 0.6), Stall(0.1, 0.2)))
    advance(machine, SECOND)
    machine.receive_close(1000, "", SECOND)

    assert [
        ("stall 1", 0.2, "nothing left for 0.1 s, and then what was held back at once"),
        ("stall 2", 0.6, "nothing left for 0.4 s, until the call ended"),
    ] == [(row["drill"], row["at_s"], row["did"]) for row in machine.rows()]


def test_what_the_server_asks_for_moves_no_frame() -> None:
    """The seed decides alone: a clear, which is answered, changes nothing for audio."""
    quiet, chatty = (drilled(FakeWire(), jitter_ms=60) for _ in range(2))
    before = [advance(machine, 300 * MS) for machine in (quiet, chatty)]
    chatty.receive_text('{"action":"clear"}', 310 * MS)
    chatty.messages_to_send()
    after = [frames(advance(machine, SECOND)) for machine in (quiet, chatty)]

    assert before[0] == before[1]
    assert after[0][1:] == after[1][1:]


def test_a_strike_excuses_nothing_that_came_before() -> None:
    """And from then on what may come of it, with no strike no code."""
    machine = drilled(FakeWire(), seconds=10, drop_after_s=0.5)
    findings = machine._leg.findings
    advance(machine, 400 * MS)
    before = findings.excuses("VS308")
    advance(machine, SECOND)

    assert (False, True) == (before, findings.excuses("VS308"))


@pytest.mark.parametrize(
    "drills",
    [{"late_connected": True}, {"no_connected": True}, {"jitter_ms": 5}, {"stalls": (Stall(0.1, 0),)}],
    ids=str,
)
def test_a_strict_platform_stays_strict(drills: dict[str, Any]) -> None:
    """Whatever the drill has to do with formats."""
    machine = drilled(FakeWire(), **drills)
    advance(machine, 100 * MS)

    assert not machine._leg.findings.excuses("VS101")


@pytest.mark.parametrize("echo", [True, False])
def test_shifted_samples_are_excused_of_an_echo_alone(echo: bool) -> None:
    """One whose frames are another's is told of them, bad frames of ours or not."""
    machine = drilled(FakeWire(), seconds=10, bad_frames=1)
    sent = [message for _, message in advance(machine, SECOND) if isinstance(message, bytes)]
    machine.receive_bytes(sent[0][1:] + b"x" if echo else bytes(reversed(FRAME)), SECOND)

    assert [echo, echo] == [machine._leg.findings.excuses(code) for code in ("VS107", "VS111")]
