"""
The driver: one machine on one websocket.

It reads messages into the machine, writes what the machine wants sent, keeps one timer armed for the machine's deadline,
and hands events to the observer. It knows nothing of calls or audio, and nothing of the library under the socket: a
``Socket`` is a thin adapter over aiohttp's or websockets' own.

Nothing here waits for a peer that doesn't read: what can't be written at once goes to a writer task of its own, reading
goes on, and a peer that takes nothing for too long is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from vonage_sock.call.events import Event, Observer
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import CLOSE_ABNORMAL, CLOSE_GOING_AWAY, Abort, Close, Machine, Outgoing
from vonage_sock.clock import SECOND, Clock
from vonage_sock.protocol.logtext import logger

INLINE_WRITE_BYTES: Final = 16 * 1024
"""With less than this in the socket's buffer, a write never waits, so that the reading task may do it itself."""

MAX_INLINE_MESSAGES: Final = 8

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """
    How much a driver puts up with.

    Args:
        stalled_after_s: a peer that takes nothing for so long is dropped; looked at ``check_every_s``.
        gone_after_s: a peer of whom nothing was heard for so long, not even a pong, is gone, and dropped.
        max_waiting: a peer that lets more messages than these wait, and is sent another, is dropped.
        close_wait_s: how long the peer has to answer our close frame.
    """

    stalled_after_s: float = 15.0
    check_every_s: float = 5.0
    ping_every_s: float = 20.0
    gone_after_s: float = 60.0
    close_wait_s: float = 1.5
    max_waiting: int = 4096


class Socket(Protocol):
    """A websocket that is open. Messages come whole; compression and fragments are the adapter's business."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until the socket is closed; never raises for what the peer does."""
        ...

    async def send(self, message: str | bytes) -> None:
        """
        Write one message, unfragmented and uncompressed; waits while the peer doesn't read.

        Raises:
            ConnectionError: the socket is closed.
        """
        ...

    async def ping(self) -> None:
        """Write a ping, so that proxies on the way see life; the answer isn't waited for."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Write a close frame and wait for the peer's."""
        ...

    def abort(self) -> None:
        """Drop the connection now."""
        ...

    def buffered_bytes(self) -> int:
        """How much was written that the kernel hasn't taken yet."""
        ...

    def close_code(self) -> int:
        """That of whoever closed first; 1006 when the peer sent no close frame."""
        ...

    def close_reason(self) -> str:
        """The text that came with the code."""
        ...

    def found(self, now: int) -> list[Found]:
        """What the library saw on the wire and doesn't pass on, since it was asked last; ``now`` is the driver's time."""
        ...

    def awaits_pong(self) -> bool:
        """A ping of ours is unanswered."""
        ...

    def refused(self) -> bool:
        """We closed it by ourselves, as the peer broke the rules of WebSocket (1002, 1007, 1009)."""
        ...


