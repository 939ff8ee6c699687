"""
Builds the wheel, installs it into an empty environment, and makes a call with what is there.

What only works in a checkout, or with the development tools installed, fails here. So does a project of ``vsock init``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import template_check

ROOT: Final = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, quiet: bool = False) -> str:
    """
    Run a program; what it prints.

    Raises:
        SystemExit: it failed.
    """
    result = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    if not quiet:
        print(result.stdout.strip())
    return result.stdout


def main() -> None:
    """Build, install, call."""
    with tempfile.TemporaryDirectory(prefix="vsock-wheel-") as name:
        place = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", place, ROOT, cwd=place, quiet=True)
        (wheel,) = place.glob("*.whl")
        run(sys.executable, "-m", "venv", place / "venv", cwd=place, quiet=True)
        python, vsock = place / "venv/bin/python", place / "venv/bin/vsock"
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, wheel, *template_check.REQUIREMENTS, cwd=place, quiet=True)
        run(vsock, "--version", cwd=place)
        run(vsock, "demo", "--quiet", "--record", "demo.flac", cwd=place)
        if not (place / "demo.flac").stat().st_size:
            sys.exit("the demo's recording is empty")
        template_check.check(place / "venv", place)


if __name__ == "__main__":
    main()
