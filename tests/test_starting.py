"""Ctrl-C in the first moments of the program."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from vonage_sock.errors import ExitCode
from vonage_sock.starting import leave_on_ctrl_c, loaded

PROGRAM = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
sys.argv[1:] = {arguments!r}
{before}
from vonage_sock.__main__ import main
main()
"""


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """What pytest does at Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def run(module: str, *arguments: str, before: str = "") -> tuple[int, str, str]:
    """``vsock``, with Ctrl-C when this module is being loaded; its exit code, stdout and stderr."""
    program = PROGRAM.format(module=module, arguments=list(arguments), before=before)
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=30)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize("module", ["vonage_sock.cli", "click", "vonage_sock.cli.serve", "numpy", "aiohttp"])
def test_ctrl_c_while_the_program_is_loaded_is_silent(module: str) -> None:
    """The exit code of one that was stopped, and no traceback."""
    assert (ExitCode.STOPPED, "", "") == run(module, "serve", "--echo")


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    """As a shell has it for what runs in the background."""
    code, said, _ = run("click", "--version", before="signal.signal(signal.SIGINT, signal.SIG_IGN)")

    assert (ExitCode.OK, "vsock, version") == (code, said.rsplit(" ", 1)[0])


def test_a_command_that_is_loaded_ends_by_an_exception() -> None:
    """So that what it has begun is put right; a handler of somebody else's is left alone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    leave_on_ctrl_c()
    while_loading = signal.getsignal(signal.SIGINT)
    loaded()
    after = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_on_ctrl_c()
    loaded()

    assert while_loading is not signal.default_int_handler
    assert signal.default_int_handler is after
    assert signal.SIG_IGN is signal.getsignal(signal.SIGINT)


def test_the_package_loads_next_to_nothing() -> None:
    """What comes before Ctrl-C is looked after is short."""
    program = (
        "import sys; before = set(sys.modules); import vonage_sock.__main__; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    result = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)

    assert {"typing", "re", "importlib", "click", "dataclasses"}.isdisjoint(eval(result.stdout))


def test_a_thread_that_nobody_waits_for_doesnt_spoil_the_end() -> None:
    """The program is over at once: such a thread may wake up while all is taken down, which ends with SIGABRT."""
    before = """
import atexit, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
atexit.register(print, "taken down")
"""

    code, said, _ = run("-", "no-such-command", before=before)

    assert (ExitCode.USAGE, "") == (code, said)
