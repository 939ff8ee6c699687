"""The driver without a task: one machine on a socket of our own, on both event loops and with time passed in."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import pytest
from loops import on_both_loops
from rig import MASK, MAX_BYTES, PATIENCE_S, Peer, tcp_pair
from websockets.frames import Opcode as TheirOpcode

from vonage_sock.call.events import Event, Notice
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.clock import MS, SECOND, Clock, ManualClock, SystemClock
from vonage_sock.protocol.rfc6455 import Opcode, frame_of
from vonage_sock.transport import Patience
from vonage_sock.transport.direct import WAITING_BYTES_PER_MESSAGE, DirectDriver
from vonage_sock.transport.poller import Poller

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Scripted:
    """A machine that does what the test tells it; ``log`` is what happened to it, ``times`` when. It has no rules."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.times: list[int] = []
        self.out: list[Outgoing] = []
        self.events: list[Event] = []
        self.deadline: int | None = None
        self.at: dict[str, Callable[[int], object]] = {}
        self._news = asyncio.Event()

    def receive_text(self, text: str, now: int) -> None:
        self._step("text", now, text)

    def receive_bytes(self, data: bytes, now: int) -> None:
        self._step("bytes", now, data)

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        self._step("violation", now, code)

    def receive_found(self, found: Found, now: int) -> None:
        self._step("found", now, found.code)

    def receive_close(self, code: int, reason: str, now: int) -> None:
        self._step("closed", now, code, reason)

    def handle_deadline(self, now: int) -> None:
        self.deadline = None
        self._step("deadline", now)

    def close(self, code: int, now: int, *, reason: str = "") -> None:
        self.out.append(Close(code, reason))
        self._step("close", now, code)

    def _step(self, kind: str, now: int, *what: object) -> None:
        self.log.append((kind, *what))
        self.times.append(now)
        self._news.set()
        if kind in self.at:
            self.at[kind](now)

    @property
    def outbox(self) -> list[Outgoing]:
        return self.out

    @property
    def untold(self) -> list[Event]:
        return self.events

    deadline_changed = True

    def next_deadline(self) -> int | None:
        return self.deadline

    def messages_to_send(self) -> list[Outgoing]:
        out, self.out = self.out, []
        return out

    def next_event(self) -> Event | None:
        return self.events.pop(0) if self.events else None

    async def happened(self, kind: str) -> None:
        """Wait for the first of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while kind not in [item[0] for item in self.log]:
                self._news.clear()
                await self._news.wait()


class Call:
    """A driver on a connection of its own; ``stop`` leaves nothing of it."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        patience: Patience | None = None,
        small: bool = False,
        head: bytes = b"",
        early: bytes = b"",
    ) -> None:
        self.clock = clock or SystemClock()
        self.poller = Poller(self.clock)
        self.machine = Scripted()
        self.told: list[object] = []
        self.ends = 0
        self.ours, theirs = tcp_pair(small=small)
        self.peer = Peer(theirs)
        self.driver = DirectDriver(
            self.machine,
            self.poller,
            self.ours,
            max_message_bytes=MAX_BYTES,
            head=head,
            early=early,
            observer=self.observe,
            ended=self._end,
            patience=patience,
            stalled=lambda waiting: self.told.append(("stalled", waiting)),
        )

    def observe(self, event: Event) -> None:
        self.told.append(event)

    def _end(self) -> None:
        self.ends += 1

    def start(self) -> None:
        self.driver.start()

    def stop(self) -> None:
        self.poller.close()
        self.peer.sock.close()
        assert self.ours.fileno() == -1
        assert 1 == self.ends

    def pass_to(self, at: int) -> None:
        """Let time pass at once, with the timers that are due on the way."""
        assert isinstance(self.clock, ManualClock)
        timers_at = self.poller._timers_at
        while timers_at and timers_at[0] <= at:
            self.clock.advance_to(max(self.clock.now(), timers_at[0]))
            self.poller._ring()
        self.clock.advance_to(at)


def notice(text: str) -> Notice:
    return Notice(at=0, call="c1", level="info", message=text)


def fail(_now: int) -> None:
    raise RuntimeError("on purpose")


@on_both_loops
async def test_the_head_goes_before_everything() -> None:
    """What the machine has to say by itself comes behind it, and what came early is a message like any other."""
    call = Call(head=HEAD, early=frame_of(Opcode.BINARY, b"early", mask=MASK))
    call.machine.out = ["hello", b"audio"]
    call.machine.at["bytes"] = lambda _now: call.machine.out.append(b"echo")
    call.start()
    head = await call.peer.read(len(HEAD))
    messages = await call.peer.messages(3)
    call.stop()

    assert (HEAD, [b"hello", b"audio", b"echo"]) == (head, messages)
    assert [("bytes", b"early"), ("closed", 1006, "")] == call.machine.log


