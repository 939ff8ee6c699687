"""The tests mirror the package, so that a newcomer finds one from the other."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTED_TOGETHER = {
    "__main__": "tests/cli",
    "cli": "tests/cli",
    "call/behaviour": "tests/call/test_session.py",
    "call/content": "tests/call/test_inspect.py",
    "call/found": "tests/call/test_inspect.py",
    "call/machine": "tests/call/test_session.py",
    "call/events": "tests/display/test_jsonlines.py",
    "display/choose": "tests/display/test_live.py",
    "display/keys": "tests/display/test_model.py",
    "display/wording": "tests/display/test_model.py",
    "display/status": "tests/display/test_render.py",
    "media/recording_files": "tests/media/test_record.py",
    "media/sink": "tests/media/test_record.py",
    "server/library": "tests/server/test_facade.py",
    "audio/source": "tests/test_testing.py",
    "simulator/leg/plan": "tests/simulator/leg/test_machine.py",
    "simulator/ncco/answered": "tests/simulator/test_vonage.py",
    "display/load_words": "tests/display/test_load.py",
    "simulator/load/answering": "tests/simulator/load/test_generator.py",
    "simulator/load/calls": "tests/simulator/load/test_generator.py",
    "simulator/load/framed": "tests/simulator/load/test_marks.py",
    "simulator/load/opening": "tests/simulator/load/test_generator.py",
    "simulator/load/plan": "tests/simulator/load/test_verdict.py",
    "simulator/load/worker": "tests/simulator/load/test_conducting.py",
    "simulator/order": "tests/simulator/test_vonage.py",
    "testing/calling": "tests/test_testing.py",
    "testing/plans": "tests/test_testing.py",
    "testing/reports": "tests/test_testing.py",
    "testing/scenarios": "tests/test_testing.py",
    "testing/servers": "tests/test_testing.py",
    "testing/wire": "tests/test_testing.py",
    "simulator/leg/script": "tests/simulator/scenario/test_conductor.py",
    "control/opening": "tests/control/test_calls.py",
    "simulator/scenario/model": "tests/simulator/scenario/test_reading.py",
    "simulator/scenario/preparing": "tests/test_testing.py",
}
"""Modules whose tests stand elsewhere, because they only make sense together."""


def test_each_module_has_its_tests() -> None:
    """vonage_sock/a/b.py is tested by tests/a/test_b.py, or where the list above says."""
    modules = [path.relative_to(ROOT / "vonage_sock").with_suffix("") for path in (ROOT / "vonage_sock").rglob("*.py")]
    missing = []
    for module in modules:
        name = module.as_posix()
        if module.name == "__init__" or name.startswith("cli/"):
            continue
        if not (ROOT / TESTED_TOGETHER.get(name, f"tests/{module.parent}/test_{module.name}.py")).exists():
            missing.append(name)

    assert [] == missing


def test_the_list_of_exceptions_has_no_idle_entry() -> None:
    """A module that has its own tests, or is gone, leaves the list."""
    idle = [name for name in TESTED_TOGETHER if name != "cli" and not (ROOT / "vonage_sock" / f"{name}.py").exists()]

    assert [] == idle
