"""Waiting for a leg to be answered, which whoever ends it from outside makes needless."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from vonage_sock.errors import ConnectError

T = TypeVar("T")


class GivenUpError(ConnectError):
    """A leg was ended before it was answered; nobody is to blame for that."""


async def unless_given_up(given_up: asyncio.Event, wanted: Coroutine[Any, Any, T]) -> T:
    """
    What comes of ``wanted``, which is cancelled as soon as the event is set.

    Raises:
        GivenUpError: the event came first.
    """
    task = asyncio.create_task(wanted)
    waiting = asyncio.create_task(given_up.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise GivenUpError("the leg was ended before it was answered")
        return task.result()
    finally:
        waiting.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
