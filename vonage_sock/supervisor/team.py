"""
The workers' processes: started, listened to, started again when they die, and stopped together.

``Restarts`` decides what is to be done; this does it. Each worker is the program ``command`` in a process of its own, which
is given its job over a channel and ends when that does: a parent that is killed leaves nobody behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vonage_sock.call.events import Event, Notice, Observer, WorkerEnded, WorkerStarted
from vonage_sock.clock import SECOND, Clock
from vonage_sock.errors import ExitCode, VsockError
from vonage_sock.supervisor.channel import (
    Begin,
    Channel,
    Failed,
    Go,
    Message,
    Order,
    Quiet,
    Ready,
    Stop,
    Stopped,
    Stopping,
    Told,
    Wanted,
    Watch,
)
from vonage_sock.supervisor.ledger import Ledger
from vonage_sock.supervisor.living import Living, Lost
from vonage_sock.supervisor.merging import Merge
from vonage_sock.supervisor.restarts import Action, Command, Restarts, State

EXIT_WAIT_S: Final = 1.0
"""A process that has closed its channel is on its last lines."""

SAY_AFTER_S: Final = 1.0
"""How long a stop may take without a word."""

SHOWN_CALLS: Final = 8
SAID_NS: Final = 60 * SECOND
"""So long a sentence isn't said again."""

_START = "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from {module} import main; main()"


