"""Makes ``ways`` importable: with pytest's importlib mode a folder of tests isn't on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "call"))
