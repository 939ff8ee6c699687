"""Which of the two paths of a frame is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import pytest

from vonage_sock import native
from vonage_sock.errors import ExitCode, UsageError

BUILT = "vonage_sock.native._frames"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module in the place of what is compiled, on Linux, where nobody asks for Python."""
    module = ModuleType(BUILT)
    monkeypatch.setitem(sys.modules, BUILT, module)
    monkeypatch.setattr(native, "_frames", module, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv(native.SWITCH, raising=False)
    return module


def test_what_was_built_is_used(built: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux, unasked; and it is said."""
    monkeypatch.setattr(native, "frames", native.load())

    assert built is native.frames
    assert ("c", "in C") == (native.in_use(), native.explain())


@pytest.mark.parametrize("value", ["c", "", " C "])
def test_c_may_be_asked_for(built: ModuleType, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """As where nobody asks."""
    monkeypatch.setenv(native.SWITCH, value)
    monkeypatch.setattr(native, "frames", native.load())

    native.check()
    assert built is native.frames


@pytest.mark.parametrize("value", ["pyhton", "1", "x" * 1000])
def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """In a sentence that says what it may be."""
    monkeypatch.setenv(native.SWITCH, value)
    shown = repr(value)[:60]

    with pytest.raises(UsageError, match=f"^VSOCK_FRAMES is {shown}; it may be c or python, or not set"):
        native.check()


def test_c_that_is_not_there_is_refused(built: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it by its name wants nothing else."""
    monkeypatch.setenv(native.SWITCH, "c")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(native, "frames", native.load())

    with pytest.raises(
        UsageError, match=r"^VSOCK_FRAMES asks for c, but frames are in Python; in C they are on Linux$"
    ):
        native.check()


def test_a_command_says_so() -> None:
    """Before it does anything."""
    words = [sys.executable, "-m", "vonage_sock", "serve", "--echo"]
    environment = os.environ | {native.SWITCH: "pyhton"}
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=30)

    assert (ExitCode.USAGE, "") == (ran.returncode, ran.stdout)
    assert "Error: VSOCK_FRAMES is 'pyhton'; it may be c or python" in " ".join(ran.stderr.split())


def test_python_is_used_where_it_is_asked_for(built: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """VSOCK_FRAMES=python."""
    monkeypatch.setenv(native.SWITCH, "python")
    monkeypatch.setattr(native, "frames", native.load())

    native.check()
    assert ("python", "in Python, as VSOCK_FRAMES asks") == (native.in_use(), native.explain())


def test_python_is_used_where_it_is_not_linux(built: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if something was built there."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(native, "frames", native.load())

    assert ("python", "in Python; in C they are on Linux") == (native.in_use(), native.explain())


def test_python_is_used_where_nothing_was_built(built: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or where what was built is for another machine, which is an ImportError too; and it is said what to do."""
    monkeypatch.delattr(native, "_frames")
    monkeypatch.setitem(sys.modules, BUILT, None)
    monkeypatch.setattr(native, "frames", native.load())

    assert "python" == native.in_use()
    assert native.explain().startswith("in Python: nothing that fits was built (a C compiler")