class WorkersError(VsockError):
    """Workers can't be started."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = ExitCode(exit_code)


class Listening(Protocol):
    """The sockets that workers listen with."""

    def of(self, slot: int) -> Sequence[socket.socket]:
        """
        Those of one worker.

        Raises:
            OSError: they can't be had again.
        """
        ...

    def give_up(self, slot: int) -> None:
        """A worker is away for a while."""
        ...

    def close(self) -> None:
        """No worker is to begin any more."""
        ...


@dataclass(eq=False, slots=True)
class Worker:
    """One process. ``reason`` is what it said before it died."""

    slot: int
    process: subprocess.Popen[bytes]
    channel: Channel | None = None
    reason: str = ""
    stopped: bool = False


class Team:
    """
    The workers of one server.

    Args:
        job: what a worker is to do, as ``command`` understands it.
        listening: where each gets its sockets from.
        tell: told of all that the workers tell, in one order, and of what becomes of them.
        command: starts a worker; the number of its channel's descriptor is added.
        hang_up: ends a call that its worker wants to be ended, given its id and the reason.
    """

    def __init__(
        self,
        job: Any,
        *,
        workers: int,
        listening: Listening,
        tell: Observer,
        clock: Clock,
        command: Sequence[str],
        hang_up: Callable[[str, str], None],
    ) -> None:
        self._job = job
        self._listening = listening
        self._tell = tell
        self._clock = clock
        self._command = tuple(command)
        self._hang_up = hang_up
        self._restarts = Restarts(workers)
        self._living = Living(workers)
        self._merge = Merge()
        self._ledger = Ledger.make(workers)
        self._workers: list[Worker | None] = [None] * workers
        self._tasks: set[asyncio.Task[None]] = set()
        self._go: Go | None = None
        self._watched = Watch(())
        self._failed: Failed | None = None
        self._said: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._saying: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self.recording_failures = 0
        self._is_quiet = False
        self._wait_s = 0.0

    @property
    def ready(self) -> bool:
        """All workers take calls, or will as soon as they are told to go."""
        return self._restarts.all_ready

    @property
    def over(self) -> bool:
        """No worker is left, and none will be."""
        return self._restarts.all_gone

    @property
    def error(self) -> WorkersError | None:
        """Why there is no server, where it isn't that it was told to stop."""
        if self._restarts.failure is None:
            return None
        if self._failed is not None:
            return WorkersError(self._failed.reason, self._failed.exit_code)
        return WorkersError(self._restarts.failure, ExitCode.ERROR)

    @property
    def processes(self) -> list[int]:
        """The ids of the processes that run."""
        return [worker.process.pid for worker in self._workers if worker is not None]

    def begin(self) -> None:
        """Start all."""
        self._restarts.begin(self._clock.now())
        self._turn()

    def changed(self) -> Coroutine[Any, Any, object]:
        """To be awaited: any of the properties may have changed since this call."""
        self._changed.clear()
        return self._changed.wait()

    def go(self, url: str | None) -> None:
        """Take calls from now on, under this public address; None where each request says it."""
        self._go = Go(url=url)
        for worker in self._workers:
            if worker is not None and self._restarts.slots[worker.slot].state is State.READY:
                self._let_go(worker, self._go)

    def publish(self, url: str) -> None:
        """The public address is this from now on."""
        self._go = Go(url=url)
        for worker in self._workers:
            if worker is not None:
                _send(worker, self._go)

    def watch(self, calls: tuple[str, ...]) -> None:
        """Have these calls told of more often than others; whoever shows calls says so as often as it likes."""
        if calls == self._watched.calls:
            return
        self._watched = Watch(calls)
        for worker in self._workers:
            if worker is not None:
                _send(worker, self._watched)

    def order(self, order: Order) -> bool:
        """Have something done in a call, by the worker that has it; False where nobody has it any more."""
        slot = self._living.slot_of(order.call)
        worker = None if slot is None else self._workers[slot]
        if worker is not None:
            _send(worker, order)
        return worker is not None

    def stop(self, *, wait_s: float) -> None:
        """Close all calls, which may take so long, complete all files, and end all processes."""
        self._wait_s = wait_s
        self._listening.close()
        self._restarts.stop(self._clock.now())
        self._saying = asyncio.get_running_loop().call_later(SAY_AFTER_S, self._say_awaited)
        self._turn()

    def quiet(self) -> None:
        """Once stopped: nothing more will come from the platform, so nobody need listen any longer."""
        self._is_quiet = True
        for worker in self._workers:
            if worker is not None:
                _send(worker, Quiet())

    def abandon(self) -> None:
        """End all processes at once, before there is a server; they have had no calls, and nothing is told of them."""
        self._listening.close()
        self._restarts.stop(self._clock.now())
        for worker in self._workers:
            if worker is not None:
                worker.stopped = True
        self.kill()

    def kill(self) -> None:
        """End all processes at once."""
        for worker in self._workers:
            if worker is not None:
                worker.process.kill()

    def close(self) -> None:
        """Tell what is held, and give back what was taken; no process may be left unless in an emergency."""
        self.kill()
        self._listening.close()
        for timer in (self._timer, self._saying):
            if timer is not None:
                timer.cancel()
        for event in self._merge.take_all():
            self._tell(event)
        self._ledger.close()

    # What happens.

    def _turn(self) -> None:
        """Do what is to be done now, and come again when there is more."""
        now = self._clock.now()
        self._restarts.handle_deadline(now)
        while commands := self._restarts.commands():
            for command in commands:
                self._carry_out(command)
        for event in self._merge.take(now):
            self._tell(event)
        self._arm(now)
        self._changed.set()

    def _arm(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due_at = min(
            (at for at in (self._restarts.next_deadline(), self._merge.next_deadline()) if at is not None), default=None
        )
        delay_s = None if due_at is None else max(0, due_at - now) / SECOND
        self._timer = None if delay_s is None else asyncio.get_running_loop().call_later(delay_s, self._turn)

    def _carry_out(self, command: Command) -> None:
        worker = self._workers[command.slot]
        match command.action:
            case Action.START:
                self._start(command.slot)
            case Action.STOP if worker is not None:
                _send(worker, Stop(self._wait_s))
            case Action.KILL if worker is not None:
                worker.reason = worker.reason or "it took too long, and was ended"
                worker.process.kill()

    def _start(self, slot: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                sockets = tuple(one.fileno() for one in self._listening.of(slot))
                process = self._spawn(theirs.fileno(), sockets)
            except OSError as error:
                ours.close()
                self._note_failed_start(slot, f"can't be started: {error.strerror or error}")
                return
        worker = self._workers[slot] = Worker(slot, process)
        self._do(self._attend(worker, ours, sockets))

    def _spawn(self, end: int, sockets: tuple[int, ...]) -> subprocess.Popen[bytes]:
        # A Ctrl-C is for all processes of a terminal; until a worker can take it as it wants to, it has to wait.
        with _signals_held():
            return subprocess.Popen(  # noqa: S603  (our own program)
                [*self._command, str(end), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(end, self._ledger.fd, *sockets),
            )

    async def _attend(self, worker: Worker, end: socket.socket, sockets: tuple[int, ...]) -> None:
        """Give a worker its job, hear it to its end, and bury it."""
        gone = asyncio.Event()
        worker.channel = await Channel.open(end, lambda message: self._receive(worker, message), gone.set)
        begin = Begin(
            job=self._job,
            slot=worker.slot,
            workers=len(self._workers),
            sockets=sockets,
            ledger=self._ledger.fd,
        )
        _send(worker, begin)
        if self._restarts.stopping:
            _send(worker, Stop(self._wait_s))
        if self._is_quiet:
            _send(worker, Quiet())
        await gone.wait()
        code = await _exit_code(worker.process)
        self._workers[worker.slot] = None
        self._note_end(worker, code)
        self._turn()

    def _receive(self, worker: Worker, message: Message) -> None:
        match message:
            case Told(events, lost):
                for event in events:
                    self._living.note(worker.slot, event)
                self._merge.push(worker.slot, [event for event in events if not self._was_said(event)])
                if lost:
                    self._notice("warning", f"worker {worker.slot + 1} had more to tell than could be: {lost:,} events")
            case Wanted(call=call, reason=reason):
                self._hang_up(call, reason)
            case Ready():
                self._restarts.ready(worker.slot, self._clock.now())
                if self._go is not None:
                    self._let_go(worker, self._go)
                    self._notice("info", f"worker {worker.slot + 1} takes calls again (process {worker.process.pid})")
            case Failed(reason=reason):
                worker.reason = reason
                self._failed = self._failed or message
            case Stopping():
                completes = self._living.completes(worker.slot)
                self._restarts.heard_stop(worker.slot, self._clock.now(), completes=completes)
            case Stopped(failures=failures):
                worker.stopped = True
                self.recording_failures += failures
        self._turn()

    def _let_go(self, worker: Worker, go: Go) -> None:
        _send(worker, go)
        self._tell(WorkerStarted(at=self._clock.now(), worker=worker.slot + 1, pid=worker.process.pid))

    def _note_end(self, worker: Worker, code: int) -> None:
        now = self._clock.now()
        self._ledger.clear(worker.slot)
        lost = self._living.lose(worker.slot, now)
        why = f"could not go on: {worker.reason}" if worker.reason else how_it_ended(code)
        delay_ns = self._restarts.ended(worker.slot, now, why)
        if delay_ns:
            self._listening.give_up(worker.slot)
        said: list[Event] = []
        if not worker.stopped and self._restarts.failure is None:
            said.append(Notice(at=now, level="warning", message=death_text(worker.slot, why, lost, delay_ns)))
            said.append(
                WorkerEnded(
                    at=now, worker=worker.slot + 1, pid=worker.process.pid, reason=why, calls_lost=len(lost.calls)
                )
            )
        self._merge.push(worker.slot, [*said, *lost.events])

    def _note_failed_start(self, slot: int, why: str) -> None:
        delay_ns = self._restarts.ended(slot, self._clock.now(), why)
        if self._restarts.failure is None:
            self._notice("warning", death_text(slot, why, Lost((), ()), delay_ns))

    def _say_awaited(self) -> None:
        if awaited := [(worker.slot, worker.process.pid) for worker in self._workers if worker is not None]:
            self._notice("info", awaited_text(awaited))

    def _was_said(self, event: Event) -> bool:
        """What is said of no call is said by each worker: while all stop together, or where all refuse the same."""
        if not isinstance(event, Notice):
            return False
        if not self._restarts.stopping and (event.call is not None or event.level != "warning"):
            return False
        now = self._clock.now()
        self._said = {text: at for text, at in self._said.items() if now - at < SAID_NS}
        if event.message in self._said:
            return True
        self._said[event.message] = now
        return False

    def _notice(self, level: str, message: str) -> None:
        self._tell(Notice(at=self._clock.now(), level=level, message=message))

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def program(module: str) -> tuple[str, ...]:
    """A command that runs a module's ``main`` with our own modules, and none from the working directory."""
    return (sys.executable, "-P", "-c", _START.format(module=module))


def how_it_ended(code: int) -> str:
    """A process's exit code, in words behind its name."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def awaited_text(awaited: Sequence[tuple[int, int]]) -> str:
    """Which workers haven't stopped yet, by their places and processes, and how not to wait for them."""
    names = ", ".join(f"worker {slot + 1} (process {pid})" for slot, pid in awaited)
    return f"waiting for {names} to stop; a second Ctrl-C ends {'it' if len(awaited) == 1 else 'them'} at once"


def death_text(slot: int, why: str, lost: Lost, delay_ns: int | None) -> str:
    """Which worker died of what, which calls ended with it, and what follows."""
    shown = ", ".join(lost.calls[:SHOWN_CALLS])
    more = f" and {len(lost.calls) - SHOWN_CALLS:,} more" if len(lost.calls) > SHOWN_CALLS else ""
    calls = f"calls lost: {shown}{more}" if lost.calls else "no call was lost"
    match delay_ns:
        case None:
            then = ""
        case 0:
            then = "; it is started again"
        case _:
            then = f"; it is started again in {delay_ns / SECOND:g} s"
    return f"worker {slot + 1} {why}; {calls}{then}"


def _send(worker: Worker, message: Message) -> None:
    if worker.channel is not None:
        worker.channel.send(message)


async def _exit_code(process: subprocess.Popen[bytes]) -> int:
    try:
        return await asyncio.to_thread(process.wait, EXIT_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return await asyncio.to_thread(process.wait)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
