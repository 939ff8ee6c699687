"""
Keys while a server runs: from the terminal to the calls.

Only where somebody sits: a terminal in and out, no ``--json``, no dumb terminal. Nothing is read otherwise, and standard
input stays what it is.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final, Self

from vonage_sock.call.events import Connected, Ended, Event
from vonage_sock.cli.by_hand import ByHand
from vonage_sock.cli.combinations import STDIN, STDOUT
from vonage_sock.cli.desk import Desk
from vonage_sock.cli.terminal import Keyboard, open_keyboard
from vonage_sock.clock import Clock
from vonage_sock.display import Display
from vonage_sock.display.choose import is_capable
from vonage_sock.display.output import Target
from vonage_sock.display.typing import KeyReader

if TYPE_CHECKING:
    from vonage_sock.cli.plan import ServeOptions

ESCAPE_WAIT_S: Final = 0.05
"""An escape that so soon nothing follows was pressed by itself."""

PAUSE_WAIT_S: Final = 0.3


class Keys:
    """
    The keys of a terminal, for the calls of a server; taken as long as it is entered.

    Args:
        fd: the terminal; this one's from here on.
    """

    def __init__(self, fd: int, display: Display, actions: ByHand, *, clock: Clock) -> None:
        self._display = display
        self._actions = actions
        self._desk = Desk(actions, display.show_controls, clock=clock)
        self._reader = KeyReader()
        self._keyboard = Keyboard(fd, self._receive, pause=lambda: display.pause(PAUSE_WAIT_S), resume=display.resume)
        self._escape: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        """Take keys, and show that they are taken."""
        try:
            self._keyboard.start()
            self._desk.begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def watch(self, event: Event) -> None:
        """Follow which calls are up."""
        match event:
            case Connected(call=str(call)):
                self._desk.call_began(call)
            case Ended(call=str(call)):
                self._desk.call_ended(call)

    def close(self) -> None:
        """Put the terminal back; what was begun is given up."""
        self._keyboard.close()
        if self._escape is not None:
            self._escape.cancel()
        self._actions.close()
        self._display.show_controls(None)

    def _receive(self, data: bytes) -> None:
        if self._escape is not None:
            self._escape.cancel()
        self._press(self._reader.feed(data))
        if self._reader.waits:
            self._escape = asyncio.get_running_loop().call_later(ESCAPE_WAIT_S, self._nothing_followed)

    def _nothing_followed(self) -> None:
        self._press(self._reader.rest())

    def _press(self, keys: list[str]) -> None:
        for key in keys:
            self._desk.press(key)


def somebody_sits(options: ServeOptions) -> bool:
    """Whether there is a terminal that shows more than lines, and somebody who wants keys."""
    if options.as_json or options.no_keys:
        return False
    target = Target(sys.stderr if options.record == STDOUT else sys.stdout)
    try:
        return is_capable(target)
    finally:
        target.close()


def keyboard_of(options: ServeOptions) -> int | None:
    """A descriptor for the keys; None where none are taken."""
    if not somebody_sits(options):
        return None
    from_stdin = [*options.play, *(text.partition("=")[2] for text in options.on_dtmf)]
    return open_keyboard(stdin_is_taken=STDIN in from_stdin)
