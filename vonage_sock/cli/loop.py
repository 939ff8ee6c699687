"""Running until the work is done or the user has had enough."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from vonage_sock.cli.logs import logged_to_stderr
from vonage_sock.errors import ExitCode
from vonage_sock.transport.loops import loop_factory

SAME_SIGNAL_S: Final = 0.1
GIVE_UP_S: Final = 0.5
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ResultT = TypeVar("ResultT")

_asked_to_stop = threading.Event()


def run(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run on uvloop where it is installed, else on the standard loop."""
    # What was imported stays: looking through it for garbage would stop all calls for some 30 ms now and then.
    gc.freeze()
    with logged_to_stderr(), asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_to_the_end(main))


async def _to_the_end(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    try:
        return await main
    finally:
        if _asked_to_stop.is_set():
            _ignore_signals()


def _ignore_signals() -> None:
    """What is left of the program is short, and a signal that was meant to end it would only spoil its exit code."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def on_stop(stop: Callable[[], None], give_up: Callable[[], None]) -> None:
    """
    Call ``stop`` at the first Ctrl-C, SIGTERM or closed terminal; the second ends the program at once with 130.

    A signal that comes twice within a tenth of a second is one: ``timeout`` and job runners signal a program and then its
    whole group.

    The second needs no event loop: it may be what stands still.

    Args:
        give_up: what must still be put right then, such as a hidden cursor; it gets half a second.
    """
    loop = asyncio.get_running_loop()
    first_at: float | None = None
    begun = False

    def begin() -> None:
        nonlocal begun
        if not begun:
            begun = True
            _asked_to_stop.set()
            stop()

    def signalled(*_: object) -> None:
        nonlocal first_at
        if first_at is None:
            first_at = loop.time()
        elif loop.time() - first_at > SAME_SIGNAL_S:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            # What was interrupted here may hold a lock that this waits for.
            ending = threading.Thread(target=give_up, daemon=True)
            ending.start()
            ending.join(GIVE_UP_S)
            os._exit(ExitCode.STOPPED)

    for number in STOP_SIGNALS:
        # nohup has it ignored, so that a closed terminal doesn't end the program.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, begin)
            # Both are called: the loop hears of a signal by the descriptor that it is woken up by.
            signal.signal(number, signalled)
