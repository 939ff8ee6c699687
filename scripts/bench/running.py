"""
Servers and the generator as processes: each on a core of its own, each ended when its run is over.

Output of a server goes to a file: a pipe would need a reader, and the reader would take CPU from the generator.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
GENERATOR_CORE: Final = CORES[-1]
START_S: Final = 20.0


class CannotRunError(Exception):
    """A server or the generator did not do its part; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the programs are; `scratch` is a folder for what they write."""

    scratch: Path
    python: str = sys.executable
    vsock: str = str(Path(sys.executable).with_name("vsock"))
    node: str = "node"
    lock: Path | None = None

    def command(self, words: Sequence[str], **more: str) -> list[str]:
        """The words with their places filled in."""
        places = {
            "python": self.python,
            "vsock": self.vsock,
            "node": self.node,
            "bin": str(self.scratch),
            "servers": str(HERE / "servers"),
            **more,
        }
        return [word.format_map(places) for word in words]

    @property
    def generator(self) -> str:
        """The compiled callers."""
        return str(self.scratch / "generator")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock, where one is named, so that two benchmarks on a machine take turns."""
        if self.lock is None:
            yield
            return
        with open(self.lock, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def tools(**where: Any) -> Iterator[Tools]:
    """Compile the generator and the floor into a folder that is removed in the end."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotRunError("the generator needs a C compiler: install one as cc")
    if len(CORES) < 2:
        raise CannotRunError("the server and the generator each need a core; this process may use one")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="vsock-bench-") as scratch:
        for name in ("generator", "floor"):
            made = [compiler, "-O2", "-o", f"{scratch}/{name}", str(HERE / f"{name}.c"), "-lm"]
            subprocess.run(made, check=True, timeout=60)
        yield Tools(scratch=Path(scratch), **where)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes that begin in the block stay on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def server(given: Tools, words: Sequence[str], **places: str) -> Iterator[tuple[int, int]]:
    """A server while the block runs: its port and its process id."""
    command = given.command(words, **places)
    with tempfile.TemporaryFile("w+", dir=given.scratch) as output, tempfile.TemporaryFile(dir=given.scratch) as errors:
        with on_core(SERVER_CORE):
            process = start(command, cwd=given.scratch, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        try:
            yield port_of(command, process, output, errors), process.pid
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program, or say that it isn't there."""
    try:
        return subprocess.Popen(command, **options)
    except OSError as error:
        raise CannotRunError(f"{Path(command[0]).name} can't be started: {error.strerror}") from None


def port_of(command: list[str], process: subprocess.Popen[bytes], output: Any, errors: Any) -> int:
    """The port in the first line that the server prints."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        output.seek(0)
        first = output.readline()
        if first.endswith("\n"):
            told = json.loads(first)
            return int(told["port"] if isinstance(told, dict) else told)
        if process.poll() is not None:
            break
        time.sleep(0.005)
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    why = [line for line in said if "Error" in line] or said[-1:]
    raise CannotRunError(f"{Path(command[0]).name} printed no port" + (f": {why[-1]}" if why else ""))


def generate(given: Tools, port: int, **options: object) -> dict[str, Any]:
    """Run the generator; its line of JSON."""
    command = [given.generator, "--port", str(port)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with on_core(GENERATOR_CORE):
        done = subprocess.run(command, capture_output=True, text=True, timeout=1000, check=False)
    if done.returncode:
        raise CannotRunError(done.stderr.strip() or f"the generator ended with {done.returncode}")
    line: dict[str, Any] = json.loads(done.stdout)
    return line
