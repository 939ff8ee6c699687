"""
Outcomes as JUnit XML, which CI systems show: a test case for each run, with what failed and the ladder of its call.

Rule: every text goes through ``clean`` first, as XML can't say most control characters.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from vonage_sock.audio.wav import write_all
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

    A regular file is replaced by a whole one, also behind symbolic links; a device, a pipe or our own standard output is
    written to as it is, since a rename would put a file in its place.

    Raises:
        UsageError: it can't be written there.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._replaces = self._is_replaceable()
        self._place = Path(os.path.realpath(path)) if self._replaces else self._path
        if self._path.is_dir() or not self._place.parent.is_dir():
            raise UsageError(
                f"--junit {path}: there is no such directory, or it is one; name a file, such as report.xml"
            )
        self._try()

    def write(self, target: str, cases: Sequence[Case], *, wall_ns: int) -> None:
        """
        Write all cases: a regular file is either the one from before or whole.

        Raises:
            UsageError: it can't be written.
        """
        tree = junit_tree(target, cases, wall_ns=wall_ns)
        ET.indent(tree)
        data = ET.tostring(tree, encoding="utf-8", xml_declaration=True) + b"\n"
        try:
            if self._replaces:
                self._replace(data)
            else:
                self._write_through(data)
        except OSError as error:
            raise UsageError(f"--junit {self._path}: {error.strerror or error}; choose another place") from error

    # How it works inside.

    def _is_replaceable(self) -> bool:
        try:
            about = self._path.stat()
        except OSError:
            return True
        return stat.S_ISREG(about.st_mode) and not _is_stdout(about)

    def _try(self) -> None:
        """A report that can't be written after an hour of calls is lost: better to know before."""
        try:
            if self._replaces:
                with tempfile.TemporaryFile(dir=self._place.parent):
                    pass
            elif stat.S_ISSOCK(self._path.stat().st_mode) or not os.access(self._path, os.W_OK):
                raise PermissionError(errno.EACCES, "it can't be written to")
        except OSError as error:
            raise UsageError(
                f"--junit {self._path}: you may not write to {self._place.parent if self._replaces else 'it'} "
                f"({error.strerror or error}); choose another directory"
            ) from error

    def _replace(self, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".vsock-", suffix=".xml", dir=self._place.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            # A temporary file is for its owner only; a report is as any other file.
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(self._place)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise

    def _write_through(self, data: bytes) -> None:
        # Standard output is written where it stands: opened anew, a file would begin at its start again.
        descriptor = os.dup(1) if _is_stdout(self._path.stat()) else os.open(self._path, os.O_WRONLY)
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)


def _is_stdout(about: os.stat_result) -> bool:
    try:
        return os.path.samestat(about, os.fstat(1))
    except OSError:
        return False


def junit_tree(target: str, cases: Sequence[Case], *, wall_ns: int) -> ET.Element:
    """The whole document: one suite, with a case for each run."""
    outcomes = [case.outcome for case in cases]
    counts = {
        "tests": str(len(cases)),
        "failures": str(_count(not outcome.passed and not _is_error(outcome) for outcome in outcomes)),
        "errors": str(_count(_is_error(outcome) for outcome in outcomes)),
        "skipped": "0",
        "time": f"{sum(outcome.duration_s for outcome in outcomes):.3f}",
    }
    root = ET.Element("testsuites", {"name": "vsock", **counts})
    stamp = iso_utc(wall_ns).removesuffix("Z")[:19]
    suite = ET.SubElement(root, "testsuite", {"name": clean(f"vsock call {target}"), **counts, "timestamp": stamp})
    named = Counter(_name(outcome) for outcome in outcomes)
    seen: Counter[tuple[str, str]] = Counter()
    for outcome, case in zip(outcomes, cases, strict=True):
        classname, name = _name(outcome)
        seen[classname, name] += 1
        if named[classname, name] > 1:
            name = f"{name} (run {seen[classname, name]})"
        suite.append(_case(case, classname, name))
    return root


def _name(outcome: Outcome) -> tuple[str, str]:
    path = clean(outcome.scenario.path.with_suffix("")).replace(os.sep, ".").strip(".")
    return path, clean(outcome.scenario.name)


def _is_error(outcome: Outcome) -> bool:
    """Nothing can be said of the server: it wasn't reached, or somebody stopped the run."""
    return outcome.error is not None or outcome.stopped


def _case(case: Case, classname: str, name: str) -> ET.Element:
    outcome = case.outcome
    element = ET.Element("testcase", {"classname": classname, "name": name, "time": f"{outcome.duration_s:.3f}"})
    failures = [clean(failure, MAX_TEXT) for failure in outcome.failures]
    if failures:
        what = {ExitCode.THRESHOLD: "expectation", ExitCode.CONNECT: "connection", ExitCode.PROTOCOL: "protocol"}
        kind = "stopped" if outcome.stopped else what.get(outcome.exit_code, outcome.exit_code.name.lower())
        tag = "error" if _is_error(outcome) else "failure"
        ET.SubElement(element, tag, {"message": failures[0], "type": kind}).text = "\n".join(failures)
    ET.SubElement(element, "system-out").text = case.ladder
    return element


def _count(facts: Iterable[bool]) -> int:
    return sum(facts)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
