"""Work that Ctrl-C breaks off, before it has changed anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from vonage_sock.errors import ExitCode, VsockError

STOPPED: Final = "stopped before anything was changed"

T = TypeVar("T")


class StoppedError(VsockError):
    """Ctrl-C came first: the end of a server as any other."""

    exit_code = ExitCode.OK


async def unless(stopped: asyncio.Event, work: Awaitable[T]) -> T:
    """
    The work's result, unless it is stopped before.

    Raises:
        StoppedError: it was stopped.
    """
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
    if working.cancelled():
        raise StoppedError(STOPPED)
    return working.result()
