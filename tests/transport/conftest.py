"""Makes ``rig``, ``echoes``, ``wire``, ``loops`` and ``ways`` importable: for pytest a folder of tests isn't on the path."""

import sys
from pathlib import Path

here = Path(__file__).parent
beside = ("server", "interop", "behaviours", "call")
sys.path[:0] = [str(here), *(str(here.parent / name) for name in beside)]
