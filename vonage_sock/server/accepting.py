"""
Where connections come in.

asyncio's own way of accepting stands still for a second at a time, and logs a thousand tracebacks, when the system gives no
more descriptors; libuv's says nothing at all. Here the last descriptors are kept for the calls that are open: who comes
then is told so and let go, somebody is told once, and soon it is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from vonage_sock.clock import SECOND, Clock
from vonage_sock.transport.descriptors import allow_files

AT_ONCE: Final = 4
"""So many are let in before the calls have their turn."""

SPARE: Final = 16
"""Descriptors that are kept for the open calls: their recordings, files that are played, the taking over of a socket."""

REST_S: Final = 0.25
AGAIN_AFTER_NS: Final = 60 * SECOND
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 30\r\n\r\n"
    b"No room now; try again later.\n"
)

MakeProtocol = Callable[[], asyncio.BaseProtocol]


class Acceptor:
    """
    Lets in who connects to a listening socket.

    Args:
        bound: bound, and the acceptor's from here on.
        make_protocol: gives what speaks with one connection.
        options: for ``connect_accepted_socket``: TLS and how long that may take.
        tell: given a sentence when there are no more descriptors, once a minute at most.
    """

    def __init__(
        self,
        bound: socket.socket,
        make_protocol: MakeProtocol,
        *,
        backlog: int,
        options: Mapping[str, Any],
        clock: Clock,
        tell: Callable[[str], object],
    ) -> None:
        self._bound = bound
        self._make_protocol = make_protocol
        self._options = options
        self._clock = clock
        self._tell = tell
        self._told_at: int | None = None
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        bound.settimeout(0)
        bound.listen(backlog)
        self._loop.add_reader(bound.fileno(), self._let_in)

    def close(self) -> None:
        """Let nobody in any more; who is still opening TLS is dropped."""
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._bound.fileno())
        self._bound.close()
        for task in self._entering:
            task.cancel()

    def _let_in(self) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, _address = self._bound.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._wait_for_room()
                    return
                continue  # whoever it was is gone
            if sock.fileno() >= allow_files(0) - SPARE:
                self._turn_away(sock)
                self._wait_for_room()
                return
            sock.settimeout(0)
            task = self._loop.create_task(self._hand_over(sock))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _hand_over(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, sock, **self._options)
        except OSError:
            sock.close()  # TLS didn't come about, or the peer is gone

    def _turn_away(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if not self._options:
                sock.settimeout(0)
                sock.send(NO_ROOM)
        sock.close()

    def _wait_for_room(self) -> None:
        self._loop.remove_reader(self._bound.fileno())
        self._rest = self._loop.call_later(REST_S, self._try_again)
        now = self._clock.now()
        if self._told_at is None or now - self._told_at >= AGAIN_AFTER_NS:
            self._told_at = now
            self._tell(no_room_sentence())

    def _try_again(self) -> None:
        self._rest = None
        self._loop.add_reader(self._bound.fileno(), self._let_in)
        self._let_in()


def no_room_sentence() -> str:
    """Why nobody is let in, and what to do about it."""
    return (
        f"nobody can be let in now: the system lets this program open {allow_files(0):,} files and sockets, and they are in "
        "use; open calls go on; raise the limit (ulimit -n), or let fewer in with --max-calls"
    )
