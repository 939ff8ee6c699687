"""
Keys that are pressed while no action waits for them, since each is told by itself: asynchronous ``input``.

Those that somebody takes (another ``input``, a websocket) are pressed there, and told as well.

Source: NCCO reference, "input", ``mode``; Voice API, ``/input/dtmf``.
"""

from __future__ import annotations

from collections.abc import Callable

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.simulator.ncco.keypad import Keypad


class IdleKeys:
    """
    Presses the keys of the script in their time.

    Args:
        listening: whether somebody is told of each key.
        press: presses the next one.
    """

    def __init__(self, keypad: Keypad, *, listening: Callable[[], bool], press: Callable[[], object]) -> None:
        self._keypad = keypad
        self._listening = listening
        self._press = press

    def step(self) -> None:
        """20 ms have passed on the line."""
        if self._keypad.taken or not self._listening():
            return
        self._keypad.listened(FRAME_NS)
        while self._keypad.next_in_ns == 0:
            self._press()
