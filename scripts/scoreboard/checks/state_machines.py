"""The hypothesis state machines of the tests, for longer and with a new seed each time."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from rows import Row
from running import Bench

NAME: Final = "state_machines"
PROMISE: Final = "both ends of a leg, and the driver: 150 random courses each keep every invariant"
QUICK: Final = False
ALONE: Final = False
LIMIT_S: Final = 120.0

COURSES: Final = 150
STEPS: Final = 40
TESTS: Final = Path(__file__).parents[3] / "tests"
MACHINES: Final = {
    "both ends of a leg": ("calls/test_state_machines.py", "Legs"),
    "the direct driver": ("transport/test_state_machine.py", "Connection"),
}


def run(bench: Bench) -> Iterator[Row]:
    """Each in turn; what fails is told with the shortest course to it."""
    courses = COURSES // 10 if bench.quick else COURSES
    sys.path.extend(str(TESTS / folder) for folder in ("transport", "server"))
    for name, (path, machine) in MACHINES.items():
        spec = importlib.util.spec_from_file_location(machine.lower(), TESTS / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            run_state_machine_as_test(
                getattr(module, machine),
                settings=settings(
                    max_examples=courses,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what this looks for)
            course = "; ".join(str(note) for note in getattr(error, "__notes__", ()))
            yield Row(name, f"{courses} courses", f"{type(error).__name__}: {error} {course}"[:300], ok=False)
        else:
            yield Row(name, f"{courses} courses", f"{courses} of up to {STEPS} steps", ok=True)
