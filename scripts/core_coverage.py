"""
Fails unless every branch of the core was taken by the tests.

Reads the ``.coverage`` file that ``pytest --cov`` left. The core is pure, so that each of its lines can be reached by
giving it values. What makes text from outside harmless counts as core: everything that is shown goes through it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from coverage import Coverage

RECORDER: Final = ("budget", "claims", "leftovers", "naming", "parts", "record", "recording_files", "sink")
"""What must not lose a call is held to the same, though it is anything but pure."""

CORE: Final = (
    "vonage_sock/errors.py",
    "vonage_sock/audio/",
    "vonage_sock/protocol/",
    "vonage_sock/call/",
    "vonage_sock/behaviours/",
    "vonage_sock/simulator/leg/",
    "vonage_sock/display/safe.py",
    *(f"vonage_sock/media/{name}.py" for name in RECORDER),
)


def main() -> int:
    """Print the figures; 1 when something of the core is missing."""
    coverage = Coverage()
    coverage.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        coverage.json_report(outfile=file.name, pretty_print=False, show_contexts=False)
        report = json.loads(Path(file.name).read_text())
    missing = False
    for name, data in sorted(report["files"].items()):
        lines = [*data["missing_lines"], *(f"{a}->{b}" for a, b in data["missing_branches"])]
        if lines and name.startswith(CORE):
            missing = True
            print(f"{name}: not covered: {', '.join(map(str, lines))}")
    print("the core lacks coverage" if missing else "the core is covered, every branch of it")
    return int(missing)


if __name__ == "__main__":
    sys.exit(main())
