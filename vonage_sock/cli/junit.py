"""
Outcomes as JUnit XML, which CI systems show: a test case for each run, with what failed and the ladder of its call.

Rule: every text goes through ``clean`` first, as XML can't say most control characters.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from vonage_sock.clock import iso_utc
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError
from vonage_sock.simulator.scenario.running import Outcome

MAX_TEXT: Final = 2000


@dataclass(frozen=True, slots=True)
class Case:
    """A run that is over, and its ladder as text."""

    outcome: Outcome
    ladder: str


class JunitFile:
    """
    Where the XML goes; checked when made.

    Raises:
        UsageError: the directory doesn't exist, or isn't ours to write to.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        if self._path.is_dir() or not self._path.parent.is_dir():
            raise UsageError(
                f"--junit {path}: there is no such directory, or it is one; name a file, such as report.xml"
            )
        if not os.access(self._path.parent, os.W_OK | os.X_OK):
            raise UsageError(f"--junit {path}: you may not write to {self._path.parent}; choose another directory")

    def write(self, target: str, cases: Sequence[Case], *, wall_ns: int) -> None:
        """
        Write all cases: the file is either the one from before or whole.

        Raises:
            UsageError: it can't be written.
        """
        tree = junit_tree(target, cases, wall_ns=wall_ns)
        ET.indent(tree)
        data = ET.tostring(tree, encoding="utf-8", xml_declaration=True)
        try:
            descriptor, name = tempfile.mkstemp(prefix=".vsock-", suffix=".xml", dir=self._path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data + b"\n")
                # A temporary file is for its owner only; a report is as any other file.
                Path(name).chmod(0o666 & ~_umask())
                Path(name).replace(self._path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            raise UsageError(f"--junit {self._path}: {error.strerror or error}; choose another place") from error


def junit_tree(target: str, cases: Sequence[Case], *, wall_ns: int) -> ET.Element:
    """The whole document: one suite, with a case for each run."""
    outcomes = [case.outcome for case in cases]
    counts = {
        "tests": str(len(cases)),
        "failures": str(_count(not outcome.passed and outcome.error is None for outcome in outcomes)),
        "errors": str(_count(outcome.error is not None for outcome in outcomes)),
        "skipped": "0",
        "time": f"{sum(outcome.duration_s for outcome in outcomes):.3f}",
    }
    root = ET.Element("testsuites", {"name": "vsock", **counts})
    stamp = iso_utc(wall_ns).removesuffix("Z")[:19]
    suite = ET.SubElement(root, "testsuite", {"name": clean(f"vsock call {target}"), **counts, "timestamp": stamp})
    repeated = {outcome.scenario.path for outcome in outcomes if outcome.run > 1}
    for case in cases:
        suite.append(_case(case, repeated=case.outcome.scenario.path in repeated))
    return root


def _case(case: Case, *, repeated: bool) -> ET.Element:
    outcome = case.outcome
    run = f" (run {outcome.run})" if repeated else ""
    element = ET.Element(
        "testcase",
        {
            "classname": clean(outcome.scenario.path.with_suffix("")).replace(os.sep, ".").strip("."),
            "name": clean(outcome.scenario.name) + run,
            "time": f"{outcome.duration_s:.3f}",
        },
    )
    failures = [clean(failure, MAX_TEXT) for failure in outcome.failures]
    if failures:
        kind = "error" if outcome.error is not None else "failure"
        what = {ExitCode.THRESHOLD: "expectation", ExitCode.CONNECT: "connection", ExitCode.PROTOCOL: "protocol"}
        about = {"message": failures[0], "type": what.get(outcome.exit_code, outcome.exit_code.name.lower())}
        ET.SubElement(element, kind, about).text = "\n".join(failures)
    ET.SubElement(element, "system-out").text = case.ladder
    return element


def _count(facts: Iterable[bool]) -> int:
    return sum(facts)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
