"""
Makes ``calling`` and ``table`` importable: with pytest's importlib mode a folder of tests isn't on the path.

It says, too, when the servers on Node are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def pytest_report_header() -> str:
    """Who is called."""
    from calling import FRAMEWORKS, NODE_IS_HERE

    left_out = "" if NODE_IS_HERE else "; those on Node are left out: no node, or make peers-node wasn't run"
    return f"peers: {', '.join(FRAMEWORKS)}{left_out}"
