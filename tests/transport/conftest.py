"""Makes ``rig``, ``echoes``, ``wire`` and ``loops`` importable: for pytest a folder of tests isn't on the path."""

import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[:0] = [str(here), str(here.parent / "server"), str(here.parent / "interop"), str(here.parent / "behaviours")]
