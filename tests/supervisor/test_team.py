"""The workers' processes. The programs are small ones of our own, which say what a worker says and no more."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from vonage_sock.call.events import Event, Notice, WorkerEnded, WorkerStarted
from vonage_sock.clock import MS, SystemClock
from vonage_sock.errors import ExitCode
from vonage_sock.supervisor import restarts, team
from vonage_sock.supervisor.living import Lost
from vonage_sock.supervisor.restarts import ANSWER_LIMIT_NS, STOP_LIMIT_NS, Restarts
from vonage_sock.supervisor.team import Team, death_text, how_it_ended, program

WORKER = """
import asyncio, json, signal, socket, sys
sys.path[:] = json.loads(sys.argv.pop())
from vonage_sock.call.events import Notice
from vonage_sock.supervisor.channel import *
signals = signal.SIGINT, signal.SIGTERM
for number in signals:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

async def main():
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def receive(message):
        match message:
            case Begin():
                exec(message.job, {**globals(), "channel": channel, "begin": message})
            case Go():
                channel.send(Told((Notice(at=0, level="info", message=f"goes {message.url}"),)))
            case Watch(calls=calls):
                channel.send(Told((Notice(at=0, level="info", message=f"watches {', '.join(calls)}"),)))
            case Stop():
                channel.send(Stopping())
                channel.send(Told((Notice(at=0, level="info", message="all say this"),)))
                channel.send(Stopped(failures=1))
                channel.close()

    channel = await Channel.open(socket.socket(fileno=int(sys.argv[1])), receive, over.set)
    await over.wait()

asyncio.run(main())
"""
READY = "channel.send(Ready())"


class Sockets:
    """What workers listen with: nothing; notes who was given up."""

    def __init__(self) -> None:
        self.given_up: list[int] = []
        self.wanted: list[tuple[str, str]] = []
        self.closed = False

    def of(self, slot: int) -> Sequence[socket.socket]:
        return []

    def give_up(self, slot: int) -> None:
        self.given_up.append(slot)

    def close(self) -> None:
        self.closed = True


class Watched:
    """A team, and what it told."""

    def __init__(self, job: str, *, workers: int = 2, command: Sequence[str] = ()) -> None:
        self.told: list[Event] = []
        self.closed = False
        self.sockets = Sockets()
        self.team = Team(
            job,
            workers=workers,
            listening=self.sockets,
            tell=self.told.append,
            clock=SystemClock(),
            command=command or (sys.executable, "-P", "-c", WORKER),
            hang_up=lambda call, reason: self.wanted.append((call, reason)),
        )

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until this is so."""
        async with asyncio.timeout(20):
            while not reached():
                await self.team.changed()

    @property
    def notices(self) -> list[str]:
        """What was said to the person who runs it."""
        return [event.message for event in self.told if isinstance(event, Notice)]

    async def stop(self) -> None:
        """In peace, or what is left of it."""
        self.team.stop(wait_s=2)
        await self.until(lambda: self.team.over)
        if not self.closed:
            self.closed = True
            self.team.close()


Watch = Callable[..., Watched]


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """Make a team, and leave no process behind."""
    made: list[Watched] = []

    def make(job: str = READY, **options: object) -> Watched:
        made.append(Watched(job, **options))  # type: ignore[arg-type]
        made[-1].team.begin()
        return made[-1]

    yield make
    for watched in made:
        watched.team.kill()
        await watched.stop()


async def test_workers_are_started_told_to_go_and_stopped(watch: Watch) -> None:
    """Each is told the address; what all say while they stop is said once; failures of recordings are counted."""
    watched = watch()
    await watched.until(lambda: watched.team.ready)
    processes = watched.team.processes
    watched.team.go("https://example.org")
    await watched.until(lambda: 2 == watched.notices.count("goes https://example.org"))
    await watched.stop()

    assert 2 == len(set(processes))
    assert ([], 2, 1) == (
        watched.team.processes,
        watched.team.recording_failures,
        watched.notices.count("all say this"),
    )
    assert watched.sockets.closed


