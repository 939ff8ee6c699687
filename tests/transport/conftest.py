"""Makes ``echoes`` and ``loops`` importable: with pytest's importlib mode a folder of tests isn't on the path."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "interop")]