@on_both_loops
async def test_what_a_message_brings_about_is_done_in_its_step() -> None:
    """Sent, told, and no task is there to do it."""
    call = Call()
    tasks = len(asyncio.all_tasks())
    call.machine.at["bytes"] = lambda _now: (
        call.machine.out.extend([b"1", "2", b"3"]),
        call.machine.events.extend([notice("a"), notice("b")]),
    )
    call.start()
    await call.peer.send(b"go")
    frames = [await call.peer.next() for _ in range(3)]
    tasks_then = len(asyncio.all_tasks())
    call.stop()

    assert [(2, b"1"), (1, b"2"), (2, b"3")] == [(frame.opcode, bytes(frame.data)) for frame in frames]
    assert [notice("a"), notice("b")] == call.told
    assert tasks == tasks_then


@on_both_loops
@pytest.mark.parametrize("before", [[], [b"first", "second"]])
async def test_the_machines_close_is_the_last_that_is_sent(before: list[Outgoing]) -> None:
    """With what stood before it in the same step; what stands behind it is dropped."""
    call = Call()
    call.machine.out = [*before, Close(4001, "enough"), b"too late"]
    call.start()
    messages = await call.peer.messages(len(before) + 1)
    await call.peer.flush()
    with pytest.raises(EOFError):
        await call.peer.next()
    await call.machine.happened("closed")
    call.stop()

    assert [*[b"first", b"second"][: len(before)], struct.pack("!H", 4001) + b"enough"] == messages
    assert [("closed", 4001, "enough")] == call.machine.log


@on_both_loops
async def test_the_machine_may_drop_the_connection() -> None:
    """The peer sees a reset, and the machine the end of it."""
    call = Call()
    call.machine.at["text"] = lambda _now: call.machine.out.extend([b"lost", Abort()])
    call.start()
    await call.peer.send("go")
    with pytest.raises(ConnectionResetError):
        await call.peer.read()
    call.stop()

    assert [("text", "go"), ("closed", 1006, "")] == call.machine.log


@on_both_loops
async def test_what_is_said_before_the_start_is_not_lost() -> None:
    """A server that is stopping closes a call before its socket is there."""
    call = Call(head=HEAD)
    call.driver.close(1001, "server stopping")
    call.driver.abort()
    call.start()
    await call.peer.read(len(HEAD))
    (close,) = await call.peer.messages(1)
    call.stop()

    assert struct.pack("!H", 1001) + b"server stopping" == close


@on_both_loops
async def test_after_the_end_nothing_is_done() -> None:
    """No deadline, no action from outside, no second end."""
    call = Call()
    call.machine.deadline = call.clock.now() + 5 * MS
    call.start()
    call.driver.abort()
    acted: list[int] = []
    call.driver.act(acted.append)
    call.driver.close()
    call.driver.abort()
    later = asyncio.Event()
    call.poller.call_at(call.machine.deadline + MS, lambda _now: later.set())
    await later.wait()
    call.stop()

    assert ([], [("closed", 1006, "")]) == (acted, call.machine.log)


