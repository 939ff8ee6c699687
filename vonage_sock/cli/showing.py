"""A display while a program runs: its time, its figures, and its end, whatever has become of the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from vonage_sock.call.events import Event, Notice, Observer, ServerStarted
from vonage_sock.cli import say_error
from vonage_sock.cli.printing import cannot_write, discard_stdout, say
from vonage_sock.cli.terminal import restore_modes
from vonage_sock.clock import MS, SystemClock
from vonage_sock.display import Display
from vonage_sock.errors import ExitCode
from vonage_sock.server.app import VsockServer
from vonage_sock.server.figures import TICK_MS, Figures

TICK_S: Final = 0.1
MS_PER_S: Final = 1000
DRAWING_TURN_S: Final = 0.0001
"""How long the thread that draws the screen may keep a frame waiting; Python's own 5 ms are a quarter of one."""
SHOW_WAIT_S: Final = 0.5
MAX_HELD: Final = 10_000


class StartedFirst:
    """
    Gives programs that the server started before all else; what was told earlier follows it.

    Calls are let in while a tunnel and an application are still waited for. Notices, which are for people, don't wait.
    """

    def __init__(self, show: Observer) -> None:
        self._show = show
        self._held: list[Event] | None = []

    def __call__(self, event: Event) -> None:
        """Give it, now or later."""
        if self._held is None or isinstance(event, Notice):
            self._show(event)
        elif isinstance(event, ServerStarted):
            # The server has listened since before those, and time goes on from line to line.
            self._show(replace(event, at=self._held[0].at) if self._held else event)
            self.release()
        else:
            self._held.append(event)
            if len(self._held) >= MAX_HELD:
                self.release()

    def release(self) -> None:
        """Wait for nothing any more."""
        held, self._held = self._held or [], None
        for event in held:
            self._show(event)


async def tick(display: Display, clock: SystemClock, tell_stats: Callable[[], None]) -> None:
    """Give a display its time, and the figures of its few calls as often as it wants them."""
    every_ns = None if display.wants_stats_ms is None else display.wants_stats_ms * MS
    stats_at = clock.now()
    while True:
        await asyncio.sleep(TICK_S)
        now = clock.now()
        if every_ns is not None and now - stats_at >= every_ns - 10 * MS:
            stats_at = now
            tell_stats()
        display.tick(now)


async def tick_server(display: Display, clock: SystemClock, server: VsockServer) -> None:
    """The same for a server of any number of calls, none of which may wait for the figures of all."""
    shown = display.shown_calls
    if shown is not None:
        sys.setswitchinterval(DRAWING_TURN_S)
    figures = Figures(
        server,
        clock,
        everyone=display.wants_stats_ms is not None and shown is None,
        watched=lambda: display.shown_calls or (),
    )
    while True:
        await asyncio.sleep(TICK_MS / MS_PER_S)
        await figures.tick()
        display.tick(clock.now())


def finish(display: Display, code: ExitCode) -> ExitCode:
    """
    Close the display; when its terminal is stuck there is nothing to wait for, and the program ends here.

    How much nobody read is said then.

    What couldn't be written for want of space was for somebody: that is said, and is no success.
    """
    if not display.close(SHOW_WAIT_S):
        say(f"{display.unshown:,} lines were not shown: nobody reads standard output")
        os._exit(code)
    if display.broken:
        discard_stdout()
    if display.fault is not None:
        say_error(cannot_write(display.fault))
        return code or ExitCode.ERROR
    return code


@contextlib.contextmanager
def alone(display: Display) -> Iterator[None]:
    """What waits is shown first, and nothing more until this ends."""
    display.pause(SHOW_WAIT_S)
    try:
        yield
    finally:
        display.resume()


def restore_terminal(display: Display) -> None:
    """Put the cursor back, and the keys, before the program is ended the hard way."""
    restore_modes()
    display.close(0.2)
