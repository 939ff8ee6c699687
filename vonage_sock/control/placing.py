"""
One call from its order to its end, which leaves nobody's phone off the hook behind.

Rule: once the order has left, a call may be live, whatever was answered or not. So the uuid is noted in the thread that
reads the answer, which ends the call where nobody waits for it any more; and ``hang_up_at_once`` has a thread of its own,
for when the event loop can't be waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Final

from vonage_sock.control.calls import Calls, NoSuchCallError
from vonage_sock.control.orders import DialOrder, Placed
from vonage_sock.errors import ConnectError, VsockError

TRIES: Final = 3
BETWEEN_TRIES_S: Final = 0.5


class PlacedCall:
    """
    One call; nobody is called before ``place``.

    Args:
        calls: where it is placed, and told to end.
    """

    def __init__(self, calls: Calls, order: DialOrder) -> None:
        self._calls = calls
        self._order = order
        self._ordered = False
        self._settled = threading.Event()
        self._unwanted = threading.Event()
        self._uuid: str | None = None
        self._over = threading.Event()

    @property
    def may_be_live(self) -> bool:
        """It was ordered, and isn't known to be over."""
        return self._ordered and not self._over.is_set()

    async def place(self) -> Placed:
        """
        Order it.

        Raises:
            VsockError: it isn't placed; or it may be, and the sentence says so.
        """
        self._ordered = True
        try:
            placed = await self._calls.dial(self._order, placed=self._note)
        except ConnectError as error:
            self.give_up()
            raise ConnectError(f"{error}; if somebody is called all the same, vsock calls shows it") from error
        except VsockError:
            self._ordered = False
            self._settled.set()
            raise
        return placed

    def _note(self, uuid: str) -> None:
        """In the thread that reads the answer."""
        self._uuid = uuid
        self._settled.set()
        if self._unwanted.is_set():
            self._end_apart(0)

    def give_up(self) -> None:
        """Nobody waits for the order's answer any more: should it come, it is hung up at once."""
        self._unwanted.set()

    def ended(self) -> None:
        """It is over, as somebody told."""
        self._over.set()

    async def hang_up(self) -> None:
        """
        End it; where it is over already, that is as good.

        Raises:
            VsockError: it can't be ended.
        """
        for left in reversed(range(TRIES)):
            if self._uuid is None or not self.may_be_live:
                return
            try:
                await self._calls.hangup(self._uuid)
            except NoSuchCallError:
                pass
            except VsockError:
                if not left:
                    raise
                await asyncio.sleep(BETWEEN_TRIES_S)
                continue
            self.ended()

    def hang_up_at_once(self, wait_s: float) -> bool:
        """
        End it from a thread of its own, waiting so long at most; whether nothing is left behind.

        For a second Ctrl-C: the event loop stands still meanwhile.
        """
        if not self.may_be_live:
            return True
        thread = threading.Thread(target=self._end_apart, args=(wait_s,), name="hang-up", daemon=True)
        thread.start()
        thread.join(wait_s)
        return not self.may_be_live

    def _end_apart(self, wait_s: float) -> None:
        if not self._settled.wait(wait_s) or self._uuid is None:
            return
        with contextlib.suppress(NoSuchCallError, VsockError):
            asyncio.run(self._calls.anew().hangup(self._uuid))
            self.ended()