class Driver:
    """
    Runs a machine on a socket until it is closed.

    Args:
        observer: is given each event, in order; what it raises is logged and goes no further.
        stalled: told how many messages wait when a peer that doesn't read is about to be dropped.
    """

    def __init__(
        self,
        machine: Machine,
        socket: Socket,
        *,
        clock: Clock,
        observer: Observer,
        patience: Patience | None = None,
        stalled: Callable[[int], object] | None = None,
    ) -> None:
        self._machine = machine
        self._socket = socket
        self._clock = clock
        self._observer = observer
        self._patience = patience or Patience()
        self._stalled = stalled
        self._latest = clock.now()
        self._outbox: deque[Outgoing] = deque()
        self._wake_writer = asyncio.Event()
        self._writing_since: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: int | None = None
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._latest
        self._close_sent = False
        self._close_done = asyncio.Event()
        self._done = False

    async def run(self) -> None:
        """Drive until the socket is closed; a cancelled driver drops the connection."""
        writer = asyncio.create_task(self._write_when_woken())
        keeper = asyncio.create_task(self._keep_alive())
        try:
            self._settle()
            async for message in self._socket:
                now = self._heard_at = self._now()
                self._take_found(now)
                if isinstance(message, bytes):
                    self._machine.receive_bytes(message, now)
                else:
                    self._machine.receive_text(message, now)
                self._settle(inline=True)
                if self._outbox and self._may_write_inline():
                    await self._write_out(inline=True)
        except BaseException:
            self._socket.abort()
            raise
        finally:
            await self._finish(writer, keeper)

    def act(self, action: Callable[[int], None]) -> None:
        """Do something to the machine from outside its messages and timers; ``action`` is given the time."""
        if not self._done:
            action(self._now())
            self._settle()

    def close(self, code: int = CLOSE_GOING_AWAY, reason: str = "") -> None:
        """End the call from this side."""
        self.act(lambda now: self._machine.close(code, now, reason=reason))

    def abort(self) -> None:
        """Drop the connection."""
        self._socket.abort()

    def _now(self) -> int:
        # A timer that woke early was handled at its deadline; from there time doesn't go back.
        self._latest = max(self._latest, self._clock.now())
        return self._latest

    def _settle(self, *, inline: bool = False) -> None:
        """The duties after each step of the machine: send, tell, arm."""
        messages = self._machine.messages_to_send()
        if messages:
            if len(self._outbox) > self._patience.max_waiting:
                self._drop_stalled()
            self._outbox.extend(messages)
            if not inline or not self._may_write_inline():
                self._wake_writer.set()
        self._tell_events()
        deadline = self._machine.next_deadline()
        if deadline != self._armed_for:
            self._arm(deadline)

    def _take_found(self, now: int) -> None:
        for found in self._socket.found(now):
            self._machine.receive_found(found, now)

    def _tell_events(self) -> None:
        while (event := self._machine.next_event()) is not None:
            tell(self._observer, event)

    def _arm(self, deadline: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = deadline
        if deadline is not None and not self._done:
            delay_s = max(0, deadline - self._now()) / SECOND
            self._timer = self._loop.call_later(delay_s, self._deadline_passed, deadline)

    def _deadline_passed(self, deadline: int) -> None:
        self._armed_for = None
        # uvloop wakes up to 1 ms early; without max() the deadline wouldn't be due yet and the timer would spin.
        self._latest = max(deadline, self._now())
        self._machine.handle_deadline(self._latest)
        self._settle()

    def _may_write_inline(self) -> bool:
        return (
            self._writing_since is None
            and len(self._outbox) <= MAX_INLINE_MESSAGES
            and not isinstance(self._outbox[-1], Close | Abort)
            and not self._is_buffering()
        )

    def _is_buffering(self) -> bool:
        return self._socket.buffered_bytes() >= INLINE_WRITE_BYTES

    async def _write_when_woken(self) -> None:
        while True:
            await self._wake_writer.wait()
            self._wake_writer.clear()
            if self._writing_since is None:
                await self._write_out()

    async def _write_out(self, *, inline: bool = False) -> None:
        self._writing_since = self._clock.now()
        try:
            while self._outbox:
                if inline and (isinstance(self._outbox[0], Close | Abort) or self._is_buffering()):
                    # Who writes this has to wait, and who reads mustn't.
                    self._wake_writer.set()
                    return
                await self._write(self._outbox.popleft())
                self._writing_since = self._clock.now()
        except ConnectionError:
            self._outbox.clear()
        except Exception:  # noqa: BLE001  (it is logged whole)
            _log.exception("a message couldn't be sent; the connection is dropped")
            self._outbox.clear()
            self._socket.abort()
        finally:
            self._writing_since = None

    async def _write(self, message: Outgoing) -> None:
        match message:
            case Close(code, reason):
                await self._close(code, reason)
            case Abort():
                self._socket.abort()
            case _:
                await self._socket.send(message)

    async def _close(self, code: int, reason: str) -> None:
        self._close_sent = True
        try:
            async with asyncio.timeout(self._patience.close_wait_s):
                await self._socket.close(code, reason)
        except TimeoutError:
            self._socket.abort()
        finally:
            self._close_done.set()

    async def _keep_alive(self) -> None:
        patience = self._patience
        pinged_at = self._clock.now()
        while True:
            await asyncio.sleep(patience.check_every_s)
            now = self._clock.now()
            since = self._writing_since
            if since is not None and now - since > patience.stalled_after_s * SECOND:
                self._drop_stalled()
            elif self._is_gone(now):
                self._socket.abort()
            elif now - pinged_at >= patience.ping_every_s * SECOND and not self._is_buffering():
                pinged_at = now
                with contextlib.suppress(ConnectionError):
                    await self._socket.ping()
            self.act(self._take_found)

    def _is_gone(self, now: int) -> bool:
        if not self._socket.awaits_pong():
            self._heard_at = now
        return now - self._heard_at > self._patience.gone_after_s * SECOND

    def _drop_stalled(self) -> None:
        waiting = len(self._outbox)
        self._outbox.clear()
        self._socket.abort()
        if self._stalled is not None and not self._done:
            self._stalled(waiting)
            self._stalled = None

    async def _finish(self, *tasks: asyncio.Task[None]) -> None:
        self._done = True
        self._arm(None)
        if self._close_sent:
            # The library stops reading for us as soon as it closes; the peer's close frame comes after that.
            await self._close_done.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        code, reason, now = self._socket.close_code() or CLOSE_ABNORMAL, self._socket.close_reason(), self._now()
        self._take_found(now)
        if self._socket.refused():
            self._machine.receive_violation(code, reason, now)
        self._machine.receive_close(code, reason, now)
        self._tell_events()


def tell(observer: Observer, event: Event) -> None:
    """Give an event to an observer that may be somebody else's code; a call never ends because of one."""
    try:
        observer(event)
    except Exception:  # noqa: BLE001  (it is logged whole)
        _log.exception("an observer failed on %s", event.name)
