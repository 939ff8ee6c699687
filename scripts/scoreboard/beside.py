"""
Checks beside each other, each in a process of its own: what isn't measured in milliseconds need not have the machine alone.

A process gives one JSON object, as ``--json`` does; what becomes of it is a result, whatever that is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from rows import Result, Row
from running import Bench, end

PROGRAM: Final = Path(__file__).parent
AT_ONCE: Final = 1 + (os.cpu_count() or 1)
"""One more than there are processors: some mostly wait."""

POLL_S: Final = 0.05


@dataclass(slots=True)
class Child:
    """One check under way."""

    module: ModuleType
    process: subprocess.Popen[bytes]
    output: Path
    began: float

    def result(self) -> Result:
        """What it found; a check that ended without a word has missed its goal."""
        said = self.output.read_text(errors="replace").strip()
        try:
            return Result.of_json(json.loads(said)["checks"][0])
        except (ValueError, LookupError):
            told = f"exit code {self.process.returncode}: {said[-200:]}"
            lost = Row("the check failed", "a result", told, ok=False)
            name, promise = self.module.NAME, self.module.PROMISE
            return Result(check=name, promise=promise, rows=[lost], seconds=time.monotonic() - self.began)


def made_beside(modules: Sequence[ModuleType], bench: Bench, *, at_once: int = AT_ONCE) -> Iterator[Result]:
    """Each as soon as it is made; those that take longest should come first. Whoever ends this early ends them all."""
    waiting, under_way = list(modules), list[Child]()
    try:
        while waiting or under_way:
            while waiting and len(under_way) < at_once:
                under_way.append(begun(waiting.pop(0), bench))
            for child in [child for child in under_way if child.process.poll() is not None]:
                under_way.remove(child)
                yield child.result()
            time.sleep(POLL_S)
    finally:
        for child in under_way:
            end(child.process)


def begun(module: ModuleType, bench: Bench) -> Child:
    """A process that makes one check; what it says of failures goes where ours does."""
    command = [sys.executable, str(PROGRAM), module.NAME, "--json", *(["--quick"] if bench.quick else [])]
    output = bench.folder() / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file)
    return Child(module, process, output, time.monotonic())
