"""
Each project of ``vsock init``, as whoever has installed the wheel gets it: its tests pass, and its server takes a call.

``wheel_check`` calls this with the environment that it has made; by itself it takes one that has pytest and
pytest-asyncio: ``python scripts/template_check.py VENV``.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from vonage_sock.templates import KINDS

REQUIREMENTS: Final = ("pytest>=8", "pytest-asyncio>=0.24")
"""What the projects need besides the wheel."""

SILENT: Final = {"browser"}
"""They say nothing by themselves: nobody has their page open."""

WAIT_S: Final = 120
AT_ONCE: Final = 4
"""They mostly wait, but judge how soon something is heard, too."""


def check(venv: Path, place: Path) -> None:
    """
    Make all projects in this directory, and try them.

    Raises:
        SystemExit: something doesn't work; it says what.
    """
    began = time.monotonic()
    # The last in the list take longest.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tried = pool.map(lambda kind: _try(kind, venv, place / kind), reversed(KINDS))
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
        call = (str(venv / "bin/vsock"), "call", answer_url, "--audio", str(_said(project)), "--fast", "--json")
        done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=WAIT_S)
    except (ValueError, LookupError):
        return f"{kind}: server.py didn't start"
    finally:
        server.terminate()
        server.communicate(timeout=WAIT_S)
    if done.returncode:
        return f"{kind}: its call ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    report = json.loads(done.stdout.splitlines()[-1])
    if not report["frames_sent"] or bool(report["frames_received"]) is (kind in SILENT):
        return f"{kind}: the call was none: {report}"
    return f"{kind}: server.py ended with {server.returncode}" if server.returncode else None


def _said(project: Path) -> Path:
    """Half a second of noise, and a second of quiet, in which a bot answers."""
    path = project / "said.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(random.Random(1).randbytes(16000) + bytes(32000))
    return path


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="vsock-templates-") as name:
        check(Path(sys.argv[1]).absolute(), Path(name))
