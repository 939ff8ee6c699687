"""
Faults of the system, put into a program by strace: a call that fails, takes long, or is the last.

strace is a package of Debian's: ``apt-get install strace``. It becomes the program that it runs, so that signals and exit
codes are the program's own, and looks at no calls but those that it is to spoil.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from typing import Final

from running import CannotRunError

STALL_US: Final = 500_000


@functools.cache
def strace() -> str:
    """Where it is; raises ``CannotRunError`` where it isn't, or may not trace."""
    path = shutil.which("strace")
    if path is None:
        raise CannotRunError("strace isn't installed; with Debian: apt-get install strace")
    tried = subprocess.run([path, "-D", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise CannotRunError(f"strace may not trace here: {tried.stderr.strip()[-100:]}")
    return path


def injected(*faults: str) -> list[str]:
    """What stands before a command line so that these are injected, each as strace writes it: ``pwrite64:error=EIO``."""
    calls = ",".join(fault.split(":", 1)[0] for fault in faults)
    words = [word for fault in faults for word in ("-e", f"inject={fault}")]
    return [strace(), "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={calls}", *words]
