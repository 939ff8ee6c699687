"""
Autobahn's test suite: an environment with it, its two ways to run, and its verdicts.

It needs Python 2.7, which nothing else here does; so it gets an environment of its own, made by the last virtualenv that
can make one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

VERSION: Final = "25.10.1"
ENVIRONMENT: Final = Path(__file__).parents[2] / ".venv-autobahn"
VIRTUALENV: Final = "virtualenv==20.21.1"
GROUPS: Final = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
"""Without 9, which measures speed, and 12 and 13, which want the compression that a call hasn't."""

CASES: Final = 247
"""How many those are."""

AGENT: Final = "vsock"
TIMEOUT_S: Final = 240
END_WAIT_S: Final = 5
LOG: Final = "log"

Verdicts = dict[str, tuple[str, str]]
"""Of each case: how the testee behaved, and how it closed."""


class CannotRunError(Exception):
    """The suite isn't there and can't be had; says why, and what would help."""


def wstest(python2: str | None = None) -> str:
    """
    The suite's program; set up where it isn't yet, which takes half a minute and the package index.

    Args:
        python2: a Python 2.7; one is looked for when left out.

    Raises:
        CannotRunError: no Python 2.7, or nothing can be installed.
    """
    program = ENVIRONMENT / "suite" / "bin" / "wstest"
    if program.exists() and _works([str(program), "--autobahnversion"], VERSION):
        return str(program)
    interpreter = python2 or _find_python2()
    if interpreter is None:
        raise CannotRunError(
            f"Autobahn's suite {VERSION} needs Python 2.7, and there is none here; install one "
            "(pyenv install 2.7.18), or name it: --python2 /path/to/python2.7"
        )
    if not _works([interpreter, "--version"], "Python 2.7"):
        raise CannotRunError(f"{interpreter} isn't a Python 2.7")
    _set_up(interpreter)
    return str(program)


def _find_python2() -> str | None:
    return next((path for path in _candidates() if _works([path, "--version"], "Python 2.7")), None)


def _candidates() -> Iterator[str]:
    """On the path, and where pyenv keeps those that it doesn't put there."""
    for name in ("python2.7", "python2"):
        if (found := shutil.which(name)) is not None:
            yield found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(root.glob("versions/2.7*/bin/python2.7"), reverse=True))


def _works(command: Sequence[str], says: str) -> bool:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0 and says in ran.stdout + ran.stderr


def _set_up(interpreter: str) -> None:
    """An environment for virtualenv, and by that one for the suite."""
    tools, suite = ENVIRONMENT / "tools", ENVIRONMENT / "suite"
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    for step in (
        [sys.executable, "-m", "venv", str(tools)],
        [str(tools / "bin" / "python"), "-m", "pip", "install", *quiet, VIRTUALENV],
        [str(tools / "bin" / "python"), "-m", "virtualenv", "--quiet", "--python", interpreter, str(suite)],
        [str(suite / "bin" / "pip"), "install", *quiet, f"autobahntestsuite=={VERSION}"],
    ):
        print(f"setting Autobahn's suite up: {' '.join(step)}", file=sys.stderr)
        made = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode:
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            raise CannotRunError(f"Autobahn's suite can't be set up: {' '.join(step)} failed:\n{made.stdout[-2000:]}")


async def judge_server(program: str, url: str, cases: Sequence[str], directory: Path) -> Verdicts:
    """Let the suite call a server."""
    spec = {
        "outdir": str(directory),
        "servers": [{"agent": AGENT, "url": url}],
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    async with asyncio.timeout(TIMEOUT_S):
        process = await _started(program, "fuzzingclient", spec, directory)
        try:
            await process.wait()
        finally:
            await _ended(process)
    return _verdicts(directory)


class FuzzingServer:
    """
    The suite as a server, which judges who calls it.

    Args:
        tls: files of a certificate and its key, for ``wss``.
    """

    def __init__(
        self, program: str, port: int, cases: Sequence[str], directory: Path, tls: tuple[Path, Path] | None = None
    ) -> None:
        self._program = program
        self._port = port
        self._directory = directory
        self.url = f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}"
        self._spec = {
            "url": self.url,
            "outdir": str(directory),
            "cases": list(cases),
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        if tls is not None:
            self._spec |= {"cert": str(tls[0]), "key": str(tls[1])}

    async def __aenter__(self) -> Self:
        """Start it, and wait until it listens."""
        self._process = await _started(self._program, "fuzzingserver", self._spec, self._directory)
        try:
            async with asyncio.timeout(30):
                while not await self._listens():  # noqa: ASYNC110  (another process says nothing when it listens)
                    await asyncio.sleep(0.1)
        except BaseException:
            await _ended(self._process)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End it."""
        await _ended(self._process)

    def verdicts(self) -> Verdicts:
        """Once it was asked to write them (``/updateReports``)."""
        return _verdicts(self._directory)

    async def _listens(self) -> bool:
        if self._process.returncode is not None:
            raise CannotRunError(f"the suite ended at once:\n{_said(self._directory)}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True


async def _started(program: str, mode: str, spec: object, directory: Path) -> asyncio.subprocess.Process:
    path = directory / "spec.json"
    path.write_text(json.dumps(spec))
    # A pipe would want a reader.
    with (directory / LOG).open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(program, "-m", mode, "-s", str(path), "-u", "0"), stdout=log, stderr=log, cwd=directory
        )


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(END_WAIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _said(directory: Path) -> str:
    return (directory / LOG).read_text(errors="replace")[-2000:]


def _verdicts(directory: Path) -> Verdicts:
    index = directory / "index.json"
    if not index.exists():
        raise CannotRunError(f"the suite gave no verdicts:\n{_said(directory)}")
    (rows,) = json.loads(index.read_text()).values()
    return {case: (row["behavior"], row["behaviorClose"]) for case, row in rows.items()}
