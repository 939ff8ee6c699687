"""``vsock demo``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_demo_shows_a_call_its_figures_its_ladder_and_its_recording(tmp_path: Path) -> None:
    """On one screen: fewer than 60 lines, none wider than the terminal's 80 columns in the ladder."""
    done = subprocess.run(
        [sys.executable, "-m", "vonage_sock", "demo"],
        cwd=tmp_path,
        env={"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    lines = done.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("   time"))
    ladder = lines[start : lines.index("", start)]

    assert 60 > len(lines)
    assert "   time │ platform     │ webhooks     │ socket             │ our reading" == ladder[0]
    assert any("│ → GET answer │                    │ NCCO: connect" in line for line in ladder)
    assert 80 >= max(map(len, ladder))
    assert "the caller hung up, code 1000" in done.stdout
    assert (tmp_path / "vsock-demo.wav").stat().st_size > 44