async def test_what_all_workers_warn_of_is_said_once(watch: Watch) -> None:
    """To who runs it they are one server: its calls are all taken, and not those of each."""
    warning = 'channel.send(Told((Notice(at=0, level="warning", message="no more calls"),)))'
    watched = watch(f"{warning}\n{warning}\n{READY}")
    await watched.until(lambda: watched.team.ready)
    await watched.stop()

    assert 1 == watched.notices.count("no more calls")


async def test_workers_are_told_which_calls_are_shown(watch: Watch) -> None:
    """Each time that it changes, and no more often."""
    watched = watch()
    await watched.until(lambda: watched.team.ready)
    for calls in (("c1",), ("c1",), ("c1", "c2")):
        watched.team.watch(calls)
    await watched.until(lambda: 2 == watched.notices.count("watches c1, c2"))
    await watched.stop()

    assert [2, 2] == [watched.notices.count(text) for text in ("watches c1", "watches c1, c2")]


async def test_a_worker_that_is_killed_is_started_again_and_its_calls_are_ended(watch: Watch) -> None:
    """What was lost is told first, then each call's end; the new process takes calls at once."""
    job = f"""
{READY}
if begin.slot == 0:
    from tests.supervisor.telling import connected
    from vonage_sock.call.events import RecordingStarted
    channel.send(Told((connected("c7", 1), RecordingStarted(at=2, call="c7", path="a.wav"))))
"""
    watched = watch(job)
    await watched.until(lambda: watched.team.ready and len(watched.told) == 2)
    watched.team.go(None)
    first = watched.team.processes[0]
    os.kill(first, signal.SIGKILL)
    await watched.until(lambda: any("takes calls again" in notice for notice in watched.notices))
    names = [event.name for event in watched.told if not isinstance(event, Notice) or "killed" in event.message]

    assert "worker 1 was killed by SIGKILL; calls lost: c7; it is started again" in watched.notices
    assert ["server.notice", "worker.ended", "recording.failed", "call.ended"] == names[4:8]
    assert ("was killed by SIGKILL", 1, first, 1) == next(
        (event.reason, event.worker, event.pid, event.calls_lost)
        for event in watched.told
        if isinstance(event, WorkerEnded)
    )
    started = [event.pid for event in watched.told if isinstance(event, WorkerStarted)]
    assert [first, *watched.team.processes[1:], watched.team.processes[0]] == started
    assert first not in watched.team.processes
    assert 2 == len(watched.team.processes)
    await watched.stop()


