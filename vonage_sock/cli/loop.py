"""Running until the work is done or the user has had enough."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from vonage_sock.errors import ExitCode

ResultT = TypeVar("ResultT")


def run(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run on uvloop where it is installed, else on the standard loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415  (not on every platform)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def on_stop(stop: Callable[[], None], give_up: Callable[[], None]) -> None:
    """
    Call ``stop`` at the first Ctrl-C or SIGTERM; the second ends the program at once with 130.

    Args:
        give_up: what must still be put right then, such as a hidden cursor.
    """
    loop = asyncio.get_running_loop()
    seen = 0

    def signalled() -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            give_up()
            os._exit(ExitCode.STOPPED)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled)
