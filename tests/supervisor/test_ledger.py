"""The numbers that all workers share."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vonage_sock.supervisor.ledger import Ledger, WorkerAdmission

OTHER = """
import sys
from pathlib import Path
from vonage_sock.supervisor.ledger import Ledger, WorkerAdmission
ledger = Ledger(int(sys.argv[1]), 2)
admission = WorkerAdmission(ledger, slot=1, limit=1_000, silent=8)
print("ready", flush=True)
for line in sys.stdin:
    print(eval(line), flush=True)
"""


class Other:
    """A second process with the same ledger."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self, expression: str) -> str:
        """What an expression is, over there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{expression}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """For two workers."""
    made = Ledger.make(2)
    yield made
    made.close()


@pytest.fixture
def start_other(ledger: Ledger) -> Iterator[Callable[[], Other]]:
    """Start another process."""
    started: list[subprocess.Popen[str]] = []

    def start() -> Other:
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(ledger.fd)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[ledger.fd],
        )
        started.append(process)
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        return Other(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ids_are_given_once_in_both_processes(ledger: Ledger, start_other: Callable[[], Other]) -> None:
    """Short, and in the order in which the calls came."""
    mine, other = WorkerAdmission(ledger, slot=0, limit=1_000, silent=8), start_other()
    ids = [mine.enter(), other.says("admission.enter()"), mine.enter(), other.says("admission.enter()")]

    assert ["c1", "c2", "c3", "c4"] == ids
    assert (4, "4") == (mine.open_calls, other.says("admission.open_calls"))


def test_two_processes_that_hurry_never_get_the_same_number(ledger: Ledger, start_other: Callable[[], Other]) -> None:
    """Nor is one left out."""
    other = start_other()
    assert other.process.stdin is not None
    assert other.process.stdout is not None
    other.process.stdin.write("[ledger.next_recording() for _ in range(3000)]\n")
    other.process.stdin.flush()
    mine = [ledger.next_recording() for _ in range(3000)]
    theirs = eval(other.process.stdout.readline())

    assert list(range(1, 6001)) == sorted([*mine, *theirs])


def test_the_limit_is_that_of_all_workers_together(ledger: Ledger) -> None:
    """And a call that ends makes room, in whichever worker it was."""
    one, two = (WorkerAdmission(ledger, slot=slot, limit=3, silent=8) for slot in (0, 1))
    let_in = [one.enter(), one.enter(), two.enter(), two.enter(), one.enter()]
    one.leave()

    assert ["c1", "c2", "c3", None, None] == let_in
    assert ("c4", 3) == (two.enter(), one.limit)


def test_silent_calls_are_those_of_all_workers_together(ledger: Ledger) -> None:
    """One that speaks makes room in whichever worker it was, and so does a worker that dies."""
    one, two = (WorkerAdmission(ledger, slot=slot, limit=9, silent=2) for slot in (0, 1))
    begun = [one.begin_silence(), two.begin_silence(), one.begin_silence()]
    one.end_silence()
    again = [two.begin_silence(), two.begin_silence()]
    ledger.clear(1)

    assert ([True, True, False], [True, False]) == (begun, again)
    assert [True, True, False] == [one.begin_silence() for _ in range(3)]


def test_what_is_recorded_is_counted_in_all_workers(ledger: Ledger) -> None:
    """Apart from calls and numbers."""
    assert [1000, 1500] == [ledger.recorded(1000), ledger.recorded(500)]
    assert (1, 0) == (ledger.next_recording(), ledger.open_calls)


def test_the_calls_of_a_worker_that_died_take_no_room(ledger: Ledger, start_other: Callable[[], Other]) -> None:
    """The parent clears what it had; a lock that it held is gone with it."""
    other = start_other()
    other.says("[admission.enter() for _ in range(5)]")
    other.says("__import__('fcntl').lockf(ledger.fd, 2, 1, 0)")
    other.process.send_signal(signal.SIGKILL)
    other.process.wait()
    before = ledger.open_calls
    ledger.clear(1)

    assert (5, 0, "c6") == (before, ledger.open_calls, ledger.enter(0, 10))


def test_a_name_is_one_process_s_at_a_time(ledger: Ledger, start_other: Callable[[], Other], tmp_path: Path) -> None:
    """--overwrite mixes no two calls; a name that is released, or whose holder died, can be taken."""
    other, path = start_other(), tmp_path / "out.wav"
    theirs = f"ledger.claim(Path({str(path)!r}))"
    mine = [ledger.claim(path), ledger.claim(path)]
    refused = other.says(theirs)
    ledger.release(path)
    taken = other.says(theirs)
    refused_here = ledger.claim(path)
    other.process.kill()
    other.process.wait()

    assert ([True, False], "False", "True", False, True) == (mine, refused, taken, refused_here, ledger.claim(path))
    assert ledger.claim(tmp_path / "another.wav")
