"""
Each project of ``vsock init``, as whoever has installed the wheel gets it: its tests pass, and its server takes a call.

``wheel_check`` calls this with the environment that it has made; by itself it takes one that has pytest and
pytest-asyncio: ``python scripts/template_check.py VENV``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from vonage_sock.templates import KINDS
from vonage_sock.testing import VonageCaller

REQUIREMENTS: Final = ("pytest>=8", "pytest-asyncio>=0.24")
"""What the projects need besides the wheel."""

LONG: Final = {"bot", "ivr"}
"""Their tests wait longest, and so begin first."""

SILENT: Final = {"browser"}
"""They say nothing by themselves: nobody has their page open."""

SAID: Final = random.Random(1).randbytes(16000)
"""Half a second of noise; the silence that follows tells a bot that it is over."""

CALL_S: Final = 2.0
"""A menu that nobody chooses from would be said again and again."""

WAIT_S: Final = 120
AT_ONCE: Final = 4
"""They mostly wait; but they judge how soon something is heard, and CI has two cores."""


def check(venv: Path, place: Path) -> None:
    """
    Make all projects in this directory, and try them.

    Raises:
        SystemExit: something doesn't work; it says what.
    """
    began = time.monotonic()
    # What pytest makes of the package's modules is the same for all.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tried = pool.map(lambda kind: _try(kind, venv, place / kind), sorted(KINDS, key=lambda kind: kind not in LONG))
    faults = [fault for fault in tried if fault]
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(KINDS)} templates: tests pass, servers take calls ({time.monotonic() - began:.0f} s)")


def _try(kind: str, venv: Path, project: Path) -> str | None:
    """What is wrong with one; None for nothing."""
    steps = (
        (str(venv / "bin/vsock"), "init", kind, str(project)),
        # As if make had set the environment up itself.
        ("touch", str(venv / ".installed")),
        ("make", "-C", str(project), "test", f"VENV={venv}"),
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False, timeout=WAIT_S)
        if done.returncode:
            return f"{kind}: {' '.join(step)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return _call(kind, venv, project)


def _call(kind: str, venv: Path, project: Path) -> str | None:
    server = subprocess.Popen(
        (str(venv / "bin/python"), "server.py"),
        cwd=project,
        env={**os.environ, "VSOCK_PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        started = next((line for line in server.stdout or () if "server.started" in line), "")
        answer_url = json.loads(started[started.index("{") :])["answer_url"]
        report = asyncio.run(VonageCaller()(answer_url, pcm=SAID, fast=True, duration_s=CALL_S))
    except (ValueError, LookupError):
        return f"{kind}: server.py didn't start"
    finally:
        server.terminate()
        server.communicate(timeout=WAIT_S)
    broken = [found for found in report.findings if found.level == "error"]
    if broken or not report.frames_sent or bool(report.frames_received) is (kind in SILENT):
        return f"{kind}: the call was none: {report}"
    return f"{kind}: server.py ended with {server.returncode}" if server.returncode else None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="vsock-templates-") as name:
        check(Path(sys.argv[1]).absolute(), Path(name))
