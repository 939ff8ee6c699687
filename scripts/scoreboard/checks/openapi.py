"""The webhooks as ``/openapi.json`` describes them, tried by schemathesis, which makes up requests by that description."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from typing import Final

from rows import Row
from running import Bench, CannotRunError

NAME: Final = "openapi"
PROMISE: Final = "schemathesis over /openapi.json: no 5xx, every answer as described"
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 120.0

EXAMPLES: Final = 25
"""Of each operation, beside those that cover each part of the description."""


def run(bench: Bench) -> Iterator[Row]:
    """All of its checks, with a seed."""
    if importlib.util.find_spec("schemathesis") is None:
        raise CannotRunError("schemathesis isn't installed; run: pip install 'schemathesis>=4'")
    with bench.server("serve", "--echo") as server:
        made = subprocess.run(
            [
                *(bench.python, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"),
                *("--max-examples", str(EXAMPLES), "--seed", "1", "--generation-database", "none", "--no-color"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=bench.folder(),
            timeout=LIMIT_S,
        )
        tried = re.search(r"(\d+) generated.*", made.stdout)
        failures = re.findall(r"^- (ST\d+ .*|.*error.*)$", made.stdout, re.MULTILINE)
        told = tried[0] if tried else (made.stdout + made.stderr).strip()[-200:]
        yield Row("answers", "as described, none 5xx", "; ".join([told, *failures[:3]]), ok=made.returncode == 0)
        tracebacks = server.said().count("Traceback")
        yield Row("tracebacks", "0", str(tracebacks), ok=server.alive and tracebacks == 0)
