"""
What becomes of a tunnel while the server runs: told when it happens, and said of the calls that it took with it.

To a server, a tunnel that closes is a connection that ends without a word (1006). Rule 1: such an end is told with its
reason where a tunnel was it, and a little later rather than without. Rule 2: nothing else is ever held up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from vonage_sock.call.events import Connected, Ended, Event, Notice, Observer, TunnelClosed, TunnelOpened
from vonage_sock.clock import Clock
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL
from vonage_sock.tunnels.base import Closed, News, Opened
from vonage_sock.tunnels.choose import OpenTunnel

LOOK_S: Final = 15.0
"""While calls are open, the public address is tried so often."""

FAILED_LOOKS: Final = 2
EXPLAIN_S: Final = 2.0
BETTER_REASON_S: Final = 0.4

MAX_HELD_EVENTS: Final = 1000

Reach = Callable[[], Awaitable[str | None]]
"""Tries the public address once: why it doesn't lead to us, None where it does."""


class TunnelWatch:
    """
    Watches one tunnel.

    Args:
        tell: told when it closes, and opens again.
        moved: given the new address when that is another, and the old one.
        reach: tries the address.
        look_s: how often that is done during calls.
    """

    def __init__(
        self,
        tunnel: OpenTunnel,
        *,
        tell: Observer,
        clock: Clock,
        moved: Callable[[str, str], None],
        reach: Reach,
        look_s: float = LOOK_S,
    ) -> None:
        self._tunnel = tunnel
        self._tell = tell
        self._clock = clock
        self._moved = moved
        self._reach = reach
        self._look_s = look_s
        self._url = tunnel.url
        self._calls: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = asyncio.Event()
        self._asking: asyncio.Task[str | None] | None = None
        self._reason: str | None = None
        self._only_looked = False

    @property
    def reason(self) -> str | None:
        """Why it is closed now; None while it is open."""
        return self._reason

    def start(self) -> None:
        """Watch from now on."""
        self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._look())]

    async def close(self) -> None:
        """Watch no more."""
        tasks = [*self._tasks, *([self._asking] if self._asking is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def note(self, event: Event) -> None:
        """Keep in mind which calls are open."""
        match event:
            case Connected(call=str(call)):
                self._calls.add(call)
            case Ended(call=str(call)):
                self._calls.discard(call)

    async def why_lost(self) -> str | None:
        """A connection has just ended without a word: was it the tunnel? Asked by many at once, it is found out once."""
        if self._reason is not None:
            return self._reason
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> str | None:
        looks, closed = asyncio.create_task(self._try_both()), asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait([looks, closed], return_when="FIRST_COMPLETED")
            # What a program says of its own end comes when its connections have ended already.
            await asyncio.wait([closed], timeout=BETTER_REASON_S)
            return self._reason or (looks.result() if looks.done() else None)
        finally:
            looks.cancel()
            closed.cancel()

    async def _try_both(self) -> str | None:
        reasons = await asyncio.gather(self._tunnel.why_closed(), self._reach(), return_exceptions=True)
        return next((reason for reason in reasons if isinstance(reason, str)), None)

    async def _hear(self) -> None:
        while True:
            self._take(await self._tunnel.news())

    async def _look(self) -> None:
        """A tunnel's program may think that all is well while nothing comes through."""
        failed = 0
        while True:
            await asyncio.sleep(self._look_s)
            if not self._calls and not self._only_looked:
                failed = 0
                continue
            reason = await self._reach()
            failed = 0 if reason is None else failed + 1
            if reason is not None and failed >= FAILED_LOOKS and self._reason is None:
                self._take(Closed(reason))
                self._only_looked = True
            elif reason is None and self._only_looked:
                self._take(Opened(self._url))

    def _take(self, news: News) -> None:
        self._only_looked = False
        match news:
            case Closed(reason, for_good) if self._reason is None:
                self._reason = reason
                self._closed.set()
                self._say_closed(reason, for_good=for_good)
            case Closed(reason):
                self._reason = reason
            case Opened(url) if self._reason is not None or url != self._url:
                before, self._url, self._reason = self._url, url, None
                self._closed.clear()
                if url != before:
                    self._moved(url, before)
                self._say_opened(url, before)

    def _say_closed(self, reason: str, *, for_good: bool) -> None:
        count, now = len(self._calls), self._clock.now()
        open_calls = f"; {count} {'call goes' if count == 1 else 'calls go'} through it" if count else ""
        then = "start vsock again for another" if for_good else f"until it is back, no call comes through {self._url}"
        self._notice(f"the tunnel closed: {reason}{open_calls}; {then}")
        self._tell(TunnelClosed(at=now, tunnel=self._tunnel.name, url=self._url, reason=reason, calls=count))

    def _say_opened(self, url: str, before: str) -> None:
        if url == before:
            self._notice(f"the tunnel is back: {url}", level="info")
        else:
            self._notice(
                f"the tunnel's address is {url} now, and no longer {before}; the NCCO has the new one: "
                "point the application's answer and event URL at it, too"
            )
        previous = None if url == before else before
        self._tell(TunnelOpened(at=self._clock.now(), tunnel=self._tunnel.name, url=url, previous=previous))

    def _notice(self, message: str, *, level: str = "warning") -> None:
        self._tell(Notice(at=self._clock.now(), level=level, message=message))


class ExplainedEnds:
    """
    An observer before another, that says of calls whose connection was lost whether the tunnel was it.

    Args:
        show: told of everything.
        wait_s: how long such an end may be held back, with what follows it in the same call.
    """

    def __init__(self, show: Observer, *, wait_s: float = EXPLAIN_S) -> None:
        self._show = show
        self._wait_s = wait_s
        self._watch: TunnelWatch | None = None
        self._held: dict[str, list[Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, watch: TunnelWatch) -> None:
        """There is a tunnel from now on."""
        self._watch = watch

    def __call__(self, event: Event) -> None:
        """Tell it, or hold it back for a moment."""
        if self._watch is not None:
            self._watch.note(event)
        held = self._held.get(event.call or "")
        if held is not None and len(held) < MAX_HELD_EVENTS:
            held.append(event)
        elif self._watch is not None and isinstance(event, Ended) and _is_unexplained(event):
            self._hold(event, self._watch)
        else:
            self._show(event)

    async def flush(self) -> None:
        """Wait until nothing is held back."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hold(self, event: Ended, watch: TunnelWatch) -> None:
        if watch.reason is not None or event.call is None:
            self._show(event if watch.reason is None else _explained(event, watch.reason))
            return
        self._held[event.call] = []
        task = asyncio.get_running_loop().create_task(self._explain(event, event.call, watch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _explain(self, event: Ended, call: str, watch: TunnelWatch) -> None:
        reason = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    reason = await watch.why_lost()
        finally:
            self._show(event if reason is None else _explained(event, reason))
            for later in self._held.pop(call):
                self._show(later)


def _is_unexplained(event: Ended) -> bool:
    return event.close_code == CLOSE_ABNORMAL and event.closed_by == "network" and not event.close_reason


def _explained(event: Ended, reason: str) -> Ended:
    return replace(event, close_reason=f"the tunnel closed ({reason})")
