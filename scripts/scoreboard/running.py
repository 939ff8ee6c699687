"""
vsock as anybody runs it: a process of its own, judged by what it prints, answers and leaves behind.

Whatever is started here ends when its block does. Output goes to files: a pipe that nobody reads would be an attack of
its own.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")
HERE: Final = Path(__file__).parent
START_S: Final = 20.0
END_S: Final = 10.0
TIMES: Final = 3
REPEATS_UNTIL_S: Final = 120.0
"""So long after the beginning nothing is measured again: the whole has to come to its end."""
BEGAN: Final = time.monotonic()
OTHERS: Final = 0.1
"""From this share of the machine on, others may be to blame for what was late."""
NOBODY: Final = "http://127.0.0.1:9"
"""An agent's API that isn't there: a tunnel of whoever runs the scoreboard must not make its servers public."""


class CannotRunError(Exception):
    """A check can't be made here; says what is lacking."""


@dataclass(slots=True)
class Server:
    """A vsock that listens."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path
    errors: Path
    started: dict[str, Any]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs still."""
        return self.process.poll() is None

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The JSON lines so far, or those of one event; a line that isn't whole yet is left out."""
        lines = self.output.read_bytes().split(b"\n")[:-1]
        found = [json.loads(line) for line in lines]
        return [event for event in found if name is None or event.get("event") == name]

    def said(self) -> str:
        """What it wrote to stderr."""
        return self.errors.read_text(errors="replace")

    def rss_bytes(self) -> int:
        """Resident memory; of one that is gone, 0."""
        return rss_bytes(self.pid)

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = END_S) -> tuple[float, int | None]:
        """Ask it to end: after how many seconds it did, and its exit code; None when it had to be killed."""
        began = time.monotonic()
        self.tell(number)
        try:
            code: int | None = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        return time.monotonic() - began, code


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")]
    return sizes[0] if sizes else 0


@dataclass(slots=True)
class Heard:
    """What the bystander heard of the server while something was done to it."""

    frames: int
    lost: int
    """Frames that did not come back within a second, or differed."""
    p99_ms: float
    max_ms: float
    lag_ms: float
    """The slowest answer of ``/health``, which the event loop gives: how long it was held up at most."""
    own_ms: float
    """How late the bystander's own timers were at most: what the machine, not the server, was to blame for."""
    open: bool
    """Whether its call is still there."""

    @property
    def told(self) -> str:
        """In a row."""
        gone = "" if self.open else ", its call is gone"
        return f"lag {self.lag_ms:.0f} ms, p99 {self.p99_ms:.0f} ms, {self.lost} of {self.frames} lost{gone}"


class Bystander:
    """A caller in a process of its own, who speaks, hears the echo, and knows nothing of what else goes on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def heard(self) -> Heard:
        """Hang up; what was heard until then."""
        output, _ = self._process.communicate(timeout=END_S)
        return Heard(**json.loads(output.splitlines()[-1]))


@dataclass(slots=True)
class Bench:
    """What a check works with: a folder of its own, whether time is short, and vsock."""

    quick: bool
    scratch: Path
    python: str = sys.executable
    _numbers: Iterator[int] = field(default_factory=partial(itertools.count, 1), init=False)

    def folder(self) -> Path:
        """An empty folder; threads that ask at once are each given their own."""
        path = self.scratch / f"{next(self._numbers):03}"
        path.mkdir()
        return path

    def command(self, *words: str) -> list[str]:
        """A command line of vsock."""
        return [self.python, "-m", "vonage_sock", *words]

    @contextmanager
    def server(
        self,
        *words: str,
        before: Sequence[str] = (),
        env: dict[str, str] | None = None,
        folder: Path | None = None,
        within_s: float = START_S,
        as_json: bool = True,
    ) -> Iterator[Server]:
        """
        A server on a free port while the block runs.

        Args:
            words: a server command and its options, as ``serve --echo``; ``--port 0 --json`` is added.
            before: a program and its options that runs vsock, as ``prlimit --nofile=64``; it must become vsock.
            folder: where it runs; a new one, when left out.
            as_json: it writes JSON lines; else what ``words`` say, and it tells no events.
        """
        folder = folder or self.folder()
        written = self.folder()
        port = 0 if as_json else free_port()
        words = (*words, "--port", str(port), *(["--json"] if as_json else []), "--ngrok-api", NOBODY)
        command = [*before, *self.command(*words)]
        output, errors = written / "output", written / "errors"
        with open(output, "wb") as out, open(errors, "wb") as err:
            process = start(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=clean(env))
        try:
            if as_json:
                started = first_line(process, output, errors, within_s)
            else:
                started = {"port": port}
                wait_for(port)
            yield Server(process, int(started["port"]), output, errors, started)
        finally:
            end(process)

    @contextmanager
    def bystander(self, port: int, *, headers: Sequence[str] = ()) -> Iterator[Bystander]:
        """A caller who is there for the block; ``headers`` are lines of its upgrade."""
        command = [self.python, str(HERE / "bystander.py"), str(port), *headers]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean(None))
        try:
            assert process.stdout is not None
            # It speaks as soon as its call has begun.
            if not process.stdout.readline():
                raise CannotRunError("the bystander's call was not taken")
            yield Bystander(process)
        finally:
            end(process)

    def run(self, *words: str, env: dict[str, str] | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        """A command of vsock from beginning to end."""
        given: dict[str, Any] = {"cwd": self.folder(), "timeout": 60, "stdin": subprocess.DEVNULL} | more
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, env=clean(env), **given
        )
        return done

    def outputs(self, commands: Sequence[Sequence[str]], *, at_once: int = 4) -> list[bytes]:
        """What each of many commands writes to both streams; the program is loaded once for all of them."""
        folder = self.folder()
        written = [folder / str(number) for number in range(len(commands))]
        job = {"commands": commands, "outputs": [str(path) for path in written], "at_once": at_once}
        warm = [self.python, str(HERE / "warm.py")]
        env = clean({"PYTHONUTF8": "1"})
        subprocess.run(warm, input=json.dumps(job), text=True, check=True, env=env, cwd=folder)
        return [path.read_bytes() for path in written]


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program, or say that it isn't there."""
    try:
        return subprocess.Popen(command, **options)
    except FileNotFoundError:
        raise CannotRunError(f"{command[0]} isn't installed") from None


