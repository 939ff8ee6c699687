"""One test, on both event loops, and with the path of a frame in C and in Python."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from ways import WAYS, on

Test = Callable[..., Awaitable[None]]


def on_both_loops(test: Test) -> Callable[..., None]:
    """
    Run a coroutine test on the standard library's loop and on uvloop's, each with a runner of its own.

    A frame's path is in C on one of them and in Python on the other: neither knows of the loop.
    """

    @functools.wraps(test)
    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop], **arguments: Any) -> None:
        with (
            on(WAYS[loop_factory is asyncio.SelectorEventLoop and -1]),
            asyncio.Runner(loop_factory=loop_factory) as runner,
        ):
            runner.run(test(**arguments))  # type: ignore[arg-type]

    own = inspect.Parameter("loop_factory", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([own, *inspect.signature(test).parameters.values()])  # type: ignore[attr-defined]
    del run.__wrapped__  # type: ignore[attr-defined]
    factories = [asyncio.SelectorEventLoop, uvloop.new_event_loop]
    return pytest.mark.parametrize("loop_factory", factories, ids=["asyncio", "uvloop"])(run)
