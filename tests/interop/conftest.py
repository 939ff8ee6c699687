"""Makes ``wire``, ``loops`` and ``ways`` importable: with pytest's importlib mode a folder of tests isn't on the path."""

import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[:0] = [str(here), str(here.parent / "server"), str(here.parent / "call")]
