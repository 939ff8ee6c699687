"""
Makes the calls that are ordered, beside each other and not too many.

Each is a ``VonageCall`` with an id of its own: ``call`` for the first of a run, then ``call2``, ``call3``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from vonage_sock.protocol.logtext import logger
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.api.bodies import BASE_PATH
from vonage_sock.simulator.api.outbound import OutboundCall, leg_of
from vonage_sock.simulator.api.reading import CallRequest
from vonage_sock.simulator.control import CallBook
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.telling import CALL_ID
from vonage_sock.simulator.vonage import MakeCall

MAX_CALLS: Final = 50

_log = logger(__name__)

RunCall = Callable[[str, CallOrder, MakeCall], Awaitable[object]]
"""Makes a call with this id; what it gives is awaited until the call is over, and what goes wrong is its own business."""


class TooManyCallsError(Exception):
    """No more calls are made at once."""


class Exchange:
    """
    Takes orders.

    Args:
        template: what all calls have in common; target, numbers and events come with each order.
        run_call: makes one.
        now_text: the time of day, ISO 8601.
        most: how many are made in all; None for no end.
    """

    def __init__(
        self,
        template: CallOrder,
        run_call: RunCall,
        *,
        book: CallBook,
        now_text: Callable[[], str],
        most: int | None = None,
    ) -> None:
        self._template = template
        self._run_call = run_call
        self._book = book
        self._now_text = now_text
        self._made = 0
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._closed = False

    def next_id(self) -> str:
        """The id of a call that is about to be made."""
        self._made += 1
        return CALL_ID if self._made == 1 else f"{CALL_ID}{self._made}"

    def order(self, request: CallRequest, region_url: str) -> tuple[Leg, str]:
        """
        Begin a call; its leg and the id by which events name it. It is known where it was ordered, and nowhere else.

        Raises:
            TooManyCallsError: too many are under way, or have been made.
        """
        if self._closed:
            raise TooManyCallsError("the program is about to end, and makes no more calls")
        if len(self._tasks) >= MAX_CALLS:
            raise TooManyCallsError(f"{MAX_CALLS} calls are under way, and no more are made at once")
        if self._most is not None and self._made >= self._most:
            raise TooManyCallsError(f"{self._most} calls were to be made, and no more")
        call_id = self.next_id()
        leg = leg_of(request)
        order = self._order_of(request, leg, region_url)
        self._book.settle(call_id, region_url)
        self._book.enter(leg, call=call_id, at=self._now_text(), control=None, endpoint=request.to)
        answered = functools.partial(OutboundCall, request=request, leg=leg)
        task = asyncio.create_task(_finish(self._run_call(call_id, order, answered)))
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return leg, call_id

    def close(self) -> None:
        """Take no more orders."""
        self._closed = True

    async def idle(self) -> None:
        """Wait until no call is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def all_made(self) -> None:
        """Wait until as many calls were made as was asked for, and none is left; for ever where there is no number."""
        while self._most is None or self._made < self._most or self._tasks:
            self._changed.clear()
            await self._changed.wait()

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a call that was ordered failed", exc_info=error)
        self._changed.set()

    def _order_of(self, request: CallRequest, leg: Leg, region_url: str) -> CallOrder:
        answer, outcomes = request.answer, self._template.connect_outcomes
        return replace(
            self._template,
            target=f"{region_url}{BASE_PATH}/{leg.uuid}" if answer is None or answer.url is None else answer.url,
            method="GET" if answer is None else answer.method,
            from_number=request.from_number,
            to_number=request.to_name,
            region_url=region_url,
            connect_outcomes=outcomes[min(self._made, len(outcomes)) - 1 :],
        )


async def _finish(call: Awaitable[object]) -> None:
    await call
