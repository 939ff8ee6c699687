"""The driver, on a socket in memory and the real event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from vonage_sock.call.events import Event, Notice
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.clock import MS, SECOND, SystemClock
from vonage_sock.transport.driver import INLINE_WRITE_BYTES, Driver, Patience

PATIENCE_S = 10.0


class MemorySocket:
    """
    A socket whose peer is the test: ``feed`` is what it says, ``wrote`` what it was told.

    It leaves out the wire: a message is written as soon as the peer reads, and a close is answered when ``answers`` says so.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self.wrote: list[object] = []
        self.writers: list[str] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.waiting_bytes = 0
        self.answers = answers
        self.aborted = False
        self.pings = 0
        self.looks = 0
        self.fails_with: Exception | None = None
        self.refuses: tuple[int, str] | None = None
        self.sees: list[Found] = []
        self.pongs_missing = False
        self._incoming: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._code, self._reason = 1006, ""
        self._news = asyncio.Event()

    def feed(self, *messages: str | bytes) -> None:
        for message in messages:
            self._incoming.put_nowait(message)

    def end(self, code: int = 1006, reason: str = "") -> None:
        self._code, self._reason = code, reason
        self._incoming.put_nowait(None)

    async def written(self, count: int) -> list[object]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.wrote) < count:
                self._news.clear()
                await self._news.wait()
        return self.wrote

    def _note(self, item: object) -> None:
        task = asyncio.current_task()
        self.writers.append("" if task is None else task.get_name())
        self.wrote.append(item)
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self._incoming.get()) is not None:
            yield message

    async def send(self, message: str | bytes) -> None:
        await self.reads.wait()
        if self.aborted:
            raise ConnectionResetError("gone")
        if self.fails_with is not None:
            raise self.fails_with
        self._note(message)

    async def ping(self) -> None:
        self.pings += 1
        self._news.set()

    async def pinged(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.pings < count:
                self._news.clear()
                await self._news.wait()

    async def close(self, code: int, reason: str) -> None:
        self._note((code, reason))
        if not self.answers:
            await asyncio.Event().wait()
        self.end(code, reason)

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            self.end()
            self.reads.set()

    async def looked_at(self, count: int) -> None:
        """Somebody has asked so often how much waits."""
        async with asyncio.timeout(PATIENCE_S):
            while self.looks < count:
                self._news.clear()
                await self._news.wait()

    def buffered_bytes(self) -> int:
        self.looks += 1
        self._news.set()
        return self.waiting_bytes

    def close_code(self) -> int:
        return self._code

    def close_reason(self) -> str:
        return self._reason

    def found(self, now: int) -> list[Found]:
        found, self.sees = self.sees, []
        return found

    def unread_for_ns(self, now: int) -> int:
        return 0

    def awaits_pong(self) -> bool:
        return self.pongs_missing

    def refused(self) -> bool:
        return self.refuses is not None


class ScriptedMachine:
    """
    A machine that does what the test tells it: each message runs ``on_message``, each deadline ``on_deadline``.

    It leaves out all rules of a call; ``log`` is what happened to it, with the times it was given.
    """

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.times: list[int] = []
        self.out: list[Outgoing] = []
        self.events: list[Event] = []
        self.deadline: int | None = None
        self._news = asyncio.Event()
        self.on_message: Callable[[str | bytes, int], None] = lambda _message, _now: None
        self.on_deadline: Callable[[int], None] = lambda _now: None

    def receive_text(self, text: str, now: int) -> None:
        self._step(now, "text", text)
        self.on_message(text, now)

    def receive_bytes(self, data: bytes, now: int) -> None:
        self._step(now, "bytes", data)
        self.on_message(data, now)

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        """Note it."""
        self.times.append(now)
        self.log.append(("violation", code, reason))

    def receive_found(self, found: Found, now: int) -> None:
        self._step(now, "found", found.code)

    def receive_close(self, code: int, reason: str, now: int) -> None:
        self._step(now, "closed", code, reason)
        self.events.append(Notice(at=now, level="info", message="over"))

    def messages_to_send(self) -> list[Outgoing]:
        out, self.out = self.out, []
        return out

    def next_deadline(self) -> int | None:
        return self.deadline

    def handle_deadline(self, now: int) -> None:
        self._step(now, "deadline")
        deadline, self.deadline = self.deadline, None
        assert deadline is None or now >= deadline
        self.on_deadline(now)

    def next_event(self) -> Event | None:
        return self.events.pop(0) if self.events else None

    def close(self, code: int, now: int, *, reason: str = "") -> None:
        self._step(now, "close", code, reason)
        self.out.append(Close(code, reason))

    async def steps(self, count: int) -> None:
        """Wait until so many things happened."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.log) < count:
                self._news.clear()
                await self._news.wait()

    def _step(self, now: int, *what: object) -> None:
        self.times.append(now)
        self.log.append(what)
        self._news.set()


def driver_of(
    machine: ScriptedMachine,
    socket: MemorySocket,
    *,
    observer: Callable[[Event], None] | None = None,
    **patience: float,
) -> Driver:
    """A driver that is not running yet."""
    return Driver(
        machine,
        socket,
        clock=SystemClock(),
        observer=observer or (lambda _event: None),
        patience=Patience(**patience),  # type: ignore[arg-type]
    )


async def finished(driver: Driver) -> None:
    """Run a driver whose socket ends by itself."""
    async with asyncio.timeout(PATIENCE_S):
        await driver.run()


async def test_messages_reach_the_machine_in_order_and_times_never_fall() -> None:
    """Text, audio and the end, each once."""
    machine, socket = ScriptedMachine(), MemorySocket()
    socket.feed("a", b"b", "c")
    socket.end(1000, "bye")
    await finished(driver_of(machine, socket))

    assert [("text", "a"), ("bytes", b"b"), ("text", "c"), ("closed", 1000, "bye")] == machine.log
    assert sorted(machine.times) == machine.times


async def test_answers_are_written_by_the_reading_task_in_order() -> None:
    """An echo costs no switch between tasks."""
    machine, socket = ScriptedMachine(), MemorySocket()
    machine.on_message = lambda message, _now: machine.out.append(message)
    socket.feed(*[bytes([number]) for number in range(50)])
    socket.end(1000)
    asyncio.current_task().set_name("reader")
    await finished(driver_of(machine, socket))

    assert [bytes([number]) for number in range(50)] == socket.wrote
    assert {"reader"} == set(socket.writers)


@pytest.mark.parametrize("why", ["full buffer", "many at once"])
async def test_what_might_wait_is_written_by_a_task_of_its_own(why: str) -> None:
    """In order all the same, and reading goes on meanwhile."""
    machine, socket = ScriptedMachine(), MemorySocket()
    count = 100 if why == "many at once" else 1
    socket.waiting_bytes = INLINE_WRITE_BYTES if why == "full buffer" else 0
    machine.on_message = lambda message, _now: machine.out.extend([message] * count)
    socket.reads.clear()
    asyncio.current_task().set_name("reader")
    socket.feed(b"1", b"2", b"3")
    running = asyncio.create_task(driver_of(machine, socket).run(), name="reader")
    await machine.steps(3)
    socket.reads.set()
    wrote = list(await socket.written(3 * count))
    socket.end()
    await running

    assert [b"1"] * count + [b"2"] * count + [b"3"] * count == wrote
    assert "reader" not in socket.writers


async def test_a_close_that_comes_while_the_reader_writes_is_left_to_the_writer() -> None:
    """Closing waits for the peer's answer, which only the reader can bring."""
    machine, socket = ScriptedMachine(), MemorySocket()
    machine.on_message = lambda message, _now: machine.out.append(message)
    socket.reads.clear()
    driver = driver_of(machine, socket)
    running = asyncio.create_task(driver.run(), name="reader")
    socket.feed(b"1")
    await machine.steps(1)
    driver.close(1001, "stop")
    socket.reads.set()
    wrote = list(await socket.written(2))
    await running

    assert [b"1", (1001, "stop")] == wrote
    assert "reader" == socket.writers[0]
    assert "reader" != socket.writers[1]


async def test_a_peer_that_does_not_answer_a_close_is_dropped() -> None:
    """After ``close_wait_s`` and not before; the machine hears 1006."""
    machine, socket = ScriptedMachine(), MemorySocket(answers=False)
    driver = driver_of(machine, socket, close_wait_s=0.05)
    machine.on_message = lambda _message, _now: machine.close(4000, 0)
    socket.feed("x")
    await finished(driver)

    assert socket.aborted
    assert ("closed", 1006, "") == machine.log[-1]


async def test_an_abort_in_the_machines_messages_drops_the_connection() -> None:
    """What stood before it is still written."""
    machine, socket = ScriptedMachine(), MemorySocket()
    machine.on_message = lambda message, _now: machine.out.extend([message, Abort()])
    socket.feed(b"1")
    await finished(driver_of(machine, socket))

    assert ([b"1"], True) == (socket.wrote, socket.aborted)


async def test_a_cancelled_driver_drops_the_connection_and_tells_the_machine() -> None:
    """Nothing of it is left running."""
    machine, socket, told = ScriptedMachine(), MemorySocket(), []
    before = asyncio.all_tasks()
    running = asyncio.create_task(driver_of(machine, socket, observer=told.append).run())
    socket.feed("a")
    await machine.steps(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert socket.aborted
    assert ("closed", 1006, "") == machine.log[-1]
    assert ["over"] == [event.message for event in told]
    assert before == asyncio.all_tasks()


async def test_a_machine_that_raises_ends_the_call_with_its_error() -> None:
    """The fault is ours and isn't hidden; the connection doesn't stay open."""
    machine, socket = ScriptedMachine(), MemorySocket()

    def fail(_message: str | bytes, _now: int) -> None:
        raise LookupError("a bug")

    machine.on_message = fail
    socket.feed("a")
    with pytest.raises(LookupError):
        await finished(driver_of(machine, socket))

    assert socket.aborted


async def test_what_refuses_to_be_sent_drops_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """A call never hangs because of a message that can't be written; the fault is logged."""
    machine, socket = ScriptedMachine(), MemorySocket()
    socket.fails_with = ValueError("not a message")
    machine.out = ["x"]
    with caplog.at_level(logging.ERROR):
        await finished(driver_of(machine, socket))

    assert socket.aborted
    assert "not a message" in caplog.text


async def test_a_peer_that_takes_nothing_is_dropped_and_told_of() -> None:
    """With how many messages waited for it."""
    machine, socket, stalled = ScriptedMachine(), MemorySocket(), []
    socket.reads.clear()
    machine.out = [b"x"] * 10
    driver = Driver(
        machine,
        socket,
        clock=SystemClock(),
        observer=lambda _event: None,
        patience=Patience(stalled_after_s=0.02, check_every_s=0.01),
        stalled=stalled.append,
    )
    await finished(driver)

    assert (True, [9]) == (socket.aborted, stalled)


async def test_a_backlog_that_goes_on_growing_drops_the_peer() -> None:
    """A burst of any size may wait; to send yet more on top of it is too much."""
    machine, socket, stalled = ScriptedMachine(), MemorySocket(), []
    socket.reads.clear()
    machine.out = [b"x"] * 50
    machine.on_message = lambda message, _now: machine.out.append(message)
    driver = Driver(
        machine,
        socket,
        clock=SystemClock(),
        observer=lambda _event: None,
        patience=Patience(max_waiting=20),
        stalled=stalled.append,
    )
    running = asyncio.create_task(driver.run())
    for _ in range(10):
        await asyncio.sleep(0)
    dropped_at_once = socket.aborted
    socket.feed("one more")
    async with asyncio.timeout(PATIENCE_S):
        await running

    assert not dropped_at_once
    assert (True, [49]) == (socket.aborted, stalled)


async def test_pings_are_sent_but_not_into_a_full_buffer() -> None:
    """Where nothing is taken a ping would only wait, and with it the watch over the peer."""
    machine, socket = ScriptedMachine(), MemorySocket()
    patience = {"check_every_s": 0.005, "ping_every_s": 0.01}
    socket.waiting_bytes = INLINE_WRITE_BYTES
    running = asyncio.create_task(driver_of(machine, socket, **patience).run())
    await socket.looked_at(3)
    while_full = socket.pings
    socket.waiting_bytes = 0
    await socket.pinged(2)
    socket.end()
    await running

    assert 0 == while_full


async def test_a_deadline_that_moves_is_armed_anew() -> None:
    """Earlier, later and away: the machine is called once for the last word, and never before its time."""
    machine, socket, clock = ScriptedMachine(), MemorySocket(), SystemClock()
    fired = asyncio.Event()
    machine.on_deadline = lambda _now: fired.set()
    machine.deadline = clock.now() + 3600 * SECOND
    driver = driver_of(machine, socket)
    running = asyncio.create_task(driver.run())
    await asyncio.sleep(0)

    def move(deadline: int | None) -> Callable[[int], None]:
        return lambda _now: setattr(machine, "deadline", deadline)

    driver.act(move(clock.now() + 10 * MS))
    driver.act(move(None))
    driver.act(move(clock.now() + 3600 * SECOND))
    driver.act(move(clock.now() + 20 * MS))
    async with asyncio.timeout(PATIENCE_S):
        await fired.wait()
    socket.end()
    await running

    assert [("deadline",), ("closed", 1006, "")] == machine.log


class EarlyClock(SystemClock):
    """A clock that is behind the event loop's by 2 ms, so that every timer seems to wake early, as uvloop's may."""

    def __init__(self) -> None:
        self.behind_ns = 0

    def now(self) -> int:
        return super().now() - self.behind_ns


async def test_a_timer_that_wakes_early_counts_as_on_time() -> None:
    """The machine is called once for each deadline and time doesn't go back afterwards."""
    machine, socket, clock = ScriptedMachine(), MemorySocket(), EarlyClock()
    fired = asyncio.Event()
    left = 20

    def again(now: int) -> None:
        nonlocal left
        left -= 1
        machine.deadline = now + MS if left else None
        if not left:
            fired.set()

    machine.on_deadline = again
    machine.deadline = clock.now() + 5 * MS
    driver = Driver(machine, socket, clock=clock, observer=lambda _event: None)
    running = asyncio.create_task(driver.run())
    await asyncio.sleep(0)
    clock.behind_ns = 2 * MS
    async with asyncio.timeout(PATIENCE_S):
        await fired.wait()
    socket.end(1000)
    await running

    assert [("deadline",)] * 20 == machine.log[:-1]
    assert sorted(machine.times) == machine.times


async def test_what_the_socket_itself_refused_is_told_to_the_machine() -> None:
    """What was broken comes before the end."""
    machine, socket = ScriptedMachine(), MemorySocket()
    socket.refuses = (1009, "too big")
    socket.end(1009, "too big")
    await finished(driver_of(machine, socket))

    assert [("violation", 1009, "too big"), ("closed", 1009, "too big")] == machine.log


async def test_what_the_socket_saw_is_told_before_what_it_brings() -> None:
    """And at the end before the end."""
    machine, socket = ScriptedMachine(), MemorySocket()
    socket.sees = [Found("VS313")]
    machine.on_message = lambda _message, _now: socket.sees.append(Found("VS316"))
    socket.feed(b"1")
    socket.end(1000)
    await finished(driver_of(machine, socket))

    assert [("found", "VS313"), ("bytes", b"1"), ("found", "VS316"), ("closed", 1000, "")] == machine.log


async def test_what_the_socket_saw_is_told_while_nothing_comes() -> None:
    """A pong that is missing shows in no message."""
    machine, socket = ScriptedMachine(), MemorySocket()
    running = asyncio.create_task(driver_of(machine, socket, check_every_s=0.005).run())
    await asyncio.sleep(0)
    socket.sees = [Found("VS315")]
    async with asyncio.timeout(PATIENCE_S):
        await machine.steps(1)
    socket.end()
    await running

    assert ("found", "VS315") == machine.log[0]


@pytest.mark.parametrize(("pongs_missing", "expected"), [(True, True), (False, False)], ids=["gone", "only quiet"])
async def test_a_peer_that_is_gone_is_dropped(pongs_missing: bool, expected: bool) -> None:
    """Of whom nothing is heard, not even a pong; who answers pings may be as quiet as he likes."""
    machine, socket = ScriptedMachine(), MemorySocket()
    socket.pongs_missing = pongs_missing
    running = asyncio.create_task(driver_of(machine, socket, check_every_s=0.005, gone_after_s=0.02).run())
    await asyncio.wait([running], timeout=PATIENCE_S if expected else 0.1)
    dropped = socket.aborted
    socket.end()
    await running

    assert expected == dropped


async def test_after_the_end_nothing_is_done_to_the_machine() -> None:
    """Whoever still holds the driver may call it in vain."""
    machine, socket = ScriptedMachine(), MemorySocket()
    socket.end(1000)
    driver = driver_of(machine, socket)
    await finished(driver)
    driver.close()
    driver.act(lambda _now: machine.log.append(("acted",)))

    assert [("closed", 1000, "")] == machine.log
    assert [] == socket.wrote


async def test_an_observer_that_fails_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """Events after it are told all the same."""
    machine, socket, told = ScriptedMachine(), MemorySocket(), []

    def observer(event: Event) -> None:
        told.append(event)
        raise RuntimeError("on purpose")

    machine.events = [Notice(at=0, level="info", message="first")]
    socket.end()
    await finished(driver_of(machine, socket, observer=observer))

    assert ["first", "over"] == [event.message for event in told]
    assert 2 == caplog.text.count("an observer failed on server.notice")