@pytest.mark.parametrize("kind", ["text", "deadline"])
async def test_a_machine_that_fails_is_dropped_and_told_of_its_end(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """With a traceback for whoever has to mend it."""
    call = Call()
    call.machine.at[kind] = fail
    call.machine.deadline = call.clock.now() if kind == "deadline" else None
    call.start()
    if kind == "text":
        await call.peer.send("go")
    await call.machine.happened("closed")
    call.stop()

    assert [kind, "closed"] == [item[0] for item in call.machine.log]
    assert "RuntimeError: on purpose" in caplog.text


async def test_a_call_ends_even_where_its_machine_fails_at_that(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever counts calls counts it out."""
    call = Call()
    call.machine.at["closed"] = fail
    call.start()
    call.peer.sock.close()
    await call.machine.happened("closed")
    call.stop()

    assert 1 == call.ends
    assert "RuntimeError: on purpose" in caplog.text


async def test_an_observer_that_fails_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the call goes on."""
    call = Call()
    call.driver._observer = fail  # type: ignore[assignment]
    call.machine.at["text"] = lambda _now: (call.machine.events.append(notice("a")), call.machine.out.append("echo"))
    call.start()
    await call.peer.send("go")
    messages = await call.peer.messages(1)
    call.stop()

    assert [b"echo"] == messages
    assert "an observer failed on server.notice" in caplog.text


async def test_deadlines_are_met_however_they_move() -> None:
    """Earlier, later or given up: each at its time and not before."""
    clock = ManualClock(SECOND)
    call = Call(clock=clock)
    call.start()

    def due(at_ms: int | None) -> None:
        def action(_now: int) -> None:
            call.machine.deadline = None if at_ms is None else SECOND + at_ms * MS

        call.driver.act(action)

    due(50)
    due(20)
    due(80)
    call.pass_to(SECOND + 79 * MS)
    early = call.machine.log[:]
    call.pass_to(SECOND + 81 * MS)
    due(90)
    due(None)
    call.pass_to(SECOND + 100 * MS)
    due(110)
    call.pass_to(SECOND + 120 * MS)
    times = call.machine.times[:]
    call.stop()

    assert [] == early
    assert [SECOND + 80 * MS, SECOND + 110 * MS] == times


@on_both_loops
async def test_an_observer_may_act_on_a_call_while_its_deadline_is_met() -> None:
    """What it asks for by that is met too, and what was next before it isn't forgotten."""
    clock = ManualClock(SECOND)
    call = Call(clock=clock)
    machine, met = call.machine, []

    def meet(now: int) -> None:
        met.append(now)
        machine.deadline = {1: SECOND + 30 * MS, 2: SECOND + 40 * MS}.get(len(met))
        if len(met) == 1:
            machine.events.append(notice("acted on"))

    def act(_now: int) -> None:
        machine.deadline = SECOND + 20 * MS

    machine.at["deadline"] = meet
    machine.deadline = SECOND + 10 * MS
    call.driver._observer = lambda _event: call.driver.act(act)
    call.start()
    call.pass_to(2 * SECOND)
    call.stop()

    assert [SECOND + 10 * MS, SECOND + 20 * MS, SECOND + 40 * MS] == met


async def test_time_never_goes_back_for_a_machine() -> None:
    """A timer that woke early was handled as of its deadline; a message right behind it is no earlier."""
    clock = ManualClock(SECOND)
    call = Call(clock=clock)
    call.machine.deadline = SECOND + 10 * MS
    call.start()
    clock.advance_to(SECOND + 9 * MS)
    call.poller._ring()
    call.driver.binary(b"a", clock.now())
    call.driver.text("b", clock.now())
    call.driver.act(call.machine.times.append)
    call.driver.abort()
    call.stop()

    assert ["deadline", "bytes", "text", "closed"] == [item[0] for item in call.machine.log]
    assert [SECOND + 10 * MS] * 5 == call.machine.times


# Patience.


async def test_a_quiet_peer_is_pinged_and_one_that_is_gone_is_dropped() -> None:
    """After the time that it may say nothing for, and not before."""
    clock = ManualClock(SECOND)
    call = Call(clock=clock, patience=Patience(check_every_s=5, ping_every_s=20, gone_after_s=60))
    call.start()
    call.pass_to(61 * SECOND)
    before = call.ends
    pings = [(await call.peer.next()).opcode for _ in range(3)]
    call.pass_to(66 * SECOND)
    call.stop()

    assert [TheirOpcode.PING] * 3 == pings
    assert 0 == before
    assert [("found", "VS315"), ("closed", 1006, "")] == call.machine.log


@on_both_loops
async def test_a_peer_that_answers_pings_is_kept() -> None:
    """However long it says nothing else."""
    patience = Patience(check_every_s=0.01, ping_every_s=0.02, gone_after_s=0.1)
    call = Call(patience=patience)
    call.start()
    for _ in range(10):
        await call.peer.next()
        await call.peer.flush()
    ends = call.ends
    call.stop()

    assert 0 == ends


async def test_a_peer_that_takes_nothing_for_too_long_is_dropped() -> None:
    """And told of with what waits for it; it isn't pinged, as that would wait too."""
    clock = ManualClock(SECOND)
    call = Call(clock=clock, patience=Patience(check_every_s=5, stalled_after_s=15, ping_every_s=1), small=True)
    call.machine.out = [bytes(6_000_000)]
    call.start()
    unsent = call.driver._socket.unsent_bytes
    call.pass_to(16 * SECOND)
    before = call.told[:]
    call.pass_to(21 * SECOND)
    call.stop()

    assert [] == before
    assert [("stalled", unsent // WAITING_BYTES_PER_MESSAGE)] == call.told
    assert unsent > 1_000_000


async def test_what_waits_for_a_peer_has_a_bound() -> None:
    """One message more than that and it is dropped; a long burst alone is none."""
    call = Call(patience=Patience(max_waiting=100), small=True)
    call.machine.out = [bytes(6_000_000)]
    call.start()
    before = call.ends
    call.driver.act(lambda _now: call.machine.out.append(b"one more"))
    call.driver.act(lambda _now: call.machine.out.append(b"and another"))
    call.stop()

    assert 0 == before
    assert ["stalled"] == [item[0] for item in call.told]
    assert [("closed", 1006, "")] == call.machine.log


async def test_it_is_told_once_what_the_socket_saw() -> None:
    """Where nothing else happens, at the next look; and nothing is looked at behind the end."""
    clock = ManualClock(SECOND)
    call = Call(clock=clock)
    call.machine.at["found"] = lambda _now: call.machine.out.append(Abort())
    call.start()
    call.driver._socket.watch.pinged(clock.now())
    call.pass_to(40 * SECOND)
    left = [timer for timers in call.poller._timers.values() for timer in timers if timer.action is not None]
    call.stop()

    assert [("found", "VS315"), ("closed", 1006, "")] == call.machine.log
    assert [] == left


@on_both_loops
async def test_a_peer_that_breaks_the_rules_is_told_to_the_machine() -> None:
    """Before the end, with the code that it was closed with."""
    call = Call()
    call.start()
    await call.peer.write(b"\xff\xff")
    await call.peer.next()
    call.peer.sock.close()
    await call.machine.happened("closed")
    call.stop()

    assert [("violation", 1002), ("closed", 1002)] == [item[:2] for item in call.machine.log]