def end(process: subprocess.Popen[Any]) -> None:
    """End a process of ours, kindly or not."""
    with contextlib.suppress(OSError):
        process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def clean(more: dict[str, str] | None) -> dict[str, str]:
    """The environment without what vsock would take for options, and with what a check adds."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VSOCK_", "VONAGE_"))}
    return kept | (more or {})


def first_line(process: subprocess.Popen[bytes], output: Path, errors: Path, within_s: float) -> dict[str, Any]:
    """The line in which the server tells its addresses."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        for line in output.read_bytes().split(b"\n")[:-1]:
            told: dict[str, Any] = json.loads(line)
            if told.get("event") == "server.started":
                return told
        if process.poll() is not None:
            break
        time.sleep(0.01)
    said = errors.read_text(errors="replace").strip().splitlines()
    raise CannotRunError("vsock didn't start" + (f": {said[-1]}" if said else ""))


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens there, or that takes too long."""

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_until(listens, within_s=START_S)


def wait_until(true: Callable[[], object], *, within_s: float) -> bool:
    """Whether it became true in time."""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def bench(*, quick: bool) -> Iterator[Bench]:
    """A folder for what is written, gone in the end."""
    with tempfile.TemporaryDirectory(prefix="vsock-scoreboard-") as scratch:
        yield Bench(quick, Path(scratch))


class TimeUpError(Exception):
    """A check took longer than it may. No ``OSError``, which checks expect of sockets."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """
    End the block when its time is up.

    Raises:
        TimeUpError: it was.
    """

    def stop(*_: object) -> None:
        raise TimeUpError(f"not done in {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fairly(measure: Callable[[], T], fits: Callable[[T], bool], *, times: int = TIMES) -> tuple[T, str]:
    """
    What was measured; and measured again, where it didn't fit and others used the machine meanwhile.

    Returns:
        That, and a word about the others for the row, empty where they are not to blame.
    """
    for left in reversed(range(times)):
        began, used, own = time.monotonic(), used_s(), own_s()
        found = measure()
        spent = (time.monotonic() - began) * (os.cpu_count() or 1)
        share = ((used_s() - used) - (own_s() - own)) / spent
        if fits(found) or share < OTHERS or not left or began - BEGAN > REPEATS_UNTIL_S:
            break
    return found, "" if fits(found) or share < OTHERS else f" (others used {share:.0%} of the machine)"


def used_s() -> float:
    """CPU time that all programs of this machine have used, and what its host took."""
    user, nice, system, _idle, _waiting, _irq, _softirq, stolen = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + stolen) / os.sysconf("SC_CLK_TCK")


def own_s() -> float:
    """What we and the processes that we have ended used of it."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
