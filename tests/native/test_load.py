"""Which of the two paths of a frame is taken."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from vonage_sock import native

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


@pytest.mark.parametrize("value", ["c", "", "C"])
def test_only_python_chooses_python(built: ModuleType, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Any other word for it changes nothing."""
    monkeypatch.setenv(native.SWITCH, value)

    assert built is native.load()


def test_python_is_used_where_it_is_asked_for(built: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """VSOCK_FRAMES=python."""
    monkeypatch.setenv(native.SWITCH, "python")
    monkeypatch.setattr(native, "frames", native.load())

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