async def test_a_worker_that_hangs_holds_a_stop_up_for_a_short_time_only(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said which one is waited for, and what to do; then it is ended."""
    monkeypatch.setattr(restarts, "ANSWER_LIMIT_NS", 500 * MS)
    monkeypatch.setattr(team, "SAY_AFTER_S", 0.2)
    watched = watch()
    await watched.until(lambda: watched.team.ready)
    hanging = watched.team.processes[1]
    os.kill(hanging, signal.SIGSTOP)
    await watched.stop()

    assert [
        "all say this",
        f"waiting for worker 2 (process {hanging}) to stop; a second Ctrl-C ends it at once",
        "worker 2 could not go on: it took too long, and was ended; no call was lost",
    ] == watched.notices


@pytest.mark.parametrize(("completes", "limit_ns"), [(True, STOP_LIMIT_NS), (False, ANSWER_LIMIT_NS)])
async def test_a_worker_that_completes_recordings_has_its_time(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, completes: bool, limit_ns: int
) -> None:
    """Where one isn't complete when it says that it stops."""
    given: list[bool] = []
    heard_stop = Restarts.heard_stop

    def note(self: Restarts, number: int, now: int, *, completes: bool) -> None:
        given.append(completes)
        heard_stop(self, number, now, completes=completes)
        at = self.next_deadline()
        assert at is not None
        given.append(at - now == limit_ns)

    monkeypatch.setattr(Restarts, "heard_stop", note)
    recording = "from vonage_sock.call.events import RecordingStarted; "
    recording += "channel.send(Told((RecordingStarted(at=2, call='c7', path='a.wav'),)));" if completes else ""
    watched = watch(f"{recording}{READY}", workers=1)
    await watched.until(lambda: watched.team.ready)
    await watched.stop()

    assert [completes, True] == given


async def test_one_that_dies_at_once_again_leaves_its_connections_to_the_others(watch: Watch) -> None:
    """Nobody shall wait for a process that will not come for a while."""
    watched = watch()
    await watched.until(lambda: watched.team.ready)
    for _ in range(2):
        given_up = list(watched.sockets.given_up)
        await watched.until(lambda: watched.team.ready)
        os.kill(watched.team.processes[1], signal.SIGKILL)
        await watched.until(lambda: not watched.team.ready)
    await watched.stop()

    assert ([], [1]) == (given_up, watched.sockets.given_up)
    assert "worker 2 was killed by SIGKILL; no call was lost; it is started again in 0.5 s" in watched.notices


async def test_workers_that_can_not_start_end_the_server_with_one_sentence(watch: Watch) -> None:
    """The others are stopped."""
    watched = watch("sys.exit(7) if begin.slot else channel.send(Ready())")
    await watched.until(lambda: watched.team.over)

    error = watched.team.error
    assert ("worker 2 ended with exit code 7 before it could take calls", ExitCode.ERROR) == (
        str(error),
        error and error.exit_code,
    )


async def test_why_a_worker_can_not_begin_is_said_in_its_own_words(watch: Watch) -> None:
    """With the exit code that one process alone would have had."""
    watched = watch("channel.send(Failed(reason='the port is gone', exit_code=6)); channel.close()")
    await watched.until(lambda: watched.team.over)

    error = watched.team.error
    assert ("the port is gone", ExitCode.LISTEN) == (str(error), error and error.exit_code)


async def test_a_program_that_is_not_there_is_no_traceback(watch: Watch) -> None:
    """Nor is one that can't be started for want of memory or processes."""
    watched = watch(command=("/nonexistent/python",))
    await watched.until(lambda: watched.team.over)

    assert "can't be started: No such file or directory" in str(watched.team.error)


async def test_a_signal_to_all_processes_is_for_the_parent_to_act_on(watch: Watch) -> None:
    """A Ctrl-C reaches workers at every moment, even before their program has begun, and ends none."""
    watched = watch()
    for _ in range(3):
        for number in watched.team.processes:
            os.kill(number, signal.SIGINT)
    await watched.until(lambda: watched.team.ready)
    for number in watched.team.processes:
        os.kill(number, signal.SIGTERM)
    await watched.stop()

    assert ["all say this"] == watched.notices
    assert watched.team.error is None


async def test_a_stop_while_workers_start_is_heard_by_them(watch: Watch) -> None:
    """They end, and nothing was wrong."""
    watched = watch()
    await watched.stop()

    assert (True, None) == (watched.team.over, watched.team.error)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with exit code 0"), (-9, "was killed by SIGKILL"), (-77, "was killed by signal 77")],
)
def test_how_a_process_ended_is_said_in_words(code: int, words: str) -> None:
    """Signals by their names, where they have one."""
    assert words == how_it_ended(code)


def test_a_death_that_takes_many_calls_with_it_is_one_short_sentence() -> None:
    """Eight ids, and how many more; each of them is told as ended as well."""
    lost = Lost(tuple(f"c{number}" for number in range(1, 301)), ())
    text = death_text(2, "was killed by SIGKILL", lost, None)

    assert "worker 3 was killed by SIGKILL; calls lost: c1, c2, c3, c4, c5, c6, c7, c8 and 292 more" == text


def test_a_worker_s_program_takes_nothing_from_the_working_directory() -> None:
    """A json.py that lies about is not ours."""
    assert "-P" in program("vonage_sock.cli.worker")
    assert "vonage_sock.cli.worker" in program("vonage_sock.cli.worker")[-1]
