"""
Makes ``calling`` and ``table`` importable: with pytest's importlib mode a folder of tests isn't on the path.

It says, too, when the servers on Node are left out, and which rows a busy machine left nothing to say of.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_report_header() -> str:
    """Who is called."""
    from calling import FRAMEWORKS, NODE_IS_HERE

    left_out = "" if NODE_IS_HERE else "; those on Node are left out: no node, or make peers-node wasn't run"
    return f"peers: {', '.join(FRAMEWORKS)}{left_out}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What wasn't judged, where everybody sees it."""
    from calling import LEFT_OUT

    if LEFT_OUT:
        terminalreporter.section("peers that were not judged", yellow=True)
    for line in LEFT_OUT:
        terminalreporter.line(line)
