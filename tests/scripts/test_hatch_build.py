"""What compiles the path of a frame, and what it does where it can't."""

from __future__ import annotations

import importlib
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WARNED = "vsock's frame path stays in Python, where calls cost more: "


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The file that hatchling runs, as on a machine that can compile, by an unknown compiler."""
    monkeypatch.syspath_prepend(str(ROOT))
    module = importlib.import_module("hatch_build")
    monkeypatch.delenv(module.SWITCH, raising=False)
    monkeypatch.delenv("CC", raising=False)
    return module


@pytest.fixture
def tree(tmp_path: Path, hook: ModuleType) -> Path:
    """A project whose sources are one short file; an earlier installation has left something."""
    native: Path = tmp_path / "tree" / hook.NATIVE
    native.mkdir(parents=True)
    (native / "frames.h").write_text("#define ANSWER 42\n")
    (native / "module.c").write_text(
        '#define Py_LIMITED_API 0x030B0000\n#include <Python.h>\n#include "frames.h"\n'
        "static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = __FILE__, .m_size = -1};\n"
        "PyMODINIT_FUNC PyInit__frames(void)\n{\n    PyObject *module = PyModule_Create(&definition);\n"
        '    PyModule_AddIntConstant(module, "answer", ANSWER);\n    return module;\n}\n'
    )
    (tmp_path / "tree" / hook.BUILT).write_text("what was there")
    return tmp_path / "tree"


def run(hook: ModuleType, tree: Path, version: str) -> tuple[dict[str, Any], list[str]]:
    """Run the hook as hatchling does; what it asked for, and its warnings."""
    warnings: list[str] = []
    app = SimpleNamespace(display_warning=warnings.append)
    asked: dict[str, Any] = {"force_include": {}, "pure_python": True}
    made = hook.CustomBuildHook(str(tree), {}, None, None, str(tree), "wheel", app)
    made.initialize(version, asked)
    asked["packed"] = [Path(path).read_bytes() for path in asked["force_include"]]
    made.finalize(version, asked, "")
    assert not any(Path(path).exists() for path in asked["force_include"])
    return asked, warnings


def can_compile(hook: ModuleType) -> bool:
    """As the hook finds it."""
    try:
        hook.find_compiler({})
    except hook.CannotCompileError:
        return False
    return True


def test_an_editable_installation_has_it_beside_the_sources(hook: ModuleType, tree: Path) -> None:
    """In the place of an older one, in a file of its own inode, with no path in it; where nothing compiles, none is left."""
    before = (tree / hook.BUILT).stat()
    asked, warnings = run(hook, tree, "editable")

    assert ({}, True) == (asked["force_include"], asked["pure_python"])
    assert can_compile(hook) == (tree / hook.BUILT).exists() == (not warnings)
    if can_compile(hook):
        built = (tree / hook.BUILT).read_bytes()
        assert before.st_ino != (tree / hook.BUILT).stat().st_ino
        assert (b"\x7fELF", True) == (built[:4], b"vonage_sock/native/module.c" in built)
        assert [] == [path for path in (str(tree), sys.base_prefix) if f"{path}/".encode() in built]
    assert {"frames.h", "module.c"} == {path.name for path in (tree / hook.NATIVE).iterdir()} - {hook.BUILT.name}


def test_a_wheel_that_is_not_compiled_is_for_every_machine(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As VSOCK_BUILD_PURE asks: it has no tag of ours, nothing is packed, and the tree is as it was."""
    monkeypatch.setenv(hook.SWITCH, "1")
    asked, warnings = run(hook, tree, "standard")

    assert {"force_include": {}, "pure_python": True, "packed": []} == asked
    assert [f"{WARNED}VSOCK_BUILD_PURE asks for that"] == warnings
    assert "what was there" == (tree / hook.BUILT).read_text()


def test_a_compiler_that_fails_is_one_sentence(hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its first error; what was built of other sources doesn't stay beside these."""
    failing = tree / "failing"
    failing.write_text("#!/bin/sh\necho 'In file included:' >&2\necho 'module.c:1: error: no' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("CC", str(failing))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(headers(tree)))
    asked, warnings = run(hook, tree, "editable")

    assert [f"{WARNED}module.c:1: error: no"] == warnings
    assert ({}, False) == (asked["force_include"], (tree / hook.BUILT).exists())


def headers(place: Path) -> Path:
    """A folder with Python.h."""
    (place / "include").mkdir(exist_ok=True)
    (place / "include" / "Python.h").touch()
    return place / "include"


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("darwin", "it is compiled for CPython on Linux alone"),
        ("compiler", "there is no C compiler (cc or gcc or clang)"),
        ("named compiler", "there is no C compiler (icc -fast)"),
        ("headers", "Python's headers (Python.h) aren't installed"),
    ],
)
def test_what_is_missing_is_named(
    what: str, wanted: str, hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started."""
    monkeypatch.setattr(sys, "platform", "darwin" if what == "darwin" else "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None if "compiler" in what else f"/usr/bin/{name}")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))

    with pytest.raises(hook.CannotCompileError) as raised:
        hook.find_compiler({"CC": "icc -fast"} if what == "named compiler" else {})

    assert wanted == str(raised.value)


def test_the_compiler_is_the_one_that_is_named_else_the_one_of_this_python(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else any with a usual name; words behind it stay."""
    here = {"mine", "theirs", "gcc"}
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: name if name in here else None)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(headers(tmp_path)))
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: "theirs -pthread")

    assert "mine -m64" == hook.find_compiler({"CC": "mine -m64"})
    assert "theirs -pthread" == hook.find_compiler({})
    here.remove("theirs")
    assert "gcc" == hook.find_compiler({})


def test_what_is_installed_anew_when_the_sources_change() -> None:
    """What make takes for installed is older than a source that was changed, or than what compiles it."""
    (rule,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("$(STAMP):")]

    assert ["pyproject.toml", "hatch_build.py", "$(wildcard", "vonage_sock/native/*.[ch])"] == rule.split()[1:]
