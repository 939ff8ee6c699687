"""
Asynchronous ``input``: from then on each key is told by itself, whatever else goes on in the call.

Keys of the script are pressed while nobody else waits for them; those that somebody else takes (another ``input``, a
websocket) are told as well.

Source: NCCO reference, "input", ``mode``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.call.events import DtmfPressed, Event
from vonage_sock.simulator.keypad import Keypad
from vonage_sock.simulator.posting import Destination, Poster

JsonObject = dict[str, Any]


class KeyListener:
    """
    Tells the keys of one call, in their order, without holding the call up.

    Args:
        press: presses the next key of the script.
        body: the event that tells of a key.
    """

    def __init__(
        self, keypad: Keypad, poster: Poster, *, press: Callable[[], object], body: Callable[[str], JsonObject]
    ) -> None:
        self.where: Destination | None = None
        self._keypad = keypad
        self._poster = poster
        self._press = press
        self._body = body
        self._posting: asyncio.Task[None] | None = None

    def step(self) -> None:
        """20 ms have passed on the line."""
        if self._keypad.taken:
            return
        self._keypad.listened(FRAME_NS)
        while self._keypad.next_in_ns == 0:
            self._press()

    def observe(self, event: Event) -> None:
        """A key was pressed, here or on a websocket's leg."""
        if isinstance(event, DtmfPressed):
            self._posting = asyncio.create_task(self._post(self._posting, self._body(event.digit), self.where))

    async def finish(self) -> None:
        """Wait until all keys have been told."""
        if self._posting is not None:
            await self._posting

    async def _post(self, before: asyncio.Task[None] | None, body: JsonObject, where: Destination | None) -> None:
        if before is not None:
            await before
        await self._poster.tell(body, where)
