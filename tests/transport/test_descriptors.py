"""How many files and sockets a process may open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vonage_sock.transport.descriptors import EVERYTHING, allow_files

PROGRAM = """
import resource, sys
from vonage_sock.transport.descriptors import allow_files
soft, hard, *wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(allow_files(*wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("wanted", "given"), [((), 512), ((300,), 300), ((100,), 256), ((1000,), 512)], ids=["all", "some", "less", "more"]
)
def test_the_limit_is_raised_and_never_lowered(wanted: tuple[int, ...], given: int) -> None:
    """As far as is wanted, or as the system goes."""
    arguments = [str(value) for value in (256, 512, *wanted)]
    result = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)

    assert f"{given} {given}\n" == result.stdout


def test_where_there_is_no_limit_none_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where the system knows none."""
    monkeypatch.setitem(sys.modules, "resource", None)

    assert EVERYTHING == allow_files(10)
