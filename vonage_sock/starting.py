"""
Ctrl-C while the program is being loaded: it ends at once and says nothing, since nothing has begun that must be put right.

Python's own way, an exception wherever it is, would be a traceback here, or a crash of a library that is just being loaded.
"""

from __future__ import annotations

import os
import signal

from vonage_sock.errors import ExitCode


def leave_on_ctrl_c() -> None:
    """End the program at Ctrl-C from now on; where it is ignored, as under ``nohup``, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def loaded() -> None:
    """From now on there is something to put right: Ctrl-C is an exception again, until a loop takes it over."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: object) -> None:
    os._exit(ExitCode.STOPPED)
